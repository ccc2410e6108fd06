"""Where examples come from: one file a kind of source, and a table of them."""

from __future__ import annotations

from archbuilder.recipe.spec import Csv, DataSource, Digits, Idx, Images, Jsonl, Npy, Pairs, Text
from archbuilder.training.examples import Examples
from archbuilder.training.opening import Opener
from archbuilder.training.sources.digits import load_digits
from archbuilder.training.sources.idx import load_idx
from archbuilder.training.sources.images import load_images
from archbuilder.training.sources.json_lines import load_jsonl
from archbuilder.training.sources.npy import load_npy
from archbuilder.training.sources.npz import load_npz
from archbuilder.training.sources.pairs import load_pairs
from archbuilder.training.sources.table import load_csv
from archbuilder.training.sources.text import load_text

__all__ = ["load_source"]


def load_source(source: DataSource, opener: Opener, like: Examples | None = None) -> Examples:
    """The examples of a source; `like` are those to train on, where these are to validate with.

    Raises:
        BlueprintError: if a blueprint names a file that it may not.
        RunError: if the data is missing, damaged, or not what the source says.
    """
    if isinstance(source, Digits):
        examples = load_digits()
    elif isinstance(source, Idx):
        examples = load_idx(source, opener)
    elif isinstance(source, Images):
        examples = load_images(source, opener, like)
    elif isinstance(source, Npy):
        examples = load_npy(source, opener)
    elif isinstance(source, Csv):
        examples = load_csv(source, opener, like)
    elif isinstance(source, Jsonl):
        examples = load_jsonl(source, opener, like)
    elif isinstance(source, Text):
        examples = load_text(source, opener, like)
    elif isinstance(source, Pairs):
        examples = load_pairs(source, opener, like)
    else:
        examples = load_npz(source, opener)
    return examples.check()
