"""Initialize the variables of a model that was built without values."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import keras
import tensorflow as tf

_MIN_GRAPH_INIT_SIZE: Final = 4 * 2**20
"""Smallest number of elements for which a `tf.function` (about 30 ms to trace) pays off."""


def initialize_variables(variables: Iterable[keras.Variable]) -> None:
    """Initialize variables that were created under `keras.StatelessScope`.

    Runs in the caller's thread, so that the caller's `tf.device` and `tf.distribute` scopes apply.
    The values are the same as those of a model that Keras initializes.
    """
    small = list(variables)
    large = [variable for variable in small if math.prod(variable.shape) >= _MIN_GRAPH_INIT_SIZE]
    # Not under a strategy: its own variable creator makes one copy of the value per replica.
    if large and not tf.distribute.has_strategy():
        with _no_constant_folding(), tf.variable_creator_scope(_init_in_graph):
            _assign_initial_values(large)
        small = [variable for variable in small if math.prod(variable.shape) < _MIN_GRAPH_INIT_SIZE]
    _assign_initial_values(small)


def get_initializer(variable: keras.Variable) -> object:
    """Return the initializer of a variable that has no value yet."""
    return variable._initializer  # noqa: SLF001 - Keras has no public name for it


def _assign_initial_values(variables: Iterable[keras.Variable]) -> None:
    for variable in variables:
        # Keras calls this for all pending variables of a thread when its StatelessScope ends. Only
        # the variables of this model should get values, and they were created in another thread.
        variable._deferred_initialize()  # noqa: SLF001


def _init_in_graph(create: Callable[..., tf.Variable], **arguments: object) -> tf.Variable:
    """Create a variable whose initial value is computed in a graph.

    A graph scales the random numbers in place. Eager execution makes a new tensor in each step and
    so needs three times the memory of the weight. For VGG16, graphs halve both time and memory.
    """
    value = arguments["initial_value"]
    if callable(value):
        arguments["initial_value"] = tf.function(value, autograph=False)
    return create(**arguments)


@contextmanager
def _no_constant_folding() -> Iterator[None]:
    """Disable constant folding in TensorFlow's graph optimizer (Grappler).

    Keras draws initial values with stateless functions of a fixed seed, which look like constants
    to it. It would compute them, find them too large to store in the graph, and compute them again.
    """
    options = tf.config.optimizer
    previous_options = options.get_experimental_options()
    options.set_experimental_options({"disable_meta_optimizer": True, "constant_folding": False})
    try:
        yield
    finally:
        # Options that were never set are missing. Restore them to TensorFlow's defaults.
        options.set_experimental_options(
            {
                "disable_meta_optimizer": previous_options.get("disable_meta_optimizer", False),
                "constant_folding": previous_options.get("constant_folding", True),
            }
        )
