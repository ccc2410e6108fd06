"""Gives the variables of a model their values, all in one go."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Final

import keras
import tensorflow as tf

_MIN_GRAPH_INIT_SIZE: Final = 4 * 2**20
"""Numbers from which on a variable is worth a graph of its own, which costs some 30 ms."""


def initialize_variables(variables: Iterable[keras.Variable]) -> None:
    """Initialise variables that were made under `keras.StatelessScope`.

    It is done in the caller's thread, so that the caller's `tf.device` and `tf.distribute`
    scopes hold, and gives the very numbers that Keras would.
    """
    small = list(variables)
    large = [variable for variable in small if math.prod(variable.shape) >= _MIN_GRAPH_INIT_SIZE]
    if large and not tf.distribute.has_strategy():
        with _no_constant_folding(), tf.variable_creator_scope(_init_in_graph):
            _assign_initial_values(large)
        small = [variable for variable in small if math.prod(variable.shape) < _MIN_GRAPH_INIT_SIZE]
    _assign_initial_values(small)


def get_initializer(variable: keras.Variable) -> object:
    """The initializer of a variable that has no value yet."""
    return variable._initializer  # noqa: SLF001 - Keras has no public name for it


def _assign_initial_values(variables: Iterable[keras.Variable]) -> None:
    for variable in variables:
        # What leaving a StatelessScope does with all variables that the thread has made; those of
        # a model that was only analysed were made in a thread that is gone.
        variable._deferred_initialize()  # noqa: SLF001


def _init_in_graph(create: Callable[..., tf.Variable], **arguments: object) -> tf.Variable:
    """Make a variable whose first value is computed in a graph.

    A graph scales the random numbers where they are. Eagerly, each step makes a new tensor: three
    times the memory of the largest weight, half of the time of VGG16.
    """
    value = arguments["initial_value"]
    if callable(value):
        arguments["initial_value"] = tf.function(value, autograph=False)
    return create(**arguments)


@contextmanager
def _no_constant_folding() -> Iterator[None]:
    """Keeps TensorFlow from computing constants, such as random numbers, before it runs a graph.

    It would compute them, find them too large to keep, and compute them again.
    """
    options = tf.config.optimizer
    previous_options = options.get_experimental_options()
    options.set_experimental_options({"disable_meta_optimizer": True, "constant_folding": False})
    try:
        yield
    finally:
        options.set_experimental_options(
            {
                "disable_meta_optimizer": previous_options.get("disable_meta_optimizer", False),
                "constant_folding": previous_options.get("constant_folding", True),
            }
        )
