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

from archbuilder.config.data_schema import schema_from_dict, schema_to_dict
from archbuilder.config.run_config import RUN_JSON, recipe_to_dict
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.dataset import Dataset, FittedPreprocessing, preprocessing_from_schema
from archbuilder.data.digest import dataset_digest
from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    RunError,
    RunInterruptedError,
    UsageError,
)
from archbuilder.files.json import JsonError
from archbuilder.plain_data import PlainData
from archbuilder.runs.git_state import git_state
from archbuilder.runs.run_dir import EpochLogs, RunDir
from archbuilder.version import __version__


@dataclass(frozen=True, slots=True)
class RunProvenance:
    """Where the networks of a run come from, for the run's folder to tell."""

    blueprint: str = ""
    """The blueprint with everything resolved, as text."""
    command: tuple[str, ...] = ()
    """The command line."""
    allow: Sequence[Path] = ()
    """Folders that its data files may lie in, beside its own."""
    file: Path | None = None
    """The blueprint as a person wrote it."""


class RunManifest:
    """The record of a run that is carried out now.

    A run that goes on keeps what was recorded of its start.

    Raises:
        RunError: from every method, if the record cannot be written.
    """

    def __init__(
        self,
        run_dir: RunDir,
        data: DataConfig,
        training: TrainingConfig,
        provenance: RunProvenance,
        devices: str,
    ) -> None:
        self._run_dir = run_dir
        record = run_dir.previous_manifest()
        previous = {} if record is None else record.values
        self._start_time = time.monotonic()
        start: dict[str, PlainData] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(provenance.command),
        }
        resumes = previous.get("resumed")
        git = previous.get("git")
        if not previous and provenance.file is not None:
            git = git_state(provenance.file)
        self.preprocessing = _decode_preprocessing(previous.get("legend"))
        """What an earlier part of the run knows of its data; None where there is none."""
        self.recipe: PlainData = recipe_to_dict(data, training, provenance.allow)
        """The recipe as plain data."""
        self._fields: dict[str, PlainData] = {
            "status": "running",
            **{key: previous.get(key, value) for key, value in start.items()},
            "resumed": [*(resumes if isinstance(resumes, list) else ()), start] if previous else [],
            "git": git,
            "data": previous.get("data"),
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
    def track_status(self) -> Iterator[None]:
        """Where the run is carried out: what ends it stands in its record."""
        try:
            yield
        except ArchbuilderError as error:
            status = "stopped" if isinstance(error, RunInterruptedError) else "failed"
            # On a full disk this fails too, and says less than what stopped the run.
            with suppress(RunError):
                self._write(status=status, reason=str(error))
            raise
        except KeyboardInterrupt:
            self._write(status="interrupted")
            raise

    def record_data(self, examples: Dataset, validation: Dataset | None) -> None:
        """Record which data is trained on, and what its columns and classes mean.

        Raises:
            RunError: if a run that goes on began with other data.
        """
        if not self._run_dir.is_writer:
            return
        previous, current = self._fields["data"], dataset_digest(examples, validation)
        if previous not in (None, current):
            raise RunError(
                "the data is no longer that which the run began with: other examples would be held"
                " out now; bring it back, or begin a new run"
            )
        self._fields |= {"data": current, "legend": schema_to_dict(examples.preprocessing.schema)}
        self._write()

    def finish(self, val_metrics: EpochLogs) -> None:
        """Record that the run is over, and what came of it."""
        seconds = round(time.monotonic() - self._start_time, 1)
        self._write(status="finished", seconds=seconds, held_out=dict(val_metrics))

    def _write(self, **updates: PlainData) -> None:
        self._run_dir.write_json(RUN_JSON, {**self._fields, **updates})


def _decode_preprocessing(schema: PlainData) -> FittedPreprocessing | None:
    try:
        return preprocessing_from_schema(schema_from_dict(schema))
    except JsonError as error:
        raise UsageError(f"{RUN_JSON} is not the record of a run: {error}") from None
