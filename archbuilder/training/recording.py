"""What `run.json` says of a run: how it was begun, on what, and how it ended."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from archbuilder.errors import ArchbuilderError, RunError, StoppedError, UsageError
from archbuilder.json_files import JsonError
from archbuilder.recipe.legend import decode_legend, encode_legend
from archbuilder.recipe.record import RECORD, encode_recipe
from archbuilder.recipe.sources import DataSpec
from archbuilder.recipe.spec import TrainingSpec
from archbuilder.training.examples import Examples, Known, known_of
from archbuilder.training.identity import digest
from archbuilder.training.repository import repository_state
from archbuilder.training.run import Row, RunFolder
from archbuilder.tree import Plain
from archbuilder.version import __version__


@dataclass(frozen=True, slots=True)
class Origin:
    """Where the networks of a run come from, for the run's folder to tell."""

    blueprint: str = ""
    """The blueprint with everything resolved, as text."""
    command: tuple[str, ...] = ()
    """The command line."""
    allow: Sequence[Path] = ()
    """Folders that its data files may lie in, beside its own."""
    file: Path | None = None
    """The blueprint as a person wrote it."""


class Recording:
    """The record of a run that is carried out now.

    A run that goes on keeps what was recorded of its start.

    Raises:
        RunError: from every method, if the record cannot be written.
    """

    def __init__(
        self, run: RunFolder, data: DataSpec, training: TrainingSpec, origin: Origin, devices: str
    ) -> None:
        self._run = run
        record = run.before()
        before = {} if record is None else record.values
        self._begun = time.monotonic()
        now: dict[str, Plain] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(origin.command),
        }
        earlier = before.get("resumed")
        git = before.get("git")
        if not before and origin.file is not None:
            git = repository_state(origin.file)
        self.known = _known(before.get("legend"))
        """What an earlier part of the run knows of its data; None where there is none."""
        self.recipe: Plain = encode_recipe(data, training, origin.allow)
        """The recipe as plain data."""
        self._fields: dict[str, Plain] = {
            "status": "running",
            **{key: before.get(key, value) for key, value in now.items()},
            "resumed": [*(earlier if isinstance(earlier, list) else ()), now] if before else [],
            "git": git,
            "data": before.get("data"),
            "seed": training.seed,
            "recipe": self.recipe,
            "versions": {
                "archbuilder": __version__,
                "keras": keras.__version__,
                "tensorflow": tf.__version__,
                "numpy": np.__version__,
                "python": platform.python_version(),
            },
            "devices": devices,
        }
        self._write()

    @contextmanager
    def carried_out(self) -> Iterator[None]:
        """Where the run is carried out: what ends it stands in its record."""
        try:
            yield
        except ArchbuilderError as error:
            status = "stopped" if isinstance(error, StoppedError) else "failed"
            # On a full disk this fails too, and says less than what stopped the run.
            with suppress(RunError):
                self._write(status=status, reason=str(error))
            raise
        except KeyboardInterrupt:
            self._write(status="interrupted")
            raise

    def keep_data(self, examples: Examples, validation: Examples | None) -> None:
        """Record which data is trained on, and what its columns and classes mean.

        Raises:
            RunError: if a run that goes on began with other data.
        """
        if not self._run.writes:
            return
        before, now = self._fields["data"], digest(examples, validation)
        if before not in (None, now):
            raise RunError(
                "the data is no longer that which the run began with: other examples would be held"
                " out now; bring it back, or begin a new run"
            )
        self._fields |= {"data": now, "legend": encode_legend(examples.known.legend)}
        self._write()

    def finish(self, held_out: Row) -> None:
        """Record that the run is over, and what came of it."""
        seconds = round(time.monotonic() - self._begun, 1)
        self._write(status="finished", seconds=seconds, held_out=dict(held_out))

    def _write(self, **ending: Plain) -> None:
        self._run.write_json(RECORD, {**self._fields, **ending})


def _known(legend: Plain) -> Known | None:
    try:
        return known_of(decode_legend(legend))
    except JsonError as error:
        raise UsageError(f"{RECORD} is not the record of a run: {error}") from None
