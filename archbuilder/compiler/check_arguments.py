"""Checks of the arguments of layers, functions and nested objects against the registry."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from archbuilder import registry
from archbuilder.compiler.ir import Argument
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.foreign_keys import object_hint
from archbuilder.plain_data import PlainData
from archbuilder.registry.schema_validation import find_violation
from archbuilder.registry.signatures import LAYER_KINDS, ArgumentSpec, ObjectKind, Signature
from archbuilder.yaml.nodes import (
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    describe_type,
    to_plain,
)

BlockFinder: TypeAlias = Callable[[str], str | None]
"""Describes the block of a name, as in `a block (net.yaml:4:3)`; None if no block has the name."""

SYNONYMS: Final = {
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

_KIND_WITH_ARTICLE: Final[dict[ObjectKind, str]] = {
    "activation": "an activation",
    "initializer": "an initializer",
    "regularizer": "a regularizer",
    "constraint": "a constraint",
    "layer": "a layer",
    "recurrent layer": "a recurrent layer",
    "cell": "a recurrent cell",
    "loss": "a loss",
    "metric": "a metric",
    "optimizer": "an optimizer",
    "schedule": "a learning rate schedule",
    "callback": "a callback",
}


def check_arguments(
    signature: Signature,
    tree: Tree | None,
    span: Span,
    diagnostics: Diagnostics,
    *,
    allow_expressions: bool,
    find_block: BlockFinder = lambda _: None,
) -> tuple[Argument, ...]:
    """Check the arguments of a layer; return the valid ones.

    Args:
        signature: The arguments that the layer takes.
        tree: A mapping by name, one value for the first argument, or None.
        span: The location of the layer's name, for missing arguments.
        diagnostics: Receives the errors.
        allow_expressions: Whether to accept a text with `$` as any value.
        find_block: Describes the block of a name, for errors about a block used as a layer.
    """
    return _ArgumentChecker(diagnostics, allow_expressions, find_block).check_arguments(
        signature, tree, span
    )


def _resolve_name(name: str, specs: Mapping[str, ArgumentSpec]) -> str | None:
    """Return the argument that a name most likely means, or None."""
    if name in specs:
        return name
    synonym = SYNONYMS.get(name)
    return synonym if synonym in specs else closest_match(name, specs)


def check_call(
    signature: Signature, tree: Tree, diagnostics: Diagnostics, *, allow_expressions: bool
) -> tuple[Argument, ...]:
    """Check the constants of a layer's call (`call`); return the valid ones."""
    if not isinstance(tree, MappingNode):
        diagnostics.error(
            "invalid-structure",
            f"'call' must be a mapping from names to constants, not {describe_type(tree)}",
            tree.span,
        )
        return ()
    arguments = tuple(Argument(entry.key, entry.value, entry.key_span) for entry in tree)
    for argument in arguments:
        # In Keras, tensors and constants are arguments of one call; here, tensors are in 'from'.
        if argument.name in signature.tensor_arguments:
            diagnostics.error(
                "unknown-argument",
                f"'{argument.name}' is an input of {signature.name}; set it under 'from'",
                argument.span,
            )
    constants = tuple(each for each in arguments if each.name not in signature.tensor_arguments)
    return _ArgumentChecker(diagnostics, allow_expressions).filter_valid(
        signature, constants, signature.call_arguments
    )


def check_object(
    object_kind: ObjectKind,
    tree: Tree,
    diagnostics: Diagnostics,
    *,
    allow_expressions: bool = False,
) -> bool:
    """Check that a tree is an object of a kind: a name, or `{Name: arguments}`; report it if not.

    With `allow_expressions`, a text with `$` is accepted as any object.
    """
    return _ArgumentChecker(diagnostics, allow_expressions).check_object(object_kind, tree)


