"""Run a command as several worker processes on this machine, which form a cluster."""

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
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import IO, Final

from archbuilder.diagnostics.errors import RunError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json
from archbuilder.launch.command_line import add_options

_SHUTDOWN_TIMEOUT: Final = 30.0
"""Seconds that the other workers have to exit when one has failed."""
_POLL_INTERVAL: Final = 0.1
# From <sys/prctl.h>; Python has no binding of prctl(2).
_PR_SET_PDEATHSIG: Final = 1
_ERROR_PREFIX: Final = re.compile(r"error(?:\[[a-z-]+\])?: ")


@dataclass(frozen=True, slots=True, eq=False)
class _Worker:
    """A worker process."""

    process: subprocess.Popen[bytes]
    stderr: IO[bytes] | None
    """A file with its error output; None for the chief, which writes to the terminal."""


def run_workers(
    count: int, arguments: Sequence[str], log: Callable[[str], None] = lambda _: None
) -> int:
    """Run `archbuilder` with these arguments as `count` workers, and return the exit code.

    Only the chief, the first of them, writes to the terminal. If a worker fails, the others are
    shut down. `log` receives how to resume the run if a second Ctrl-C kills the chief.

    Raises:
        RunError: if a worker other than the chief failed, with its error message.
    """
    with ExitStack() as stack:
        addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
        workers = [_spawn(stack, arguments, addresses, index) for index in range(count)]
        is_training = next((each for each in arguments if not each.startswith("-")), "") == "train"
        hint = (
            f"resume with: archbuilder train --resume RUN --workers {count}" if is_training else ""
        )
        with _forward_sigterm(workers), _wait_for_chief_on_interrupt(workers[0], hint, log):
            failed_index = _first_failed(workers)
        if failed_index is None:
            return 0
        # The other workers have time to notice the loss and exit, and are then killed.
        deadline = time.monotonic() + _SHUTDOWN_TIMEOUT
        while time.monotonic() < deadline and any(each.process.poll() is None for each in workers):
            time.sleep(_POLL_INTERVAL)
        for worker in workers:
            worker.process.kill()
            worker.process.wait()
        return _failure_exit_code(workers, failed_index, f"; {hint}" if hint else "")


def free_ports(count: int) -> list[int]:
    """Return `count` different ports of this machine on which no process listens at the moment."""
    with ExitStack() as stack:
        # All sockets stay open until the last has its port, so that no port comes twice. Another
        # process may still take one before the worker binds it; `check_port` then reports that.
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in sockets:
            sock.bind(("127.0.0.1", 0))
        return [int(each.getsockname()[1]) for each in sockets]


def _spawn(
    stack: ExitStack, arguments: Sequence[str], addresses: tuple[str, ...], index: int
) -> _Worker:
    # Files and not pipes: nobody reads while the workers run, and a full pipe would block them.
    stderr = None if index == 0 else tempfile.TemporaryFile()  # noqa: SIM115 - the stack closes it
    if stderr is not None:
        stack.callback(stderr.close)
    if index > 0:
        # `_failure_exit_code` reads errors in this format.
        arguments = add_options(arguments, "--error-format", "text")
    process = subprocess.Popen(  # noqa: S603 - what the user has typed, without a shell
        [sys.executable, "-m", "archbuilder", *arguments],
        env={**os.environ, TF_CONFIG_VAR: tf_config_json(addresses, index)},
        stdin=subprocess.DEVNULL,
        stdout=None if index == 0 else subprocess.DEVNULL,
        stderr=stderr,
        preexec_fn=_die_with_parent,  # noqa: PLW1509 - this process has one thread
    )
    # An ExitStack runs its callbacks in reverse order: kill first, then reap the process.
    stack.callback(process.wait)
    stack.callback(process.kill)
    return _Worker(process, stderr)


def _die_with_parent() -> None:
    """Ask Linux to send SIGTERM to this process when its parent dies.

    SIGKILL gives the parent no chance to stop its workers, which would train on unattended.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


@contextmanager
def _forward_sigterm(workers: Sequence[_Worker]) -> Iterator[None]:
    """Forward SIGTERM to all workers, which then agree on the step at which they stop."""

    def forward(number: int, _frame: FrameType | None) -> None:
        for worker in workers:
            worker.process.send_signal(number)

    previous_handler = signal.signal(signal.SIGTERM, forward)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


@contextmanager
def _wait_for_chief_on_interrupt(
    chief: _Worker, hint: str, log: Callable[[str], None]
) -> Iterator[None]:
    """On Ctrl-C, wait until the chief has saved a checkpoint; on a second one, log `hint`."""
    try:
        yield
    except KeyboardInterrupt:
        # A terminal sends SIGINT to the whole process group: the workers have received it as well.
        try:
            chief.process.wait()
        except KeyboardInterrupt:
            # Python handles the signal after the current step, and the first one, which includes
            # tracing and compilation, may take minutes. The caller kills the chief.
            if hint:
                log(f"interrupted; {hint}")
        raise


def _first_failed(workers: Sequence[_Worker]) -> int | None:
    """Wait for the workers; return the index of the one that failed first, or None if none did."""
    while True:
        codes = [worker.process.poll() for worker in workers]
        failed = [index for index, code in enumerate(codes) if code]
        if failed:
            # Several may have exited since the last poll. A worker that lost another one exits with
            # an error code; one that a signal killed (a negative code) did not fail because of the
            # others, and is the cause.
            return min(failed, key=lambda index: (codes[index] or 0) > 0)
        if all(code == 0 for code in codes):
            return None
        time.sleep(_POLL_INTERVAL)


def _failure_exit_code(workers: Sequence[_Worker], failed_index: int, hint: str) -> int:
    """Return the exit code of a failed run if the chief has already printed the reason.

    Raises:
        RunError: if it has not, with the error message of the worker that failed.
    """
    codes = [worker.process.returncode for worker in workers]
    if failed_index == 0 and codes[0] > 0:
        return codes[0]
    # All workers found the same error, such as a missing file. The chief has printed it.
    if codes[failed_index] == codes[0] > 0 and all(code == codes[0] for code in codes):
        return codes[0]
    how = (
        f"by signal {-codes[failed_index]}"
        if codes[failed_index] < 0
        else f"with code {codes[failed_index]}"
    )
    message = ""
    stderr = workers[failed_index].stderr
    if stderr is not None:
        stderr.seek(0)
        # TensorFlow logs to the same stream: only lines with our prefix are errors of ours.
        lines = stderr.read().decode("utf-8", "replace").splitlines()
        errors = [each for each in lines if _ERROR_PREFIX.match(each)]
        message = _ERROR_PREFIX.sub("", errors[0], count=1) if errors else ""
    raise RunError(
        f"worker {failed_index + 1} of {len(workers)} ended {how}"
        + (f": {message}" if message else "")
        + hint
    )
