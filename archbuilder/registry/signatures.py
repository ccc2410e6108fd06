"""Signatures of layers, operations and objects: their arguments and the types of those."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from archbuilder.plain_data import PlainData

ObjectKind: TypeAlias = Literal[
    "activation",
    "initializer",
    "regularizer",
    "constraint",
    "layer",
    "recurrent layer",
    "cell",
    "loss",
    "metric",
    "optimizer",
    "schedule",
    "callback",
]
"""Kinds of objects that an argument may take. A cell computes one time step of an `RNN` layer."""

_BLOCK_ARGUMENTS: Final[Mapping[str, str]] = {"TimeDistributed": "layer"}
"""Arguments that take any layer, by the layer that calls it on a part of its input. Other wrappers
need attributes of the layer: `Bidirectional` its direction, `RNN` the states of its cell."""

LAYER_KINDS: Final = ("layer", "recurrent layer", "cell")
"""The kinds that are layers: all layers, those that `Bidirectional` can wrap, and cells."""


ALWAYS: Final = "always"
"""The value of `several_outputs` of a call with several outputs whatever its arguments are."""


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """The type of an argument.

    Either plain values that match a JSON Schema, or an object of a kind. With `is_list` the
    argument takes a list of such objects; with `is_optional` it may be null.
    """

    schema: Mapping[str, PlainData] | None = None
    object: ObjectKind | None = None
    is_list: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """An argument of a layer, operation or object.

    `default` is the default of Keras, if the argument is not `required`. `reason` says why a
    blueprint has to specify an argument that is optional in Keras. `replacement` is an argument
    that, if it is true, stands for this one; empty if there is none.
    """

    name: str
    type: ArgumentType
    required: bool
    default: PlainData
    summary: str
    reason: str = ""
    replacement: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a layer, a function of `keras.ops`, or a nested object in a blueprint.

    `arguments` are those of the constructor, in its order. `call_arguments` are the arguments of
    the layer's `call` that are not tensors (`training`, `use_causal_mask`). `tensor_arguments` are
    the tensors in the order of the call, of which the first `min_inputs` are required; there are
    none if the output depends on no other step (`Parameter`). With
    `accepts_list`, Keras takes all inputs as one list (merging layers); with `is_variadic`, one
    after the other (`ops.einsum`). `several_outputs` is the argument that, if it is true, gives the
    call several outputs, or `ALWAYS`; it is empty if there is one output. `unsupported` are
    arguments of Keras that a blueprint may not use, each with the reason. `summary` is one line.
    `origin` is the module that users import it from ("keras.layers" or
    "archbuilder.keras_ext.layers"), and is empty for nested objects of Keras.
    """

    name: str
    summary: str
    origin: str
    arguments: Mapping[str, ArgumentSpec]
    call_arguments: Mapping[str, ArgumentSpec]
    tensor_arguments: tuple[str, ...]
    min_inputs: int
    accepts_list: bool
    is_variadic: bool
    several_outputs: str
    unsupported: Mapping[str, str]
    is_source: bool = False
    """Whether a step without `from` has no input, rather than the output of the previous step."""

    @property
    def block_argument(self) -> str | None:
        """Name of the argument that takes a block as well as a layer; None if there is none."""
        return _BLOCK_ARGUMENTS.get(self.name)

    @property
    def bare_argument(self) -> str | None:
        """Name of the argument that a bare value stands for, as in `Dense: 64`; None if none.

        It is the first one, if it is specific to the layer: `trainable` and `dtype` are arguments
        of every layer, and come first where a layer has no others. A bare number for a function of
        `keras.ops` would be ambiguous: in `ops.power: 2`, it could stand for either input.
        """
        first = next(iter(self.arguments), None)
        is_input = self.origin == "keras.ops" and first in self.tensor_arguments
        is_common = self.origin != "keras.ops" and first in ("trainable", "dtype")
        return None if is_input or is_common else first

    def open_tensor_arguments(self, constants: Collection[str]) -> tuple[str, ...]:
        """Return the tensor arguments without a constant: x2 in `ops.subtract: {x1: 1.0}`."""
        return tuple(name for name in self.tensor_arguments if name not in constants)
