"""Starts a command as several processes of this machine, which together are a cluster."""

from __future__ import annotations

import ctypes
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from types import FrameType
from typing import IO, Final

from archbuilder.errors import RunError
from archbuilder.launching.cluster import CONFIG, config

_PATIENCE: Final = 30.0
"""Seconds that the other workers have to end by themselves when one has failed."""
_PARTING: Final = 3.0
"""Seconds that the chief has for its last words after Ctrl-C."""
_POLL: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_MESSAGE: Final = re.compile(r"error(?:\[[a-z-]+\])?: ")
_OPTION: Final = "--workers"


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    errors: IO[bytes] | None
    """What it says on its error output; None for the chief, who says it to the user."""


def run_workers(count: int, arguments: Sequence[str]) -> int:
    """Run `archbuilder` with these arguments as so many workers, and give its exit code.

    The first of them speaks to the user. Where one fails, the others are ended.

    Raises:
        RunError: if a worker but the first failed, with what it said.
    """
    with ExitStack() as stack:
        addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
        workers = [_started(stack, arguments, addresses, index) for index in range(count)]
        with _handing_on(workers), _interrupted(workers[0]):
            first = _first_failed(workers)
        if first is None:
            return 0
        _end(workers)
        more = ""
        if "train" in arguments:
            more = (
                f"; what was saved is there, and 'train --resume RUN --workers {count}' goes on"
                " with it"
            )
        return _told(workers, first, more)


def without_workers(arguments: Sequence[str]) -> list[str]:
    """A command line without `--workers N`."""
    kept: list[str] = []
    skip = False
    for each in arguments:
        if skip or each == _OPTION:
            skip = not skip
        elif not each.startswith(f"{_OPTION}="):
            kept.append(each)
    return kept


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _started(
    stack: ExitStack, arguments: Sequence[str], addresses: tuple[str, ...], index: int
) -> _Worker:
    errors = None if index == 0 else tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
    if errors is not None:
        stack.callback(errors.close)
    process = subprocess.Popen(  # noqa: S603 - what the user has typed, without a shell
        [sys.executable, "-m", "archbuilder", *arguments],
        env={**os.environ, CONFIG: config(addresses, index)},
        stdin=subprocess.DEVNULL,
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=errors,
        preexec_fn=_ends_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return _Worker(process, errors)


def _ends_with_parent() -> None:
    """Have Linux tell this process to stop when the one is killed that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _handing_on(workers: Sequence[_Worker]) -> Iterator[None]:
    """Hand the wish to stop on to the workers, which stop together."""

    def hand_on(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            worker.process.send_signal(number)

    before = signal.signal(signal.SIGTERM, hand_on)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextmanager
def _interrupted(chief: _Worker) -> Iterator[None]:
    """Let the chief say how the run can go on: a terminal sends Ctrl-C to all processes."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            chief.process.wait(_PARTING)
        raise


def _first_failed(workers: Sequence[_Worker]) -> int | None:
    """The number of the worker that failed first; None where all came to their end."""
    while True:
        codes = [worker.process.poll() for worker in workers]
        failed = [index for index, code in enumerate(codes) if code]
        if failed:
            # One that a signal ended did not fail because of the others.
            return min(failed, key=lambda index: (codes[index] or 0) > 0)
        if all(code == 0 for code in codes):
            return None
        time.sleep(_POLL)


def _end(workers: Sequence[_Worker]) -> None:
    until = time.monotonic() + _PATIENCE
    while any(worker.process.poll() is None for worker in workers) and time.monotonic() < until:
        time.sleep(_POLL)
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def _told(workers: Sequence[_Worker], first: int, more: str) -> int:
    """The exit code of a run of which a worker failed, where the user knows why already."""
    codes = [worker.process.returncode for worker in workers]
    if first == 0 and codes[0] > 0:
        return codes[0]
    if codes[first] == codes[0] > 0 and all(code == codes[0] for code in codes):
        return codes[0]
    how = f"by signal {-codes[first]}" if codes[first] < 0 else f"with code {codes[first]}"
    said = _said(workers[first])
    raise RunError(
        f"worker {first + 1} of {len(workers)} ended {how}" + (f": {said}" if said else "") + more
    )


def _said(worker: _Worker) -> str:
    if worker.errors is None:
        return ""
    worker.errors.seek(0)
    lines = worker.errors.read().decode("utf-8", "replace").splitlines()
    return next((_MESSAGE.sub("", line, count=1) for line in lines if _MESSAGE.match(line)), "")
