"""Callback that writes TensorBoard logs, and a plot of the metrics at the end of a run."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from typing import Final

import keras
import tensorflow as tf

from archbuilder.runs.run_dir import EpochLogs, RunDir, translate_write_errors
from archbuilder.trainer.log_format import VAL_PREFIX

TENSORBOARD_DIR: Final = "tensorboard"
CURVES_FILE: Final = "curves.png"
_SPLITS: Final = {"": "train", VAL_PREFIX: "validation"}
# `tf.summary.scalar` does the same, but needs TensorBoard, which is not a dependency.
_SCALAR_METADATA: Final = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class=1,
)
_Value: Final = tf.compat.v1.Summary.Value
_Event: Final = tf.compat.v1.Event
_NON_METRIC_KEYS: Final = ("epoch", "seconds", "stage")
_WIDTH: Final = 5.0
"""Width of the plot of one metric in inches, including margins."""
_HEIGHT: Final = 4.0
_LEFT: Final = 0.75
_RIGHT: Final = 0.15
_BOTTOM: Final = 0.55
_TOP: Final = 0.35


class TensorBoardWriter(keras.callbacks.Callback):
    """Writes the metrics of every epoch as TensorBoard event files.

    A resumed run rewrites the files from `history`: the old ones may contain epochs after the
    checkpoint.
    """

    def __init__(self, run_dir: RunDir, history: Sequence[EpochLogs]) -> None:
        super().__init__()
        self._writers: dict[str, tf.io.TFRecordWriter] = {}
        if not run_dir.is_writer:
            return
        for prefix, name in _SPLITS.items():
            directory = run_dir.root.joinpath(TENSORBOARD_DIR, name)
            event_file = directory.joinpath(f"events.out.tfevents.{int(time.time())}.{os.getpid()}")
            with translate_write_errors(event_file):
                directory.parent.make_directory(exist_ok=True)
                directory.make_directory(exist_ok=True)
                for old_name in directory.list_names():
                    if old_name.startswith("events."):
                        directory.joinpath(old_name).remove()
                with event_file.create() as file:
                    # TensorFlow's writers open a path themselves and follow links, which another
                    # person may have put there. The path of a descriptor leads to the file that was
                    # just created.
                    writer = tf.io.TFRecordWriter(f"/dev/fd/{file.fileno()}")
            # As in files of TensorFlow's own writer, the first event names the version of the
            # format.
            event = _Event(wall_time=time.time(), file_version="brain.Event:2")
            writer.write(event.SerializeToString())
            self._writers[prefix] = writer
        for epoch_logs in history:
            self._write(int(epoch_logs["epoch"]), epoch_logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the metrics of an epoch."""
        self._write(epoch + 1, logs or {})

    def close(self) -> None:
        """Flush and close the event files."""
        for writer in self._writers.values():
            writer.close()

    def _write(self, epoch: int, metrics: EpochLogs) -> None:
        for prefix, writer in self._writers.items():
            values = [
                _Value(
                    tag=name,
                    metadata=_SCALAR_METADATA,
                    tensor=tf.make_tensor_proto(value, tf.float32),
                )
                for name, value in _metrics_of_split(metrics, prefix).items()
            ]
            summary = tf.compat.v1.Summary(value=values)
            event = _Event(wall_time=time.time(), step=epoch, summary=summary)
            writer.write(event.SerializeToString())
            writer.flush()


def plot_history(run_dir: RunDir, history: Sequence[EpochLogs]) -> None:
    """Plot the metrics of all epochs, side by side, and save the plot as `curves.png`.

    Raises:
        RunError: if it cannot be written.
    """
    if not run_dir.is_writer or not history:
        return
    # The import takes a second, and nothing else needs matplotlib.
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list(
        dict.fromkeys(n for prefix in _SPLITS for n in _metrics_of_split(history[-1], prefix))
    )
    width, height = _WIDTH * max(len(names), 1), _HEIGHT
    figure = Figure(figsize=(width, height))
    all_axes = figure.subplots(1, len(names), squeeze=False)[0]
    # Margins by hand: `tight_layout` takes longer than everything else here.
    figure.subplots_adjust(
        left=_LEFT / width,
        right=1 - _RIGHT / width,
        bottom=_BOTTOM / height,
        top=1 - _TOP / height,
        wspace=(_LEFT + _RIGHT) / (_WIDTH - _LEFT - _RIGHT),
    )
    for axes, name in zip(all_axes, names, strict=True):
        for prefix, split in _SPLITS.items():
            points = [(row["epoch"], row[prefix + name]) for row in history if prefix + name in row]
            if points:
                axes.plot(*zip(*points, strict=True), marker="." if len(history) < 30 else "")
                axes.lines[-1].set_label(split.replace("_", " "))
        # Where the title is by default, without the search for a place above the ticks.
        axes.set_title(name, y=1.0)
        axes.set_xlabel("epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    run_dir.write_bytes(CURVES_FILE, png.getvalue())


def _metrics_of_split(metrics: EpochLogs, prefix: str) -> dict[str, float]:
    """Return the training or validation metrics, without the prefix in their names."""
    return {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name not in _NON_METRIC_KEYS and name.startswith(VAL_PREFIX) == (prefix == VAL_PREFIX)
    }
