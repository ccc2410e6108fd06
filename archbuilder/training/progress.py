"""How far a run is, and when it will be over, for a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

import keras

from archbuilder.training.checkpoints import Position

Show = Callable[[str], None]
"""Takes a line that the next one takes the place of; an empty one goes away."""
_EVERY: Final = 0.2
_WIDTH: Final = 24


class Progress(keras.callbacks.Callback):
    """Shows a bar, a few times a second."""

    def __init__(self, show: Show, position: Position, steps: int, epochs: int) -> None:
        super().__init__()
        self._show = show
        self._skipped = position.batch
        self._steps = steps
        self._epochs = epochs
        self._epoch = position.epoch
        self._begun: tuple[float, int] | None = None
        self._shown = 0.0

    def on_epoch_begin(self, epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Note the epoch."""
        if epoch != self._epoch:
            self._epoch, self._skipped = epoch, 0

    def on_train_batch_end(self, batch: int, _logs: object = None) -> None:
        """Show how far it is, if it is time to."""
        now = time.monotonic()
        done = self._epoch * self._steps + min(self._skipped + batch + 1, self._steps)
        if self._begun is None:
            # The first execution is that in which everything is compiled.
            self._begun = now, done
        elif now - self._shown >= _EVERY:
            self._shown = now
            begun, first = self._begun
            left = (now - begun) / (done - first) * (self._epochs * self._steps - done)
            self._show(
                bar(self._epoch + 1, self._epochs, done / (self._epochs * self._steps), left)
            )

    def on_epoch_end(self, _epoch: int, _logs: Mapping[str, float] | None = None) -> None:
        """Make room for the numbers of the epoch."""
        self._show("")


def bar(epoch: int, epochs: int, share: float, left: float) -> str:
    """A line such as `epoch 3/12  [#######                 ]  28%  0:42 left`."""
    filled = int(share * _WIDTH)
    minutes, seconds = divmod(round(left), 60)
    hours, minutes = divmod(minutes, 60)
    clock = f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}"
    width = len(str(epochs))
    return f"epoch {epoch:{width}}/{epochs}  [{'#' * filled:{_WIDTH}}]  {share:4.0%}  {clock} left"
