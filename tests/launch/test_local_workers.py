"""Worker processes on one machine."""

from __future__ import annotations

import sys
import time
from pathlib import Path

import pytest

from archbuilder.launch import local_workers

TIMEOUT = 0.2


@pytest.mark.parametrize(
    ("command", "messages"),
    [
        ("train", ["interrupted; resume with: archbuilder train --resume RUN --workers 2"]),
        ("evaluate", []),
    ],
)
def test_ctrl_c_in_a_long_step_says_how_to_resume(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str, messages: list[str]
):
    """The chief cannot say it in the middle of a step, and is killed."""
    busy = tmp_path / "busy"
    busy.write_text("#!/bin/sh\nexec sleep 600\n")
    busy.chmod(0o755)

    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "executable", str(busy))
    monkeypatch.setattr(local_workers, "_INTERRUPT_TIMEOUT", TIMEOUT)
    monkeypatch.setattr(local_workers, "_first_failed", interrupt)
    printed: list[str] = []
    start_time = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        local_workers.run_workers(2, [command, "net.yaml"], printed.append)
    assert printed == messages
    assert TIMEOUT <= time.monotonic() - start_time < 60
