"""Neural network architectures as files: compile YAML blueprints into Keras models, and train them.

Importing this package imports neither Keras nor TensorFlow; compiling and training do.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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

if TYPE_CHECKING:
    from archbuilder.api import evaluate, generate, load_weights, predict, resume, sample, train

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


def __getattr__(name: str) -> Any:
    # Imported on first use: the settings of runs would be a sixth of the time of `validate`.
    if name in __all__:
        from archbuilder import api  # noqa: PLC0415

        return getattr(api, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
