"""Neural network architectures as files: compile YAML blueprints into Keras models.

Importing this package imports neither Keras nor TensorFlow; compiling a blueprint does.
"""

from __future__ import annotations

from archbuilder.api import Blueprint, load, load_weights
from archbuilder.diagnostics.errors import (
    ArchbuilderError,
    BlueprintError,
    Diagnostic,
    InternalError,
    RunError,
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
    "UsageError",
    "__version__",
    "load",
    "load_weights",
]

# `import archbuilder` has to be enough for `keras.saving.load_model` to find our layers, although
# Keras may be imported later, or may have been imported already.
register_classes()
