"""The manifest of a run, `run.json`: command, recipe, data, versions, devices and status."""

from __future__ import annotations

import platform
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from archbuilder.config.data_schema import schema_from_dict, schema_to_dict
from archbuilder.config.run_config import RUN_JSON, recipe_to_dict
from archbuilder.config.sources import DataConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.digest import dataset_digest
from archbuilder.data.source_dataset import SourceDatasets, preprocessing_from_schema
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

if TYPE_CHECKING:
    from _typeshed import DataclassInstance


@dataclass(frozen=True, slots=True)
class RunProvenance:
    """Where the networks of a run come from, as recorded in the run directory."""

    blueprint: str = ""
    """The text of the blueprint with everything resolved."""
    command: tuple[str, ...] = ()
    """The command line."""
    allow_dirs: Sequence[Path] = ()
    """Directories that data files may lie in, besides that of the blueprint."""
    file: Path | None = None
    """The file of the blueprint as the user wrote it."""
    sizes: Mapping[str, int] = field(default_factory=dict)
    """Numbers of the data that parameters of the blueprint were set to, by parameter."""


class RunManifest:
    """Writes the manifest of the current run.

    A resumed run keeps what was recorded when it started.

    Raises:
        RunError: from every method, if the manifest cannot be written.
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
        # Durations: time.time() jumps when the clock is set.
        self._start_time = time.monotonic()
        start: dict[str, PlainData] = {
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "command": list(provenance.command),
        }
        resumes = previous.get("resumes")
        git = previous.get("git")
        # A resumed run takes its blueprint from the run directory, not from the repository.
        if not previous and provenance.file is not None:
            git = git_state(provenance.file)
        try:
            schema = schema_from_dict(previous.get("schema"))
        except JsonError as error:
            raise UsageError(f"{RUN_JSON} is not a valid run record: {error}") from None
        self.preprocessing = preprocessing_from_schema(schema)
        """Label names and scales that the run was started with; None for a new run."""
        self.previous_epochs = _recorded_epochs(previous)
        """Number of epochs that the run was last started with; None for a new run."""
        self.recipe: PlainData = recipe_to_dict(data, training, provenance.allow_dirs)
        """The recipe as plain data."""
        self._fields: dict[str, PlainData] = {
            # Stays in the file if the process is killed.
            "status": "running",
            **{key: previous.get(key, value) for key, value in start.items()},
            "resumes": [*(resumes if isinstance(resumes, list) else ()), start] if previous else [],
            "git": git,
            "data_digest": previous.get("data_digest"),
            "weights": previous.get("weights", []),
            "sizes": previous.get("sizes", {**provenance.sizes}),
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
        """Record the status and the reason if this block is interrupted or fails."""
        try:
            yield
        # Not only errors of ours: a run must not stay "running" if TensorFlow raises one.
        except BaseException as error:
            # The message of another error may be empty, or only a key.
            fields = {"status": "failed", "reason": f"{type(error).__name__}: {error}"}
            if isinstance(error, KeyboardInterrupt):
                fields = {"status": "interrupted"}
            elif isinstance(error, ArchbuilderError):
                status = "stopped" if isinstance(error, RunInterruptedError) else "failed"
                fields = {"status": status, "reason": str(error)}
            # On a full disk this fails too, and its error would hide the one that ended the run.
            with suppress(RunError):
                self._write(**fields)
            raise

    def record_data(self, datasets: SourceDatasets) -> None:
        """Record the digest of the data, and the meaning of its columns and classes.

        Raises:
            RunError: if a resumed run was started with other data.
        """
        # The digest reads examples, which is of no use where nothing is written.
        if not self._run_dir.is_writer:
            return
        previous, current = self._fields["data_digest"], dataset_digest(datasets)
        if previous not in (None, current):
            raise RunError(
                "the data has changed since the run started, and with it the validation set;"
                " restore the data, or start a new run"
            )
        self._fields |= {
            "data_digest": current,
            "schema": schema_to_dict(datasets.train.preprocessing.schema),
        }
        self._write()

    def record_weights(self, files: Mapping[str, str]) -> None:
        """Record the SHA-256 digests of the weight files that the run starts from, by their paths.

        Raises:
            RunError: if a run that was interrupted before its first checkpoint was started with
                other weights.
        """
        if not files:
            return
        weights: list[PlainData] = [
            {"file": file, "sha256": digest} for file, digest in files.items()
        ]
        if self._fields["weights"] not in ([], weights):
            raise RunError(
                "the files under 'weights' have changed since the run started; restore them, or"
                " start a new run"
            )
        self._fields["weights"] = weights
        if self._run_dir.is_writer:
            self._write()

    def record_class_weights(self, weights: Mapping[str, Mapping[str, float]]) -> None:
        """Record the class weights of the training loss, by output and class.

        Raises:
            RunError: if the manifest cannot be written.
        """
        if weights:
            self._fields["class_weights"] = {name: {**each} for name, each in weights.items()}
            self._write()

    def finish(
        self,
        val_metrics: EpochLogs,
        test_metrics: EpochLogs,
        early_stop: DataclassInstance | None = None,
        best_epoch: DataclassInstance | None = None,
    ) -> None:
        """Record that the run has finished, its duration and its metrics.

        `early_stop` says how callbacks ended it; None if they did not. `best_epoch` says which
        epoch `save_best` saved; None if none.
        """
        sections = {"early_stop": early_stop, "best_epoch": best_epoch}
        details = {key: asdict(each) for key, each in sections.items() if each is not None}
        if test_metrics:
            details["test_metrics"] = dict(test_metrics)
        self._write(
            status="finished",
            seconds=round(time.monotonic() - self._start_time, 1),
            validation_metrics=dict(val_metrics),
            **details,
        )

    def _write(self, **updates: PlainData) -> None:
        self._run_dir.write_json(RUN_JSON, {**self._fields, **updates})


def _recorded_epochs(record: Mapping[str, PlainData]) -> int | None:
    recipe = record.get("recipe")
    training = recipe.get("training") if isinstance(recipe, dict) else None
    epochs = training.get("epochs") if isinstance(training, dict) else None
    return epochs if isinstance(epochs, int) else None
