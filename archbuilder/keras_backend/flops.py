"""Multiply-adds (MACs) of a layer for one example.

Convolutions and matrix products with weights are counted, also those inside recurrent layers,
attention projections and wrappers. Biases, normalization, activations, pooling and products of two
activations, such as attention scores, are not counted. An unknown size counts as 1.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

import keras

from archbuilder.compiler.ir import Shape


@dataclass(frozen=True, slots=True)
class LayerCall:
    """The call of a layer: its input shapes by argument, output shapes and constant arguments.

    Shapes exclude the batch axis.
    """

    layer: keras.layers.Layer
    tensors: Mapping[str, Shape]
    outputs: Sequence[Shape]
    constants: Mapping[str, object]

    @property
    def input_shape(self) -> Shape:
        """Shape of the first input tensor."""
        return next(iter(self.tensors.values()))

    def with_layer(self, layer: keras.layers.Layer) -> LayerCall:
        """Return the same call for another layer, such as the cell of this one."""
        return replace(self, layer=layer)


CostRule: TypeAlias = Callable[[LayerCall], int]


def multiply_adds(call: LayerCall) -> int:
    """Return the multiply-adds of a call for one example; 0 for layers without a rule."""
    rule = _RULES.get(type(call.layer).__name__)
    return rule(call) if rule is not None else 0


def num_elements(shape: Shape) -> int:
    """Return the number of elements of a shape, counting an unknown size as 1."""
    return math.prod(1 if length is None else length for length in shape)


def _num_positions(shape: Shape, layer: keras.layers.Layer) -> int:
    """Return the number of spatial positions at which a kernel is applied."""
    return num_elements(shape[1:] if layer.data_format == "channels_first" else shape[:-1])


def _weight_count(variable: keras.Variable) -> int:
    return math.prod(variable.shape)


def _convolution(call: LayerCall) -> int:
    # The kernel of a grouped convolution has the input channels of one group only, so its size is
    # already divided by the number of groups.
    return _num_positions(call.outputs[0], call.layer) * _weight_count(call.layer.kernel)


def _transposed_convolution(call: LayerCall) -> int:
    # A transposed convolution applies its kernel at every position of the input.
    return _num_positions(call.input_shape, call.layer) * _weight_count(call.layer.kernel)


def _separable_convolution(call: LayerCall) -> int:
    layer = call.layer
    kernels = _weight_count(layer.depthwise_kernel) + _weight_count(layer.pointwise_kernel)
    return _num_positions(call.outputs[0], layer) * kernels


def _dense(call: LayerCall) -> int:
    return num_elements(call.input_shape[:-1]) * _weight_count(call.layer.kernel)


def _einsum_dense(call: LayerCall) -> int:
    """Count the kernel once for every combination of the input indices that it does not have."""
    operands, _, _ = call.layer.equation.partition("->")
    labels, _, kernel_labels = operands.partition(",")
    # The equation has a label for the batch axis.
    shape: Shape = (1, *call.input_shape)
    left, ellipsis, right = labels.partition("...")
    if ellipsis:
        ellipsis_rank = len(shape) - len(left) - len(right)
        labels = left + "." * ellipsis_rank + right
    free_axes = (
        length for label, length in zip(labels, shape, strict=False) if label not in kernel_labels
    )
    return num_elements(tuple(free_axes)) * _weight_count(call.layer.kernel)


def _attention(call: LayerCall) -> int:
    """Count the four projections. Queries may have another length than keys and values."""
    query = call.tensors.get("query", call.input_shape)
    value = call.tensors.get("value", query)
    lengths = {
        "query": num_elements(query[:-1]),
        "key": num_elements(call.tensors.get("key", value)[:-1]),
        "value": num_elements(value[:-1]),
        "attention_output": num_elements(query[:-1]),
    }
    total = 0
    # Keras keeps the projections in private attributes, but the paths of their weights name them.
    for weight in call.layer.weights:
        *_, projection, name = weight.path.split("/")
        if name == "kernel":
            total += lengths[projection] * _weight_count(weight)
    return total


def _reversible_embedding(call: LayerCall) -> int:
    """Count nothing for a lookup, and a dense layer for the reverse projection."""
    if not call.constants.get("reverse"):
        return 0
    return num_elements(call.input_shape) * (call.outputs[0][-1] or 1)


def _each_weight_once(*attributes: str) -> CostRule:
    """Return a rule that counts the elements of the weights in these attributes."""
    return lambda call: sum(_weight_count(getattr(call.layer, name)) for name in attributes)


def _inner_layers(*attributes: str) -> CostRule:
    """Return a rule that counts the layers in these attributes, called in place of the layer."""
    return lambda call: sum(
        multiply_adds(call.with_layer(layer))
        for name in attributes
        for layer in keras.tree.flatten(getattr(call.layer, name))
    )


def _recurrent(call: LayerCall) -> int:
    return (call.input_shape[0] or 1) * multiply_adds(call.with_layer(call.layer.cell))


def _recurrent_convolution(call: LayerCall) -> int:
    layer = call.layer
    # Input and state convolutions of a ConvLSTM both run at every position of the state.
    state = call.outputs[0][1:] if layer.return_sequences else call.outputs[0]
    kernels = _weight_count(layer.cell.kernel) + _weight_count(layer.cell.recurrent_kernel)
    return (call.input_shape[0] or 1) * _num_positions(state, layer.cell) * kernels


def _time_distributed(call: LayerCall) -> int:
    step = LayerCall(
        call.layer.layer,
        {name: shape[1:] for name, shape in call.tensors.items()},
        [shape[1:] for shape in call.outputs],
        call.constants,
    )
    return (call.input_shape[0] or 1) * multiply_adds(step)


_LAYERS_BY_RULE: Final[Mapping[CostRule, tuple[str, ...]]] = {
    _convolution: (
        "Conv1D", "Conv2D", "Conv3D", "DepthwiseConv1D", "DepthwiseConv2D",
    ),
    _transposed_convolution: ("Conv1DTranspose", "Conv2DTranspose", "Conv3DTranspose"),
    _separable_convolution: ("SeparableConv1D", "SeparableConv2D"),
    _dense: ("Dense", "Maxout"),
    _einsum_dense: ("EinsumDense",),
    _attention: ("MultiHeadAttention", "GroupedQueryAttention"),
    # The predictions. Routing multiplies activations only, which do not count.
    _each_weight_once("transformations"): ("CapsuleRouting",),
    _reversible_embedding: ("ReversibleEmbedding",),
    _each_weight_once("kernel", "recurrent_kernel"): ("SimpleRNNCell", "LSTMCell", "GRUCell"),
    _each_weight_once("kernel", "reservoir"): ("ReservoirCell",),
    _inner_layers("cells"): ("StackedRNNCells",),
    _recurrent: ("RNN", "SimpleRNN", "LSTM", "GRU"),
    _recurrent_convolution: ("ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D"),
    _inner_layers("forward_layer", "backward_layer"): ("Bidirectional",),
    _time_distributed: ("TimeDistributed",),
    _inner_layers("layer"): ("SpectralNormalization",),
}  # fmt: skip


_RULES: Final = {name: rule for rule, names in _LAYERS_BY_RULE.items() for name in names}
