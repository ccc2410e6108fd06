"""Workers that are not of the same run, and ports that are taken."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest
from helpers.subprocesses import start_workers

from archbuilder.diagnostics.errors import ClusterError
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json
from archbuilder.distribution.strategy import setup_devices

TEXT = """
archbuilder: 1
name: net
params: {units: 10}
inputs: {image: [64]}
layers: [{Dense: {units: $units, activation: softmax}}]
data: digits
training: {loss: SparseCategoricalCrossentropy, epochs: 1, batch_size: 128, seed: 4}
"""


@pytest.mark.parametrize(
    ("local", "others", "codes", "messages"),
    [
        (
            ("--run-dir", "a"),
            ("--run-dir", "b"),
            75,
            ("worker 2 of 2", "belongs to another run, one in", "/a'", "/b'"),
        ),
        (
            ("--run-dir", "a"),
            ("--run-dir", "a", "--set", "units=12"),
            1,
            ("worker 2 of 2", "read different files"),
        ),
        (
            ("--run-dir", "a"),
            ("--run-dir", "a", "--batch-size", "64"),
            1,
            ("worker 2 of 2", "read different files"),
        ),
    ],
    ids=["run", "blueprint", "training"],
)
def test_worker_of_another_run(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    local: tuple[str, ...],
    others: tuple[str, ...],
    codes: int,
    messages: tuple[str, ...],
):
    """A worker of another run is named before anything is written."""
    blueprint = tmp_path / "net.yaml"
    blueprint.write_text(TEXT)
    absolute = [
        [str(tmp_path / word) if word in ("a", "b") else word for word in words]
        for words in (local, others)
    ]
    workers = start_workers([[["train", blueprint, *words]] for words in absolute])
    assert [each.wait() for each in workers] == [codes, codes]
    for message in messages:
        assert message in workers[0].log
    assert not (tmp_path / "a").exists()
    assert not (tmp_path / "b").exists()


def test_port_in_use():
    """The message has the address and the cause; TensorFlow would say neither."""
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        environment = {TF_CONFIG_VAR: tf_config_json((f"localhost:{port}", "localhost:1"), 0)}
        with pytest.raises(ClusterError) as error:
            setup_devices("multi_worker", 8, environment)
    assert str(error.value) == (
        f"worker 1 of 2 cannot listen on port {port} of localhost: Address already in use"
    )
    assert error.value.exit_code == 75
