"""The command as a whole: help, mistyped commands, and errors of every kind."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pytest
from helpers.subprocesses import CommandProcess
from PIL import Image

from archbuilder import InternalError, RunError
from archbuilder.cli import application
from archbuilder.files.json import JsonObject
from archbuilder.files.sandbox import SandboxPath
from archbuilder.interrupts import EXIT_INTERRUPTED
from archbuilder.version import __version__

if TYPE_CHECKING:
    from tests.cli.conftest import Run

COMMANDS = application.COMMANDS


IMAGES = """
archbuilder: 1
name: net
inputs: {image: [64, 64, 1]}
layers: [Flatten, {Dense: {units: 2, activation: softmax}}]
data: {images: {directory: shapes, cache: false}}
training: {loss: SparseCategoricalCrossentropy, epochs: 100000, batch_size: 8}
"""


def test_version(run: Run) -> None:
    """--version names the command and its version."""
    assert run("--version").out == f"archbuilder {__version__}\n"


def test_help_lists_the_commands_in_the_order_of_work(run: Run) -> None:
    """A person finds the way by --help alone."""
    out = run("--help").out
    listed = out.partition("Commands:\n")[2]
    lines = re.findall(r"^  ([a-z-]+)", listed, re.MULTILINE)
    assert tuple(lines[: len(COMMANDS)]) == COMMANDS


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help_with_examples(run: Run, command: str) -> None:
    """Each help text ends with whole command lines of that command."""
    result = run(command, "--help")
    assert result.code == 0
    examples = result.out.partition("Examples:\n")[2].splitlines()
    assert examples
    assert all(line.startswith("  archbuilder ") for line in examples)
    assert any(line.startswith(f"  archbuilder {command}") for line in examples)


def test_no_command_shows_help(run: Run) -> None:
    """Nothing to do is a wrong command line."""
    result = run()
    assert result.code == 2
    assert "Commands:" in result.err


def test_a_mistyped_command_gets_a_suggestion(run: Run) -> None:
    """The near name is told, and where the help is."""
    result = run("complie", "lenet.yaml")
    assert result.code == 2
    assert "did you mean 'compile'?" in result.err
    assert "try 'archbuilder --help'" in result.err
    assert result.out == ""


def test_a_mistyped_option_gets_a_suggestion(run: Run) -> None:
    """The near option is told, and where the help of the command is."""
    result = run("compile", "lenet.yaml", "--ouput", "x.keras")
    assert result.code == 2
    assert "--output" in result.err
    assert "'archbuilder compile --help'" in result.err


def test_control_characters_in_arguments_are_escaped(run: Run) -> None:
    """A terminal is told nothing by a name on the command line."""
    for arguments in (("\x1b[2J",), ("show", "\x1b[2J"), ("explain", "\x1b[2J")):
        result = run(*arguments)
        assert result.code == 2
        assert "\x1b" not in result.err


@click.command("fail")
@click.pass_obj
def _failing(_: object) -> None:
    raise _failing.error  # type: ignore[attr-defined]


@pytest.fixture
def failing(monkeypatch: pytest.MonkeyPatch) -> click.Command:
    """A command of the application that raises its attribute `error`."""
    monkeypatch.setattr(application.application, "commands", {"fail": _failing})
    return _failing


@pytest.mark.parametrize("error", [KeyError("x"), InternalError("x"), OSError("x")])
def test_internal_errors_ask_for_a_report(
    run: Run, failing: click.Command, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No traceback, a reference to put into the report, and how to see more."""
    monkeypatch.delenv("ARCHBUILDER_DEBUG", raising=False)
    failing.error = error  # type: ignore[attr-defined]
    result = run("fail")
    assert result.code == 1
    assert "this is a bug in archbuilder, please report it" in result.err
    assert type(error).__name__ in result.err
    assert "archbuilder --debug" in result.err


def test_debug_shows_the_traceback(
    failing: click.Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The option and the environment variable do the same."""
    failing.error = KeyError("x")  # type: ignore[attr-defined]
    assert application.main(["--debug", "fail"]) == 1
    assert "Traceback" in capsys.readouterr().err
    monkeypatch.setenv("ARCHBUILDER_DEBUG", "1")
    assert application.main(["fail"]) == 1
    assert "Traceback" in capsys.readouterr().err


def test_run_errors_have_no_report_request(run: Run, failing: click.Command) -> None:
    """Exit code 1 and the message alone."""
    failing.error = RunError("the disk is full")  # type: ignore[attr-defined]
    result = run("fail")
    assert (result.code, result.err) == (1, "error: the disk is full\n")


@pytest.mark.parametrize("error", [KeyboardInterrupt(), click.Abort()])
def test_an_interrupt_is_quiet(run: Run, failing: click.Command, error: BaseException) -> None:
    """Ctrl-C ends the command with 130 and no message."""
    failing.error = error  # type: ignore[attr-defined]
    result = run("fail")
    assert result.code == 130
    assert result.err.strip() == ""


def start(*arguments: str, **options: Any) -> subprocess.Popen[Any]:
    """The command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "archbuilder", *arguments],
        **{"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options},
    )


