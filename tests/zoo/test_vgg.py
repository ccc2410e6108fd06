"""VGG's columns against the paper's table."""

from __future__ import annotations

import keras
import pytest

import archbuilder

COLUMNS = {
    "A": "64 M 128 M 256 256 M 512 512 M 512 512 M",
    "B": "64 64 M 128 128 M 256 256 M 512 512 M 512 512 M",
    "C": "64 64 M 128 128 M 256 256 256/1 M 512 512 512/1 M 512 512 512/1 M",
    "D": "64 64 M 128 128 M 256 256 256 M 512 512 512 M 512 512 512 M",
    "E": "64 64 M 128 128 M 256 256 256 256 M 512 512 512 512 M 512 512 512 512 M",
}
"""Table 1 of Simonyan and Zisserman 2014: channels of the convolutions, `/1` where
they are 1x1, and `M` for a pooling."""


@pytest.mark.parametrize(
    ("blueprint", "column"),
    [("vgg:11", "A"), ("vgg:13", "B"), ("vgg:16-1x1", "C"), ("vgg:16", "D"), ("vgg:19", "E")],
)
def test_vgg_layers_match_the_paper(blueprint: str, column: str) -> None:
    """Every variant has the layers of its column, in order."""
    (graph,) = archbuilder.load(blueprint).graphs().values()
    model = archbuilder.load(blueprint).compile(image_size=32, classes=3)
    layers = [model.get_layer(node.name) for node in graph.nodes]
    shown = [
        _name_of(layer) if isinstance(layer, keras.layers.Conv2D) else "M"
        for layer in layers
        if isinstance(layer, keras.layers.Conv2D | keras.layers.MaxPooling2D)
    ]
    assert " ".join(shown) == COLUMNS[column]


def _name_of(layer: keras.layers.Conv2D) -> str:
    return str(layer.filters) + ("/1" if layer.kernel_size == (1, 1) else "")