@dataclass(frozen=True, slots=True)
class _ArgumentChecker:
    """Checks arguments and, recursively, the objects nested in them; reports errors."""

    diagnostics: Diagnostics
    allow_expressions: bool
    find_block: BlockFinder = lambda _: None

    def check_arguments(
        self, signature: Signature, tree: Tree | None, span: Span
    ) -> tuple[Argument, ...]:
        """Check the arguments of a layer or object; return the valid ones."""
        arguments = _bind_by_name(signature, tree, self.diagnostics)
        valid = self.filter_valid(signature, arguments, signature.arguments)
        # A mistyped name is reported as unknown; the argument that it means is not also missing.
        present = {_resolve_name(argument.name, signature.arguments) for argument in arguments}
        _check_missing(signature, present, span, self.diagnostics)
        return valid

    def filter_valid(
        self,
        signature: Signature,
        arguments: Iterable[Argument],
        specs: Mapping[str, ArgumentSpec],
    ) -> tuple[Argument, ...]:
        """Return the arguments that have a spec and match it; report the others."""
        valid: list[Argument] = []
        for argument in arguments:
            spec = specs.get(argument.name)
            if spec is None:
                _report_unknown_argument(signature, argument, specs, self.diagnostics)
            elif self._check_argument(signature, spec, argument.value):
                valid.append(argument)
        return tuple(valid)

    def check_object(self, object_kind: ObjectKind, tree: Tree) -> bool:
        """Check that a tree is an object of a kind; report it if not."""
        if self.allow_expressions and isinstance(tree, ScalarNode) and "$" in str(tree.value):
            return True
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return self._check_named_object(object_kind, tree.value, tree.span, None)
        if isinstance(tree, MappingNode) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return self._check_named_object(object_kind, entry.key, entry.key_span, entry.value)
        self.diagnostics.error(
            "type-mismatch",
            f"{_KIND_WITH_ARTICLE[object_kind]} must be a name, or a name with arguments such as"
            f" {_EXAMPLES[object_kind]}, not {_describe(tree)}",
            tree.span,
            notes=_CELL_LIST_HINT
            if object_kind == "cell" and isinstance(tree, SequenceNode)
            else (),
        )
        return False

    def _check_argument(self, signature: Signature, spec: ArgumentSpec, tree: Tree) -> bool:
        if self.allow_expressions and _has_expression(tree):
            return True
        if spec.type.object is not None and not _is_plain_value(spec, tree):
            return self._check_objects(spec, spec.type.object, tree)
        what = f"'{spec.name}' of {signature.name}"
        return check_value(tree, spec.type.schema or {}, what, self.diagnostics)

    def _check_objects(self, spec: ArgumentSpec, object_kind: ObjectKind, tree: Tree) -> bool:
        if not spec.type.is_list:
            return self.check_object(object_kind, tree)
        if not isinstance(tree, SequenceNode) or not tree.items:
            message = f"'{spec.name}' must be a list, each item {_KIND_WITH_ARTICLE[object_kind]}"
            self.diagnostics.error("type-mismatch", f"{message}, not {_describe(tree)}", tree.span)
            return False
        # A list: `all` of a generator would stop at the first invalid item and not report the rest.
        valid = [self.check_object(object_kind, each) for each in tree.items]
        return all(valid)

    def _check_named_object(
        self, object_kind: ObjectKind, name: str, span: Span, arguments: Tree | None
    ) -> bool:
        op_registry = registry.load()
        # Keras has aliases for most objects: 'he_normal' is 'HeNormal'.
        canonical = op_registry.canonical_name(object_kind, name)
        if canonical is None:
            block = self.find_block(name) if object_kind in LAYER_KINDS else None
            if block is None:
                _report_unknown_object(object_kind, name, span, self.diagnostics)
            else:
                _report_block(object_kind, name, block, span, self.diagnostics)
            return False
        if object_kind == "activation":
            if arguments is not None and not _is_null(arguments):
                message = f"the activation '{name}' takes no arguments"
                self.diagnostics.error("unknown-argument", message, arguments.span)
                return False
            return True
        # A change of the count tells whether the nested arguments are valid, at any depth.
        signature = op_registry.signatures(object_kind)[canonical]
        reports = self.diagnostics.report_count
        self.check_arguments(
            signature, None if arguments is None or _is_null(arguments) else arguments, span
        )
        return self.diagnostics.report_count == reports


