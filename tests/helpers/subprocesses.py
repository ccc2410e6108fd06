"""Commands of archbuilder in processes of their own, alone or several together.

They are forked from a process that has imported TensorFlow already, which takes seconds.
"""

from __future__ import annotations

import atexit
import gc
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

from archbuilder.cli import main
from archbuilder.cli.application import end_process
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json
from archbuilder.launch.local_workers import free_ports

Command = Sequence[str | Path]
HUNG = 3600
"""Seconds after which a process counts as hung: many times what a busy machine takes."""

PROCESSES = multiprocessing.get_context("forkserver")
PROCESSES.set_forkserver_preload(
    ["archbuilder.cli", "archbuilder.training", "archbuilder.inference.predict", __name__]
)
"""A process of Python has one fork server, and one list of what that imports."""


class CommandProcess:
    """Commands that a process carries out, one behind the other, and what it prints.

    It calls `prepare`, a function of a module, before them.
    """

    def __init__(
        self,
        commands: Sequence[Command],
        *,
        devices: int = 1,
        environment: Mapping[str, str] | None = None,
        prepare: Callable[[], None] | None = None,
    ) -> None:
        self._files = _new_file(), _new_file()
        words = [[str(argument) for argument in command] for command in commands]
        arguments = (words, devices, dict(environment or {}), self._files, prepare)
        self._process = PROCESSES.Process(target=_carry_out, args=arguments)
        self._process.start()

    @property
    def is_alive(self) -> bool:
        """Whether it is not over."""
        return self._process.is_alive()

    def wait(self) -> int:
        """Wait until it is over, and give its exit code."""
        self._process.join(HUNG)
        assert self._process.exitcode is not None, self.log
        return self._process.exitcode

    def interrupt(self) -> None:
        """Do what Ctrl-C does (SIGINT)."""
        os.kill(self._process.pid or 0, signal.SIGINT)

    def terminate(self) -> None:
        """Tell it to stop (SIGTERM)."""
        self._process.terminate()

    def kill(self) -> None:
        """End it at once (SIGKILL)."""
        self._process.kill()
        self._process.join()

    @property
    def output(self) -> str:
        """What it printed."""
        return self._files[0].read_text()

    @property
    def errors(self) -> str:
        """What it wrote on its error output."""
        return self._files[1].read_text()

    @property
    def log(self) -> str:
        """What it printed, and its errors and remarks."""
        return "".join(file.read_text() for file in self._files)


def start(*arguments: str | Path) -> CommandProcess:
    """One command."""
    return CommandProcess([arguments])


def finish(*arguments: str | Path) -> int:
    """The exit code of one command."""
    return start(*arguments).wait()


def in_replicas(count: int, commands: Sequence[Command]) -> str:
    """What commands print that a process with so many virtual devices carries out."""
    return _ended([CommandProcess(commands, devices=count)])


def in_workers(
    count: int, commands: Sequence[Command], prepare: Callable[[], None] | None = None
) -> str:
    """What the first of so many processes prints, which carry out commands together."""
    workers = start_workers([commands] * count, prepare)
    try:
        return _ended(workers)
    finally:
        for worker in workers:
            worker.kill()


def start_workers(
    commands: Sequence[Sequence[Command]], prepare: Callable[[], None] | None = None
) -> list[CommandProcess]:
    """Start a worker of one cluster for each of these lists of commands."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(len(commands)))
    return [
        CommandProcess(
            each,
            environment={TF_CONFIG_VAR: tf_config_json(addresses, index)},
            prepare=prepare,
        )
        for index, each in enumerate(commands)
    ]


def in_devices(count: int, function: Callable[[], None]) -> None:
    """Call a function of a module in a process with so many virtual devices.

    TensorFlow takes virtual devices only before it is used for the first time.
    """
    _ended([CommandProcess((), devices=count, prepare=function)])


@cache
def _folder() -> Path:
    folder = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, folder)
    return Path(folder)


def _new_file() -> Path:
    descriptor, path = tempfile.mkstemp(dir=_folder())
    os.close(descriptor)
    return Path(path)


def _ended(processes: Sequence[CommandProcess]) -> str:
    codes = [each.wait() for each in processes]
    assert not any(codes), "\n".join(each.log for each in processes)
    return processes[0].output


def _carry_out(
    commands: Sequence[Sequence[str]],
    devices: int,
    environment: Mapping[str, str],
    files: tuple[Path, Path],
    prepare: Callable[[], None] | None,
) -> None:
    gc.freeze()  # the modules that are imported already stay
    for number, path in enumerate(files, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_APPEND), number)
    os.environ.pop(TF_CONFIG_VAR, None)
    os.environ.update(environment)
    if devices > 1:
        import tensorflow as tf

        (processor,) = tf.config.list_physical_devices("CPU")
        share = [tf.config.LogicalDeviceConfiguration()] * devices
        tf.config.set_logical_device_configuration(processor, share)
    if prepare is not None:
        prepare()
    sys.exit(max((main(command, exit_process=end_process) for command in commands), default=0))
