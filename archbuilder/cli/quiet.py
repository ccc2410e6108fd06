"""Keeps TensorFlow's own messages away from the user; called before anything imports it."""

from __future__ import annotations

import os
import warnings


def silence_tensorflow() -> None:
    """Show none of TensorFlow's remarks on processors, oneDNN and missing GPU libraries.

    What the user has set is left alone.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("GRPC_VERBOSITY", "ERROR")
    os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("KERAS_BACKEND", "tensorflow")
    warnings.filterwarnings("ignore", module=r"(tensorflow|keras|google|h5py)")
