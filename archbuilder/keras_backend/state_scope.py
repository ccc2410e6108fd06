"""Runs work with a Keras of its own, so that building leaves no trace in the user's.

Keras keeps its state in a `threading.local`: the counters behind automatic names, the scopes, and
the list of variables that wait for their values. A build in the caller's thread would move the
user's counters on, and variables of a model that was only analysed would wait in the user's list,
to be allocated by whoever next leaves a `keras.StatelessScope`. `keras.utils.clear_session()`
empties the list, but throws away the user's counters, settings and kernels too. In a thread of
its own the work begins with fresh state, which ends with the thread; fresh counters also make the
automatic names of two builds equal.
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
"""Held while the recursion limit, which belongs to the whole process, is raised."""


def run_in_fresh_keras_state(work: Callable[[], Result]) -> Result:
    """What `work` gives, done in a Keras state of its own with the settings of the caller.

    Scopes that the caller is in (`keras.name_scope`, `keras.StatelessScope`) are not seen there.
    """
    context = contextvars.copy_context()
    policy = keras.config.dtype_policy()
    distribution = keras.distribution.distribution()
    # A model remembers the strategy of the thread that makes it, and trains under that one.
    strategy = tf.distribute.get_strategy() if tf.distribute.has_strategy() else None

    def run() -> Result:
        keras.config.set_dtype_policy(policy)
        keras.distribution.set_distribution(distribution)
        # Filtering appends the arguments of the call to what an error says.
        keras.config.disable_traceback_filtering()
        with strategy.scope() if strategy else nullcontext():
            return work()

    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="archbuilder") as thread:
        return thread.submit(context.run, run).result()


@contextmanager
def recursion_limit(levels: int) -> Iterator[None]:
    """Lets Keras walk a chain of so many layers, which it does by recursion.

    `keras.Model(...)` calls itself once a layer, from Python to Python. Since Python 3.11 that
    takes no room on the stack of the machine, so that a higher limit is all that is needed.
    """
    with _RECURSION_LIMIT_LOCK:
        previous_limit = sys.getrecursionlimit()
        sys.setrecursionlimit(previous_limit + 2 * levels)
        try:
            yield
        finally:
            sys.setrecursionlimit(previous_limit)