_CELL_LIST_HINT: Final = ("stack several cells with {StackedRNNCells: {cells: [...]}}",)
_EXAMPLES: Final[dict[ObjectKind, str]] = {
    "activation": "relu",
    "initializer": "{HeNormal: {seed: 1}}",
    "regularizer": "{L2: 1e-4}",
    "constraint": "{MaxNorm: 2}",
    "layer": "{LSTM: 64}",
    "recurrent layer": "{LSTM: 64}",
    "cell": "{LSTMCell: 64}",
    "loss": "{Huber: {delta: 0.5}}",
    "metric": "{TopKCategoricalAccuracy: 5}",
    "optimizer": "{Adam: {learning_rate: 1e-3}}",
    "schedule": "{CosineDecay: {initial_learning_rate: 0.1, decay_steps: 1000}}",
    "callback": "{EarlyStopping: {patience: 3}}",
}


def _report_unknown_object(
    object_kind: ObjectKind, name: str, span: Span, diagnostics: Diagnostics
) -> None:
    op_registry = registry.load()
    if object_kind in LAYER_KINDS and name in op_registry.unsupported:
        message = f"{name} is not supported in a blueprint: {op_registry.unsupported[name]}"
        diagnostics.error("unsupported-layer", message, span)
    elif object_kind not in LAYER_KINDS and name in op_registry.unsupported_objects:
        message = f"{name} is not supported in a blueprint: {op_registry.unsupported_objects[name]}"
        diagnostics.error("unknown-keras-object", message, span)
    else:
        code = "unknown-layer" if object_kind in LAYER_KINDS else "unknown-keras-object"
        article_and_noun = _KIND_WITH_ARTICLE[object_kind]
        noun = article_and_noun.partition(" ")[2]
        message = f"there is no {noun} {quote(name)}"
        # A layer of another kind, such as `cell: {LSTM: 64}` in `RNN`.
        if object_kind in LAYER_KINDS and name in op_registry.layers:
            code, message = "type-mismatch", f"{name} is not {article_and_noun}"
        foreign_hint = object_hint(name)
        suggestion = None if foreign_hint else closest_match(name, op_registry.names(object_kind))
        notes = (foreign_hint,) if foreign_hint else ()
        diagnostics.error(code, message, span, suggestion=suggestion, notes=notes)


def _report_block(
    object_kind: ObjectKind, name: str, block: str, span: Span, diagnostics: Diagnostics
) -> None:
    """Report a block used where Keras takes only a layer, as in a wrapper."""
    article = _KIND_WITH_ARTICLE[object_kind]
    note = f"write {article}, such as {_EXAMPLES[object_kind]}"
    if object_kind != "cell":
        note += "; to wrap a block, wrap each of its layers in its own step"
    diagnostics.error(
        "type-mismatch", f"{quote(name)} is {block}, not {article}", span, notes=(note,)
    )


def check_value(
    tree: Tree, schema: Mapping[str, PlainData], what: str, diagnostics: Diagnostics
) -> bool:
    """Check that a value matches a JSON Schema; report an error in `what` if not."""
    violation = find_violation(to_plain(tree), schema)
    if violation is None:
        return True
    # The usual cause is an expression with '/', which is a float division as in Python.
    value = tree.value if isinstance(tree, ScalarNode) else None
    is_integral_float = isinstance(value, float) and value.is_integer()
    diagnostics.error(
        violation.code,
        f"{what} must be {violation.expected}, not {_describe(tree)}",
        tree.span,
        suggestion=violation.suggestion,
        notes=_DIVISION_HINT if is_integral_float and "integer" in violation.expected else (),
    )
    return False


