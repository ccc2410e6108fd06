"""Building has a Keras state of its own."""

from __future__ import annotations

import contextvars
import sys
import threading

import keras
import pytest

from archbuilder.keras_backend.state_scope import recursion_limit, run_in_fresh_keras_state


def test_scope_returns_results_and_errors():
    """What the work gives is given, and what it raises is raised."""
    assert run_in_fresh_keras_state(lambda: 42) == 42
    with pytest.raises(KeyError, match="lost"):
        run_in_fresh_keras_state(lambda: {}["lost"])


def test_scope_resets_name_counters():
    """Automatic names do not depend on what was built before."""
    names = [run_in_fresh_keras_state(lambda: keras.layers.Dense(1).name) for _ in range(2)]
    assert names == ["dense", "dense"]


def test_scope_hides_caller_scopes():
    """A scope that the caller is in does not reach the work, and is still there afterwards."""
    with keras.StatelessScope():
        variable = run_in_fresh_keras_state(lambda: keras.Variable(1.0))
        with pytest.raises(ValueError, match="stateless scope"):
            keras.Variable(1.0)
    assert float(variable) == 1.0


def test_scope_keeps_context_variables():
    """Context variables of the caller hold for the work."""
    variable = contextvars.ContextVar("variable", default=0)
    variable.set(7)
    assert run_in_fresh_keras_state(variable.get) == 7


def test_scope_raises_and_restores_the_recursion_limit():
    """Python calls itself as often as asked for, on an ordinary stack."""

    def descend(levels: int) -> int:
        return 0 if levels == 0 else 1 + descend(levels - 1)

    limit = sys.getrecursionlimit()
    depths: list[int] = []

    def work() -> None:
        with recursion_limit(100_000):
            depths.append(descend(100_000))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert depths == [100_000]
    assert sys.getrecursionlimit() == limit
