"""What TensorFlow writes on the error output once a command has imported it."""

from __future__ import annotations

import os
import socket

import pytest
from helpers.subprocesses import CommandProcess

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
