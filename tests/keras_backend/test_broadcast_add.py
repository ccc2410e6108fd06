"""Sums are those of numpy for every batch, though Keras takes some tensors for a bias."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from helpers.graphs import chain, network, step

from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend import analyze, build
from archbuilder.keras_backend.broadcast_add import may_misbroadcast, safe_order

SHAPES = [shape for rank in (1, 2, 3) for shape in product((1, 3), repeat=rank)]
PAIRS = [
    pair
    for pair in product(SHAPES, repeat=2)
    if len(pair[0]) == len(pair[1])
    and all(a == b or 1 in (a, b) for a, b in zip(*pair, strict=True))
]


def numbers(batch: int, shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Whole numbers, whose sums are exact."""
    return np.random.default_rng(seed).integers(0, 100, (batch, *shape)).astype("float32")


@pytest.mark.parametrize("layer", ["ops.add", "Add", "Average"])
def test_broadcast_sums_agree_with_numpy(layer: str):
    """For every pair of shapes that broadcast, a batch of one, and one as large as an axis."""
    refused = 0
    for first, second in PAIRS:
        graph = network({"a": first, "b": second}, step("sum", layer, ["a", "b"]))
        if layer != "ops.add" and safe_order([(None, *first), (None, *second)]) is None:
            with pytest.raises(BlueprintError, match="invalid-axis"):
                build(graph)
            refused += 1
            continue
        model = build(graph)
        for batch in (1, 2, 3):
            a, b = numbers(batch, first, 1), numbers(batch, second, 2)
            expected = (a + b) / (2 if layer == "Average" else 1)
            assert np.array_equal(model({"a": a, "b": b}), expected), (first, second, batch)
    assert refused < len(PAIRS) / 5


def test_broadcast_of_several_tensors():
    """Those that go wrong behind the others go first."""
    shapes = {"a": (3, 3), "b": (3, 1), "c": (1, 1)}
    model = build(network(shapes, step("sum", "Add", ["a", "b", "c"])))
    rows = {name: numbers(1, shape, 1) for name, shape in shapes.items()}
    assert np.array_equal(model(rows), rows["a"] + rows["b"] + rows["c"])


def test_broadcast_order():
    """The given order is kept where it is right."""
    assert safe_order([(None, 8, 8, 4), (None, 8, 8, 4)]) == (0, 1)
    assert safe_order([(None, None, 64), (None, 64)]) == (0, 1)
    assert safe_order([(None, 8), (None, 1)]) == (1, 0)
    assert safe_order([(None, 8, 1), (None, 1, 8)]) is None


def test_broadcast_with_open_sizes():
    """An open length may be any."""
    assert may_misbroadcast((None, None, 64), (None, None, 1))
    assert not may_misbroadcast((None, None, 64), (None, None, 64))
    assert not may_misbroadcast((None, 16, 64), (None, 16, 1))


BIASES: list[tuple[tuple[int, ...], str, dict[str, Any]]] = [
    ((3, 4, 6), "Conv2D", {"filters": 6, "kernel_size": 1}),
    ((3, 6), "Conv1D", {"filters": 6, "kernel_size": 1}),
    ((3, 4, 3), "DepthwiseConv2D", {"kernel_size": 1}),
    ((3, 4, 6), "SeparableConv2D", {"filters": 6, "kernel_size": 1}),
    ((3, 4, 6), "Conv2DTranspose", {"filters": 6, "kernel_size": 1}),
]


@pytest.mark.parametrize(("shape", "layer", "values"), BIASES)
def test_bias_with_channels_first(shape: tuple[int, ...], layer: str, values: dict[str, Any]):
    """An output as wide as it has channels gets its bias along the width: it is refused."""
    values = {**values, "data_format": "channels_first"}
    with pytest.raises(BlueprintError, match="invalid-axis"):
        analyze(chain(shape, (layer, values)))
    analyze(chain(shape, (layer, {**values, "use_bias": False})))
    analyze(chain((*shape[:-1], 9), (layer, values)))


def test_bias_of_einsum_and_attention():
    """So are those of EinsumDense, and of attention with one number a head."""
    wrong = {"equation": "abc,cd->abd", "output_shape": [3, 3], "bias_axes": "b"}
    with pytest.raises(BlueprintError, match="invalid-axis"):
        analyze(chain((3, 4), ("EinsumDense", wrong)))
    analyze(chain((3, 4), ("EinsumDense", {**wrong, "output_shape": [3, 5]})))
    for length, fails in ((4, True), (None, True), (5, False)):
        attend = step("attend", "MultiHeadAttention", ["x", "x"], num_heads=4, key_dim=1)
        graph = network({"x": (length, 8)}, attend)
        if fails:
            with pytest.raises(BlueprintError, match="invalid-axis"):
                analyze(graph)
        else:
            analyze(graph)
