"""Makes our classes known to Keras whenever both are imported, in whichever order.

A saved model names a layer of ours as `archbuilder>SinusoidalPositions`, and Keras finds it only
if the class was registered, which happens when its module is imported. `import archbuilder` must
not wait seconds for Keras, so that the import of our classes is put off until Keras is imported.

Python has no hook for that but the finders of modules: ours finds nothing itself. It lets the
others find Keras, and has our classes imported behind it.
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
    "archbuilder.keras_ext.schedules",
)


def register_classes() -> None:
    """Import our classes now if Keras is imported already, and otherwise as soon as it is."""
    if _KERAS in sys.modules:
        _import_classes()
    elif not any(isinstance(finder, _KerasImportHook) for finder in sys.meta_path):
        sys.meta_path.insert(0, _KerasImportHook())


def _import_classes() -> None:
    for name in _CLASS_MODULES:
        importlib.import_module(name)


class _KerasImportHook:
    """A finder of modules that is asked for every import until Keras has been imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Nothing for other modules; for Keras what the other finders find."""
        if name != _KERAS:
            return None
        other_finders = (finder for finder in sys.meta_path if finder is not self)
        for finder in other_finders:
            spec = finder.find_spec(name, path, target)
            if spec is not None:
                self._wrap_loader(spec)
                return spec
        return None

    def _wrap_loader(self, spec: ModuleSpec) -> None:
        """Have our classes imported behind Keras; nothing happens where one only asks for it."""
        loader = spec.loader
        if loader is None:
            return
        exec_module = loader.exec_module

        def execute_and_register(module: ModuleType) -> None:
            exec_module(module)
            if self in sys.meta_path:
                sys.meta_path.remove(self)
                _import_classes()

        # The loader was made for this import alone; its other methods stay as they are.
        loader.exec_module = execute_and_register  # type: ignore[method-assign]
