"""Ctrl-C while the program starts or ends: it exits instead of printing a traceback."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

EXIT_INTERRUPTED: Final = 130
"""Exit code after Ctrl-C: 128 plus the number of SIGINT, as shells report it."""


def exit_on_interrupt() -> bool:
    """Let Ctrl-C exit the process from now on, and return whether Python handled it before."""
    # A program in the background ignores it, and one that imports us may handle it.
    is_default = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    if is_default:
        try:
            signal.signal(signal.SIGINT, _exit)
        except ValueError:  # in another thread than the main one
            return False
    return is_default


@contextmanager
def exiting_on_interrupt() -> Iterator[None]:
    """Let Ctrl-C exit the process within this context."""
    is_changed = exit_on_interrupt()
    try:
        yield
    finally:
        if is_changed:
            signal.signal(signal.SIGINT, signal.default_int_handler)


def _exit(_number: int, _frame: FrameType | None) -> None:
    # Not `sys.exit`: an import may catch its exception, and exit handlers may print.
    os._exit(EXIT_INTERRUPTED)
