"""Invalid command lines: the message names what was expected, in the chosen format."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
import pytest

from archbuilder.cli import application, usage_errors

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def commands() -> dict[str, click.Command]:
    """Return the commands by name."""
    context = click.Context(application.application)
    names = application.COMMANDS
    resolved = {name: application.application.get_command(context, name) for name in names}
    return {name: command for name, command in resolved.items() if command is not None}


def option_names() -> set[str]:
    """Return the options of all commands."""
    params = [param for command in commands().values() for param in command.params]
    return {name for param in params for name in param.opts}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("complie", "net.yaml"), "unknown command 'complie'; did you mean 'compile'?"),
        (("compile", "a", "--ouput", "b"), "unknown option '--ouput'; did you mean '--output'?"),
        (("show", "a", "--unfold"), "unknown option '--unfold'; did you mean '--depth all'?"),
        (("evaluate", "a", "--json"), "unknown option '--json'; did you mean '--format json'?"),
        (("predict", "a", "--json"), "unknown option '--json'"),
        (("compile",), "missing argument: BLUEPRINT\nUsage: archbuilder compile [OPTIONS]"),
        (("evaluate",), "missing argument: RUN|MODEL.keras"),
        (("list", "a"), "unexpected argument: 'a'"),
        (("show", "--set"), "option '--set' requires a value"),
        (("train", "a", "--epochs", "0"), "--epochs: must be from 1 to 1,000,000, not 0"),
        (("show", "a", "--depth", "deep"), "for --depth: must be an integer or 'all', not 'deep'"),
        (
            ("show", "a", "--allow-dir", "no"),
            "--allow-dir: cannot read 'no': there is no such file",
        ),
        (("predict", "a", ""), "invalid value for [INPUT]...: must not be an empty string"),
        (("evaluate", ""), "invalid value for RUN|MODEL.keras: must not be an empty string"),
        (("train", "a", "--run-dir", ""), "for --run-dir: must not be an empty string"),
        (("train", "digits_cnn", "--data", ""), "the data must not be an empty string"),
        (("new", ""), "invalid value for FILE: must not be an empty string"),
        (
            ("train", "a", "--distribute", "gpu"),
            "must be auto, none, mirrored, multi_worker or tpu",
        ),
    ],
)
def test_message(run: Run, arguments: tuple[str, ...], message: str) -> None:
    """It begins in lower case, as all errors do, and names the parameter."""
    result = run(*arguments)
    assert result.code == 2
    assert result.err.startswith("error: ")
    assert message in result.err


def test_hints_are_sorted_and_name_options() -> None:
    """A hint for an option that no longer exists, or that exists by itself, would mislead."""
    hints = usage_errors._OPTION_HINTS
    assert list(hints) == sorted(hints)
    assert {hint.partition(" ")[0] for hint in hints.values()} <= option_names()
    assert not hints.keys() & option_names()


def test_error_format_of_an_error_without_a_location(run: Run) -> None:
    """Every error has the chosen format, not only those in a blueprint."""
    result = run("evaluate", "nowhere", "--error-format", "json")
    (error,) = json.loads(result.err)
    assert (error["code"], error["severity"], error["file"]) == (None, "error", None)
    assert "cannot read 'nowhere': there is no such file" in error["message"]
    assert run("evaluate", "nowhere", "--error-format", "github").err.startswith("::error::cannot")
    (error,) = json.loads(run("show", "a", "--depth", "x", "--error-format", "json").err)
    assert error["message"] == "invalid value for --depth: must be an integer or 'all', not 'x'"


@pytest.mark.parametrize(
    "arguments",
    [
        ("train", "net.yaml", "--bogus", "--error-format", "json"),
        ("train", "net.yaml", "--error-format=text", "--error-format=json", "--bogus"),
        ("show", "lenet5", "--error-format", "json", "--set"),
        ("shwo", "lenet5", "--error-format", "json"),
    ],
)
def test_error_format_of_arguments_that_click_does_not_parse(
    run: Run, arguments: tuple[str, ...]
) -> None:
    """An unknown option, an option without its value, and an unknown command."""
    result = run(*arguments)
    assert result.code == 2
    (error,) = json.loads(result.err)
    assert ("unknown" in error["message"]) == (arguments[-1] != "--set")


def test_error_format_after_the_end_of_options(run: Run) -> None:
    """What follows `--` is not an option."""
    assert run("list", "--", "--error-format", "json").err.startswith("error: unexpected arguments")


def test_every_command_has_an_error_format() -> None:
    """The option is the same for all commands."""
    for name, command in commands().items():
        assert "--error-format" in {option for param in command.params for option in param.opts}, (
            name
        )


def test_warnings_only_in_the_error_format(run: Run) -> None:
    """Without warnings, nothing is printed to the error output."""
    assert run("show", "lenet5", "--depth", "0", "--error-format", "json").err == ""
