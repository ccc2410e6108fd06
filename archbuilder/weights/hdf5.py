"""HDF5 files, reduced to groups, text attributes and arrays whose values lie in the file itself.

HDF5 can do more, and a stranger's file can use it: links and arrays that lead into other files,
filters that load plugins, groups with several names that make a walk endless, chunks that are
larger than their array. Keras writes none of these, so that all of them are refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import IO, Final

import h5py
import ml_dtypes
import numpy as np

from archbuilder.diagnostics.errors import RunError, quote
from archbuilder.files.parser_errors import ErrorTypes, parser_errors
from archbuilder.weights.hdf5_heaps import find_damage

_ERRORS: Final[ErrorTypes] = (
    OSError,
    RuntimeError,
    KeyError,
    ValueError,  # names that are not UTF-8
    TypeError,  # types that numpy has no equivalent of
    OverflowError,
)
_MAX_ATTRIBUTE_BYTES: Final = 2**16
"""The bytes of an attribute; Keras splits longer lists, as HDF5 has no room for them."""
_MAX_DEPTH: Final = 64
_NUMERIC_KINDS: Final = "biufc"
"""Booleans, integers, floats and complex numbers, as numpy calls them."""
_UNCHUNKED_LAYOUTS: Final = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)


@dataclass(frozen=True, slots=True, eq=False)
class _FileState:
    """What the groups of a file share."""

    name: str
    visited: set[int] = field(default_factory=set)
    """The addresses of the objects that were listed or taken."""

    @property
    def message(self) -> str:
        return f"the weights in {self.name} cannot be read"

    def visit(self, member: h5py.HLObject, name: str) -> None:
        """Refuse an object that was visited under another name: a walk could go on for ever."""
        with parser_errors(_ERRORS, self.message):
            address = h5py.h5o.get_info(member.id).addr
        if address in self.visited:
            raise self.damage_error(f"{quote(name)} is in the file under two names")
        self.visited.add(address)

    def damage_error(self, reason: str) -> RunError:
        return RunError(f"{self.message}: {reason}")


@contextmanager
def open_hdf5(raw: IO[bytes], name: str) -> Iterator[Hdf5Group]:
    """Open a file, which messages call `name`; gives its root.

    Raises:
        RunError: if it is damaged, or not an HDF5 file.
    """
    file = _FileState(name)
    with parser_errors((OSError,), file.message):
        damage = find_damage(raw.fileno())
    if damage:
        raise file.damage_error(damage)
    with parser_errors(_ERRORS, file.message):
        h5_file = h5py.File(raw, "r")
    try:
        yield Hdf5Group(h5_file, file)
    finally:
        with parser_errors(_ERRORS, file.message):
            h5_file.close()


@dataclass(frozen=True, slots=True)
class Hdf5Array:
    """An array in a file. `dtype` is None for text, references, records and the like."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic] | None
    _dataset: h5py.Dataset
    _file: _FileState

    def read(self) -> np.ndarray:
        """Return its values.

        Raises:
            RunError: if they are damaged, or not in the file.
        """
        with parser_errors(_ERRORS, self._file.message):
            # HDF5 takes what was never written for zeros.
            is_complete = self._dataset.id.get_storage_size() >= self._dataset.nbytes
            if is_complete:
                return np.array(self._dataset, self.dtype)
        raise self._file.damage_error(f"an array of shape {list(self.shape)} has no values")


