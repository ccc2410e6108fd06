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

from archbuilder.errors import RunError, shown
from archbuilder.places import Place, reason
from archbuilder.tables import plural
from archbuilder.training.columns import Numbers, Read, Rows
from archbuilder.training.text.vocabulary import Vocabulary

_SMALL: Final = 2**16
_DTYPES: Final = (np.uint16, np.int32)
_AT_ONCE: Final = 256
"""How many texts are encoded in parallel."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Texts:
    """The tokens of a text, one behind the other, and what they mean."""

    origin: str
    vocabulary: Vocabulary
    tokens: Numbers
    """`(tokens,)`, mapped from a file."""

    def windows(self, length: int, *, ahead: int = 0) -> Read:
        """The text in pieces of `length` tokens, each from the token `ahead` of its own place on.

        Every piece has a token behind it, and what is left at the end belongs to none.

        Raises:
            RunError: if the text is shorter than that.
        """
        count = (len(self.tokens) - 1) // length
        if count < 1:
            raise RunError(
                f"{self.origin} has {plural(len(self.tokens), 'token')}, less than the"
                f" {length + 1:,} of one example"
            )
        offsets = np.arange(length) + ahead

        def read(rows: Rows) -> Numbers:
            return self.tokens[(rows * length)[:, np.newaxis] + offsets]

        return Read(self.origin, count, (length,), self.tokens.dtype, read)


def encoded(vocabulary: Vocabulary, texts: Iterable[str]) -> Iterator[NDArray[np.int64]]:
    """The tokens of one text after the other."""
    for batch in _batches(iter(texts)):
        yield from vocabulary.encode(batch)


def write_tokens(
    place: Place, arrays: Iterable[NDArray[np.int64]], vocabulary: Vocabulary, *row: int
) -> Numbers:
    """Write arrays one behind the other, and map the file: `(all of them, *row)`.

    Raises:
        RunError: if it cannot be written.
    """
    dtype = np.dtype(np.uint16 if vocabulary.size <= _SMALL else np.int32)
    count = 0
    try:
        with place.replacing() as file:
            _write_head(file, dtype, (0, *row))
            for array in arrays:
                file.write(array.astype(dtype).tobytes())
                count += len(array)
            file.seek(0)
            # numpy leaves room in a head for its first axis to grow.
            _write_head(file, dtype, (count, *row))
    except OSError as error:
        raise RunError(f"cannot write {shown(str(place.path), 200)}: {reason(error)}") from error
    return read_tokens(place)


def read_tokens(place: Place) -> Numbers:
    """Map the file that `write_tokens` wrote.

    Raises:
        RunError: if it is damaged.
    """
    name = shown(str(place.path), 200)
    try:
        with place.opened() as descriptor:
            with os.fdopen(os.dup(descriptor), "rb") as file:
                np.lib.format.read_magic(file)
                shape, _, dtype = np.lib.format.read_array_header_1_0(file)
                begin = file.tell()
            # The mapping stays when the file is closed.
            mapped = mmap.mmap(descriptor, 0, access=mmap.ACCESS_READ)
        if dtype not in _DTYPES:
            raise RunError(f"{name} is no file of tokens: it has numbers of type {dtype}")
        flat: Numbers = np.frombuffer(mapped, dtype, math.prod(shape), begin)
        return flat.reshape(shape)
    except OSError as error:
        raise RunError(f"cannot read {name}: {reason(error)}") from error
    except ValueError as error:
        raise RunError(f"{name} is no file of tokens: {error}") from error


def _write_head(file: IO[bytes], dtype: np.dtype[np.generic], shape: tuple[int, ...]) -> None:
    head = {"descr": dtype.str, "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, head)


def _batches(texts: Iterator[_T]) -> Iterator[list[_T]]:
    while batch := list(islice(texts, _AT_ONCE)):
        yield batch
