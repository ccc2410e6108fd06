"""Create Keras objects from their description in a blueprint: layers, initializers, losses, ...

Every class is looked up in a public module of Keras under its name in the registry, and called with
arguments that the registry lists. Nothing from a blueprint reaches Keras's own deserialization,
which a hostile file can make run code.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from types import ModuleType
from typing import Final

import keras

from archbuilder import registry
from archbuilder.compiler.ir import ADAPT_ARGUMENT, Argument
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.diagnostics.errors import BlueprintError, Diagnostics, InternalError
from archbuilder.diagnostics.span import Span
from archbuilder.keras_backend.array_values import read_array
from archbuilder.keras_backend.keras_errors import BuildError, error_notes, translate_keras_errors
from archbuilder.keras_ext import layers, losses, metrics, schedules
from archbuilder.registry.signatures import (
    LAYER_KINDS,
    ArgumentSpec,
    ArgumentType,
    ObjectKind,
    Signature,
)
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree

_MODULE_BY_ORIGIN: Final[Mapping[str, ModuleType]] = {
    "archbuilder.keras_ext.layers": layers,
    "archbuilder.keras_ext.losses": losses,
    "archbuilder.keras_ext.metrics": metrics,
    "archbuilder.keras_ext.schedules": schedules,
    "keras.layers": keras.layers,
    "keras.ops": keras.ops,
}
"""Modules of layers and functions, and of archbuilder's own nested objects, by `origin`."""

_MODULE_BY_KIND: Final[Mapping[ObjectKind, ModuleType]] = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
    "loss": keras.losses,
    "metric": keras.metrics,
    "optimizer": keras.optimizers,
    "schedule": keras.optimizers.schedules,
    "callback": keras.callbacks,
}
"""Keras's modules of nested objects. Layers are found by their `origin`, also nested ones."""

_FLOAT_KINDS: Final = ("schedule", "optimizer")
"""Kinds whose number arguments are converted to float, even if written as integers."""
_ACCURACY: Final = "accuracy"
"""The metric for which Keras chooses binary, categorical or sparse accuracy by the shapes."""
_NO_DEFAULTS: Final[Mapping[str, object]] = {}
_NO_LAYERS: Final[Mapping[str, keras.layers.Layer]] = {}


def build_object(
    keras_object: KerasObject, defaults: Mapping[str, object] = _NO_DEFAULTS
) -> object:
    """Create an object that a recipe names: an optimizer, a loss, a metric.

    `defaults` has values for arguments that the recipe does not set. Those that the object does not
    accept are ignored.

    Raises:
        BlueprintError: if the installed Keras lacks the object or rejects its arguments.
    """
    try:
        return _build_from_tree(keras_object.kind, keras_object.tree, None, defaults)
    except BuildError as error:
        diagnostics = Diagnostics()
        error.report(diagnostics)
        raise BlueprintError(diagnostics) from error.__cause__


def build_layer(
    signature: Signature,
    arguments: Iterable[Argument],
    name: str,
    span: Span,
    layers: Mapping[str, keras.layers.Layer] = _NO_LAYERS,
) -> keras.layers.Layer:
    """Create a layer named `name`. The names of layers inside it begin with `name`.

    `layers` are arguments that have been created already. With the argument `adapt`, the shapes of
    the layer are right, but it has not learned its state.

    Raises:
        BuildError: if the installed Keras lacks the layer or an argument, or rejects a value.
    """
    constructor = lookup(signature, span)
    values = {**convert_arguments(arguments, signature.arguments, name), **layers}
    values.pop(ADAPT_ARGUMENT, None)
    return _construct(constructor, {"name": name, **values}, signature.name, span)


def convert_arguments(
    arguments: Iterable[Argument], specs: Mapping[str, ArgumentSpec], name: str
) -> dict[str, object]:
    """Convert arguments to the values that Keras takes, and create the objects among them.

    Raises:
        BuildError: if the installed Keras lacks one of these objects or rejects its arguments.
    """
    values: dict[str, object] = {}
    arguments = tuple(arguments)
    for argument in arguments:
        if argument.array is not None:
            dtype = next((each.value for each in arguments if each.name == "dtype"), None)
            values["value"] = read_array(argument.array, _to_keras_value(dtype) if dtype else None)
            continue
        tree, type_ = argument.value, _argument_type(specs, argument.name)
        # The name of a layer in the argument.
        inner_name = f"{name}.{argument.name}"
        # An argument that takes an object may also be null, or a number such as a learning rate.
        is_plain_scalar = isinstance(tree, ScalarNode) and not isinstance(tree.value, str)
        if type_.object is None or is_plain_scalar:
            values[argument.name] = _to_keras_value(tree)
        elif type_.is_list and isinstance(tree, SequenceNode):
            values[argument.name] = [
                _build_from_tree(type_.object, item, f"{inner_name}.{index}")
                for index, item in enumerate(tree.items)
            ]
        else:
            values[argument.name] = _build_from_tree(type_.object, tree, inner_name)
    return values


def lookup(signature: Signature, span: Span) -> Callable[..., object]:
    """Return the class of a layer, or the function, that a signature describes.

    Raises:
        BuildError: if the installed Keras lacks it.
    """
    return _getattr_path(
        _MODULE_BY_ORIGIN[signature.origin], signature.name.removeprefix("ops."), span
    )


