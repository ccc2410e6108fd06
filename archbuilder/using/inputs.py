"""Files of inputs without targets, as a person names them to a trained network."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Final

import numpy as np

from archbuilder.errors import UsageError, shown
from archbuilder.graph import Graph
from archbuilder.recipe.legend import Heading
from archbuilder.recipe.sources import (
    IMAGE_ENDINGS,
    Csv,
    DataFile,
    DataSource,
    Idx,
    Jsonl,
    Npy,
    Npz,
    Parquet,
)
from archbuilder.training.columns import Held, Numbers
from archbuilder.training.examples import ONLY, Examples, Feature
from archbuilder.training.opening import Opener
from archbuilder.training.sources.comma_separated import load_csv
from archbuilder.training.sources.gathering import Store
from archbuilder.training.sources.idx import load_idx_images
from archbuilder.training.sources.json_lines import load_jsonl
from archbuilder.training.sources.npy import load_npy
from archbuilder.training.sources.npz import load_npz
from archbuilder.training.sources.parquet import load_parquet
from archbuilder.training.sources.pictures import BRIGHTEST, Look, decoded, read_picture
from archbuilder.training.sources.table import Asked

_COLOURS: Final = (1, 3)


@dataclass(frozen=True, slots=True, eq=False)
class Part:
    """Examples of one shape, with what each of them is called."""

    keys: Sequence[str]
    examples: Examples


def read_inputs(
    paths: Sequence[Path], like: DataSource, graph: Graph, heading: Heading | None = None
) -> Iterator[Part]:
    """The inputs in files and folders, read as a recipe says it of files `like` these.

    Those in tables are the columns that have the names of the `heading` that was trained on.

    An example is called by its number, from 0, with the name of its file in front where there are
    several, and an image by its file; of files with the same name the whole path is told. Nothing
    is left out: what cannot be read is an error, whatever the recipe says of it.

    Raises:
        UsageError: if there is no such file, or it is of another kind.
        RunError: if it cannot be read, or has numbers that are not finite.
    """
    files = [file for path in paths for file in _files(path)]
    tables = sum(file.suffix.lower() not in IMAGE_ENDINGS for file in files)
    twice = len({file.name for file in files}) < len(files)
    names = {file: str(file) if twice else file.name for file in files}
    for images, group in groupby(files, lambda file: file.suffix.lower() in IMAGE_ENDINGS):
        if images:
            yield from _images([*group], names, like, graph)
            continue
        for file in group:
            examples = _table(file, like, graph, heading).check()
            front = f"{names[file]}:" if len(files) > 1 or tables > 1 else ""
            yield Part([f"{front}{number}" for number in range(examples.count)], examples)


def _files(path: Path) -> list[Path]:
    if path.is_dir():
        found = sorted(each for each in path.iterdir() if each.suffix.lower() in IMAGE_ENDINGS)
        if not found:
            inner = any(each.is_dir() for each in path.iterdir())
            raise UsageError(
                f"the folder {shown(str(path), 200)} has no images ({', '.join(IMAGE_ENDINGS)})"
                + ("; it has folders: name those" if inner else "")
            )
        return found
    if not path.is_file():
        raise UsageError(f"there is no file {shown(str(path), 200)}")
    return [path]


def _table(path: Path, like: DataSource, graph: Graph, heading: Heading | None) -> Examples:
    file, opener, store, name = DataFile(str(path)), Opener(), Store(), shown(str(path), 200)
    scale = like.scale if isinstance(like, Npz | Npy | Idx) else None
    sizes = [size for size in graph.inputs[0].shape if size is not None]
    whole = math.prod(sizes) if len(sizes) == len(graph.inputs[0].shape) else None
    asked = Asked(whole, heading)
    if path.suffix == ".npz":
        archive = like if isinstance(like, Npz) else Npz(file)
        archive = dataclasses.replace(archive, file=file, targets={}, weights=None)
        return load_npz(archive, opener, store)
    if path.suffix == ".npy":
        return load_npy(Npy(file, {}, scale), opener)
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
        return Examples(name, {ONLY: load_idx_images(file, scale, opener, store)}, {})
    raise UsageError(
        f"{name} is no .npz, .npy, .csv, .parquet or .jsonl file, no IDX file, and no image"
    )


def _images(
    files: list[Path], names: Mapping[Path, str], like: DataSource, graph: Graph
) -> Iterator[Part]:
    """Images in their order, those of one size together where they stand side by side."""
    wanted = graph.inputs[0].shape
    colours = wanted[-1] if len(wanted) == 3 and wanted[-1] in _COLOURS else 1
    scale = like.scale if isinstance(like, Npz | Npy | Idx) else None
    read = ((file, _image(file, colours or 1, axis=len(wanted) == 3)) for file in files)
    for _, group in groupby(read, lambda each: each[1].shape):
        found = [*group]
        column = Held(np.stack([image for _, image in found]))
        feature = Feature(column, scale or BRIGHTEST, image=True)
        name = shown(str(found[0][0]), 200)
        yield Part([names[file] for file, _ in found], Examples(name, {ONLY: feature}, {}))


def _image(file: Path, colours: int, *, axis: bool) -> Numbers:
    name = shown(str(file), 200)
    with Opener().opened(DataFile(str(file))) as descriptor:
        content = read_picture(descriptor, name)
    picture = decoded(content, name)
    image = Look.of(picture, None, colours).fit(picture)
    return image if axis else image[..., 0]
