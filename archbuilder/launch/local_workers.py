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

from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json

_SHUTDOWN_TIMEOUT: Final = 30.0
"""Seconds that the other workers have to end by themselves when one has failed."""
_INTERRUPT_TIMEOUT: Final = 3.0
"""Seconds that the chief has for its last words after Ctrl-C."""
_POLL_INTERVAL: Final = 0.1
_PR_SET_PDEATHSIG: Final = 1
_ERROR_PREFIX: Final = re.compile(r"error(?:\[[a-z-]+\])?: ")
_OPTION: Final = "--workers"


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    process: subprocess.Popen[bytes]
    stderr: IO[bytes] | None
    """What it says on its error output; None for the chief, who says it to the user."""


def run_workers(count: int, arguments: Sequence[str]) -> int:
    """Run `archbuilder` with these arguments as so many workers, and give its exit code.

    The first of them speaks to the user. Where one fails, the others are ended.

    Raises:
        RunError: if a worker but the first failed, with what it said.
    """
    with ExitStack() as stack:
        addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
        workers = [_spawn(stack, arguments, addresses, index) for index in range(count)]
        with _forward_sigterm(workers), _wait_for_chief_on_interrupt(workers[0]):
            failed_index = _first_failed(workers)
        if failed_index is None:
            return 0
        _shut_down(workers)
        hint = ""
        if "train" in arguments:
            hint = (
                f"; what was saved is there, and 'train --resume RUN --workers {count}' goes on"
                " with it"
            )
        return _failure_exit_code(workers, failed_index, hint)


def strip_workers_option(arguments: Sequence[str]) -> list[str]:
    """A command line without `--workers N`."""
    remaining: list[str] = []
    skip = False
    for argument in arguments:
        if skip or argument == _OPTION:
            skip = not skip
        elif not argument.startswith(f"{_OPTION}="):
            remaining.append(argument)
    return remaining


def free_ports(count: int) -> list[int]:
    """Ports of this machine that nobody listens on now."""
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _spawn(
    stack: ExitStack, arguments: Sequence[str], addresses: tuple[str, ...], index: int
) -> _Worker:
    stderr = None if index == 0 else tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
    if stderr is not None:
        stack.callback(stderr.close)
    process = subprocess.Popen(  # noqa: S603 - what the user has typed, without a shell
        [sys.executable, "-m", "archbuilder", *arguments],
        env={**os.environ, TF_CONFIG_VAR: tf_config_json(addresses, index)},
        stdin=subprocess.DEVNULL,
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=stderr,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    stack.callback(process.wait)
    stack.callback(process.kill)
    return _Worker(process, stderr)


def _die_with_parent() -> None:
    """Have Linux tell this process to stop when the one is killed that started it."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _forward_sigterm(workers: Sequence[_Worker]) -> Iterator[None]:
    """Hand the wish to stop on to the workers, which stop together."""

    def forward(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            worker.process.send_signal(number)

    previous_handler = signal.signal(signal.SIGTERM, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


@contextmanager
def _wait_for_chief_on_interrupt(chief: _Worker) -> Iterator[None]:
    """Let the chief say how the run can go on: a terminal sends Ctrl-C to all processes."""
    try:
        yield
    except KeyboardInterrupt:
        with suppress(subprocess.TimeoutExpired):
            chief.process.wait(_INTERRUPT_TIMEOUT)
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
        time.sleep(_POLL_INTERVAL)


def _shut_down(workers: Sequence[_Worker]) -> None:
    deadline = time.monotonic() + _SHUTDOWN_TIMEOUT
    while any(worker.process.poll() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(_POLL_INTERVAL)
    for worker in workers:
        worker.process.kill()
        worker.process.wait()


def _failure_exit_code(workers: Sequence[_Worker], failed_index: int, hint: str) -> int:
    """The exit code of a run of which a worker failed, where the user knows why already."""
    codes = [worker.process.returncode for worker in workers]
    if failed_index == 0 and codes[0] > 0:
        return codes[0]
    if codes[failed_index] == codes[0] > 0 and all(code == codes[0] for code in codes):
        return codes[0]
    how = (
        f"by signal {-codes[failed_index]}"
        if codes[failed_index] < 0
        else f"with code {codes[failed_index]}"
    )
    message = _error_message(workers[failed_index])
    raise RunError(
        f"worker {failed_index + 1} of {len(workers)} ended {how}"
        + (f": {message}" if message else "")
        + hint
    )


def _error_message(worker: _Worker) -> str:
    if worker.stderr is None:
        return ""
    worker.stderr.seek(0)
    lines = worker.stderr.read().decode("utf-8", "replace").splitlines()
    return next(
        (_ERROR_PREFIX.sub("", line, count=1) for line in lines if _ERROR_PREFIX.match(line)), ""
    )
