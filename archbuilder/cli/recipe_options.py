"""Options `--recipe` and `--data`."""

from __future__ import annotations

from pathlib import Path

import click

recipe_option = click.option(
    "--recipe",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help="YAML file with the sections 'data' and 'training'. Each replaces that of the blueprint or"
    " run.",
)
data_option = click.option(
    "--data",
    metavar="DATA",
    help="Data to use in place of the recipe's: 'digits', 'tfds:NAME', a directory of images or of"
    " MNIST files, a .npz, .csv, .parquet, .jsonl, .tfrecord, .txt or .tsv file, or a glob pattern"
    " of such files.",
)
