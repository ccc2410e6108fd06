"""Maxout: units whose output is the maximum of several linear functions."""

from __future__ import annotations

import keras
from keras import ops

from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.layers._typing import Shape, Tensor


@keras.saving.register_keras_serializable(package="archbuilder")
class Maxout(ConstructorConfig, keras.layers.Layer):
    """A dense layer whose units return the maximum of several linear functions (pieces).

    `output[u] = max(pieces[u, 0], ..., pieces[u, k - 1])`
    `pieces[u, j] = sum(input[i] * kernel[i, u * k + j]) + bias[u * k + j]`

    where `k` is the number of `pieces`: the pieces of a unit are adjacent in the kernel, as in
    pylearn2, the authors' library. There is no other activation. A maxout unit can approximate any
    convex function of its inputs.

    Source: Goodfellow et al. 2013, "Maxout Networks", section 3.

    Args:
        units: Integer, the number of outputs.
        pieces: Integer, the number of linear functions per unit.
        use_bias: Boolean, whether the linear functions have biases.
        kernel_initializer: Initializer for the kernel, whose shape is
            `(features, units * pieces)`.
        bias_initializer: Initializer for the biases.
        kernel_regularizer: Regularizer for the kernel.
        bias_regularizer: Regularizer for the biases.
        kernel_constraint: Constraint on the kernel; the authors limit the norm of its columns.
        bias_constraint: Constraint on the biases.
        **kwargs: Keyword arguments of every layer, such as `name` and `dtype`.

    Input shape:
        `(batch, ..., features)`.

    Output shape:
        `(batch, ..., units)`.
    """

    def __init__(
        self,
        units: int,
        pieces: int,
        *,
        use_bias: bool = True,
        kernel_initializer: object = "glorot_uniform",
        bias_initializer: object = "zeros",
        kernel_regularizer: object = None,
        bias_regularizer: object = None,
        kernel_constraint: object = None,
        bias_constraint: object = None,
        **kwargs: object,
    ) -> None:
        super().__init__(**kwargs)
        for name, value in (("units", units), ("pieces", pieces)):
            if value < 1:
                raise ValueError(f"{name} must be above zero, not {value}")
        self.units = units
        self.pieces = pieces
        self.use_bias = use_bias
        self.kernel_initializer = keras.initializers.get(kernel_initializer)
        self.bias_initializer = keras.initializers.get(bias_initializer)
        self.kernel_regularizer = keras.regularizers.get(kernel_regularizer)
        self.bias_regularizer = keras.regularizers.get(bias_regularizer)
        self.kernel_constraint = keras.constraints.get(kernel_constraint)
        self.bias_constraint = keras.constraints.get(bias_constraint)
        self.supports_masking = True
        self.input_spec = keras.layers.InputSpec(min_ndim=2)

    def build(self, input_shape: Shape) -> None:
        """Create the kernel and the biases."""
        if input_shape[-1] is None:
            raise ValueError("the last axis, the features, must have a known size")
        self.kernel = self.add_weight(
            shape=(input_shape[-1], self.units * self.pieces),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
            constraint=self.kernel_constraint,
            name="kernel",
        )
        self.bias = None
        if self.use_bias:
            self.bias = self.add_weight(
                shape=(self.units * self.pieces,),
                initializer=self.bias_initializer,
                regularizer=self.bias_regularizer,
                constraint=self.bias_constraint,
                name="bias",
            )

    def call(self, inputs: Tensor) -> Tensor:
        """Return the maximum of the pieces of every unit."""
        pieces = ops.matmul(inputs, self.kernel)
        if self.bias is not None:
            pieces = ops.add(pieces, self.bias)
        shape = (*ops.shape(inputs)[:-1], self.units, self.pieces)
        return ops.max(ops.reshape(pieces, shape), axis=-1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the shape of the inputs with its last size replaced by the units."""
        return (*input_shape[:-1], self.units)
