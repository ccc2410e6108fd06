"""Callbacks of a recipe: they run as in Keras, and checkpoints hold their state."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, TypeAlias

import keras
import numpy as np
from numpy.typing import NDArray

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.save_best import SaveBest
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import Span
from archbuilder.distribution.collectives import WorkerGroup
from archbuilder.formatting import plural
from archbuilder.keras_backend.instantiate import build_object
from archbuilder.runs.state_dict import (
    CALLBACKS_PREFIX,
    RESTORE_BEST,
    SAVE_BEST,
    Arrays,
    NetworkState,
    best_weights,
    best_weights_state,
    load_network,
    optimizer_parts,
)
from archbuilder.trainer.callbacks.monitors import resolve_mode
from archbuilder.trainer.log_format import LogFn

_RecipeCallback: TypeAlias = keras.callbacks.EarlyStopping | keras.callbacks.ReduceLROnPlateau


class _SaveBest(keras.callbacks.EarlyStopping):
    """Keeps the weights of the best epoch as `EarlyStopping` does, but never stops a run."""

    def __init__(self, config: SaveBest) -> None:
        super().__init__(
            config.monitor, patience=sys.maxsize, mode=config.mode, restore_best_weights=True
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float]) -> None:
        """Keep the weights if the metric has improved."""
        # Keras 3.15 would take a first NaN for the best, since no number is smaller or larger.
        if not math.isnan(logs[self.monitor]):
            super().on_epoch_end(epoch, logs)


_COUNTERS: Final[Mapping[type, tuple[str, ...]]] = {
    keras.callbacks.EarlyStopping: ("wait", "stopped_epoch", "best_epoch"),
    _SaveBest: ("wait", "best_epoch"),
    keras.callbacks.ReduceLROnPlateau: ("wait", "cooldown_counter"),
}
"""Integer attributes that a callback changes in the course of a run."""
_BEST: Final = "best"


@dataclass(frozen=True, slots=True)
class EarlyStop:
    """How callbacks ended a run. Epochs count from 1."""

    monitor: str
    """The metric that decided."""
    stopped_epoch: int | None
    """The last epoch; None if the run was not stopped before its number of epochs."""
    restored_epoch: int | None
    """The epoch whose weights were restored; None if the run ends with its last weights."""


@dataclass(frozen=True, slots=True)
class BestEpoch:
    """The best epoch of a run, counted from 1, and the value of the metric in it."""

    monitor: str
    value: float
    epoch: int


@dataclass(frozen=True, slots=True, eq=False)
class BestWeights:
    """The weights of the best epoch of a run."""

    best_epoch: BestEpoch
    model: keras.Model
    weights: Sequence[NDArray[np.generic]]

    @contextmanager
    def loaded(self) -> Iterator[None]:
        """Set the weights of the model to those of the best epoch, and back after the block."""
        with self.model.distribute_strategy.scope():
            last_weights = self.model.get_weights()
            self.model.set_weights(self.weights)
        # Of a run that averages its weights, the averages are saved, as at the end.
        if self.model.ema_variables:
            self.model.swap_ema_weights()
        try:
            yield
        finally:
            with self.model.distribute_strategy.scope():
                self.model.set_weights(last_weights)


@dataclass(frozen=True, slots=True, eq=False)
class BestNetworks:
    """The state of each network in the best epoch of earlier stages, whose model is gone."""

    best_epoch: BestEpoch
    networks: Mapping[str, NetworkState]


class RecipeCallbacks(keras.callbacks.Callback):
    """Runs the callbacks of a recipe at the end of each epoch.

    Keras's `on_train_begin` resets such a callback, and `on_train_end` restores its best weights.
    A resumed run may call `fit` twice, and its last checkpoint holds the trained weights, so that
    more epochs can follow. Both methods are therefore called once, outside of `fit`.

    Args:
        configs: The callbacks of the recipe.
        model: The compiled model, whose metrics have been built.
        metric_names: Names of the metrics that the run logs for an epoch.
        workers: The workers of the run, all of which act on the metrics of the chief.
        log: Shows a line to the user.
        save_best: The metric whose best epoch is kept; None to keep none.
        first_epoch: The epoch from which `start_from_epoch` counts.

    Raises:
        BlueprintError: if the run does not log the metric of a callback.
    """

    def __init__(
        self,
        configs: Sequence[KerasObject],
        model: keras.Model,
        metric_names: Sequence[str],
        workers: WorkerGroup,
        log: LogFn,
        *,
        save_best: SaveBest | None = None,
        first_epoch: int = 0,
    ) -> None:
        super().__init__()
        self.set_model(model)
        self._workers = workers
        self._log = log
        self._callbacks: list[_RecipeCallback] = []
        self._save_best = None if save_best is None else _SaveBest(save_best)

        def add(name: str, callback: object, span: Span) -> None:
            if not isinstance(callback, _RecipeCallback):
                raise TypeError(f"{callback!r} has no state that checkpoints hold")
            callback.mode = resolve_mode(name, callback, span, model, metric_names)
            if isinstance(callback, keras.callbacks.EarlyStopping):
                callback.start_from_epoch += first_epoch
            callback.set_model(model)
            callback.on_train_begin()
            self._callbacks.append(callback)

        for config in configs:
            add(config.class_name, build_object(config), config.argument_span("monitor"))
        if save_best is not None:
            add("save_best", self._save_best, save_best.monitor_span)

    @property
    def has_stopped(self) -> bool:
        """Whether a callback has stopped the run."""
        return self._stopped_by is not None

    @property
    def best_weights(self) -> BestWeights | None:
        """The weights of the best epoch; None without `save_best`, or if no epoch counted."""
        save_best = self._save_best
        if save_best is None or save_best.best_weights is None:
            return None
        best_epoch = BestEpoch(save_best.monitor, save_best.best, save_best.best_epoch + 1)
        return BestWeights(best_epoch, self.model, save_best.best_weights)

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Pass the metrics of an epoch to the callbacks."""
        # Workers read the same variables, but may compute a metric from them on other processors. A
        # last bit that differs may decide whether one improves, and workers that do not stop
        # together wait for each other forever. All therefore take the metrics of the chief.
        names = sorted(logs or {})
        values = np.array([(logs or {})[name] for name in names], np.float64)
        shared_values = np.frombuffer(self._workers.broadcast(values.tobytes()), np.float64)
        metrics = dict(zip(names, shared_values.tolist(), strict=True))
        for callback in self._callbacks:
            with self.model.distribute_strategy.scope():
                old_rate, old_wait = self._learning_rate(), callback.wait
                # A dictionary of its own: ReduceLROnPlateau adds the learning rate to it.
                callback.on_epoch_end(epoch, {**metrics})
                new_rate = self._learning_rate()
            if new_rate != old_rate:
                self._log(
                    f"Learning rate reduced from {old_rate:.6g} to {new_rate:.6g}:"
                    f" {callback.monitor} has not improved for {plural(old_wait + 1, 'epoch')}"
                )

    def start_from(self, best: BestNetworks, networks: Mapping[str, keras.Model]) -> None:
        """Keep the best epoch of earlier stages until another one is better.

        Args:
            best: The best epoch.
            networks: The networks of the model by name.
        """
        if self._save_best is None:
            return
        with self.model.distribute_strategy.scope():
            weights = self.model.get_weights()
            for name, network in networks.items():
                load_network(network, best.networks[name])
            # Averages of the weights are saved where a model has them.
            self.model.reset_ema()
            self._save_best.best_weights = self.model.get_weights()
            self.model.set_weights(weights)
        self._save_best.best = best.best_epoch.value
        self._save_best.best_epoch = best.best_epoch.epoch - 1

    def finish(self) -> EarlyStop | None:
        """Restore the best weights after training, if a callback does so, and log why it ended.

        Returns:
            None if no callback stopped the run or restored weights.
        """
        stopped_by, restored_by, best = self._stopped_by, self._restored_by, self.best_weights
        if best is not None:
            epoch = best.best_epoch
            self._log(f"Best {epoch.monitor}: {epoch.value:.6g}, in epoch {epoch.epoch}")
        if restored_by is not None:
            with self.model.distribute_strategy.scope():
                restored_by.on_train_end()
        restored = (
            "" if restored_by is None else f"weights of epoch {restored_by.best_epoch + 1} restored"
        )
        if stopped_by is not None:
            self._log(
                f"Early stopping: {stopped_by.monitor} has not improved for"
                f" {plural(stopped_by.wait, 'epoch')}{'; ' if restored else ''}{restored}"
            )
        elif restored_by is not None:
            self._log(f"Best {restored_by.monitor}: {restored}")
        deciding_callback = stopped_by or restored_by
        if deciding_callback is None:
            return None
        return EarlyStop(
            deciding_callback.monitor,
            None if stopped_by is None else stopped_by.stopped_epoch + 1,
            None if restored_by is None else restored_by.best_epoch + 1,
        )

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return the state of the callbacks as arrays for a checkpoint."""
        arrays: dict[str, NDArray[np.generic]] = {}
        for prefix, callback in self._prefixed():
            for name in _COUNTERS[type(callback)]:
                arrays[prefix + name] = np.asarray(getattr(callback, name), np.int64)
            # None before the first epoch that counts.
            if callback.best is not None:
                arrays[prefix + _BEST] = np.asarray(callback.best, np.float64)
        # The learning rate is a variable of the optimizer, which the checkpoint has already.
        for prefix, keeper in ((RESTORE_BEST, self._restored_by), (SAVE_BEST, self._save_best)):
            if keeper is not None and keeper.best_weights is not None:
                arrays |= best_weights_state(prefix, keeper.best_weights)
        return arrays

    def load_state(self, arrays: Arrays) -> None:
        """Restore the state of the callbacks from the arrays of a checkpoint.

        Raises:
            RunError: if it is the state of other callbacks.
        """
        for prefix, callback in self._prefixed():
            for name in _COUNTERS[type(callback)]:
                setattr(callback, name, int(_scalar(arrays, prefix + name, np.int64)))
            if prefix + _BEST in arrays:
                callback.best = float(_scalar(arrays, prefix + _BEST, np.float64))
            if getattr(callback, "restore_best_weights", False):
                owner = SAVE_BEST if callback is self._save_best else RESTORE_BEST
                callback.best_weights = best_weights(self.model, owner, arrays)

    @property
    def _stopped_by(self) -> keras.callbacks.EarlyStopping | None:
        """The callback that has stopped the run."""
        # Keras never stops after epoch 0, so that 0 stands for a run that goes on.
        return next((each for each in self._early_stopping() if each.stopped_epoch > 0), None)

    @property
    def _restored_by(self) -> keras.callbacks.EarlyStopping | None:
        """The callback that has the weights of its best epoch."""
        return next(
            (each for each in self._early_stopping() if each.best_weights is not None), None
        )

    def _early_stopping(self) -> Iterator[keras.callbacks.EarlyStopping]:
        for callback in self._callbacks:
            if type(callback) is keras.callbacks.EarlyStopping:
                yield callback

    def _prefixed(self) -> Iterator[tuple[str, _RecipeCallback]]:
        """Yield the callbacks, each with the start of the names of its arrays."""
        for number, callback in enumerate(self._callbacks):
            is_save_best = callback is self._save_best
            yield SAVE_BEST if is_save_best else f"{CALLBACKS_PREFIX}{number}.", callback

    def _learning_rate(self) -> float:
        # A callback changes that of an only optimizer.
        first_optimizer = optimizer_parts(self.model.optimizer)[0]
        return float(keras.ops.convert_to_numpy(first_optimizer.learning_rate))


def _scalar(arrays: Arrays, name: str, dtype: type[np.generic]) -> float:
    array = arrays.get(name)
    if array is None or array.shape or array.dtype != dtype:
        raise RunError("the checkpoint has the state of other callbacks than the recipe")
    number: float = array.item()
    return number