_DIVISION_HINT: Final = (
    "'/' returns a float, even for 4 / 2; use '//' or int(...) for an integer",
)


def _bind_by_name(
    signature: Signature, tree: Tree | None, diagnostics: Diagnostics
) -> tuple[Argument, ...]:
    """Return the arguments by name; a bare value becomes the `bare_argument`."""
    if tree is None:
        return ()
    if isinstance(tree, MappingNode):
        return tuple(Argument(entry.key, entry.value, entry.key_span) for entry in tree)
    if signature.bare_argument is None:
        message = f"{signature.name} needs its arguments by name"
        # 'ops.power: 2' is ambiguous: 2 could be the base or the exponent. Show both.
        inputs = [name for name in signature.tensor_arguments if name in signature.arguments]
        notes = tuple(f"for example {signature.name}: {{{name}: 2}}" for name in inputs[::-1])
        diagnostics.error("unknown-argument", message, tree.span, notes=notes)
        return ()
    return (Argument(signature.bare_argument, tree, tree.span),)


def _report_unknown_argument(
    signature: Signature,
    argument: Argument,
    specs: Mapping[str, ArgumentSpec],
    diagnostics: Diagnostics,
) -> None:
    name = argument.name
    if name in signature.unsupported:
        diagnostics.error(
            "unsupported-argument",
            f"'{name}' of {signature.name} cannot stand in a blueprint:"
            f" {signature.unsupported[name]}",
            argument.span,
        )
        return
    suggestion = _resolve_name(name, specs)
    notes: tuple[str, ...] = ()
    if suggestion is None:
        notes = (f"its arguments are: {', '.join(specs)}" if specs else "it takes none",)
    if suggestion is None and name in signature.tensor_arguments:
        notes = ("it is an input; set it under 'from'",)
    diagnostics.error(
        "unknown-argument",
        f"{signature.name} has no argument {quote(name)}",
        argument.span,
        suggestion=suggestion,
        notes=notes,
    )


def _check_missing(
    signature: Signature, present: set[str | None], span: Span, diagnostics: Diagnostics
) -> None:
    missing = [
        spec for spec in signature.arguments.values() if spec.required and spec.name not in present
    ]
    if missing:
        names = ", ".join(f"'{spec.name}'" for spec in missing)
        notes = tuple(f"{spec.name}: {spec.reason}" for spec in missing if spec.reason)
        message = f"{signature.name} needs {names}"
        diagnostics.error("missing-argument", message, span, notes=notes)


def _is_plain_value(spec: ArgumentSpec, tree: Tree) -> bool:
    """Return whether a value is to be checked as plain data although the argument takes an object.

    This is null where it is allowed, and a scalar other than a text where the argument takes plain
    data as well: a learning rate is a number or a schedule.
    """
    if _is_null(tree):
        return spec.type.is_optional
    if spec.type.schema is None:
        return False
    return isinstance(tree, ScalarNode) and not isinstance(tree.value, str)


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, ScalarNode) and tree.value is None


def _has_expression(tree: Tree) -> bool:
    """Return whether a value depends on an expression and cannot be checked yet."""
    if isinstance(tree, ScalarNode):
        return isinstance(tree.value, str) and "$" in tree.value
    if isinstance(tree, SequenceNode):
        return any(_has_expression(item) for item in tree.items)
    # A mapping is a nested object, whose arguments are checked one by one.
    return False


def _describe(tree: Tree) -> str:
    """Describe a value for a message; unlike `describe_value`, with the items of a list."""
    if isinstance(tree, ScalarNode) and tree.value is not None:
        value = tree.value
        return (
            f"{describe_type(tree)}"
            f" {str(value).lower() if isinstance(value, bool) else quote(value)}"
        )
    return (
        describe_type(tree) if isinstance(tree, ScalarNode | MappingNode) else quote(to_plain(tree))
    )
