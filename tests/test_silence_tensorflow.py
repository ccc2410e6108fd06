"""The import of TensorFlow and Keras: what it prints, and which configuration of Keras it takes."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import keras
import pytest
from helpers.blueprints import write
from helpers.subprocesses import CommandProcess

import archbuilder
from archbuilder import UsageError
from archbuilder.cli import main
from archbuilder.distribution.cluster_spec import TF_CONFIG_VAR, tf_config_json
from archbuilder.silence_tensorflow import import_tensorflow


def start_server_on_a_taken_port() -> None:
    """Let TensorFlow start a server that cannot listen, which gRPC logs as an error."""
    import_tensorflow()
    import tensorflow as tf

    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        os.environ[TF_CONFIG_VAR] = tf_config_json((address, "127.0.0.1:1"), 0)
        with pytest.raises(tf.errors.UnknownError, match="Could not start gRPC server"):
            tf.distribute.MultiWorkerMirroredStrategy()


def test_errors_of_grpc_are_not_shown():
    """A worker that loses its peers, or its port, speaks in our messages alone."""
    process = CommandProcess((), prepare=start_server_on_a_taken_port)
    assert process.wait() == 0, process.log
    assert process.errors == ""


NET = """
inputs: {image: [8, 8, 1]}
layers: [Flatten, {Dense: {units: 10, activation: softmax}}]
data: digits
training: {loss: SparseCategoricalCrossentropy, epochs: 1}
"""
COMPILE = "import sys, archbuilder; print(archbuilder.load(sys.argv[1]).compile().count_params())"


def run_python(
    arguments: list[str], keras_home: Path, config: dict[str, str], backend: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run Python with this keras.json, and with KERAS_BACKEND if it is not empty."""
    keras_home.mkdir(exist_ok=True)
    (keras_home / "keras.json").write_text(json.dumps(config))
    left_out = ("KERAS_BACKEND", "TF_CPP_MIN_LOG_LEVEL", "ABSL_MIN_LOG_LEVEL")
    environment = {name: value for name, value in os.environ.items() if name not in left_out}
    environment["KERAS_HOME"] = str(keras_home)
    if backend:
        environment["KERAS_BACKEND"] = backend
    return subprocess.run(
        [sys.executable, *arguments], env=environment, capture_output=True, text=True, check=False
    )


@pytest.fixture
def keras_defaults() -> Iterator[None]:
    """Restore the defaults of Keras that a test changes."""
    yield
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_last")


def test_compile_prints_nothing(tmp_path: Path) -> None:
    """Neither do the backend in keras.json and the log of TensorFlow's C++ code get in the way."""
    net = str(write(tmp_path, NET))
    process = run_python(["-c", COMPILE, net], tmp_path / "keras", {"backend": "jax"})
    assert (process.returncode, process.stdout, process.stderr) == (0, "650\n", "")


@pytest.mark.parametrize(
    "options", [[], pytest.param(["--workers", "2"], marks=pytest.mark.thorough)], ids=str
)
def test_floatx_of_the_file_is_an_error(tmp_path: Path, options: list[str]) -> None:
    """Half precision by default would make the losses NaN."""
    net, run = str(write(tmp_path, NET)), tmp_path / "run"
    words = ["-m", "archbuilder", "train", net, "--run-dir", str(run), *options]
    process = run_python(words, tmp_path / "keras", {"floatx": "float16"})
    assert process.returncode == 2
    assert process.stderr == (
        "error: Keras is configured with floatx 'float16'; archbuilder needs 'float32': correct it"
        f" in {tmp_path / 'keras' / 'keras.json'}, or call keras.config.set_floatx('float32')\n"
    )
    assert not run.exists()


def test_unknown_floatx_of_the_file_is_an_error(tmp_path: Path) -> None:
    """The message of Keras names the value, and ours the file."""
    words = ["-m", "archbuilder", "show", str(write(tmp_path, NET))]
    process = run_python(words, tmp_path / "keras", {"floatx": "half"})
    assert process.returncode == 2
    assert f"correct {tmp_path / 'keras' / 'keras.json'}: Invalid `floatx`" in process.stderr


def test_another_backend_is_an_error(tmp_path: Path) -> None:
    """It is said before Keras tries to import it."""
    words = ["-m", "archbuilder", "show", str(write(tmp_path, NET))]
    process = run_python(words, tmp_path / "keras", {}, backend="torch")
    assert process.returncode == 2
    assert process.stderr == (
        "error: archbuilder needs the TensorFlow backend of Keras, but KERAS_BACKEND is 'torch';"
        " unset it\n"
    )


@pytest.mark.usefixtures("keras_defaults")
def test_defaults_of_the_program_are_errors(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Functions and commands check them each time, before anything is written."""
    net, run = write(tmp_path, NET), tmp_path / "run"
    blueprint = archbuilder.load(net)
    blueprint.compile()
    keras.config.set_floatx("float64")
    for function in (blueprint.compile, blueprint.analyze):
        with pytest.raises(UsageError, match="floatx 'float64'; archbuilder needs 'float32'"):
            function()
    with pytest.raises(UsageError, match="floatx"):
        archbuilder.train(net, run_dir=run)
    keras.config.set_floatx("float32")
    keras.config.set_image_data_format("channels_first")
    with pytest.raises(UsageError, match=r"set_image_data_format\('channels_last'\)"):
        archbuilder.train(net, run_dir=run)
    assert main(["show", str(net)]) == 2
    assert "image_data_format 'channels_first'" in capsys.readouterr().err
    assert not run.exists()


def test_programs_that_train_several_networks_are_not_warned_of_retracing() -> None:
    """Each network is traced once, which TensorFlow takes for one function that is retraced."""
    import_tensorflow()
    for text, is_shown in (
        ("5 out of the last 11 calls to <function f> triggered tf.function retracing.", False),
        ("another warning", True),
    ):
        record = logging.LogRecord("tensorflow", logging.WARNING, "", 1, text, None, None)
        assert bool(logging.getLogger("tensorflow").filter(record)) == is_shown
