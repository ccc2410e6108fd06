"""The setting `callbacks`: callbacks of Keras that control a run by its metrics."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.value_types import ValueType, keras_objects
from archbuilder.diagnostics.errors import Diagnostics

_EXAMPLE: Final = "'callbacks: [{EarlyStopping: {patience: 3}}]'"
_REDUCES_LEARNING_RATE: Final = "ReduceLROnPlateau"


def callbacks() -> ValueType[tuple[KerasObject, ...]]:
    """Return the type of lists of callbacks, at most one of which restores weights."""
    return keras_objects("callback", _check_restored_weights, example=_EXAMPLE)


def check_learning_rates(
    callbacks: Iterable[KerasObject],
    optimizers: Mapping[str, KerasObject],
    diagnostics: Diagnostics,
) -> None:
    """Report callbacks that reduce a learning rate which they cannot set.

    Args:
        callbacks: The callbacks of a recipe.
        optimizers: The optimizers of its objective, by the networks and layers that they train.
        diagnostics: Receives the errors.
    """
    only_optimizer = optimizers.get("")
    for callback in callbacks:
        if callback.class_name != _REDUCES_LEARNING_RATE:
            continue
        if only_optimizer is None:
            diagnostics.error(
                "invalid-choice",
                f"'{_REDUCES_LEARNING_RATE}' does not support several optimizers, one for each"
                " network or part",
                callback.span,
                label="use learning rate schedules",
            )
        # Keras refuses to set the learning rate of such an optimizer, in the middle of the run.
        elif isinstance(only_optimizer.argument("learning_rate"), str | dict):
            diagnostics.error(
                "invalid-choice",
                f"'{_REDUCES_LEARNING_RATE}' cannot change the learning rate: it follows a"
                " schedule",
                callback.span,
                label="use a number as 'learning_rate', or remove the callback",
            )


def _check_restored_weights(callbacks: Iterable[KerasObject], diagnostics: Diagnostics) -> None:
    """Report a second callback that restores the weights of its best epoch."""
    restoring = [each for each in callbacks if each.argument("restore_best_weights") is True]
    for callback in restoring[1:]:
        diagnostics.error(
            "invalid-structure",
            "two callbacks restore the weights of their best epoch, and a run saves one set of"
            " weights",
            callback.argument_span("restore_best_weights"),
            label="remove one of them",
        )
