"""Processor time of a piece of code, for bounds on what files from strangers may cost."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def at_most(seconds: float) -> Iterator[None]:
    """Fail if this thread needs more processor time for the code within.

    The garbage collector is off meanwhile: it visits all that earlier tests left, which takes
    most of a second after some thousands of them.
    """
    gc.disable()
    try:
        start = time.thread_time()
        yield
        spent = time.thread_time() - start
    finally:
        gc.enable()
    assert spent < seconds, f"{spent:.2f} s of processor time, of {seconds} allowed"
