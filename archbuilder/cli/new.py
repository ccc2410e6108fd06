"""The command `archbuilder new`."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import click

from archbuilder import zoo
from archbuilder.blueprint import load
from archbuilder.cli.command import Command
from archbuilder.cli.common_options import check_not_replacing
from archbuilder.cli.console import Console
from archbuilder.cli.path_type import PathType
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.files import path_status
from archbuilder.files.atomic_write import check_writable, write_text
from archbuilder.files.blueprint_files import YAML_SUFFIXES
from archbuilder.files.sandbox import SandboxPath
from archbuilder.formatting import any_of
from archbuilder.silence_tensorflow import import_tensorflow

_SCHEMA_COMMENT: Final = re.compile(r"^# yaml-language-server: [^\n]*\n", re.MULTILINE)
TEMPLATE: Final = """\
archbuilder: 1
title: A small convolutional network

params:
  classes: 10
  filters: [32, 64]

blocks:
  stage:                        # a block: reusable steps with parameters of their own
    params: {filters: }         # no default, so whoever uses the block gives a value
    layers:
      - Conv2D: {filters: $filters, kernel_size: 3, padding: same, use_bias: false}
      - BatchNormalization: {momentum: 0.9}
      - ReLU
      - MaxPooling2D: 2         # one bare value is the first argument

inputs:
  image: [8, 8, 1]              # without the batch axis

layers:                         # every layer of Keras, with the arguments that Keras gives it
  - for: {width: $filters}
    layers:
      - stage: $width
  - GlobalAveragePooling2D
  - Dropout: 0.5
  - Dense: {units: $classes, activation: softmax}

variants:                       # named sets of parameters
  tiny: {filters: [8, 16]}

data: digits                    # small images that ship with archbuilder; or files of yours

training:                       # losses, metrics and optimizers of Keras
  loss: SparseCategoricalCrossentropy
  metrics: [SparseCategoricalAccuracy]
  epochs: 5
"""


@click.command(
    "new",
    cls=Command,
    examples=(
        "archbuilder new mine.yaml",
        "archbuilder new my_vgg.yaml --from vgg",
        "archbuilder new my_penguins.yaml --data penguins.csv --target species",
        "archbuilder new fraud.yaml --from structured_data/imbalanced_classification",
    ),
)
@click.argument("file", type=PathType())
@click.option(
    "--from",
    "origin",
    metavar="NAME",
    help="Copy this blueprint of the library (see 'archbuilder list'). [default: a template]",
)
@click.option(
    "--data",
    metavar="DATA",
    help="Write a blueprint that trains on this data: a .csv, .parquet, .jsonl, .npz or .txt file,"
    " or a directory of images, texts or audio files with a subdirectory per class.",
)
@click.option(
    "--target",
    metavar="COLUMN",
    help="With --data, the column of a table to predict. [default: the last one]",
)
@click.option("--force", is_flag=True, help="Overwrite FILE if it exists.")
@click.pass_obj
def new_command(
    console: Console,
    *,
    file: Path,
    origin: str | None,
    data: str | None,
    target: str | None,
    force: bool,
) -> None:
    """Create a new blueprint.

    FILE is the blueprint to write. Files that it imports are written next to it. A blueprint for
    --data is a starting point: read it, and change what you know better.
    """
    if file.suffix not in YAML_SUFFIXES and not path_status.is_dir(file):
        raise UsageError(f"{quote(str(file), 200)} must end in {any_of(YAML_SUFFIXES)}")
    if data is not None:
        if origin is not None:
            raise UsageError("--from and --data cannot be used together")
        text, hint = _data_blueprint(file, data, target)
        _write_files({file: text}, file, force=force)
        console.print(f"Created {escape_terminal(str(file))}; {hint}")
        return
    if target is not None:
        raise UsageError("--target needs --data")
    files = {file: TEMPLATE} if origin is None else _library_files(file, origin)
    _write_files(files, file, force=force)
    names = " and ".join(escape_terminal(str(each)) for each in files)
    # The template has data that ships with archbuilder.
    command = "train" if origin is None else "show"
    console.print(f"Created {names}; {command} it with: {_command_line(command, str(file))}")


def _data_blueprint(file: Path, data: str, target: str | None) -> tuple[str, str]:
    """Return a blueprint for a dataset, and how to train it."""
    import_tensorflow()
    # This imports TensorFlow; see archbuilder/cli/__init__.py.
    from archbuilder.scaffold.data_blueprint import data_blueprint  # noqa: PLC0415

    blueprint = data_blueprint(file, data, target)
    options = [] if blueprint.has_data else ["--data", data]
    return blueprint.text, f"train it with: {_command_line('train', str(file), *options)}"


def _command_line(*words: str) -> str:
    return escape_terminal(shlex.join(["archbuilder", *words]))


def _library_files(file: Path, origin: str) -> dict[Path, str]:
    """Return the text of a blueprint of the library, and of its imports, by their new paths."""
    # A variant after a colon is dropped: the file has all variants.
    source = zoo.path(origin.partition(":")[0])
    destinations = {
        each: file if each == source else file.parent / each.relative_to(source.parent)
        for each in load(source).files
    }
    # The comment for editors has a path that is relative to the library.
    return {
        target: _SCHEMA_COMMENT.sub("", each.read_text("utf-8"))
        for each, target in destinations.items()
    }


def _write_files(files: Mapping[Path, str], named_file: Path, *, force: bool) -> None:
    """Write all files, or none of them if one exists that was not to be overwritten."""
    for path, text in files.items():
        check_writable(path)
        if path == named_file or _differs(path, text):
            check_not_replacing(path, force=force)
    for path, text in files.items():
        write_text(path, text)


def _differs(path: Path, text: str) -> bool:
    """Return whether a file does not have this text.

    An import beside the named file may exist already, from an earlier `new`: it does no harm if
    it has the same text.
    """
    try:
        return SandboxPath.from_path(path).read(len(text.encode())) != text.encode()
    # It cannot be read, or is longer than the text: then it differs.
    except OSError:
        return True
