"""Options that are added to a command line stay options."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from archbuilder.cli import device_options, main
from archbuilder.diagnostics.errors import UsageError
from archbuilder.launch.command_line import remove_option
from archbuilder.launch.job import resumable_command


def test_workers_option_with_double_dash(monkeypatch: pytest.MonkeyPatch):
    """What stands behind '--' is a file, and stays where it is."""
    started: list[Sequence[str]] = []

    def run_workers(_count: int, command: Sequence[str], _log: object) -> int:
        started.append(command)
        return 0

    monkeypatch.setattr(device_options, "run_workers", run_workers)
    assert main(["train", "--workers", "2", "--epochs", "1", "--", "-net.yaml"]) == 0
    assert started == [["train", "--epochs", "1", "--distribute", "auto", "--", "-net.yaml"]]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["a", "--workers", "2", "b"], ["a", "b"]),
        (["a", "--workers=2"], ["a"]),
        (["a", "--workers", "2", "--", "--workers", "b"], ["a", "--", "--workers", "b"]),
    ],
)
def test_strip_option(arguments: list[str], expected: list[str]):
    """With its value; what stands behind '--' is no option."""
    assert remove_option(arguments, "--workers") == expected


def test_job_options_with_double_dash():
    """Its options are added before the end, and looked for there."""
    command = ("train", "--run-dir", "r", "--", "-net.yaml")
    added = ("--auto-resume", "--distribute", "multi_worker")
    assert resumable_command(command, 2) == (*command[:3], *added, *command[3:])
    assert resumable_command(command, 1) == (*command[:3], "--auto-resume", *command[3:])
    with pytest.raises(UsageError, match="--run-dir DIR"):
        resumable_command(("train", "--", "--run-dir"), 2)
