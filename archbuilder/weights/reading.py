"""Opens files of weights and lists what they hold, without bringing values into memory.

A file of weights may come from a stranger as a blueprint may. HDF5 can point into other files
(external and soft links, external and virtual datasets): what is no plain array within the file is
refused. Values are read only when their shape is known to fit, so that a file takes no more memory
than the model has. Nothing is deserialised but numbers: of a `.keras` file, only the weights are
opened.
"""

from __future__ import annotations

import zipfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import h5py
import ml_dtypes
import numpy as np
from safetensors import SafetensorError, safe_open

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.weights.stored import Kind, Place, Sizes, Stored, keras_3_place

Group: TypeAlias = h5py.Group

_MEMBER: Final = "model.weights.h5"
"""Where a `.keras` file has its weights."""
_LARGEST_MEMBER: Final = 1 << 37
"""A zip says how large a member becomes: 128 GiB is more than Keras writes without shards."""
_VARIABLES: Final = "vars"
_DEEPEST: Final = 40


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """An open file of weights."""

    kind: Kind
    weights: tuple[Stored, ...]


@contextmanager
def open_weights(path: Path) -> Iterator[WeightsFile]:
    """What a `.weights.h5`, `.h5`, `.keras` or `.safetensors` file holds, while it is open.

    Raises:
        UsageError: when there is no such file, or it is of another kind.
        RunError: when it is damaged, or points into other files.
    """
    if not path.is_file():
        raise UsageError(f"there is no file {shown(path.name)}")
    with ExitStack() as opened:
        try:
            yield _open(path, opened)
        except (OSError, zipfile.BadZipFile, SafetensorError, KeyError) as error:
            raise RunError(f"the weights in {shown(path.name)} cannot be read: {error}") from error


def _open(path: Path, opened: ExitStack) -> WeightsFile:
    if path.suffix == ".safetensors":
        return WeightsFile(Kind.SAFETENSORS, tuple(_from_safetensors(path, opened)))
    if path.suffix in (".h5", ".hdf5"):
        return _from_hdf5(opened.enter_context(h5py.File(path, "r")))
    if path.suffix == ".keras":
        archive = opened.enter_context(zipfile.ZipFile(path))
        if archive.getinfo(_MEMBER).file_size > _LARGEST_MEMBER:
            raise RunError(f"{shown(path.name)} would take more than 128 GiB when it is unpacked")
        member = opened.enter_context(archive.open(_MEMBER))
        return _from_hdf5(opened.enter_context(h5py.File(member, "r")))
    raise UsageError(
        f"{shown(path.name)} is no file of weights: those end in .weights.h5, .h5, .keras or"
        " .safetensors"
    )


def _from_hdf5(file: Group) -> WeightsFile:
    root = _group(file, "model_weights") if "model_weights" in file else file
    if "layer_names" in root.attrs:
        return WeightsFile(Kind.KERAS_2, tuple(_from_keras_2(root)))
    return WeightsFile(Kind.KERAS_3, tuple(_from_keras_3(root)))


def _from_keras_3(root: Group) -> Iterator[Stored]:
    """Groups named by class and number, with the layer's own name beside its variables."""
    if "layers" not in root:
        return
    layers = _group(root, "layers")
    for place in layers:
        layer = _group(layers, place)
        own = _group(layer, _VARIABLES) if _VARIABLES in layer else None
        name = str(own.attrs.get("name", place)) if own is not None else place
        for inner, dataset in _variables(layer, depth=0):
            yield _stored(f"{name}/{inner}", keras_3_place(place, inner), dataset)


def _variables(group: Group, *, depth: int) -> Iterator[tuple[str, h5py.Dataset]]:
    if depth > _DEEPEST:
        raise RunError(f"groups lie more than {_DEEPEST} deep")
    for name in group:
        if name == _VARIABLES:
            variables = _group(group, name)
            for number in variables:
                yield f"{name}/{number}", _dataset(variables, number)
        else:
            for inner, dataset in _variables(_group(group, name), depth=depth + 1):
                yield f"{name}/{inner}", dataset


def _from_keras_2(root: Group) -> Iterator[Stored]:
    """Groups named by layer, in the order that an attribute tells."""
    before = 0
    for layer in _names(root, "layer_names"):
        group = _group(root, layer)
        for index, name in enumerate(_names(group, "weight_names")):
            parent, _, last = name.rpartition("/")
            holder = group
            for part in filter(None, parent.split("/")):
                holder = _group(holder, part)
            yield _stored(f"{layer}/{index}", Place("", before), _dataset(holder, last))
            before += 1


def _names(group: Group, attribute: str) -> list[str]:
    """A list of names, which HDF5 splits into `layer_names0`, `layer_names1` where it is long."""
    parts = [group.attrs[attribute]] if attribute in group.attrs else []
    while f"{attribute}{len(parts)}" in group.attrs:
        parts.append(group.attrs[f"{attribute}{len(parts)}"])
    names = (name for part in parts for name in part)
    return [name.decode("utf-8") if isinstance(name, bytes) else str(name) for name in names]


def _from_safetensors(path: Path, opened: ExitStack) -> Iterator[Stored]:
    file = opened.enter_context(safe_open(path, framework="numpy"))
    for before, name in enumerate(file.offset_keys()):
        shape = tuple(file.get_slice(name).get_shape())

        def read(name: str = name) -> np.ndarray:
            return np.asarray(file.get_tensor(name))

        yield Stored(name.replace(".", "/"), Place("", before), shape, read)


def _stored(path: str, place: Place, dataset: h5py.Dataset) -> Stored:
    def read() -> np.ndarray:
        # HDF5 has no bfloat16: Keras stores its bytes, and says so beside them.
        half = dataset.attrs.get("dtype") == "bfloat16"
        return np.array(dataset, dtype=ml_dtypes.bfloat16 if half else None)

    return Stored(path, place, _sizes(dataset), read)


def _sizes(dataset: h5py.Dataset) -> Sizes:
    return tuple(int(size) for size in dataset.shape)


def _group(parent: Group, name: str) -> Group:
    found = _member(parent, name)
    if not isinstance(found, h5py.Group):
        raise RunError(f"{shown(name)} is not a group")
    return found


def _dataset(parent: Group, name: str) -> h5py.Dataset:
    found = _member(parent, name)
    if not isinstance(found, h5py.Dataset) or found.shape is None:
        raise RunError(f"{shown(name)} is not an array")
    if found.external is not None or found.is_virtual:
        raise RunError(f"the array {shown(name)} lies in another file")
    return found


def _member(parent: Group, name: str) -> object:
    """A member that lies in the file itself."""
    if not isinstance(parent.get(name, getlink=True), h5py.HardLink):
        raise RunError(f"{shown(name)} is a link to somewhere else")
    return parent[name]
