"""Import of TensorFlow without its log messages."""

from __future__ import annotations

import logging
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from archbuilder.diagnostics.errors import RunError, UsageError, quote

_BACKEND_VAR: Final = "KERAS_BACKEND"
_BACKEND: Final = "tensorflow"


def import_tensorflow() -> None:
    """Import TensorFlow without its log messages on CPU features, oneDNN and GPU libraries.

    Environment variables that the user has set are not changed. What Keras is configured with, in
    the file of the user or by the program that calls us, would change the networks: it is checked
    each time.

    Raises:
        RunError: if TensorFlow cannot be imported.
        UsageError: if Keras has another backend, or other defaults than blueprints are written for.
    """
    # 3 hides INFO, WARNING and ERROR messages of the C++ log.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    # GRPC_VERBOSITY is not set: in TensorFlow 2.21 gRPC applies it to all of TensorFlow's log, and
    # errors appear that the level above hides.
    #
    # Keras reads KERAS_BACKEND when it is first imported; it takes precedence over keras.json. The
    # empty string counts as not set.
    backend = os.environ.get(_BACKEND_VAR) or _BACKEND
    if "keras" not in sys.modules:
        if backend != _BACKEND:
            raise UsageError(
                f"archbuilder needs the TensorFlow backend of Keras, but {_BACKEND_VAR} is"
                f" {quote(backend)}; unset it"
            )
        os.environ[_BACKEND_VAR] = _BACKEND
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google|h5py)")
    with _suppress_stderr():
        try:
            # Before TensorFlow, whose copy of an old Keras reads keras.json too, and says nothing
            # about a value that it does not know.
            import keras
            import tensorflow as tf  # noqa: F401 - the import is what this function is for
        except ImportError as error:
            raise RunError(f"TensorFlow cannot be imported: {error}") from error
        # Keras raises it for a value in keras.json that it does not know.
        except ValueError as error:
            message = f"Keras cannot be imported; correct {_config_file()}: {error}"
            raise UsageError(message) from error
    logging.getLogger("tensorflow").addFilter(_is_not_about_retracing)
    if keras.config.backend() != _BACKEND:
        raise UsageError(
            "archbuilder needs the TensorFlow backend of Keras, but Keras was imported with"
            f" {quote(keras.config.backend())}; set {_BACKEND_VAR}={_BACKEND}"
        )
    _check_keras_default("floatx", keras.config.floatx(), "float32")
    _check_keras_default("image_data_format", keras.config.image_data_format(), "channels_last")


def _is_not_about_retracing(record: logging.LogRecord) -> bool:
    # TensorFlow counts the calls of a program that trains several networks, each of which is traced
    # once, as those of one function.
    return "triggered tf.function retracing" not in record.getMessage()


def _check_keras_default(name: str, value: str, expected: str) -> None:
    """Check one of the defaults of Keras that layers without an explicit argument take.

    Raises:
        UsageError: if it has another value.
    """
    if value != expected:
        raise UsageError(
            f"Keras is configured with {name} {quote(value)}; archbuilder needs {quote(expected)}:"
            f" correct it in {_config_file()}, or call keras.config.set_{name}({quote(expected)})"
        )


def _config_file() -> str:
    """Return the path of the file with the defaults of Keras, as users write it."""
    return str(Path(os.environ.get("KERAS_HOME") or "~/.keras") / "keras.json")


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
