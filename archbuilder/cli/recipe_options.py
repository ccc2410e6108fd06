"""Options `--recipe` and `--data`."""

from __future__ import annotations

import click

from archbuilder.cli.path_type import PathType
from archbuilder.config.sources import DATA_SUFFIXES
from archbuilder.formatting import any_of

recipe_option = click.option(
    "--recipe",
    metavar="FILE",
    type=PathType(),
    help="YAML file with the sections 'data' and 'training'. Each replaces that of the blueprint or"
    " run.",
)
data_option = click.option(
    "--data",
    metavar="DATA",
    help="Data to use in place of the recipe's: 'digits', 'tfds:NAME', a directory of images or of"
    f" MNIST files, a {any_of(DATA_SUFFIXES)} file, or a glob pattern of"
    " such files.",
)
