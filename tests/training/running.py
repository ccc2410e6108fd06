"""Commands that several devices or processes carry out, one behind the other in the same ones.

Each of them takes seconds to start.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence

from archbuilder.launching.cluster import CONFIG, config
from archbuilder.launching.local import free_ports

Command = Sequence[str]

_PROGRAM = """
import json, sys
import tensorflow as tf
devices = [tf.config.LogicalDeviceConfiguration()] * int(sys.argv[1])
tf.config.set_logical_device_configuration(tf.config.list_physical_devices("CPU")[0], devices)
from archbuilder.cli import main
codes = [main(arguments) for arguments in json.loads(sys.argv[2])]
sys.exit(max(codes))
"""


def in_replicas(count: int, commands: Sequence[Command]) -> str:
    """What commands print that a process with so many virtual devices carries out."""
    return _ended(_started(count, commands, {}))


def in_workers(count: int, commands: Sequence[Command]) -> str:
    """What the first of so many processes prints, which carry out commands together."""
    addresses = tuple(f"127.0.0.1:{port}" for port in free_ports(count))
    workers = [_started(1, commands, {CONFIG: config(addresses, index)}) for index in range(count)]
    try:
        first, *_ = [_ended(each) for each in workers]
        return first
    finally:
        for each in workers:
            each.kill()


def _started(
    devices: int, commands: Sequence[Command], environment: Mapping[str, str]
) -> subprocess.Popen[str]:
    inherited = {key: value for key, value in os.environ.items() if key != CONFIG}
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, str(devices), json.dumps(commands)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**inherited, **environment},
    )


def _ended(process: subprocess.Popen[str]) -> str:
    output, errors = process.communicate(timeout=600)
    assert process.returncode == 0, output + errors
    return output
