"""Neural network architectures as files: compile YAML blueprints into Keras models, and train them.

Importing this package imports neither Keras nor TensorFlow; compiling and training do.
"""

from __future__ import annotations

from archbuilder.api import evaluate, generate, load_weights, predict, resume, sample, train
from archbuilder.blueprint import Blueprint, load
from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    BlueprintError,
    Diagnostic,
    InternalError,
    RunError,
    RunInterruptedError,
    UsageError,
)
from archbuilder.keras_registration import register_classes
from archbuilder.limits import Limits
from archbuilder.version import __version__

__all__ = [
    "ArchbuilderError",
    "Blueprint",
    "BlueprintError",
    "Diagnostic",
    "InternalError",
    "Limits",
    "RunError",
    "RunInterruptedError",
    "UsageError",
    "__version__",
    "evaluate",
    "generate",
    "load",
    "load_weights",
    "predict",
    "resume",
    "sample",
    "train",
]

# `import archbuilder` has to be enough for `keras.saving.load_model` to find our layers, although
# Keras may be imported later, or may have been imported already.
register_classes()
