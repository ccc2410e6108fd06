"""Files of inputs without targets, as a person names them to a trained network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from archbuilder.errors import UsageError, shown
from archbuilder.graph import Graph
from archbuilder.recipe.legend import Legend
from archbuilder.recipe.sources import (
    IMAGE_ENDINGS,
    Csv,
    DataFile,
    DataSource,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Parquet,
    Tfds,
    Tfrecord,
)
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import ONLY, Examples, Known
from archbuilder.training.opening import Opener
from archbuilder.training.sources.comma_separated import load_csv
from archbuilder.training.sources.folders import Way, is_image, list_all_images
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.idx import load_idx_images
from archbuilder.training.sources.json_lines import load_jsonl
from archbuilder.training.sources.npy import load_npy
from archbuilder.training.sources.npz import load_npz
from archbuilder.training.sources.parquet import load_parquet
from archbuilder.training.sources.pictures import Look, decoded, read_picture
from archbuilder.training.sources.table import Asked

_COLOURS: Final = (1, 3)
_AT_ONCE: Final = 1024
"""The images that are decoded and held in memory at a time."""
_ENCODED: Final = (Images, Tfrecord, Tfds)
"""Sources of encoded images, which say what they are brought to."""


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Examples of one shape, with what each of them is called."""

    keys: Sequence[str]
    examples: Examples


def read_inputs(
    paths: Sequence[Path],
    like: DataSource,
    graph: Graph,
    legend: Legend,
    report: Callable[[str], None] = lambda _: None,
) -> Iterator[Part]:
    """The inputs in files and folders, read as a recipe says it of files `like` these.

    Those in tables are the columns that have the names of the heading in the `legend` of the run,
    and images are decoded to the form in it. `report` is given each change to images, and the
    files of a folder that are not read.

    An example is called by its number, from 0, with the name of its file in front where there are
    several, and an image by its file: its path below the folder that a person names, or its name.
    Where two would be called the same, whole paths are told. Nothing is left out: what cannot be
    read is an error, whatever the recipe says of it.

    Raises:
        UsageError: if there is no such file, or it is of another kind.
        RunError: if it cannot be read, or has numbers that are not finite.
    """
    files = [file for path in paths for file in _files(path, report)]
    tables = sum(not file.is_image for file in files)
    twice = len({file.key for file in files}) < len(files)
    names = {file: str(file.path) if twice else file.key for file in files}
    look_of = _look_of(like, graph, legend)
    for images, group in groupby(files, lambda file: file.is_image):
        if images:
            yield from _images(group, look_of, _scale(like), names, report)
            continue
        for file in group:
            examples = _table(file.path, like, graph, legend).check()
            front = f"{names[file]}:" if len(files) > 1 or tables > 1 else ""
            yield Part([f"{front}{number}" for number in range(examples.count)], examples)


@dataclass(frozen=True, slots=True)
class _File:
    """A file that a person names, or one that names lead to from a folder."""

    source: DataFile
    way: Way = ()

    @property
    def path(self) -> Path:
        return Path(self.source.path, *self.way)

    @property
    def key(self) -> str:
        """Its path below the folder, or its name."""
        return "/".join(self.way) or self.path.name

    @property
    def is_image(self) -> bool:
        return is_image(self.path.name)


def _files(path: Path, report: Callable[[str], None]) -> list[_File]:
    """A file, or all images below a folder by alphabet."""
    source = DataFile(str(path))
    if path.is_dir():
        listing = list_all_images(source, Opener())
        if not listing.images:
            raise UsageError(
                f"the folder {listing.name} has no images ({', '.join(IMAGE_ENDINGS)}), nor have"
                " the folders in it"
            )
        for remark in listing.remarks:
            report(f"{listing.name}: {remark}")
        return [_File(folder, way) for folder, way in listing.images]
    if not path.is_file():
        raise UsageError(f"there is no file {shown(str(path), 200)}")
    return [_File(source)]