@dataclass(frozen=True, slots=True)
class Hdf5Group:
    """A group in a file."""

    _group: h5py.Group
    _file: _FileState
    _depth: int = 0

    def __contains__(self, name: str) -> bool:
        with parser_errors(_ERRORS, self._file.message):
            return name in self._group

    def has_strings(self, attribute: str) -> bool:
        """Tell whether `texts` would find a list."""
        with parser_errors(_ERRORS, self._file.message):
            return attribute in self._group.attrs or f"{attribute}0" in self._group.attrs

    def names(self) -> list[str]:
        """List the members, which is possible once.

        Raises:
            RunError: if the group has two names, or a member's is not UTF-8.
        """
        self._file.visit(self._group, self._group.name or "")
        with parser_errors(_ERRORS, self._file.message):
            names = list(self._group)
        for name in names:
            # h5py gives the bytes of what it cannot decode.
            if not isinstance(name, str):
                raise self._file.damage_error(f"the name {quote(name)} is not UTF-8")
        return names

    def group(self, name: str) -> Hdf5Group:
        """Return a member that is a group.

        Raises:
            RunError: if it is something else, such as a link, or lies too deep.
        """
        member = self._own_member(name)
        if not isinstance(member, h5py.Group):
            raise self._file.damage_error(f"{quote(name)} is not a group")
        if self._depth == _MAX_DEPTH:
            raise self._file.damage_error(f"groups lie more than {_MAX_DEPTH} deep")
        return Hdf5Group(member, self._file, self._depth + 1)

    def array(self, name: str) -> Hdf5Array:
        """Return a member that is an array, which is possible once.

        Raises:
            RunError: if it is something else, or its values do not lie in this file in one piece.
        """
        member = self._own_member(name)
        if not isinstance(member, h5py.Dataset):
            raise self._file.damage_error(f"{quote(name)} is not an array")
        self._file.visit(member, name)
        with parser_errors(_ERRORS, self._file.message):
            name = member.name or name
            shape, is_external = member.shape, member.external is not None or member.is_virtual
            is_contiguous = member.id.get_create_plist().get_layout() in _UNCHUNKED_LAYOUTS
        if shape is None:
            raise self._file.damage_error(f"{quote(name)} is not an array")
        if is_external:
            raise self._file.damage_error(f"the array {quote(name)} lies in another file")
        if not is_contiguous:
            raise self._file.damage_error(
                f"the array {quote(name)} is compressed or in chunks, which Keras does not write;"
                " 'h5repack -f NONE -l CONTI FILE NEW_FILE' changes that"
            )
        return Hdf5Array(shape, self._dtype(member), member, self._file)

    def read_string(self, attribute: str) -> str | None:
        """Return an attribute that is one text; None where there is none of that name.

        Raises:
            RunError: if it is something else.
        """
        values = _read_attribute_strings(self._group, attribute, self._file)
        return None if values is None else "".join(values)

    def read_strings(self, attribute: str) -> Iterator[str]:
        """List an attribute that is a list of texts; a long one is split: `names0`, `names1`.

        Raises:
            RunError: if it is something else.
        """
        values = _read_attribute_strings(self._group, attribute, self._file)
        if values is not None:
            yield from values
            return
        for chunk in count():
            values = _read_attribute_strings(self._group, f"{attribute}{chunk}", self._file)
            if values is None:
                return
            yield from values

    def _own_member(self, name: str) -> h5py.HLObject:
        """A member that lies in the file itself."""
        with parser_errors(_ERRORS, self._file.message):
            link = self._group.get(name, getlink=True)
            if isinstance(link, h5py.HardLink):
                return self._group[name]
        if link is None:
            raise self._file.damage_error(f"it has no {quote(name)}")
        raise self._file.damage_error(f"{quote(name)} is a link to somewhere else")

    def _dtype(self, dataset: h5py.Dataset) -> np.dtype[np.generic] | None:
        with parser_errors(_ERRORS, self._file.message):
            dtype = dataset.dtype
        # HDF5 has no bfloat16: Keras stores its bytes, and says so beside them.
        if dtype.str == "|V2" and _read_attribute_strings(dataset, "dtype", self._file) == [
            "bfloat16"
        ]:
            return np.dtype(ml_dtypes.bfloat16)
        return dtype if dtype.kind in _NUMERIC_KINDS else None


def _read_attribute_strings(
    h5_object: h5py.HLObject, name: str, file: _FileState
) -> list[str] | None:
    """The texts of an attribute; None where there is none of that name."""
    with parser_errors(_ERRORS, file.message):
        if name not in h5_object.attrs:
            return None
        attribute = h5_object.attrs.get_id(name)
        h5_type, length = attribute.get_type(), math.prod(attribute.shape)
        is_text = isinstance(h5_type, h5py.h5t.TypeStringID)
        size = length * h5_type.get_size()
    if size > _MAX_ATTRIBUTE_BYTES:
        raise file.damage_error(f"the attribute {quote(name)} is larger than 64 KiB")
    # numpy makes numbers of an empty list.
    if not is_text and length:
        raise file.damage_error(f"the attribute {quote(name)} is not text")
    if not length:
        return []
    with parser_errors(_ERRORS, file.message):
        values = np.ravel(h5_object.attrs[name]).tolist()
        return [each.decode("utf-8") if isinstance(each, bytes) else str(each) for each in values]
