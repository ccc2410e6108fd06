"""Import of TensorFlow without its log messages."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from archbuilder.diagnostics.errors import RunError


def import_tensorflow() -> None:
    """Import TensorFlow without its log messages on CPU features, oneDNN and GPU libraries.

    Environment variables that the user has set are not changed.

    Raises:
        RunError: if TensorFlow cannot be imported.
    """
    # 3 hides INFO, WARNING and ERROR messages of the C++ log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # GRPC_VERBOSITY is not set: in TensorFlow 2.21 gRPC applies it to all of TensorFlow's log, and
    # errors appear that the level above hides.
    #
    # Keras reads KERAS_BACKEND when it is first imported.
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google|h5py)")
    with _suppress_stderr():
        try:
            import tensorflow as tf  # noqa: F401 - the import is what this function is for
        except ImportError as error:
            raise RunError(f"TensorFlow cannot be imported: {error}") from error


@contextmanager
def _suppress_stderr() -> Iterator[None]:
    """Discard standard error, including what C++ code writes.

    TensorFlow ignores TF_CPP_MIN_LOG_LEVEL during the first part of its import.
    """
    # The file descriptor is replaced, not sys.stderr: C++ writes to descriptor 2 directly.
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
