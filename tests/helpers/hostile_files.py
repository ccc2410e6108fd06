"""What another person may put in the place of a file: `other` has a `file` that is not theirs."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

Hostile = Callable[[Path, Path], None]


def as_pipe(path: Path, _target: Path) -> None:
    os.mkfifo(path)


def as_link(path: Path, target: Path) -> None:
    path.symlink_to(target / "file")


def as_dangling_link(path: Path, target: Path) -> None:
    path.symlink_to(target / "none")


def as_hard_link(path: Path, target: Path) -> None:
    os.link(target / "file", path)


def as_endless_device(path: Path, _target: Path) -> None:
    path.symlink_to("/dev/zero")


def as_linked_folder(path: Path, target: Path) -> None:
    path.symlink_to(target)


HOSTILE: list[Hostile] = [
    as_pipe,
    as_link,
    as_dangling_link,
    as_hard_link,
    as_endless_device,
    as_linked_folder,
]
