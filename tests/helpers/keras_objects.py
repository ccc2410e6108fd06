"""Objects of Keras as a recipe names them."""

from __future__ import annotations

from helpers.graphs import SPAN

from archbuilder.compiler.keras_object import KerasObject
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import from_plain


def keras_object(kind: ObjectKind, value: PlainData) -> KerasObject:
    """Return the object that a value of a recipe names."""
    return KerasObject.from_tree(kind, from_plain(value, SPAN))
