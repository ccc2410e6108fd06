"""Run code with a fresh Keras state, so that a build does not change the state of the caller.

Keras keeps its global state in a `threading.local`: the counters for automatic names, the scopes,
and the list of variables that wait for initialization. A build in the caller's thread would advance
the counters. Variables of a model that is only analyzed would stay in the list, to be allocated as
soon as any `keras.StatelessScope` ends. `keras.utils.clear_session()` empties the list, but also
resets the caller's counters, settings and compiled functions. A new thread starts with fresh state,
which is dropped with the thread. It also makes automatic names reproducible between builds.
"""

from __future__ import annotations

import contextvars
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from typing import Final, TypeVar

import keras
import tensorflow as tf

Result = TypeVar("Result")

_RECURSION_LIMIT_LOCK: Final = threading.Lock()
"""Lock for changes of the recursion limit, which is a setting of the whole process."""


def run_in_fresh_keras_state(work: Callable[[], Result]) -> Result:
    """Call `work` with a fresh Keras state that has the settings of the caller; return its result.

    Scopes of the caller (`keras.name_scope`, `keras.StatelessScope`) do not apply to it.
    """
    context = contextvars.copy_context()
    policy = keras.config.dtype_policy()
    distribution = keras.distribution.distribution()
    # A Keras model stores the strategy that is active when it is created, and trains under it. The
    # strategy scope is thread-local as well.
    strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None

    def run() -> Result:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)
        # With filtering, Keras wraps each message in "Exception encountered when calling ..." and
        # the values of all arguments.
        keras.config.disable_traceback_filtering()
        with strategy.scope() if strategy else nullcontext():
            return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="archbuilder") as thread:
        return thread.submit(context.run, run).result()


@contextmanager
def recursion_limit(levels: int) -> Iterator[None]:
    """Raise Python's recursion limit enough for a model with this many layers in a chain.

    `keras.Model(...)` traverses the layers recursively. Since Python 3.11, calls from Python to
    Python do not use the C stack, so that a higher limit cannot overflow it.
    """
    with _RECURSION_LIMIT_LOCK:
        previous_limit = sys.getrecursionlimit()
        # Keras recurses once per layer; the factor of 2 is a margin.
        sys.setrecursionlimit(previous_limit + 2 * levels)
        try:
            yield
        finally:
            sys.setrecursionlimit(previous_limit)
