from __future__ import annotations

import numpy as np
import pytest

from archbuilder.compiler.ir import GraphInput, Shape
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.input_adapter import make_adapter
from archbuilder.data.source_dataset import Feature
from archbuilder.diagnostics.errors import RunError
from archbuilder.diagnostics.span import SourceText, Span

SPAN = Span(SourceText("test", ""), 1, 1, 1, 1)


def network_input(shape: Shape, dtype: str = "float32") -> GraphInput:
    return GraphInput("image", shape, dtype, SPAN)


def grey(side: int = 8) -> Feature:
    return Feature(ArrayColumn(np.full((2, side, side), 16, np.uint8)), divide_by=16, image=True)


@pytest.mark.parametrize(
    ("feature", "input_shape", "notes"),
    [
        (grey(), (8, 8), ["rescaled by 1/16"]),
        (grey(), (8, 8, 1), ["rescaled by 1/16", "added a channel axis"]),
        (grey(), (None, None, 1), ["rescaled by 1/16", "added a channel axis"]),
        (
            grey(),
            (8, 8, 3),
            ["rescaled by 1/16", "added a channel axis", "repeated grayscale as RGB"],
        ),
        (
            grey(),
            (28, 28, 1),
            ["rescaled by 1/16", "added a channel axis", "resized from 8x8 to 28x28"],
        ),
        (grey(), (64,), ["rescaled by 1/16", "flattened to 64 values"]),
        (
            Feature(ArrayColumn(np.full((2, 8, 8, 1), 16, np.uint8)), divide_by=16, image=True),
            (8, 8),
            ["rescaled by 1/16", "removed the channel axis"],
        ),
        (
            Feature(ArrayColumn(np.ones((2, 3, 4), np.uint8)), 1, image=True, max_value=1),
            (3, 4),
            ["binary (values 0 and 1), not rescaled by 1/255"],
        ),
        (Feature(ArrayColumn(np.ones((2, 3, 4)))), (12,), ["flattened to 12 values"]),
        (Feature(ArrayColumn(np.ones((2, 5), np.int32))), (None,), []),
        (Feature(ArrayColumn(np.ones(2))), (1,), []),
    ],
)
def test_adapt_inputs_to_the_network(feature: Feature, input_shape: Shape, notes: list[str]):
    """Every change is one that the network asks for, and is said."""
    adaptation = make_adapter(feature, network_input(input_shape))
    batch = adaptation(feature.column.values)
    assert list(adaptation.notes) == [f"Input 'image': {note}" for note in notes]
    assert all(
        size in (None, have) for have, size in zip(batch.shape[1:], input_shape, strict=True)
    )
    assert batch.dtype == "float32"
    assert np.allclose(
        batch, 1 if feature.divide_by else feature.column.values.reshape(batch.shape)
    )


def test_integer_inputs_are_not_rescaled():
    """A network that takes whole numbers gets those of the file."""
    adaptation = make_adapter(grey(), network_input((8, 8), "int32"))
    assert adaptation.notes == ()
    assert int(adaptation(grey().column.values)[0, 0, 0]) == 16


@pytest.mark.parametrize(
    ("dtype", "pixels", "mean"),
    [
        *((dtype, (16, 15), 16) for dtype in ("uint8", "int32", "uint32", "int64", "uint64")),
        ("int32", (-3, -4), -4),
        ("uint8", (255, 254), 254),
        ("float32", (16, 15), 15.5),
        ("float16", (16, 15), 15.5),
        ("bool", (0, 0), False),
        ("bool", (1, 1), True),
        ("bool", (1, 0), False),
    ],
)
def test_resized_integers_are_rounded(dtype: str, pixels: tuple[int, int], mean: float):
    """The mean of neighboring pixels, with halves to the even integer as in numpy."""
    values = np.array([[pixels] * 2], np.int32)
    adapter = make_adapter(
        Feature(ArrayColumn(values), image=True), network_input((1, 1, 1), dtype)
    )
    resized = adapter(values)
    assert resized.dtype == dtype
    assert resized.numpy().item() == mean


@pytest.mark.parametrize(
    ("feature", "input_shape"),
    [
        (grey(), (65,)),
        (grey(), (8, 8, 4)),
        (Feature(ArrayColumn(np.ones((2, 8, 8)))), (8, 8, 1)),
        (Feature(ArrayColumn(np.ones((2, 8, 8, 1)))), (16, 16, 1)),
    ],
)
def test_incompatible_shapes_are_refused(feature: Feature, input_shape: Shape):
    """Both shapes are named; only images are resized."""
    with pytest.raises(RunError, match=r"the input 'image' has the shape \[8, 8.*network takes"):
        make_adapter(feature, network_input(input_shape))
