"""The blueprints of the library in forms small enough to run in a moment, and the full ones."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import yaml

from archbuilder import library

SMALL: Final[Mapping[str, Mapping[str, object]]] = {
    "digits_cnn": {},
    "googlenet": {"image_size": 80, "classes": 5, "auxiliary": True},
    "lenet5": {},
    "mlp": {"inputs": 12, "hidden": [8, 6], "classes": 3},
    "perceptron": {"inputs": 4, "classes": 2},
    "resnet": {"image_size": 32, "classes": 5, "depths": [1, 2, 1, 1]},
    "squeezenet": {"image_size": 67, "classes": 5},
    "transformer_encoder": {"vocabulary": 11, "depth": 2, "width": 16, "hidden": 24, "heads": 4},
    "unet": {"image_size": 44, "filters": 4, "depth": 2},
    "vgg": {"image_size": 32, "classes": 5, "depths": [1, 1, 1, 1, 1]},
}
"""Parameters by blueprint: every part of the network is there, with few channels or pixels."""


def document(name: str) -> dict[str, object]:
    """What a file of the library says, as plain data."""
    loaded = yaml.safe_load(library.path(name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


def every_variant() -> list[tuple[str, str]]:
    """All blueprints of the library with all their variants and the default."""
    return [
        (name, variant)
        for name in library.names()
        for variant in ("default", *document(name).get("variants", {}))
    ]


def lines(name: str) -> list[str]:
    """The lines of a file of the library."""
    path: Path = library.path(name)
    return path.read_text(encoding="utf-8").splitlines()
