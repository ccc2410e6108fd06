"""Hints for arguments that a layer does not have, and for values that they do not take."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.diagnostics.errors import closest_match
from archbuilder.language.foreign_keys import object_hint
from archbuilder.language.parser.steps import STEP_KEYS
from archbuilder.registry.signatures import ArgumentSpec, Signature
from archbuilder.yaml.nodes import Tree, to_plain

_SYNONYMS: Final = {
    "activation_fn": "activation",
    "channels": "filters",
    "dilation": "dilation_rate",
    "dim": "units",
    "dropout": "rate",
    "features": "units",
    "filter": "filters",
    "hidden_size": "units",
    "in_features": "input_dim",
    "init": "kernel_initializer",
    "kernel": "kernel_size",
    "lr": "learning_rate",
    "neurons": "units",
    "num_classes": "units",
    "num_filters": "filters",
    "out_channels": "filters",
    "p": "rate",
    "pool": "pool_size",
    "shape": "target_shape",
    "size": "kernel_size",
    "stride": "strides",
    "vocabulary_size": "input_dim",
    "vocab_size": "input_dim",
}
"""Names of arguments in other libraries, with those of Keras."""


def closest_argument(name: str, specs: Mapping[str, ArgumentSpec]) -> str | None:
    """Return the argument that a name most likely means, or None."""
    if name in specs:
        return name
    if name in STEP_KEYS:
        return None
    synonym = _SYNONYMS.get(name)
    return synonym if synonym in specs else closest_match(name, specs)


def unknown_argument_note(
    signature: Signature, name: str, specs: Mapping[str, ArgumentSpec]
) -> str:
    """Return what to do about an argument that a layer or its call does not have."""
    if name in signature.tensor_arguments:
        return "it is an input; set it under 'from'"
    if name in STEP_KEYS:
        return f"write it beside the layer: {{{signature.name}: ..., {name}: ...}}"
    names = f"its arguments are: {', '.join(specs)}" if specs else "it takes none"
    return object_hint(name) or names


def value_hint(signature: Signature, spec: ArgumentSpec, tree: Tree) -> str:
    """Return a hint for a value that an argument does not take, or an empty text."""
    value = to_plain(tree)
    if spec.name == "padding" and isinstance(value, int | list):
        return "'same' keeps the size; for other sizes, put a layer such as ZeroPadding2D before"
    texts = value if isinstance(value, list) else [value]
    if signature.accepts_list and any(isinstance(each, str) for each in texts):
        return f"inputs are under 'from', as in {{{signature.name}: , from: [a, b]}}"
    return ""
