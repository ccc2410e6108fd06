"""A table of the layers, operations and arguments of Keras, which is read without importing Keras.

`scripts/generate_registry.py` generates `keras.json` from the installed Keras.
"""

from __future__ import annotations

from archbuilder.registry.registry import Registry, load

__all__ = ["Registry", "load"]
