"""Check for regularizers that Keras accepts when it builds a layer but that fail in training."""

from __future__ import annotations

import keras

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.keras_errors import BuildError


def check_regularizers(node: Node, layer: keras.layers.Layer) -> None:
    """Check that each `OrthogonalRegularizer` of a layer and its sublayers applies to a matrix.

    Keras (3.15) calls regularizers only in training, so that an invalid one would fail in the first
    step. L1 and L2 work for any shape.

    Raises:
        BuildError: if one applies to an activity, or to a weight that is not a matrix.
    """
    # Keras has no public method that lists nested layers.
    for sublayer in layer._flatten_layers():  # noqa: SLF001
        if isinstance(sublayer.activity_regularizer, keras.regularizers.OrthogonalRegularizer):
            message = f"'{node.name}' cannot have an OrthogonalRegularizer as activity_regularizer"
            notes = (
                (
                    "it makes the rows of a matrix orthogonal, and the rows of an output are the"
                    " examples"
                ),
                "use it as 'kernel_regularizer', or use L1 or L2",
            )
            raise _regularizer_error(node, message, notes)
    for variable in layer.trainable_variables:
        regularizer = variable.regularizer
        if not isinstance(regularizer, keras.regularizers.OrthogonalRegularizer):
            continue
        if len(variable.shape) != 2:
            message = (
                f"the OrthogonalRegularizer of '{node.name}' needs a matrix, but"
                f" {variable.name} has the shape {list(variable.shape)}"
            )
            raise _regularizer_error(node, message, ("use L1 or L2",))


def _regularizer_error(node: Node, message: str, notes: tuple[str, ...]) -> BuildError:
    # With several regularizer arguments it is not known which one failed: point at the node.
    regularizers = (each for each in node.arguments if each.name.endswith("regularizer"))
    spans = [each.value.span for each in regularizers]
    return BuildError("keras-rejected", message, spans[0] if len(spans) == 1 else node.span, notes)
