"""Pairs of texts, one tab-separated pair per line: source and target sequences."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.sources import Pairs
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, LazyColumn
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.sources.load_context import LoadContext
from archbuilder.data.sources.text import fit_or_load_tokenizer
from archbuilder.data.text.line_reader import iter_lines
from archbuilder.data.text.token_file import encode_texts, load_or_write_tokens
from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, TextTokenizer
from archbuilder.diagnostics.errors import RunError, quote

SOURCE: Final = "source"
TARGET: Final = "target"
"""The inputs of a sequence-to-sequence network, and the columns of its examples."""
_NUM_BOUNDARY_TOKENS: Final = 2
"""The begin and end tokens of a target."""
_CHUNK_LINES: Final = 1024


def load_pairs(source: Pairs, context: LoadContext) -> SourceDataset:
    """Load two columns of token ids: `source` and `target`.

    A source has `sequence_length` tokens. A target has two more: its begin and its end. Shorter
    texts are padded at the end. A run that has the tokens already reads its own file. With
    `fitted`, the tokenizer is that of the training data.

    Raises:
        RunError: if a line is not a pair, or a text is longer than `sequence_length` tokens.
    """
    name, opener = quote(source.file.path, 200), context.opener
    bad_records = BadRecords(source.on_error, "lines")

    # The tokenizer reads all lines too. Its own counter keeps bad lines from counting twice.
    def texts() -> Iterator[str]:
        return chain.from_iterable(
            pair for _, pair in _iter_pairs(source, opener, BadRecords(source.on_error, "lines"))
        )

    tokenizer = fit_or_load_tokenizer(source.tokenizer, texts, name, context)
    tokens = load_or_write_tokens(
        opener,
        "validation" if context.fitted else "training",
        _iter_rows(source, opener, tokenizer, bad_records),
        tokenizer,
        bad_records,
        # Source and target share one file, and thus one row index.
        2 * source.sequence_length + _NUM_BOUNDARY_TOKENS,
    )
    note = f"{name}: {len(tokens):,} pairs, vocabulary of {tokenizer.vocab_size:,}"
    notes = (note, *bad_records.summary(len(tokens), name))
    features = {
        SOURCE: Feature(_token_column(name, tokens[:, : source.sequence_length])),
        TARGET: Feature(_token_column(name, tokens[:, source.sequence_length :])),
    }
    return SourceDataset(
        name, features, {}, notes, preprocessing=FittedPreprocessing(tokenizer=tokenizer)
    )


def _token_column(name: str, tokens: Array) -> LazyColumn:
    return LazyColumn(name, len(tokens), tokens.shape[1:], tokens.dtype, lambda rows: tokens[rows])


def _iter_rows(
    source: Pairs, opener: DataFileOpener, tokenizer: TextTokenizer, bad_records: BadRecords
) -> Iterator[NDArray[np.int64]]:
    """Yield each pair as `(1, 2 * length + 2)`: the source, then the target with its boundaries."""
    pairs, length = _iter_pairs(source, opener, bad_records), source.sequence_length
    # In chunks, since the tokenizer encodes many texts in parallel.
    while chunk := list(islice(pairs, _CHUNK_LINES)):
        tokens = encode_texts(tokenizer, chain.from_iterable(pair for _, pair in chunk))
        for location, _ in chunk:
            source_tokens, target_tokens = next(tokens), next(tokens)
            sizes = (len(source_tokens), len(target_tokens))
            too_long = next((size for size in sizes if size > length), None)
            if too_long is not None:
                bad_records.add(
                    RunError(
                        f"{location} has a text of {too_long:,} tokens, but 'sequence_length' is"
                        f" {length:,}"
                    )
                )
                continue
            # Padding is zeros, which are `PAD_ID`.
            row = np.zeros((1, 2 * length + _NUM_BOUNDARY_TOKENS), np.int64)
            row[0, : sizes[0]] = source_tokens
            # A target is [CLS] tokens [SEP] padding: the decoder reads all but the last position,
            # and predicts all but the first.
            boundaries = (length, length + 1 + sizes[1])
            row[0, boundaries] = BEGIN_ID, END_ID
            row[0, length + 1 : boundaries[1]] = target_tokens
            yield row


def _iter_pairs(
    source: Pairs, opener: DataFileOpener, bad_records: BadRecords
) -> Iterator[tuple[str, tuple[str, str]]]:
    """Yield the pairs with their locations; other lines that are not empty are bad records."""
    for file in opener.match_files(source.file):
        for number, line in iter_lines(file, opener, bad_records=bad_records):
            parts = line.rstrip("\r\n").split("\t")
            location = f"{quote(file.path, 200)}:{number}"
            if len(parts) == len((SOURCE, TARGET)):
                yield location, (parts[0], parts[1])
            elif parts != [""]:
                bad_records.add(RunError(f"{location} is not a pair of texts separated by one tab"))
