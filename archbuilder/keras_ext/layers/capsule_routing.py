"""Capsule layer with dynamic routing by agreement."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor
from archbuilder.keras_ext.layers.capsule_ops import at_least_float32, squash


@keras.saving.register_keras_serializable(package="archbuilder")
class CapsuleRouting(ConstructorConfig, keras.layers.Layer):
    """Computes capsules from lower capsules by dynamic routing.

    Every lower capsule `i` predicts every capsule `j`, and is coupled to those that agree with it:

    `prediction[i, j] = input[i] @ transformations[i, :, j, :]`
    `coupling[i, :] = softmax(logits[i, :])`
    `output[j] = squash(sum_i(coupling[i, j] * prediction[i, j]) + bias[j])`
    `logits[i, j] += prediction[i, j] @ output[j]`

    The last three lines are repeated `iterations` times, starting from logits of zero; the logits
    of the last iteration are not needed and not computed. The softmax runs over the capsules `j`,
    so that the couplings of a lower capsule sum to one. `squash` is that of the layer `Squash`.

    The gradient flows through all iterations, as in the authors' program. With `stop_gradients` it
    flows through the last one only, which takes less memory but gives a different gradient, by
    about half of its norm. The paper has no biases; the authors' program has them. Under mixed
    precision, predictions are computed in half precision and routed in float32.

    Source: Sabour, Frosst and Hinton 2017, "Dynamic Routing Between Capsules", section 2,
    equations 1 to 3 and procedure 1.

    Args:
        capsules: Integer, the number of capsules.
        dimension: Integer, the number of elements of a capsule's vector.
        iterations: Integer, the number of routing iterations. 1 is a plain average.
        use_bias: Boolean, whether a bias is added to each capsule before squashing.
        stop_gradients: Boolean, whether gradients flow through the last iteration only.
        kernel_initializer: Initializer for the transformations, whose shape is
            `(lower capsules, lower dimension, capsules, dimension)`. Those that scale by fan-in or
            fan-out, such as `glorot_uniform`, take it for the kernel of a convolution and give
            values that are too small.
        bias_initializer: Initializer for the biases.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, lower capsules, lower dimension)`.

    Output shape:
        `(batch, capsules, dimension)`.
    """

    def __init__(
        self,
        capsules: int,
        dimension: int,
        iterations: int = 3,
        *,
        use_bias: bool = False,
        stop_gradients: bool = False,
        kernel_initializer: object = "truncated_normal",
        bias_initializer: object = "zeros",
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        sizes = {"capsules": capsules, "dimension": dimension, "iterations": iterations}
        for name, value in sizes.items():
            if value < 1:
                raise ValueError(f"{name} must be above zero, not {value}")
        self.capsules = capsules
        self.dimension = dimension
        self.iterations = iterations
        self.use_bias = use_bias
        self.stop_gradients = stop_gradients
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.input_spec = keras.layers.InputSpec(ndim=3)

    def build(self, input_shape: Shape) -> None:
        """Create the transformations, one matrix for each pair of capsules, and the biases."""
        _, lower, dimension = input_shape
        if lower is None or dimension is None:
            raise ValueError("the number and the dimension of the lower capsules must be known")
        self.transformations = self.add_weight(
            shape=(lower, dimension, self.capsules, self.dimension),
            initializer=self.kernel_initializer,
            name="transformations",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.capsules, self.dimension),
                initializer=self.bias_initializer,
                name="bias",
            )

    def call(self, inputs: Tensor) -> Tensor:
        """Return the capsules, of shape `(batch, capsules, dimension)`."""
        # With the axis of lower capsules (i) next to the vectors, the sums over it are plain matrix
        # products, which need no transposition.
        predictions = at_least_float32(ops.einsum("bik,ikjd->bjid", inputs, self.transformations))
        routing_predictions = ops.stop_gradient(predictions) if self.stop_gradients else predictions
        logits = ops.zeros_like(predictions[..., 0])
        # One iteration fewer than `iterations`: the last one is below, outside of `stop_gradient`.
        for _ in range(self.iterations - 1):
            output = self._route(routing_predictions, logits)
            agreement = ops.matmul(routing_predictions, ops.expand_dims(output, -1))
            logits = logits + ops.squeeze(agreement, axis=-1)
        if self.stop_gradients:
            logits = ops.stop_gradient(logits)
        return ops.cast(self._route(predictions, logits), inputs.dtype)

    def _route(self, predictions: Tensor, logits: Tensor) -> Tensor:
        """Return the capsules for the given coupling logits."""
        couplings = ops.expand_dims(ops.softmax(logits, axis=1), axis=2)
        total = ops.squeeze(ops.matmul(couplings, predictions), axis=2)
        if self.bias is not None:
            # Keras autocasts the bias to the compute dtype, which may be half precision.
            total = total + at_least_float32(self.bias)
        return squash(total)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return `(batch, capsules, dimension)`."""
        return (input_shape[0], self.capsules, self.dimension)
