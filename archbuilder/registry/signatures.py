"""What the catalogue says of one layer, function or object: its arguments and their types."""

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
]
"""The nested objects of an argument; a cell is the step of a recurrent layer."""

LAYER_KINDS: Final = ("layer", "recurrent layer", "cell")
"""The kinds that are layers: any, those that `Bidirectional` turns around, and cells."""


@dataclass(frozen=True, slots=True)
class ArgumentType:
    """The values that an argument takes.

    Either plain values that match a JSON Schema, or a nested object of a kind (`many`: a list of
    them; `nullable`: or nothing).
    """

    schema: Mapping[str, PlainData] | None = None
    object: ObjectKind | None = None
    is_list: bool = False
    is_optional: bool = False


@dataclass(frozen=True, slots=True)
class ArgumentSpec:
    """One argument: `default` is what Keras uses where it is left out and not `required`.

    `reason` says why a blueprint has to give what Keras can do without.
    """

    name: str
    type: ArgumentType
    required: bool
    default: PlainData
    summary: str
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Signature:
    """A layer, a function of `keras.ops`, or a nested object, as a blueprint may write it.

    `arguments` stand in the order of the constructor, `call` are the constants of the layer's call
    (`training`, `use_causal_mask`), and `tensors` the inputs of the call in order, of which the
    first `needed` have to be given. `takes_list` tells that all inputs are given as one list
    (merging layers), or with `variadic` one after the other (`ops.einsum`). `refused` are
    arguments that Keras has and a blueprint may not use, each with the reason. `summary` is one
    line; `origin` is the module that users import it from ("keras.layers" or
    "archbuilder.keras_ext.layers"), empty for nested objects of Keras.
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
    unsupported: Mapping[str, str]

    def open_tensor_arguments(self, constants: Collection[str]) -> tuple[str, ...]:
        """Return the inputs that no constant stands for: x2 in `ops.subtract: {x1: 1.0}`."""
        return tuple(name for name in self.tensor_arguments if name not in constants)
