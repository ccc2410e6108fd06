"""Register archbuilder's layers, losses, metrics and schedules with Keras once both are imported.

A saved model refers to a layer of archbuilder as `archbuilder>PositionEmbedding`. Keras finds the
class only if it is registered, which happens when its module is imported. These modules import
Keras, which takes seconds, so that `import archbuilder` must not import them. They are imported as
soon as the program imports Keras itself.

The only hook that Python offers for this is an import finder in `sys.meta_path`. This finder
delegates to the others to find Keras, and wraps its loader.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Final

_KERAS: Final = "keras"
_CLASS_MODULES: Final = (
    "archbuilder.keras_ext.layers",
    "archbuilder.keras_ext.losses",
    "archbuilder.keras_ext.metrics",
    "archbuilder.keras_ext.schedules",
)


def register_classes() -> None:
    """Register the classes now if Keras is imported already, otherwise as soon as it is."""
    if _KERAS in sys.modules:
        _import_classes()
    elif not any(isinstance(finder, _KerasImportHook) for finder in sys.meta_path):
        # First, so that it is asked before the finder that finds Keras.
        sys.meta_path.insert(0, _KerasImportHook())


def _import_classes() -> None:
    """Import the modules whose decorators register the classes with Keras."""
    for name in _CLASS_MODULES:
        importlib.import_module(name)


class _KerasImportHook:
    """An import finder that stays in `sys.meta_path` until Keras has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return None, except for Keras: the spec that the other finders return, wrapped."""
        if name != _KERAS:
            return None
        remaining_finders = (finder for finder in sys.meta_path if finder is not self)
        for finder in remaining_finders:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._wrap_loader(spec)
                return spec
        return None

    def _wrap_loader(self, spec: ModuleSpec) -> None:
        """Make the loader register the classes after it has executed Keras."""
        # On execution, not in `find_spec`: `importlib.util.find_spec("keras")` only asks for the
        # module, and must not import anything.
        loader = spec.loader
        if loader is None:
            return
        exec_module = loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            exec_module(module)
            # Keras may have been looked up several times before it is executed, and each loader is
            # wrapped: register only once.
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_classes()

        # The path finder creates a loader per import, so that this affects no other module. Setting
        # the method on the instance keeps all other methods of the loader.
        loader.exec_module = execute_and_register  # type: ignore[method-assign]
