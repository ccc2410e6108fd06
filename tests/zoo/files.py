"""The files of the library as text and as plain data."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from helpers.plain_yaml import load_plain

from archbuilder import zoo

SIMILAR = {
    *(
        "densenet",
        "efficientnet",
        "efficientnet_v2",
        "inception_v3",
        "inception_resnet_v2",
        "mobilenet",
        "mobilenet_v2",
        "resnet_basic",
    ),
    *("resnet_v2", "vgg", "xception", "bert", "gpt1", "gpt3", "gru", "deconvnet", "swin"),
    *(
        "deeplabv3_plus",
        "detr",
        "fnet",
        "gmlp",
        "maxvit",
        "nasnet",
        "regnet",
        "retinanet",
        "simclr",
    ),
}
"""Families with the same layers and branches as another one, or an example of keras.io.

`make thorough` trains them and opens their files, and `make keras-versions` analyzes them.
"""


@cache
def document(name: str) -> dict[str, object]:
    """What a file of the library says, as plain data, which tests must not change."""
    loaded = load_plain(zoo.path(name).read_text(encoding="utf-8"))
    assert isinstance(loaded, dict)
    return loaded


@cache
def every_variant() -> list[tuple[str, str]]:
    """All blueprints of the library with all their variants and the default."""
    return [
        (name, variant)
        for name in zoo.names()
        for variant in ("default", *document(name).get("variants", {}))
    ]


def lines(name: str) -> list[str]:
    """The lines of a file of the library."""
    path: Path = zoo.path(name)
    return path.read_text(encoding="utf-8").splitlines()
