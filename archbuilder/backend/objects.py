"""Makes Keras objects of what a blueprint says: layers, initializers, losses and the rest.

Every class is taken by its name in the catalogue from a public module of Keras and called with
arguments that the catalogue knows. Nothing of a blueprint reaches Keras's own deserialisation,
which can be talked into running code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Final

import keras

from archbuilder import catalogue, layers, losses, schedules
from archbuilder.backend.refusals import Refusal, reason, refused_by_keras
from archbuilder.catalogue.signatures import (
    LAYER_KINDS,
    ArgumentSpec,
    ArgumentType,
    ObjectKind,
    Signature,
)
from archbuilder.errors import BlueprintError, Diagnostics, InternalError
from archbuilder.graph import Argument
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Scalar, Sequence, Span, Tree

_MODULES: Final[Mapping[str, ModuleType]] = {
    "archbuilder.layers": layers,
    "archbuilder.losses": losses,
    "archbuilder.schedules": schedules,
    "keras.layers": keras.layers,
    "keras.ops": keras.ops,
}
"""The modules of layers and functions, and of nested objects of ours, by their `origin`."""

_KINDS: Final[Mapping[ObjectKind, ModuleType]] = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
    "loss": keras.losses,
    "metric": keras.metrics,
    "optimizer": keras.optimizers,
    "schedule": keras.optimizers.schedules,
}
"""Keras's modules of nested objects; layers go by their `origin`, wherever they stand."""

_FRACTIONS: Final = ("schedule", "optimizer")
"""Kinds whose numbers are fractions, also where one is written as a whole number."""
_ACCURACY: Final = "accuracy"
"""A metric by this name alone is for Keras to choose, binary or categorical, by the shapes."""
_NO_DEFAULTS: Final[Mapping[str, object]] = {}


def build_object(
    kind: ObjectKind, tree: Tree, defaults: Mapping[str, object] = _NO_DEFAULTS
) -> object:
    """The Keras object that a tree names: an optimizer, a loss, a metric.

    `defaults` are values of arguments that the object takes and the tree does not name.

    Raises:
        BlueprintError: when the installed Keras lacks it, or refuses its arguments.
    """
    try:
        return _object(kind, tree, None, defaults)
    except Refusal as refusal:
        diagnostics = Diagnostics()
        refusal.report(diagnostics)
        raise BlueprintError(diagnostics) from refusal.__cause__


def build_layer(
    signature: Signature, arguments: Iterable[Argument], name: str, span: Span
) -> keras.layers.Layer:
    """A layer of this name; layers inside it get names that begin with its own.

    Raises:
        Refusal: when the installed Keras lacks the layer or an argument, or refuses it.
    """
    make = find(signature, span)
    values = call_arguments(arguments, signature.arguments, name)
    return _construct(make, {"name": name, **values}, signature.name, span)


def call_arguments(
    arguments: Iterable[Argument], specs: Mapping[str, ArgumentSpec], name: str
) -> dict[str, object]:
    """The values of arguments as Keras takes them.

    Raises:
        Refusal: when the installed Keras lacks an object among them, or refuses it.
    """
    return {
        argument.name: _value(
            argument.value, _type(specs, argument.name), f"{name}.{argument.name}"
        )
        for argument in arguments
    }


def find(signature: Signature, span: Span) -> Callable[..., object]:
    """The class of a layer, or the function, that the catalogue means.

    Raises:
        Refusal: when the installed Keras lacks it.
    """
    return _attribute(_MODULES[signature.origin], signature.name.removeprefix("ops."), span)


def missing_arguments(make: Callable[..., object], names: Iterable[str]) -> tuple[str, ...]:
    """Those of some argument names that the installed Keras does not know."""
    classes = make.__mro__ if isinstance(make, type) else ()
    makers = [vars(each)["__init__"] for each in classes if "__init__" in vars(each)] or [make]
    known = {name for maker in makers for name in inspect.signature(maker).parameters}
    return tuple(name for name in names if name not in known)


def _construct(
    make: Callable[..., object], values: Mapping[str, object], what: str, span: Span
) -> object:
    def explain(error: Exception) -> Refusal:
        missing = missing_arguments(make, values)
        if missing:
            return _needs_newer(f"{what}: {missing[0]}", span)
        return Refusal(
            "keras-refused", f"Keras refuses the arguments of {what}", span, reason(error)
        )

    with refused_by_keras(explain):
        return make(**values)


