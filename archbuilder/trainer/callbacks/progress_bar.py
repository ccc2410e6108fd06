"""Callback that shows a progress bar with the remaining time."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import keras

from archbuilder.data.position import TrainingPosition

ProgressFn = Callable[[str], None]
"""Shows a line in place of the last one; an empty line clears it."""
_UPDATE_SECONDS: Final = 0.2
_BAR_WIDTH: Final = 24


class ProgressBar(keras.callbacks.Callback):
    """Shows a bar that is updated a few times a second."""

    def __init__(
        self, progress: ProgressFn, position: TrainingPosition, steps_per_epoch: int, epochs: int
    ) -> None:
        super().__init__()
        self._progress = progress
        self._skipped_batches = position.batch
        self._steps_per_epoch = steps_per_epoch
        self._epochs = epochs
        self._epoch = position.epoch
        self._start: tuple[float, int] | None = None
        self._last_update = 0.0

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Start an epoch; batches were skipped only in the first one."""
        if epoch != self._epoch:
            self._epoch, self._skipped_batches = epoch, 0

    def on_train_batch_end(self, batch: int, _logs: object = None) -> None:
        """Update the bar if the last update is long enough ago."""
        now = time.monotonic()
        steps_done = self._epoch * self._steps_per_epoch + min(
            self._skipped_batches + batch + 1, self._steps_per_epoch
        )
        if self._start is None:
            # The first execution includes tracing and compilation: the estimate leaves it out.
            self._start = now, steps_done
        elif now - self._last_update >= _UPDATE_SECONDS:
            self._last_update = now
            start_time, first_step = self._start
            seconds_left = (
                (now - start_time)
                / (steps_done - first_step)
                * (self._epochs * self._steps_per_epoch - steps_done)
            )
            self._progress(
                format_bar(
                    self._epoch + 1,
                    self._epochs,
                    steps_done / (self._epochs * self._steps_per_epoch),
                    seconds_left,
                )
            )

    def on_epoch_end(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Clear the bar, for the log line of the epoch."""
        self._progress("")


def format_bar(epoch: int, epochs: int, fraction: float, seconds_left: float) -> str:
    """Format a line such as `Epoch 3/12  [#######                 ]  28%  ETA 0:42`."""
    num_filled = int(fraction * _BAR_WIDTH)
    minutes, seconds = divmod(round(seconds_left), 60)
    hours, minutes = divmod(minutes, 60)
    time_left = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    width = len(str(epochs))
    return (
        f"Epoch {epoch:{width}}/{epochs}  [{'#' * num_filled:{_BAR_WIDTH}}] "
        f" {fraction:4.0%}  ETA {time_left}"
    )
