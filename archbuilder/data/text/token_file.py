"""Files of token ids, written once and then memory-mapped: a text may exceed the memory."""

from __future__ import annotations

import math
import mmap
import os
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO, Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.bad_records import BadRecords
from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import NPY_HEADER_ERRORS, parser_errors
from archbuilder.files.sandbox import SandboxPath, cannot_read, os_error_reason
from archbuilder.formatting import plural

_MAX_UINT16_VOCAB_SIZE: Final = 2**16
_DTYPES: Final = (np.uint16, np.int32)
_ENCODE_BATCH_SIZE: Final = 256
"""Texts per call of the tokenizer, which encodes them in parallel threads."""


@dataclass(frozen=True, slots=True, eq=False)
class TokenArray:
    """The tokens of a text in one array, with their tokenizer."""

    source_name: str
    tokenizer: TextTokenizer
    tokens: Array
    """Token ids of the shape `(tokens,)`, mapped from a file."""

    def windows(self, length: int, *, shift: int = 0) -> LazyColumn:
        """Return consecutive windows of `length` tokens, each moved by `shift` tokens.

        With a shift of 1 they are the targets for next-token prediction. An incomplete window at
        the end is dropped.

        Raises:
            RunError: if the text has fewer than `length + 1` tokens.
        """
        # The last window needs one token after it, for the targets. Both calls give the same count.
        count = (len(self.tokens) - 1) // length
        if count < 1:
            raise RunError(
                f"{self.source_name} has {plural(len(self.tokens), 'token')}; a sequence of"
                f" {length:,} and its next token need {length + 1:,}"
            )
        offsets = np.arange(length) + shift

        def read(rows: RowIndices) -> Array:
            return self.tokens[(rows * length)[:, np.newaxis] + offsets]

        return LazyColumn(self.source_name, count, (length,), self.tokens.dtype, read)


def encode_texts(tokenizer: TextTokenizer, texts: Iterable[str]) -> Iterator[NDArray[np.int64]]:
    """Yield the tokens of each text."""
    iterator = iter(texts)
    while batch := list(islice(iterator, _ENCODE_BATCH_SIZE)):
        yield from tokenizer.encode(batch)


def load_or_write_tokens(
    opener: DataFileOpener,
    name: str,
    arrays: Iterable[NDArray[np.int64]],
    tokenizer: TextTokenizer,
    bad_records: BadRecords,
    *row_shape: int,
) -> Array:
    """Return the tokens that a run has cached under `name`; if it has none, write them.

    The lines that were skipped when the tokens were written are cached too, and restored to
    `bad_records`. Without a cache, the tokens are in a temporary file.

    Raises:
        RunError: if a file cannot be read or written, or is damaged.
    """
    path = opener.cache_path(name)
    if path is None:
        # A mapped file can be deleted: its content lives as long as the mapping.
        with tempfile.TemporaryDirectory() as directory:
            return write_tokens(
                SandboxPath(Path(directory), (name,)), arrays, tokenizer, *row_shape
            )
    skipped_path = path.with_name(f"{name}-skipped.json")
    # Written last: without it, the tokens may be those of an interrupted run.
    if path.status() is not None and skipped_path.status() is not None:
        bad_records.restore(skipped_path)
        return read_tokens(path)
    tokens = write_tokens(path, arrays, tokenizer, *row_shape)
    bad_records.write(skipped_path)
    return tokens


def write_tokens(
    path: SandboxPath,
    arrays: Iterable[NDArray[np.int64]],
    tokenizer: TextTokenizer,
    *row_shape: int,
) -> Array:
    """Write the concatenation of arrays as a `.npy` file, and map it.

    Returns:
        The array of the shape `(rows, *row_shape)`, read-only.

    Raises:
        RunError: if the file cannot be written.
    """
    # Half the size of int32 for most vocabularies; the largest id is vocab_size - 1.
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= _MAX_UINT16_VOCAB_SIZE else np.int32)
    count = 0
    try:
        with path.atomic_write() as file:
            _write_npy_header(file, dtype, (0, *row_shape))
            for array in arrays:
                file.write(array.astype(dtype).tobytes())
                count += len(array)
            file.seek(0)
            # The number of rows is known only now. numpy pads the header for a first axis of up to
            # 21 digits (GROWTH_AXIS_MAX_DIGITS), so that both headers have the same length.
            _write_npy_header(file, dtype, (count, *row_shape))
    except OSError as error:
        raise RunError(
            f"cannot write {quote(str(path.path), 200)}: {os_error_reason(error)}"
        ) from error
    return read_tokens(path)


def read_tokens(path: SandboxPath) -> Array:
    """Map a file that `write_tokens` wrote.

    Raises:
        RunError: if the file cannot be read or is damaged.
    """
    name = quote(str(path.path), 200)
    message = f"{name} is not a token file"
    try:
        with path.open_descriptor() as descriptor, parser_errors(NPY_HEADER_ERRORS, message):
            with os.fdopen(os.dup(descriptor), "rb") as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                data_offset = file.tell()
            # Not np.load(mmap_mode=...): it wants a path, and the sandbox gives a descriptor. The
            # mapping outlives the descriptor.
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
            # `frombuffer` takes a negative count for all there is, and objects for pointers.
            if dtype not in _DTYPES or min(shape, default=0) < 0:
                raise RunError(f"{message}: it has the dtype {dtype} and the shape {list(shape)}")
            flat: Array = np.frombuffer(mapped, dtype, math.prod(shape), data_offset)
            return flat.reshape(shape)
    except OSError as error:
        raise RunError(cannot_read(path.path, error)) from error


def _write_npy_header(file: IO[bytes], dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