def missing_arguments(constructor: Callable[..., object], names: Iterable[str]) -> tuple[str, ...]:
    """Return those of some argument names that the installed Keras does not accept."""
    # The constructors of Keras pass `**kwargs` on to their base classes, so that the signature of
    # the class alone lacks `name`, `dtype` and the like.
    classes = constructor.__mro__ if isinstance(constructor, type) else ()
    callables = [vars(each)["__init__"] for each in classes if "__init__" in vars(each)] or [
        constructor
    ]
    parameter_names = {name for each in callables for name in inspect.signature(each).parameters}
    return tuple(name for name in names if name not in parameter_names)


def _construct(
    constructor: Callable[..., object], values: Mapping[str, object], description: str, span: Span
) -> object:
    def make_error(error: Exception) -> BuildError:
        # An older Keras raises for an argument that it lacks, too: say so instead.
        missing = missing_arguments(constructor, values)
        if missing:
            return _keras_too_old(f"{description}: {missing[0]}", span)
        return BuildError(
            "keras-rejected",
            f"Keras rejects the arguments of {description}",
            span,
            error_notes(error),
        )

    with translate_keras_errors(make_error):
        return constructor(**values)


def _argument_type(specs: Mapping[str, ArgumentSpec], name: str) -> ArgumentType:
    if name not in specs:
        raise InternalError(f"the argument '{name}' is not in the registry")
    return specs[name].type


def _to_keras_value(tree: Tree) -> object:
    """Convert a tree to plain data, with tuples in place of lists."""
    # Keras accepts a tuple wherever it accepts a list.
    if isinstance(tree, ScalarNode):
        return tree.value
    if isinstance(tree, SequenceNode):
        return tuple(_to_keras_value(item) for item in tree.items)
    return {entry.key: _to_keras_value(entry.value) for entry in tree}


def _build_from_tree(
    kind: ObjectKind, tree: Tree, name: str | None, defaults: Mapping[str, object] = _NO_DEFAULTS
) -> object:
    """Create a nested object, written as its name alone or as `{Name: arguments}`."""
    if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
        return _build_by_name(kind, tree.value, None, name, tree.span, defaults)
    if isinstance(tree, MappingNode) and len(tree.entries) == 1:
        (entry,) = tree.entries
        return _build_by_name(kind, entry.key, entry.value, name, entry.key_span, defaults)
    raise InternalError(f"an argument should be {kind} and passed the checks, but is none")


def _build_by_name(
    kind: ObjectKind,
    text: str,
    arguments_tree: Tree | None,
    name: str | None,
    span: Span,
    defaults: Mapping[str, object],
) -> object:
    """Create an object by name; `arguments_tree` is None for a name alone."""
    keras_registry = registry.load()
    canonical = keras_registry.canonical_name(kind, text)
    if canonical is None:
        raise InternalError(f"there is no {kind} '{text}', and it passed the checks")
    if kind == "activation":
        return _getattr_path(keras.activations, canonical, span)
    if kind == "metric" and text == _ACCURACY and arguments_tree is None:
        return text
    object_name = name or canonical
    signature = keras_registry.signatures(kind)[canonical]
    arguments: list[Argument] = []
    if isinstance(arguments_tree, MappingNode):
        arguments = [Argument(entry.key, entry.value, entry.key_span) for entry in arguments_tree]
    elif arguments_tree is not None and _to_keras_value(arguments_tree) is not None:
        # One value, for the first argument. `{Adam: }` has a null.
        first = next(iter(signature.arguments))
        arguments = [Argument(first, arguments_tree, arguments_tree.span)]
    if kind in LAYER_KINDS:
        for argument in arguments:
            if argument.name == ADAPT_ARGUMENT and _to_keras_value(argument.value):
                message = f"'{ADAPT_ARGUMENT}' is for steps of a network, not for layers in others"
                raise BuildError("unsupported-argument", message, argument.span)
        return build_layer(signature, arguments, object_name, span)
    values = {
        **{key: each for key, each in defaults.items() if key in signature.arguments},
        **convert_arguments(arguments, signature.arguments, object_name),
    }
    if kind in _FLOAT_KINDS:
        # Keras's schedules fail to add the integer 0 to 0.5, and its optimizers reject a learning
        # rate of 1.
        for key, value in values.items():
            schema = _argument_type(signature.arguments, key).schema or {}
            values[key] = _to_floats(value, schema)
    module = _MODULE_BY_ORIGIN[signature.origin] if signature.origin else _MODULE_BY_KIND[kind]
    return _construct(_getattr_path(module, canonical, span), values, canonical, span)


def _to_floats(value: object, schema: Mapping[str, object]) -> object:
    """Return a number that a schema allows to have fractions as a float, also in lists of them."""
    if type(value) is int and schema.get("type") == "number":
        return float(value)
    items = schema.get("items")
    if isinstance(value, tuple) and isinstance(items, Mapping):
        return tuple(_to_floats(each, items) for each in value)
    return value


def _getattr_path(module: ModuleType, path: str, span: Span) -> Callable[..., object]:
    """Return the class or function at a dotted path within a module.

    Raises:
        BuildError: if the installed Keras lacks it.
    """
    attribute: object = module
    for name in path.split("."):
        attribute = getattr(attribute, name, None)
    if not callable(attribute):
        raise _keras_too_old(path, span)
    return attribute


def _keras_too_old(missing: str, span: Span) -> BuildError:
    return BuildError(
        "keras-too-old",
        f"the installed Keras {keras.__version__} does not have {missing}",
        span,
        ("install a newer Keras, or leave it out",),
    )
