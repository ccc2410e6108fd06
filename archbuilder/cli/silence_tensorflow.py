"""Imports TensorFlow without letting it talk to the user."""

from __future__ import annotations

import importlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from archbuilder.diagnostics.errors import RunError


def import_tensorflow() -> None:
    """Import TensorFlow without its remarks on processors, oneDNN and missing GPU libraries.

    What the user has set in the environment is left alone.

    Raises:
        RunError: when TensorFlow cannot be imported.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # Without GRPC_VERBOSITY: gRPC would apply it to all of TensorFlow's log (tested with
    # TensorFlow 2.21), and show errors that the level above hides.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google|h5py)")
    with _suppress_stderr():
        try:
            importlib.import_module("tensorflow")
        except ImportError as error:
            raise RunError(f"TensorFlow cannot be imported: {error}") from error


@contextmanager
def _suppress_stderr() -> Iterator[None]:
    """Drop what anything writes to the error output, from C++ too.

    TensorFlow obeys TF_CPP_MIN_LOG_LEVEL only from some point of its import on.
    """
    sys.stderr.flush()
    saved_stderr = os.dup(2)
    devnull = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(devnull, 2)
        yield
    finally:
        os.dup2(saved_stderr, 2)
        os.close(saved_stderr)
        os.close(devnull)
