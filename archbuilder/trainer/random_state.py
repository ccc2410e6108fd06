"""The random states of the program that calls us."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np


@contextmanager
def preserve_random_state() -> Iterator[None]:
    """Restore the states of `random` and `numpy.random` afterwards.

    `keras.utils.set_random_seed` seeds both for the whole process. The seed of TensorFlow cannot be
    read, and so cannot be restored.
    """
    python_state = random.getstate()
    # Keras seeds the legacy generator.
    numpy_state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        random.setstate(python_state)
        np.random.set_state(numpy_state)  # noqa: NPY002
