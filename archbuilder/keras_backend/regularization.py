"""Finds regularizers that Keras takes when a layer is made, and that fail when it is trained."""

from __future__ import annotations

import keras

from archbuilder.compiler.ir import Node
from archbuilder.keras_backend.keras_errors import BuildError


def check_regularizers(node: Node, layer: keras.layers.Layer) -> None:
    """Hold every `OrthogonalRegularizer` of a layer, and of those within it, to a matrix.

    L1 and L2 take values of any shape. Keras (3.15) calls regularizers in training alone.

    Raises:
        Refusal: if there is one for something else.
    """
    for sublayer in layer._flatten_layers():  # noqa: SLF001 - Keras has no public way
        if isinstance(sublayer.activity_regularizer, keras.regularizers.OrthogonalRegularizer):
            message = f"'{node.name}' cannot have an OrthogonalRegularizer for its activity"
            notes = (
                "it makes rows of a matrix orthogonal, and an output has the examples as rows",
                "give it to the kernel as 'kernel_regularizer', or use L1 or L2",
            )
            raise _regularizer_error(node, message, notes)
    for variable in layer.trainable_variables:
        regularizer = variable.regularizer
        if not isinstance(regularizer, keras.regularizers.OrthogonalRegularizer):
            continue
        if len(variable.shape) != 2:
            message = (
                f"the OrthogonalRegularizer of '{node.name}' needs a matrix, and the"
                f" {variable.name} has the shape {list(variable.shape)}"
            )
            raise _regularizer_error(node, message, ("use L1 or L2",))


def _regularizer_error(node: Node, message: str, notes: tuple[str, ...]) -> BuildError:
    regularizers = (each for each in node.arguments if each.name.endswith("regularizer"))
    spans = [each.value.span for each in regularizers]
    return BuildError("keras-refused", message, spans[0] if len(spans) == 1 else node.span, notes)
