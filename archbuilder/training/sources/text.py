"""Text as pieces of tokens: plain, or a field of JSON lines."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import shown
from archbuilder.places import Place
from archbuilder.recipe.sources import Text, Tokenising
from archbuilder.tables import count
from archbuilder.training.examples import ONLY, Examples, Feature, Known
from archbuilder.training.faults import Faults
from archbuilder.training.opening import Opener
from archbuilder.training.text.reading import blocks_of, documents_of
from archbuilder.training.text.tokens import Texts, encoded, read_tokens, write_tokens
from archbuilder.training.text.vocabulary import END, UNKNOWN, Blocks, Vocabulary

TOKENIZER: Final = "tokenizer.json"


def load_text(source: Text, opener: Opener, like: Known | None) -> Examples:
    """The text in pieces of its `length`, and for each the tokens that follow.

    Where a run has the tokens already, they are those of the run. The vocabulary may be
    known (`like`).

    Raises:
        RunError: if the text cannot be read, is shorter than a piece, or has too many different
            characters for the vocabulary.
    """
    name = shown(source.file.path, 200)
    files = opener.each(source.file)
    faults = Faults(source.on_error, "lines")

    def parts() -> Iterator[Iterator[str]]:
        """The text of each file."""
        for file in files:
            if source.field is None:
                yield blocks_of(file, opener, faults)
            else:
                yield documents_of(file, source.field, opener, faults)

    vocabulary = vocabulary_for(
        source.tokenising, lambda: chain.from_iterable(parts()), name, opener, like
    )
    # It is read once more.
    faults = Faults(source.on_error, "lines")
    place = opener.kept("validation" if like else "training")
    if place is not None and place.status() is not None:
        tokens = read_tokens(place)
    else:
        with tempfile.TemporaryDirectory() as folder:
            # What is mapped stays when the file has gone.
            every = source.field is not None
            arrays = chain.from_iterable(
                _with_ends(encoded(vocabulary, part), every=every) for part in parts()
            )
            tokens = write_tokens(place or Place(Path(folder), ("tokens",)), arrays, vocabulary)
    examples = text_examples(Texts(name, vocabulary, tokens), source.length)
    remarks = (*examples.remarks, *unknown_told(tokens), *faults.told())
    return replace(examples, remarks=remarks)


def vocabulary_for(
    spec: Tokenising, blocks: Blocks, name: str, opener: Opener, like: Known | None
) -> Vocabulary:
    """The vocabulary of the examples to train on: that of the run, or one that is learned now.

    Raises:
        RunError: if there is no text, or a vocabulary of that size is too small for it.
    """
    if like is not None and like.vocabulary is not None:
        return like.vocabulary
    place = opener.kept(TOKENIZER)
    if place is not None and place.status() is not None:
        return Vocabulary.load(place)
    vocabulary = Vocabulary.learned(spec, blocks, name)
    if place is not None:
        vocabulary.write(place)
    return vocabulary


def unknown_told(tokens: NDArray[np.generic]) -> tuple[str, ...]:
    """What is to be said of tokens that the vocabulary does not have."""
    unknown = int(np.count_nonzero(tokens == UNKNOWN))
    if not unknown:
        return ()
    return (f"{count(unknown)} of {count(tokens.size)} tokens are none that the vocabulary has",)


def text_examples(texts: Texts, length: int) -> Examples:
    """Pieces of a text, and for each the tokens that follow."""
    kinds = f"{len(texts.tokens):,} tokens of {texts.vocabulary.size:,} kinds"
    remarks = (f"{texts.origin}: {kinds}, in pieces of {length:,}",)
    return Examples(
        texts.origin,
        {ONLY: Feature(texts.windows(length))},
        {ONLY: texts.windows(length, ahead=1)},
        remarks,
        texts=texts,
        known=Known(vocabulary=texts.vocabulary),
        target="the next tokens",
    )


def _with_ends(arrays: Iterator[NDArray[np.int64]], *, every: bool) -> Iterator[NDArray[np.int64]]:
    """Tokens with one for the end behind each document, or behind all of them."""
    end = np.array([END])
    for array in arrays:
        yield array
        if every:
            yield end
    if not every:
        yield end
