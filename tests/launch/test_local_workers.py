"""Worker processes on one machine."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
from helpers.subprocesses import HUNG

from archbuilder.launch import local_workers

TIMEOUT = 0.2
COMMAND = """
import sys
from archbuilder.launch.local_workers import run_workers

sys.executable = sys.argv[1]
run_workers(2, ["train", "net.yaml"])
"""
WORKER = """#!/bin/sh
trap 'echo SIGTERM > "$0-$$.stopped"; exit' TERM
touch "$0-$$.started"
while true; do sleep 0.05; done
"""
"""A worker that stops as one does that trains, with its checkpoint."""


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


@pytest.mark.skipif(sys.platform != "linux", reason="Linux alone tells of the end of a parent")
def test_workers_stop_when_the_command_is_killed(tmp_path: Path):
    """They get SIGTERM, and do not train on unattended."""
    worker = tmp_path / "worker"
    worker.write_text(WORKER)
    worker.chmod(0o755)
    command = subprocess.Popen([sys.executable, "-c", COMMAND, worker])
    while len(list(tmp_path.glob("*.started"))) < 2:
        assert command.poll() is None
        time.sleep(0.01)
    workers = psutil.Process(command.pid).children()
    command.kill()
    command.wait()
    _, left = psutil.wait_procs(workers, timeout=HUNG)
    assert (len(workers), left) == (2, [])
    assert len(list(tmp_path.glob("*.stopped"))) == 2
