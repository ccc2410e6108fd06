"""Pairs of texts, one pair a line with a tab between them: sequences and what becomes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain, islice
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown
from archbuilder.places import Place
from archbuilder.recipe.sources import Pairs
from archbuilder.training.columns import Numbers, Read
from archbuilder.training.examples import Examples, Feature, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.sources.text import vocabulary_for
from archbuilder.training.text.reading import numbered_lines
from archbuilder.training.text.tokens import encoded, read_tokens, write_tokens
from archbuilder.training.text.vocabulary import BEGIN, END, Vocabulary

SOURCE: Final = "source"
TARGET: Final = "target"
"""The inputs of a network that makes one sequence of another, and the columns of their examples."""
_ENDS: Final = 2
_AT_ONCE: Final = 1024


def load_pairs(source: Pairs, opener: Opener, like: Known | None) -> Examples:
    """Two columns: `source` of `length` tokens and `target` of two more, for its begin and end.

    What is shorter is padded behind its end. Where a run has the tokens already, they are those of
    the run. The vocabulary may be known (`like`).

    Raises:
        RunError: if a line is no pair, or a text is longer than `length` tokens.
    """
    name = shown(source.file.path, 200)
    faults = Faults(source.on_error, "lines")

    def texts() -> Iterator[str]:
        return chain.from_iterable(
            pair for _, pair in _pairs(source, opener, Faults(source.on_error, "lines"))
        )

    vocabulary = vocabulary_for(source.tokenising, texts, name, opener, like)
    place = opener.kept("validation" if like else "training")
    if place is not None and place.status() is not None:
        tokens = read_tokens(place)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = _rows(source, opener, vocabulary, faults)
            width = 2 * source.length + _ENDS
            tokens = write_tokens(
                place or Place(Path(folder), ("tokens",)), rows, vocabulary, width
            )
    said = f"{name}: {len(tokens):,} pairs of {vocabulary.size:,} kinds of tokens"
    remarks = (said, *faults.remarks(len(tokens), name))
    features = {
        SOURCE: Feature(_part(name, tokens[:, : source.length])),
        TARGET: Feature(_part(name, tokens[:, source.length :])),
    }
    return Examples(name, features, {}, remarks, known=Known(vocabulary=vocabulary))


def _part(name: str, tokens: Numbers) -> Read:
    return Read(name, len(tokens), tokens.shape[1:], tokens.dtype, lambda rows: tokens[rows])


def _rows(
    source: Pairs, opener: Opener, vocabulary: Vocabulary, faults: Faults
) -> Iterator[NDArray[np.int64]]:
    """Each pair as `(1, 2 * length + 2)`: the source, and the target with its begin and end."""
    pairs = _pairs(source, opener, faults)
    while some := list(islice(pairs, _AT_ONCE)):
        tokens = encoded(vocabulary, chain.from_iterable(pair for _, pair in some))
        for place, _ in some:
            try:
                yield _row(next(tokens), next(tokens), source.length, place)
            except RunError as fault:
                faults.meet(fault)


def _row(
    given: NDArray[np.int64], wanted: NDArray[np.int64], length: int, place: str
) -> NDArray[np.int64]:
    row = np.zeros((1, 2 * length + _ENDS), np.int64)
    for begin, part in ((0, given), (length + 1, wanted)):
        if len(part) > length:
            raise RunError(f"{place} has a text of {len(part):,} tokens; 'length' is {length:,}")
        row[0, begin : begin + len(part)] = part
    row[0, length] = BEGIN
    row[0, length + 1 + len(wanted)] = END
    return row


def _pairs(source: Pairs, opener: Opener, faults: Faults) -> Iterator[tuple[str, tuple[str, str]]]:
    """The pairs with their places."""
    for file in opener.each(source.file):
        for number, line in numbered_lines(file, opener, faults=faults):
            parts = line.rstrip("\r\n").split("\t")
            place = f"{shown(file.path, 200)}:{number}"
            if len(parts) == len((SOURCE, TARGET)):
                yield place, (parts[0], parts[1])
            elif parts != [""]:
                faults.meet(RunError(f"{place} is no pair of texts with one tab between"))
