"""Files of tokens, which are written once and mapped from then on: text may exceed the memory."""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import IO, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.columns import Array, LazyColumn, RowIndices
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.sandbox import SandboxPath, os_error_reason
from archbuilder.formatting import plural

_MAX_UINT16_VOCAB_SIZE: Final = 2**16
_DTYPES: Final = (np.uint16, np.int32)
_ENCODE_BATCH_SIZE: Final = 256
"""How many texts are encoded in parallel."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class TokenArray:
    """The tokens of a text, one behind the other, and what they mean."""

    source_name: str
    tokenizer: TextTokenizer
    tokens: Array
    """`(tokens,)`, mapped from a file."""

    def windows(self, length: int, *, shift: int = 0) -> LazyColumn:
        """The text in pieces of `length` tokens, each from the token `ahead` of its own place on.

        Every piece has a token behind it, and what is left at the end belongs to none.

        Raises:
            RunError: if the text is shorter than that.
        """
        count = (len(self.tokens) - 1) // length
        if count < 1:
            raise RunError(
                f"{self.source_name} has {plural(len(self.tokens), 'token')}, less than the"
                f" {length + 1:,} of one example"
            )
        offsets = np.arange(length) + shift

        def read(rows: RowIndices) -> Array:
            return self.tokens[(rows * length)[:, np.newaxis] + offsets]

        return LazyColumn(self.source_name, count, (length,), self.tokens.dtype, read)


def encode_texts(tokenizer: TextTokenizer, texts: Iterable[str]) -> Iterator[NDArray[np.int64]]:
    """The tokens of one text after the other."""
    for batch in _batches(iter(texts)):
        yield from tokenizer.encode(batch)


def write_tokens(
    path: SandboxPath,
    arrays: Iterable[NDArray[np.int64]],
    tokenizer: TextTokenizer,
    *row_shape: int,
) -> Array:
    """Write arrays one behind the other, and map the file: `(all of them, *row)`.

    Raises:
        RunError: if it cannot be written.
    """
    dtype = np.dtype(np.uint16 if tokenizer.vocab_size <= _MAX_UINT16_VOCAB_SIZE else np.int32)
    count = 0
    try:
        with path.atomic_write() as file:
            _write_npy_header(file, dtype, (0, *row_shape))
            for array in arrays:
                file.write(array.astype(dtype).tobytes())
                count += len(array)
            file.seek(0)
            # numpy leaves room in a head for its first axis to grow.
            _write_npy_header(file, dtype, (count, *row_shape))
    except OSError as error:
        raise RunError(
            f"cannot write {quote(str(path.path), 200)}: {os_error_reason(error)}"
        ) from error
    return read_tokens(path)


def read_tokens(path: SandboxPath) -> Array:
    """Map the file that `write_tokens` wrote.

    Raises:
        RunError: if it is damaged.
    """
    name = quote(str(path.path), 200)
    try:
        with path.open_descriptor() as descriptor:
            with os.fdopen(os.dup(descriptor), "rb") as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                data_offset = file.tell()
            # The mapping stays when the file is closed.
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        if dtype not in _DTYPES:
            raise RunError(f"{name} is no file of tokens: it has numbers of type {dtype}")
        flat: Array = np.frombuffer(mapped, dtype, math.prod(shape), data_offset)
        return flat.reshape(shape)
    except OSError as error:
        raise RunError(f"cannot read {name}: {os_error_reason(error)}") from error
    except ValueError as error:
        raise RunError(f"{name} is no file of tokens: {error}") from error


def _write_npy_header(file: IO[bytes], dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    header = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)


def _batches(texts: Iterator[_T]) -> Iterator[list[_T]]:
    while batch := list(islice(texts, _ENCODE_BATCH_SIZE)):
        yield batch
