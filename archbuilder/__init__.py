"""Neural network architectures as files: compile YAML blueprints into Keras models, and train them.

Importing this package imports neither Keras nor TensorFlow; compiling and training do.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

from archbuilder.keras_registration import register_classes
from archbuilder.version import __version__

if TYPE_CHECKING:
    from archbuilder.api import (
        cross_validate,
        evaluate,
        generate,
        load_weights,
        predict,
        resume,
        resume_cross_validation,
        sample,
        train,
        validate,
    )
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
    from archbuilder.limits import Limits

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
    "cross_validate",
    "evaluate",
    "generate",
    "load",
    "load_weights",
    "predict",
    "resume",
    "resume_cross_validation",
    "sample",
    "train",
    "validate",
]

# `import archbuilder` has to be enough for `keras.saving.load_model` to find our layers, although
# Keras may be imported later, or may have been imported already.
register_classes()


_MODULES: Final = ("archbuilder.diagnostics.errors", "archbuilder.limits", "archbuilder.blueprint")


def __getattr__(name: str) -> Any:
    # Imported on first use: the settings of runs would be a sixth of the time of `validate`, and
    # the command line imports this package before it can handle Ctrl-C.
    if name in __all__:
        for module_name in (*_MODULES, "archbuilder.api"):
            module = importlib.import_module(module_name)
            if name in vars(module):
                value = globals()[name] = getattr(module, name)
                return value
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
