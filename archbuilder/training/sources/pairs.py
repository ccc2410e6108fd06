"""Pairs of texts, one pair a line with a tab between them: sequences and what becomes of them."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown
from archbuilder.recipe.spec import Pairs
from archbuilder.training.columns import Numbers, Read
from archbuilder.training.examples import Examples, Feature
from archbuilder.training.opening import Opener
from archbuilder.training.sources.text import vocabulary_for
from archbuilder.training.text.reading import numbered_lines
from archbuilder.training.text.tokens import encoded, read_tokens, write_tokens
from archbuilder.training.text.vocabulary import BEGIN, END, Vocabulary

SOURCE: Final = "source"
TARGET: Final = "target"
"""The inputs of a network that makes one sequence of another, and the columns of their examples."""
_ENDS: Final = 2


def load_pairs(source: Pairs, opener: Opener, like: Examples | None) -> Examples:
    """Two columns: `source` of `length` tokens and `target` of two more, for its begin and end.

    What is shorter is padded behind its end. Where a run has the tokens already, they are those of
    the run. `like` are examples whose vocabulary is used.

    Raises:
        RunError: if a line is no pair, or a text is longer than `length` tokens.
    """
    name = shown(source.file.path, 200)

    def texts() -> Iterator[str]:
        return chain.from_iterable(pair for _, pair in _pairs(source, opener))

    vocabulary = vocabulary_for(source.tokenising, texts, name, opener, like)
    place = opener.kept("validation" if like else "training")
    if place is not None and place.exists():
        tokens = read_tokens(place)
    else:
        with tempfile.TemporaryDirectory() as folder:
            rows = _rows(source, opener, vocabulary)
            width = 2 * source.length + _ENDS
            tokens = write_tokens(place or Path(folder, "tokens"), rows, vocabulary, width)
    remark = f"{name}: {len(tokens):,} pairs of {vocabulary.size:,} kinds of tokens"
    features = {
        SOURCE: Feature(_part(name, tokens[:, : source.length])),
        TARGET: Feature(_part(name, tokens[:, source.length :])),
    }
    return Examples(name, features, {}, (remark,), vocabulary=vocabulary)


def _part(name: str, tokens: Numbers) -> Read:
    return Read(name, len(tokens), tokens.shape[1:], tokens.dtype, lambda rows: tokens[rows])


def _rows(source: Pairs, opener: Opener, vocabulary: Vocabulary) -> Iterator[NDArray[np.int64]]:
    """Each pair as `(1, 2 * length + 2)`: the source, and the target with its begin and end."""
    length = source.length
    texts = chain.from_iterable(pair for _, pair in _pairs(source, opener))
    arrays = encoded(vocabulary, texts)
    for number, _ in _pairs(source, opener):
        row = np.zeros((1, 2 * length + _ENDS), np.int64)
        for begin, part in ((0, next(arrays)), (length + 1, next(arrays))):
            if len(part) > length:
                raise RunError(
                    f"{shown(source.file.path, 200)}:{number} has a text of {len(part):,} tokens;"
                    f" 'length' is {length:,}"
                )
            row[0, begin : begin + len(part)] = part
            stop = begin + len(part)
        row[0, length] = BEGIN
        row[0, stop] = END
        yield row


def _pairs(source: Pairs, opener: Opener) -> Iterator[tuple[int, tuple[str, str]]]:
    for number, line in numbered_lines(source.file, opener):
        parts = line.rstrip("\r\n").split("\t")
        if parts == [""]:
            continue
        if len(parts) != len((SOURCE, TARGET)):
            raise RunError(
                f"{shown(source.file.path, 200)}:{number} is no pair of texts with one tab between"
            )
        yield number, (parts[0], parts[1])
