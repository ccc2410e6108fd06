"""Worker processes on one machine."""

from __future__ import annotations

import signal
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
def test_second_ctrl_c_in_a_long_step_says_how_to_resume(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
    command: str,
    messages: list[str],
):
    """The chief, which would save a checkpoint after the step, is killed."""
    busy = tmp_path / "busy"
    busy.write_text("#!/bin/sh\nexec sleep 600\n")
    busy.chmod(0o755)

    def interrupt(_: object) -> None:
        signal.setitimer(signal.ITIMER_REAL, TIMEOUT)
        raise KeyboardInterrupt

    monkeypatch.setattr(sys, "executable", str(busy))
    monkeypatch.setattr(local_workers, "_first_failed", interrupt)
    old_handler = signal.signal(signal.SIGALRM, signal.default_int_handler)
    request.addfinalizer(lambda: signal.signal(signal.SIGALRM, old_handler))
    printed: list[str] = []
    start_time = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        local_workers.run_workers(2, [command, "net.yaml"], printed.append)
    assert printed == messages
    assert TIMEOUT <= time.monotonic() - start_time < 60