def test_broken_pipe_is_silent() -> None:
    """`archbuilder explain | head -1` says nothing on the error output."""
    reader, writer = os.pipe()
    os.close(reader)
    with start("explain", stdout=writer) as process:
        os.close(writer)
        assert process.stderr is not None
        assert process.stderr.read() == ""
    assert process.returncode == application.EXIT_BROKEN_PIPE


def test_unencodable_characters_are_escaped(lenet: Path) -> None:
    """An output that lacks a character is no reason to fail."""
    lenet.write_text(lenet.read_text().replace("A small network", "réseau 漢"))
    environment = {**os.environ, "PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    with start("expand", str(lenet), env=environment, text=False) as process:
        out, err = process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"r\xe9seau \\u6f22" in out


def test_sigint_during_training(tmp_path: Path) -> None:
    """Ctrl-C saves a checkpoint after the step, so that nothing is lost."""
    run = tmp_path / "run"
    command = ("train", "digits_cnn", "--epochs", "100000", "--run-dir", run)
    process = CommandProcess([command], prepare=hear_interrupts)
    while not (run / "history.jsonl").exists():
        assert process.is_alive, process.log
        time.sleep(0.01)
    process.interrupt()
    assert process.wait() == EXIT_INTERRUPTED
    assert "Stopping after this step; press Ctrl-C again" in process.output
    expected = f"error: interrupted; resume with: archbuilder train --resume {run}"
    assert process.errors.strip() == expected
    assert list((run / "checkpoints").iterdir())
    assert JsonObject.read(SandboxPath(run).joinpath("run.json")).text("status") == "interrupted"


def test_ctrl_c_while_the_program_starts(tmp_path: Path) -> None:
    """It exits with the code of Ctrl-C and without a traceback, whatever it is importing."""
    interrupt = "import os, signal\nos.kill(os.getpid(), signal.SIGINT)\nraise SystemExit(3)\n"
    (tmp_path / "click.py").write_text(interrupt)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    with start("list", env=environment, preexec_fn=hear_interrupts) as process:
        out, err = process.communicate()
    assert (process.returncode, out, err) == (EXIT_INTERRUPTED, "", "")


def test_sigint_while_decoding_images(tmp_path: Path) -> None:
    """Threads that decode images wait for Python's lock while TensorFlow waits for them."""
    for number in range(256):
        path = tmp_path / "shapes" / f"class-{number % 2}" / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (64, 64), number).save(path)
    blueprint, run = tmp_path / "net.yaml", tmp_path / "run"
    blueprint.write_text(IMAGES)
    process = CommandProcess([("train", blueprint, "--run-dir", run)], prepare=hear_interrupts)
    while not (run / "history.jsonl").exists():
        assert process.is_alive, process.log
        time.sleep(0.01)
    process.interrupt()
    assert process.wait() == EXIT_INTERRUPTED


def hear_interrupts() -> None:
    """Undo what shells do to programs in the background, and those to their children."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


LONG = "x" * 300


@pytest.mark.parametrize(
    "command",
    [
        ("validate", LONG),
        ("validate", f"{LONG}.yaml"),
        ("show", LONG),
        ("compile", "lenet5", "-o", f"{LONG}/net.keras"),
        ("compile", "lenet5", "-o", f"{LONG}.keras"),
        ("compile", "lenet5", "--weights", f"{LONG}.h5", "--dry-run"),
        ("train", "digits_cnn", "--data", LONG),
        ("train", "digits_cnn", "--recipe", LONG),
        ("train", "digits_cnn", "--run-dir", LONG, "--auto-resume"),
        ("train", "--resume", LONG),
        ("evaluate", LONG),
        ("evaluate", f"{LONG}.keras"),
        ("evaluate", f"{LONG}/net.keras"),
        ("predict", LONG),
        ("predict", "run", "--output", f"{LONG}/out.csv", LONG),
        ("generate", LONG),
        ("sample", LONG, "--output", f"{LONG}/out.png"),
        ("inspect-data", "digits_cnn", "--data", LONG),
        ("inspect-data", "digits_cnn", "--allow-dir", LONG),
        ("launch", "--slurm", "--output", LONG, "--", "train", "net.yaml", "--run-dir", "r"),
        ("launch", "--slurm", "--output", "o", "--", "train", LONG, "--run-dir", "r"),
        ("new", f"{LONG}.yaml"),
    ],
)
def test_file_name_too_long(
    run: Run, command: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is an error of the command line, or no file, and not a bug in archbuilder."""
    monkeypatch.chdir(tmp_path)
    result = run(*command)
    assert result.code in (0, 1, 2)
    assert "bug in archbuilder" not in result.err


def test_unreadable_directory(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The message names it."""

    def refuse(_: object) -> list[str]:
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

    monkeypatch.setattr(os, "listdir", refuse)
    result = run("train", "digits_cnn", "--data", tmp_path)
    assert result.code == 2
    assert f"cannot read '{tmp_path}': permission denied" in result.err
