"""The folder of a run: what was trained, how, with which versions, and what came of it.

blueprint.yaml     the blueprint with everything resolved
run.json           the command, the recipe, the versions, the seed, the devices, the result
history.csv        one line an epoch, for spreadsheets
history.jsonl      the same, for programs
NAME.keras         the trained model, one for each network
"""

from __future__ import annotations

import csv
import io
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Final

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.tree import Plain

Row = Mapping[str, float]
"""The numbers of one epoch by name."""

_OUTSIDE: Final = re.compile(r"[^A-Za-z0-9_-]+")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """A folder that belongs to one run alone."""

    path: Path

    @classmethod
    def numbered(cls, parent: Path, name: str) -> RunFolder:
        """The next free folder `name-1`, `name-2`, ... below `parent`.

        Raises:
            RunError: if it cannot be made.
        """
        stem = _OUTSIDE.sub("_", name)[:64] or "run"
        for number in count(1):
            path = parent / f"{stem}-{number}"
            try:
                parent.mkdir(parents=True, exist_ok=True)
                # Two runs that start at once get two folders: only one of them makes each.
                path.mkdir()
            except FileExistsError:
                if parent.is_dir():
                    continue
                raise RunError(f"{shown(str(parent), 200)} is not a folder") from None
            except OSError as error:
                raise _cannot("make the folder", path, error) from error
            return cls(path)
        raise RunError(f"there is no free name below {shown(str(parent), 200)}")

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """The folder that the user chose, which has to be new or empty.

        Raises:
            UsageError: if something is in it.
            RunError: if it cannot be made.
        """
        try:
            path.mkdir(parents=True, exist_ok=True)
            empty = not any(path.iterdir())
        except (FileExistsError, NotADirectoryError):
            raise UsageError(f"{shown(str(path), 200)} is a file, not a folder for a run") from None
        except OSError as error:
            raise _cannot("make the folder", path, error) from error
        if not empty:
            raise UsageError(
                f"the folder {shown(str(path), 200)} is not empty; give a new one for a run"
            )
        return cls(path)

    def model_file(self, network: str) -> Path:
        """Where the model of a network is saved."""
        return self.path / f"{_OUTSIDE.sub('_', network)}.keras"

    def write_text(self, name: str, text: str) -> None:
        """Write a file that appears whole.

        Raises:
            RunError: if it cannot be written.
        """
        path = self.path / name
        beside = path.with_name(f".{name}.part")
        try:
            with beside.open("w", encoding="utf-8", newline="") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            beside.replace(path)
        except OSError as error:
            raise _cannot("write", path, error) from error

    def write_json(self, name: str, value: Plain) -> None:
        """Write plain data as JSON.

        Raises:
            RunError: if it cannot be written.
        """
        self.write_text(name, json.dumps(value, indent=2) + "\n")

    def add_history(self, row: Row, *, first: bool) -> None:
        """Add the numbers of an epoch to both histories.

        Raises:
            RunError: if they cannot be written.
        """
        # JSON has no word for NaN.
        numbers = {name: value if math.isfinite(value) else None for name, value in row.items()}
        self._append("history.jsonl", json.dumps(numbers) + "\n")
        text = io.StringIO()
        writer = csv.DictWriter(text, list(row), lineterminator="\n")
        if first:
            writer.writeheader()
        writer.writerow(row)
        self._append("history.csv", text.getvalue())

    def _append(self, name: str, text: str) -> None:
        path = self.path / name
        try:
            with path.open("a", encoding="utf-8", newline="") as file:
                file.write(text)
        except OSError as error:
            raise _cannot("write", path, error) from error


def _cannot(what: str, path: Path, error: OSError) -> RunError:
    return RunError(f"cannot {what} {shown(str(path), 200)}: {error.strerror or error}")