def _table(path: Path, like: DataSource, graph: Graph, legend: Legend) -> Examples:
    file, opener, store, name = DataFile(str(path)), Opener(), Store(), shown(str(path), 200)
    scale = like.scale if isinstance(like, Npz | Npy | Idx) else None
    sizes = [size for size in graph.inputs[0].shape if size is not None]
    whole = math.prod(sizes) if len(sizes) == len(graph.inputs[0].shape) else None
    asked = Asked(whole, legend.heading)
    known = Known(legend)
    if path.suffix == ".npz":
        archive = like if isinstance(like, Npz) else Npz(file)
        archive = dataclasses.replace(archive, file=file, targets={}, weights=None)
        return load_npz(archive, opener, store, known)
    if path.suffix == ".npy":
        return load_npy(Npy(file, {}, scale), opener, known)
    if path.suffix == ".csv":
        table = like if isinstance(like, Csv) else Csv(file)
        table = dataclasses.replace(table, file=file, on_error="stop")
        return load_csv(table, opener, store, asked=asked)
    if path.suffix == ".parquet":
        rows = like if isinstance(like, Parquet) else Parquet(file)
        rows = dataclasses.replace(rows, file=file, on_error="stop")
        return load_parquet(rows, opener, store, asked=asked)
    if path.suffix == ".jsonl":
        lines = like if isinstance(like, Jsonl) else Jsonl(file)
        lines = dataclasses.replace(lines, file=file, targets={}, weights=None, on_error="stop")
        return load_jsonl(lines, opener, store, None)
    if "idx" in path.name:
        return Examples(name, {ONLY: load_idx_images(file, scale, opener, store, known)}, {})
    raise UsageError(
        f"{name} is no .npz, .npy, .csv, .parquet or .jsonl file, no IDX file, and no image"
    )


def _images(
    files: Iterable[_File],
    look_of: Callable[[Image.Image], Look],
    scale: float | None,
    names: Mapping[_File, str],
    report: Callable[[str], None],
) -> Iterator[Part]:
    """Images in their order, those of one size together where they stand side by side.

    A part is small enough for the memory, however many images there are.
    """
    read = ((file, *_image(file, look_of, report)) for file in files)
    alike = groupby(enumerate(read), lambda each: (each[0] // _AT_ONCE, each[1][1]))
    for (_, look), group in alike:
        images = [each for _, each in group]
        values = Held(np.stack([image for *_, image in images]))
        feature = look.feature(values, scale)
        name = shown(str(images[0][0].path), 200)
        yield Part([names[file] for file, *_ in images], Examples(name, {ONLY: feature}, {}))


def _look_of(like: DataSource, graph: Graph, legend: Legend) -> Callable[[Image.Image], Look]:
    """What a picture is brought to before it is fitted to the network: the same as in training."""
    wanted = graph.inputs[0]
    channels = wanted.shape[-1] if len(wanted.shape) == 3 and wanted.shape[-1] in _COLOURS else 1
    form = legend.images.get(wanted.name, legend.images.get(ONLY))
    if isinstance(like, _ENCODED):
        own = like.channels or (None if form else channels)
        return lambda picture: Look.of(picture, like.size, own, like.bits, form)
    # The numbers of arrays are divided by a scale that is meant for 8 bits.
    bits = None if _scale(like) is None else 8
    return lambda picture: Look.of(picture, None, channels, bits)


def _scale(like: DataSource) -> float | None:
    return like.scale if isinstance(like, (Npz, Npy, Idx, *_ENCODED)) else None


def _image(
    file: _File, look_of: Callable[[Image.Image], Look], report: Callable[[str], None]
) -> tuple[Look, Numbers]:
    name = shown(str(file.path), 200)
    with Opener().opened(file.source, *file.way) as descriptor:
        picture = decoded(read_picture(descriptor, name), name)
    look = look_of(picture)
    for change in look.changes(picture):
        report(f"{name}: {change}")
    return look, look.fit(picture, name)
