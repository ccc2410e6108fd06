"""Where examples come from: one file a kind of source, and a table of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

import numpy as np

from archbuilder.recipe.legend import Scale
from archbuilder.recipe.sources import (
    Csv,
    DataSource,
    Digits,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Pairs,
    Parquet,
    Text,
    Tfds,
    Tfrecord,
)
from archbuilder.training.data_errors import located_data_errors, place_of
from archbuilder.training.examples import Examples, Known
from archbuilder.training.opening import Opener
from archbuilder.training.sources.comma_separated import load_csv
from archbuilder.training.sources.digits import load_digits
from archbuilder.training.sources.gathering import HELD, Store
from archbuilder.training.sources.idx import load_idx
from archbuilder.training.sources.images import load_images
from archbuilder.training.sources.json_lines import load_jsonl
from archbuilder.training.sources.npy import load_npy
from archbuilder.training.sources.npz import load_npz
from archbuilder.training.sources.pairs import load_pairs
from archbuilder.training.sources.parquet import load_parquet
from archbuilder.training.sources.prepared import load_tfds
from archbuilder.training.sources.records import load_tfrecord
from archbuilder.training.sources.text import load_text

__all__ = ["load_source"]

_Load: TypeAlias = Callable[[Any, Opener, Store, Known | None], Examples]
_LOADS: Final[Mapping[type[DataSource], _Load]] = {
    Digits: lambda *_: load_digits(),
    Npz: load_npz,
    Npy: lambda source, opener, _, like: load_npy(source, opener, like),
    Idx: load_idx,
    Images: lambda source, opener, _, like: load_images(source, opener, like),
    Csv: load_csv,
    Parquet: load_parquet,
    Jsonl: load_jsonl,
    Tfrecord: load_tfrecord,
    Tfds: load_tfds,
    Text: lambda source, opener, _, like: load_text(source, opener, like),
    Pairs: lambda source, opener, _, like: load_pairs(source, opener, like),
}


def load_source(source: DataSource, opener: Opener, like: Known | None = None) -> Examples:
    """The examples of a source.

    `like` is what is known of those that were trained on, where these are others. What is large
    is read as it is needed, and never in memory as a whole, unless the source says `cache`.

    Raises:
        BlueprintError: if a blueprint names a file that it may not.
        RunError: if the data is missing, damaged, or not what the source says.
    """
    store = Store(opener.room, 0 if source.cache is False else HELD)
    place = place_of(source)
    with located_data_errors(place):
        examples = _with_scales(_LOADS[type(source)](source, opener, store, like).check())
        return replace(examples.cached() if source.cache else examples, place=place)


def _with_scales(examples: Examples) -> Examples:
    """Return the same examples, whose legend says what their inputs are divided by."""
    scales = {
        name: Scale(feature.scale, feature.largest)
        for name, feature in examples.inputs.items()
        if feature.scale is not None and (feature.column.dtype == np.uint8 or not feature.image)
    }
    legend = replace(examples.known.legend, scales=scales)
    return replace(examples, known=replace(examples.known, legend=legend))
