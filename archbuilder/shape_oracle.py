"""What computes shapes for the expansion, which imports Keras at the first question."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from archbuilder.compiler.expand.shapes import ShapeOracle
from archbuilder.compiler.ir import GraphInput, Node
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.silence_tensorflow import import_tensorflow


def make_shape_oracle(
    inputs: Sequence[GraphInput], nodes: Mapping[str, Node], diagnostics: Diagnostics
) -> ShapeOracle:
    """Return the oracle of a network with these inputs and nodes, of which there will be more.

    Raises:
        UsageError: if Keras is configured with another backend, `floatx` or `image_data_format`.
    """
    import_tensorflow()
    from archbuilder.keras_backend.shape_oracle import KerasShapeOracle  # noqa: PLC0415

    return KerasShapeOracle(inputs, nodes, diagnostics)
