"""The numbers of the epochs for the eye: logs for TensorBoard, and a picture at the end."""

from __future__ import annotations

import io
import os
import time
from collections.abc import Mapping, Sequence
from typing import Final

import keras
import tensorflow as tf

from archbuilder.files.sandbox import SandboxPath
from archbuilder.runs.run_dir import EpochLogs, RunDir, translate_write_errors
from archbuilder.trainer.log_format import VAL_PREFIX

TENSORBOARD_DIR: Final = "tensorboard"
CURVES_FILE: Final = "curves.png"
_SPLITS: Final = {"": "train", VAL_PREFIX: "held_out"}
# `tf.summary.scalar` does the same, but wants TensorBoard itself to be installed.
_SCALAR_METADATA: Final = tf.compat.v1.SummaryMetadata(
    plugin_data=tf.compat.v1.SummaryMetadata.PluginData(plugin_name="scalars"),
    data_class=1,
)
_Value: Final = tf.compat.v1.Summary.Value
_Event: Final = tf.compat.v1.Event
_NON_METRIC_KEYS: Final = ("epoch", "seconds")
_WIDTH: Final = 5.0
"""The inches of a picture of one number, with its margins."""
_HEIGHT: Final = 4.0
_LEFT: Final = 0.75
_RIGHT: Final = 0.15
_BOTTOM: Final = 0.55
_TOP: Final = 0.35


class TensorBoardWriter(keras.callbacks.Callback):
    """Writes the numbers of every epoch where TensorBoard finds them.

    What a run logged that goes on is written anew: it may have logged epochs behind its checkpoint.
    """

    def __init__(self, run_dir: RunDir, history: Sequence[EpochLogs]) -> None:
        super().__init__()
        self._writers: dict[str, tf.io.TFRecordWriter] = {}
        if not run_dir.is_writer:
            return
        for prefix, name in _SPLITS.items():
            self._writers[prefix] = _create_event_file(run_dir.root.joinpath(TENSORBOARD_DIR, name))
        for epoch_logs in history:
            self._write(int(epoch_logs["epoch"]), epoch_logs)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Write the numbers of an epoch."""
        self._write(epoch + 1, logs or {})

    def close(self) -> None:
        """Bring everything to the disk."""
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


def _create_event_file(folder: SandboxPath) -> tf.io.TFRecordWriter:
    """A log of no events yet, in place of those in a folder.

    TensorFlow's own writer takes the path of the folder, which may lead elsewhere by then.

    Raises:
        RunError: if it cannot be written.
    """
    event_file = folder.joinpath(f"events.out.tfevents.{int(time.time())}.{os.getpid()}")
    with translate_write_errors(event_file):
        folder.parent.make_directory(exist_ok=True)
        folder.make_directory(exist_ok=True)
        for name in folder.list_names():
            if name.startswith("events."):
                folder.joinpath(name).remove()
        with event_file.create() as file:
            writer = tf.io.TFRecordWriter(f"/dev/fd/{file.fileno()}")
    writer.write(_Event(wall_time=time.time(), file_version="brain.Event:2").SerializeToString())
    return writer


def plot_history(run_dir: RunDir, history: Sequence[EpochLogs]) -> None:
    """Draw the numbers of all epochs, one picture beside the other, as `curves.png`.

    Raises:
        RunError: if it cannot be written.
    """
    if not run_dir.is_writer or not history:
        return
    # Takes a second to import, and nothing else needs it.
    from matplotlib.figure import Figure  # noqa: PLC0415

    names = list(
        dict.fromkeys(n for prefix in _SPLITS for n in _metrics_of_split(history[-1], prefix))
    )
    width, height = _WIDTH * max(len(names), 1), _HEIGHT
    figure = Figure(figsize=(width, height))
    all_axes = figure.subplots(1, len(names), squeeze=False)[0]
    # To have the layout found takes longer than everything else.
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
        axes.set(title=name, xlabel="epoch")
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(visible=True, alpha=0.3)
        axes.legend()
    png = io.BytesIO()
    figure.savefig(png, format="png", dpi=100)
    run_dir.write_bytes(CURVES_FILE, png.getvalue())


def _metrics_of_split(metrics: EpochLogs, prefix: str) -> dict[str, float]:
    """The numbers of what is trained on or held out, under their plain names."""
    return {
        name.removeprefix(prefix): value
        for name, value in metrics.items()
        if name not in _NON_METRIC_KEYS and name.startswith(VAL_PREFIX) == (prefix == VAL_PREFIX)
    }
