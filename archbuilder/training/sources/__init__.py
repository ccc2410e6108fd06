"""Where examples come from: one file a kind of source, and a table of them."""

from __future__ import annotations

from pathlib import Path

from archbuilder.recipe.spec import Csv, DataSource, Digits, Idx
from archbuilder.training.examples import Examples
from archbuilder.training.sources.digits import load_digits
from archbuilder.training.sources.idx import load_idx
from archbuilder.training.sources.npz import load_npz
from archbuilder.training.sources.table import load_csv

__all__ = ["load_source"]


def load_source(source: DataSource, folder: Path | None) -> Examples:
    """The examples of a source.

    Raises:
        BlueprintError: if a blueprint names a file that it may not.
        RunError: if the data is missing, damaged, or not what the source says.
    """
    if isinstance(source, Digits):
        examples = load_digits()
    elif isinstance(source, Idx):
        examples = load_idx(source, folder)
    elif isinstance(source, Csv):
        examples = load_csv(source, folder)
    else:
        examples = load_npz(source, folder)
    return examples.check()
