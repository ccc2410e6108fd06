"""A `get_config` for classes that keep the arguments of their constructors as attributes."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import keras


class ConstructorConfig:
    """A first base class of layers, losses and metrics, whose `get_config` reads attributes.

    Keras would save the arguments of a call by itself, but not the defaults: a default that
    changes later would change saved models.
    """

    def get_config(self) -> dict[str, Any]:
        """Return the arguments of the constructor, each from the attribute of its name."""
        keras_config: Callable[[], dict[str, Any]] = super().get_config  # type: ignore[misc]
        config = keras_config()
        for name in inspect.signature(type(self).__init__).parameters:
            # Keras has the dtype in the config of those classes whose saved form needs it.
            if name not in ("self", "kwargs", "dtype", *config):
                config[name] = _to_plain(getattr(self, name))
        return config


def _to_plain(value: Any) -> Any:
    # An initializer, a regularizer or a constraint.
    return keras.saving.serialize_keras_object(value) if hasattr(value, "get_config") else value
