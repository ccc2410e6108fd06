"""Text for language models, as windows of tokens: plain text, or a field of JSON lines."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources import Text, TokenizerConfig
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.source_dataset import UNNAMED, Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.vocabulary_files import read_vocabulary
from archbuilder.data.text.line_reader import iter_documents, iter_text_blocks
from archbuilder.data.text.token_file import TokenArray, encode_texts, load_or_write_tokens
from archbuilder.data.text.tokenizer import (
    END_ID,
    TOKENIZER_FILE,
    UNK_ID,
    TextBlocks,
    TextTokenizer,
    learn_vocabulary,
)
from archbuilder.diagnostics.errors import quote
from archbuilder.formatting import format_count


def load_text(source: Text, context: LoadContext) -> SourceDataset:
    """Load a text as windows of `length` tokens, with the next tokens as targets.

    A run that has the tokens already reads its own file. With `fitted`, the tokenizer is that of
    the training data.

    Raises:
        RunError: if the text cannot be read, is shorter than a window, or has too many different
            characters for the vocabulary.
    """
    name, opener = quote(source.file.path, 200), context.opener
    files = opener.match_files(source.file)
    bad_records = BadRecords(source.on_error, "lines")

    def file_texts() -> Iterator[Iterator[str]]:
        """Yield the blocks or documents of each file."""
        for file in files:
            if source.field is None:
                yield iter_text_blocks(file, opener, bad_records)
            else:
                yield iter_documents(file, source.field, opener, bad_records)

    tokenizer = fit_or_load_tokenizer(
        source.tokenizer, lambda: chain.from_iterable(file_texts()), name, context
    )
    # The text is read a second time: count bad lines from 0. `file_texts` uses this variable.
    bad_records = BadRecords(source.on_error, "lines")
    end = np.array([END_ID])

    def token_arrays() -> Iterator[NDArray[np.int64]]:
        """Yield the tokens of each text, with an end token after each document."""
        for texts in file_texts():
            for array in encode_texts(tokenizer, texts):
                yield array
                if source.field is not None:
                    yield end
            # The blocks of a plain text are one document.
            if source.field is None:
                yield end

    tokens = load_or_write_tokens(
        opener,
        "validation" if context.fitted else "training",
        token_arrays(),
        tokenizer,
        bad_records,
    )
    dataset = make_text_dataset(TokenArray(name, tokenizer, tokens), source.sequence_length)
    notes = (*dataset.notes, *oov_notes(tokens), *bad_records.notes())
    return replace(dataset, notes=notes)


def fit_or_load_tokenizer(
    config: TokenizerConfig,
    blocks: TextBlocks,
    name: str,
    context: LoadContext,
) -> TextTokenizer:
    """Return the tokenizer of the training data: the fitted one, the run's, or a new one.

    Raises:
        RunError: if there is no text, or a vocabulary of that size is too small for it.
    """
    if context.fitted is not None and context.fitted.tokenizer is not None:
        return context.fitted.tokenizer
    path = context.opener.cache_path(TOKENIZER_FILE)
    if path is not None and path.status() is not None:
        return TextTokenizer.load(path)
    vocabulary = read_vocabulary(config, context.opener) or learn_vocabulary(config, blocks, name)
    tokenizer = TextTokenizer.from_vocabulary(config, vocabulary)
    # The run keeps it, so that a resumed run has the same ids even if the text has changed.
    if path is not None:
        tokenizer.write(path)
    return tokenizer


def oov_notes(tokens: NDArray[np.generic]) -> tuple[str, ...]:
    """Return a message about unknown tokens; none if there are none."""
    unknown = int(np.count_nonzero(tokens == UNK_ID))
    if not unknown:
        return ()
    return (
        (
            f"{format_count(unknown)} of {format_count(tokens.size)} tokens are not in the"
            " vocabulary"
        ),
    )


def make_text_dataset(token_array: TokenArray, length: int) -> SourceDataset:
    """Return windows of a text, and as targets the same windows moved by one token."""
    note = (
        f"{token_array.source_name}: {len(token_array.tokens):,} tokens, vocabulary of"
        f" {token_array.tokenizer.vocab_size:,}, sequences of {length:,}"
    )
    return SourceDataset(
        token_array.source_name,
        {UNNAMED: Feature(token_array.windows(length))},
        {UNNAMED: token_array.windows(length, shift=1)},
        (note,),
        token_array=token_array,
        preprocessing=FittedPreprocessing(tokenizer=token_array.tokenizer),
        target_description="the next tokens",
    )