def _type(specs: Mapping[str, ArgumentSpec], name: str) -> ArgumentType:
    if name not in specs:
        raise InternalError(f"the argument '{name}' is not in the catalogue")
    return specs[name].type


def _value(tree: Tree, type_: ArgumentType, name: str) -> object:
    """A value of an argument; `name` is for a layer in it."""
    if type_.object is None or _is_plain(tree):
        return _plain(tree)
    if type_.many and isinstance(tree, Sequence):
        return [
            _object(type_.object, item, f"{name}.{index}") for index, item in enumerate(tree.items)
        ]
    return _object(type_.object, tree, name)


def _is_plain(tree: Tree) -> bool:
    """Whether a value that may be an object is none: nothing, or a number for a schedule."""
    return isinstance(tree, Scalar) and not isinstance(tree.value, str)


def _plain(tree: Tree) -> object:
    """Plain data; a list becomes a tuple, which Keras takes wherever it takes a list."""
    if isinstance(tree, Scalar):
        return tree.value
    if isinstance(tree, Sequence):
        return tuple(_plain(item) for item in tree.items)
    return {entry.key: _plain(entry.value) for entry in tree}


def _object(
    kind: ObjectKind, tree: Tree, name: str | None, defaults: Mapping[str, object] = _NO_DEFAULTS
) -> object:
    """A nested object, written as its name alone or as `{Name: arguments}`."""
    if isinstance(tree, Scalar) and isinstance(tree.value, str):
        return _named(kind, tree.value, (), name, tree.span, defaults)
    if isinstance(tree, MappingTree) and len(tree.entries) == 1:
        (entry,) = tree.entries
        return _named(kind, entry.key, (entry.value,), name, entry.key_span, defaults)
    raise InternalError(f"an argument should be {kind} and passed the checks, but is none")


def _named(
    kind: ObjectKind,
    text: str,
    given: tuple[Tree, ...],
    name: str | None,
    span: Span,
    defaults: Mapping[str, object],
) -> object:
    known = catalogue.load()
    canonical = known.alias(kind, text)
    if canonical is None:
        raise InternalError(f"there is no {kind} '{text}', and it passed the checks")
    if kind == "activation":
        return _attribute(keras.activations, canonical, span)
    if kind == "metric" and text == _ACCURACY and not given:
        return text
    own = name or canonical
    signature = known.signatures(kind)[canonical]
    if kind in LAYER_KINDS:
        return build_layer(signature, _arguments(signature, given), own, span)
    values = {
        **{key: each for key, each in defaults.items() if key in signature.arguments},
        **call_arguments(_arguments(signature, given), signature.arguments, own),
    }
    if kind in _FRACTIONS:
        values = {key: _as_number(value, signature, key) for key, value in values.items()}
    module = _MODULES[signature.origin] if signature.origin else _KINDS[kind]
    return _construct(_attribute(module, canonical, span), values, canonical, span)


def _as_number(value: object, signature: Signature, argument: str) -> object:
    """A value that need not be whole, as such.

    Keras's schedules do not add 0 to 0.5, and its optimizers take no learning rate of 1.
    """
    schema = _type(signature.arguments, argument).schema or {}
    return float(value) if type(value) is int and schema.get("type") == "number" else value


def _arguments(signature: Signature, given: tuple[Tree, ...]) -> tuple[Argument, ...]:
    """The arguments of a nested object: by name, or one value that is the first of them."""
    if not given or (isinstance(given[0], Scalar) and given[0].value is None):
        return ()
    (value,) = given
    if isinstance(value, MappingTree):
        return tuple(Argument(entry.key, entry.value, entry.key_span) for entry in value)
    return (Argument(next(iter(signature.arguments)), value, value.span),)


def _attribute(module: ModuleType, path: str, span: Span) -> Callable[..., object]:
    """What a module has under a name of the catalogue, or under several with dots between."""
    found: object = module
    for name in path.split("."):
        found = getattr(found, name, None)
    if not callable(found):
        raise _needs_newer(path, span)
    return found


def _needs_newer(what: str, span: Span) -> Refusal:
    return Refusal(
        "needs-newer-keras",
        f"Keras {keras.__version__}, which is installed here, does not have {what}",
        span,
        ("install a newer Keras, or do without it",),
    )
