"""A safe subset of HDF5: groups, text attributes, and arrays stored within the file itself.

A hostile file may use other features of HDF5: links and arrays that point into other files, filters
that load plugins, groups with several names that make a traversal endless, or chunks larger than
their array. Keras writes none of these, so all of them are rejected.
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
from archbuilder.weights.hdf5_headers import count_text_bytes
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
"""Limit of HDF5 for attributes stored in object headers. Keras splits longer lists into several."""
_MAX_DEPTH: Final = 64
_NUMERIC_KINDS: Final = "biufc"
"""`np.dtype.kind` of booleans, integers, floats and complex numbers."""
_UNCHUNKED_LAYOUTS: Final = (h5py.h5d.CONTIGUOUS, h5py.h5d.COMPACT)


@dataclass(frozen=True, slots=True, eq=False)
class _FileState:
    """State shared by the groups and arrays of one open file."""

    name: str
    descriptor: int
    visited: set[int] = field(default_factory=set)
    """Addresses of the groups whose members were listed, and of the arrays that were returned."""

    @property
    def message(self) -> str:
        return f"the weights in {self.name} cannot be read"

    def visit(self, member: h5py.HLObject, name: str) -> None:
        """Mark an object as visited; reject it if it was visited already under another name."""
        # A group that contains itself under another name would make a traversal endless.
        with parser_errors(_ERRORS, self.message):
            address = h5py.h5o.get_info(member.id).addr
        if address in self.visited:
            raise self.damage_error(f"{quote(name)} is in the file under two names")
        self.visited.add(address)

    def damage_error(self, reason: str) -> RunError:
        return RunError(f"{self.message}: {reason}")


@contextmanager
def open_hdf5(raw: IO[bytes], name: str) -> Iterator[Hdf5Group]:
    """Open an HDF5 file, called `name` in messages, and yield its root group.

    Raises:
        RunError: if the file is damaged or not HDF5.
    """
    file = _FileState(name, raw.fileno())
    # Before HDF5 sees the file: some damage makes the library hang, and nothing can interrupt it.
    with parser_errors((OSError,), file.message):
        damage = find_damage(file.descriptor)
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
    """An array in a file. `dtype` is None if it is not numeric: text, references, records, ..."""

    shape: tuple[int, ...]
    dtype: np.dtype[np.generic] | None
    _dataset: h5py.Dataset
    _file: _FileState

    def read(self) -> np.ndarray:
        """Read the values.

        Raises:
            RunError: if they are damaged, missing or not numeric.
        """
        if self.dtype is None:
            raise self._file.damage_error("an array is not numeric")
        with parser_errors(_ERRORS, self._file.message):
            # HDF5 returns zeros for values that were never written. This also keeps a small file
            # from claiming an array that fills the memory.
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
        """Return whether `read_strings` would find a list, whole or split."""
        with parser_errors(_ERRORS, self._file.message):
            return attribute in self._group.attrs or f"{attribute}0" in self._group.attrs

    def names(self) -> list[str]:
        """List the names of the members. May be called once per group of the file.

        Raises:
            RunError: if the group was listed under another name, or a name is not UTF-8.
        """
        self._file.visit(self._group, self._group.name or "")
        with parser_errors(_ERRORS, self._file.message):
            names = list(self._group)
        for name in names:
            # h5py returns names that it cannot decode as bytes.
            if not isinstance(name, str):
                raise self._file.damage_error(f"the name {quote(name)} is not UTF-8")
        return names

    def group(self, name: str) -> Hdf5Group:
        """Return a member that is a group.

        Raises:
            RunError: if it is something else, such as a link, or is nested too deeply.
        """
        member = self._local_member(name)
        if not isinstance(member, h5py.Group):
            raise self._file.damage_error(f"{quote(name)} is not a group")
        if self._depth == _MAX_DEPTH:
            raise self._file.damage_error(f"groups are nested more than {_MAX_DEPTH} deep")
        return Hdf5Group(member, self._file, self._depth + 1)

    def array(self, name: str) -> Hdf5Array:
        """Return a member that is an array. May be called once per array of the file.

        Raises:
            RunError: if it is something else, or is numeric and not stored in this file in one
                piece.
        """
        member = self._local_member(name)
        if not isinstance(member, h5py.Dataset):
            raise self._file.damage_error(f"{quote(name)} is not an array")
        self._file.visit(member, name)
        with parser_errors(_ERRORS, self._file.message):
            # From here on messages show the full path.
            name = member.name or name
            shape = member.shape
        if shape is None:
            raise self._file.damage_error(f"{quote(name)} is not an array")
        with parser_errors(_ERRORS, self._file.message):
            dtype: np.dtype[np.generic] = member.dtype
        # HDF5 has no bfloat16. Keras stores the raw bytes, and the dtype in an attribute.
        if dtype.str == "|V2" and _read_attribute_strings(member, "dtype", self._file) == [
            "bfloat16"
        ]:
            dtype = np.dtype(ml_dtypes.bfloat16)
        elif dtype.kind not in _NUMERIC_KINDS:
            # It cannot be loaded. Do not ask HDF5 for more: of an array of texts, it would read the
            # fill value, which may claim any length.
            return Hdf5Array(shape, None, member, self._file)
        with parser_errors(_ERRORS, self._file.message):
            properties = member.id.get_create_plist()
            layout, file_count = properties.get_layout(), properties.get_external_count()
        if file_count or layout == h5py.h5d.VIRTUAL:
            raise self._file.damage_error(f"the array {quote(name)} is stored in another file")
        if layout not in _UNCHUNKED_LAYOUTS:
            raise self._file.damage_error(
                f"the array {quote(name)} is compressed or in chunks, which Keras does not write;"
                " convert it with 'h5repack -f NONE -l CONTI FILE NEW_FILE'"
            )
        return Hdf5Array(shape, dtype, member, self._file)

    def read_string(self, attribute: str) -> str | None:
        """Return a text attribute, or None if there is none of that name.

        Raises:
            RunError: if it is not text.
        """
        values = _read_attribute_strings(self._group, attribute, self._file)
        return None if values is None else "".join(values)

    def read_strings(self, attribute: str) -> Iterator[str]:
        """Yield the texts of a list attribute.

        Raises:
            RunError: if it is not text.
        """
        # Keras splits a list that exceeds the size limit of attributes: `names0`, `names1`, ...
        values = _read_attribute_strings(self._group, attribute, self._file)
        if values is not None:
            yield from values
            return
        for chunk in count():
            values = _read_attribute_strings(self._group, f"{attribute}{chunk}", self._file)
            if values is None:
                return
            yield from values

    def _local_member(self, name: str) -> h5py.HLObject:
        """Return a member that is stored in this group of this file, not behind a link."""
        with parser_errors(_ERRORS, self._file.message):
            link = self._group.get(name, getlink=True)
            if isinstance(link, h5py.HardLink):
                return self._group[name]
        if link is None:
            raise self._file.damage_error(f"it has no {quote(name)}")
        raise self._file.damage_error(f"{quote(name)} is a link to somewhere else")


def _read_attribute_strings(
    h5_object: h5py.HLObject, name: str, file: _FileState
) -> list[str] | None:
    """Return the texts of an attribute, or None if there is none of that name.

    Raises:
        RunError: if the attribute is not text, or is too large.
    """
    with parser_errors(_ERRORS, file.message):
        if name not in h5_object.attrs:
            return None
        attribute = h5_object.attrs.get_id(name)
        h5_type, length = attribute.get_type(), math.prod(attribute.shape)
        is_text = isinstance(h5_type, h5py.h5t.TypeStringID)
        is_variable = is_text and h5_type.is_variable_str()
        # Checked before h5py reads the attribute: the header of a file may claim any size.
        size = length * h5_type.get_size()
    if size > _MAX_ATTRIBUTE_BYTES:
        raise file.damage_error(f"the attribute {quote(name)} is larger than 64 KiB")
    # An empty list of texts is stored with a numeric type: numpy makes floats of `[]`.
    if not is_text and length:
        raise file.damage_error(f"the attribute {quote(name)} is not text")
    if not length:
        return []
    if is_variable:
        # HDF5 allocates memory for the declared length of each text before it looks for the text.
        with parser_errors(_ERRORS, file.message):
            header = h5py.h5o.get_info(h5_object.id).addr
            text_bytes = count_text_bytes(file.descriptor, header, name)
        if text_bytes is None:
            raise file.damage_error(
                f"the attribute {quote(name)} is stored in a way that Keras does not use"
            )
        if text_bytes > _MAX_ATTRIBUTE_BYTES:
            raise file.damage_error(f"the attribute {quote(name)} is larger than 64 KiB")
    with parser_errors(_ERRORS, file.message):
        values = np.ravel(h5_object.attrs[name]).tolist()
        return [each.decode("utf-8") if isinstance(each, bytes) else str(each) for each in values]
