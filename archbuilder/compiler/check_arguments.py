"""Checks of the arguments of layers, functions and nested objects against the registry."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from archbuilder import registry
from archbuilder.compiler.argument_hints import closest_argument, unknown_argument_note, value_hint
from archbuilder.compiler.constants import CONSTANT, check_constant
from archbuilder.compiler.ir import Argument
from archbuilder.compiler.value_check import check_value, describe_with_items
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.diagnostics.span import Span
from archbuilder.language.foreign_keys import object_hint
from archbuilder.plain_data import UNKNOWN
from archbuilder.registry.signatures import LAYER_KINDS, ArgumentSpec, ObjectKind, Signature
from archbuilder.yaml.nodes import (
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    describe_type,
    is_null,
    is_unknown,
    to_plain,
)

BlockDescriber: TypeAlias = Callable[[str], str | None]
"""Describes the block of a name, as in `a block (net.yaml:4:3)`; None if no block has the name."""

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

_CELL_LIST_HINT: Final = ("stack several cells with {StackedRNNCells: {cells: [...]}}",)
_NUMBER: Final = re.compile(r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?")
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


def check_arguments(
    signature: Signature,
    tree: Tree | None,
    span: Span,
    diagnostics: Diagnostics,
    *,
    allow_expressions: bool,
    may_lack: Collection[str] = (),
    describe_block: BlockDescriber = lambda _: None,
) -> tuple[Argument, ...]:
    """Check the arguments of a layer; return the valid ones.

    Args:
        signature: The arguments that the layer takes.
        tree: A mapping by name, one value for the first argument, or None.
        span: The location of the layer's name, for missing arguments.
        diagnostics: Receives the errors.
        allow_expressions: Whether to accept a text with `$` as any value.
        may_lack: Required arguments that are given elsewhere.
        describe_block: Describes the block of a name, for errors about a block used as a layer.
    """
    arguments = _ArgumentChecker(diagnostics, allow_expressions, describe_block).check_arguments(
        signature, tree, span, may_lack=may_lack
    )
    if signature.name == CONSTANT and not any(_is_deferred(each.value) for each in arguments):
        check_constant(arguments, diagnostics)
    return arguments


def check_call_constants(
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
    describe_block: BlockDescriber = lambda _: None

    def check_arguments(
        self,
        signature: Signature,
        tree: Tree | None,
        span: Span,
        *,
        may_lack: Collection[str] = (),
    ) -> tuple[Argument, ...]:
        """Check the arguments of a layer or object; return the valid ones."""
        if self.allow_expressions and isinstance(tree, ScalarNode) and "$" in str(tree.value):
            # The expression may give a mapping, which has the arguments by name.
            return ()
        arguments: tuple[Argument, ...] = ()
        if isinstance(tree, MappingNode):
            arguments = tuple(Argument(entry.key, entry.value, entry.key_span) for entry in tree)
        elif tree is not None and signature.bare_argument is not None:
            arguments = (Argument(signature.bare_argument, tree, tree.span),)
        elif tree is not None:
            # 'ops.power: 2' is ambiguous: 2 could be the base or the exponent. Show both.
            inputs = [name for name in signature.tensor_arguments if name in signature.arguments]
            self.diagnostics.error(
                "unknown-argument",
                f"{signature.name} needs its arguments by name",
                tree.span,
                notes=tuple(
                    f"for example {signature.name}: {{{name}: 2}}" for name in inputs[::-1]
                ),
            )
        valid = self.filter_valid(signature, arguments, signature.arguments)
        # A mistyped name is reported as unknown; the argument that it means is not also missing.
        present = {closest_argument(argument.name, signature.arguments) for argument in arguments}
        not_false = {each.name for each in arguments if to_plain(each.value) is not False}
        replaced = {
            spec.name: spec.replacement
            for spec in signature.arguments.values()
            if spec.replacement in not_false
        }
        for argument in arguments:
            if argument.name in replaced:
                self.diagnostics.error(
                    "invalid-structure",
                    f"{signature.name} has both '{argument.name}' and '{replaced[argument.name]}'",
                    argument.span,
                    label="remove one of them",
                )
        missing = [
            spec
            for spec in signature.arguments.values()
            if spec.required and spec.name not in {*present, *replaced, *may_lack}
        ]
        if missing:
            names = ", ".join(f"'{spec.name}'" for spec in missing)
            notes = tuple(f"{spec.name}: {spec.reason}" for spec in missing if spec.reason)
            message = f"{signature.name} needs {names}"
            self.diagnostics.error("missing-argument", message, span, notes=notes)
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
            name = argument.name
            if name in specs:
                if self._check_argument(signature, specs[name], argument.value):
                    valid.append(argument)
            elif name in signature.unsupported:
                self.diagnostics.error(
                    "unsupported-argument",
                    f"'{name}' of {signature.name} is not supported in a blueprint:"
                    f" {signature.unsupported[name]}",
                    argument.span,
                )
            else:
                suggestion = closest_argument(name, specs)
                note = unknown_argument_note(signature, name, specs)
                self.diagnostics.error(
                    "unknown-argument",
                    f"{signature.name} has no argument {quote(name)}",
                    argument.span,
                    suggestion=suggestion,
                    notes=() if suggestion else (note,),
                )
        return tuple(valid)

    def check_object(self, object_kind: ObjectKind, tree: Tree) -> bool:
        """Check that a tree is an object of a kind; report it if not."""
        if self.allow_expressions and isinstance(tree, ScalarNode) and "$" in str(tree.value):
            return True
        if isinstance(tree, ScalarNode) and tree.value is UNKNOWN:
            return True
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return self._check_named_object(object_kind, tree.value, tree.span, None)
        if isinstance(tree, MappingNode) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return self._check_named_object(object_kind, entry.key, entry.key_span, entry.value)
        notes: tuple[str, ...] = ()
        description = describe_with_items(tree)
        if isinstance(tree, MappingNode):
            description += f" of {len(tree.entries)} keys"
            # A dash is missing before the second of two objects in a list.
            if any(registry.load().canonical_name(object_kind, each.key) for each in tree):
                notes = ("write each in an item of its own",)
        elif object_kind == "cell" and isinstance(tree, SequenceNode):
            notes = _CELL_LIST_HINT
        self.diagnostics.error(
            "type-mismatch",
            f"{_KIND_WITH_ARTICLE[object_kind]} must be a name, or a name with arguments such as"
            f" {_EXAMPLES[object_kind]}, not {description}",
            tree.span,
            notes=notes,
        )
        return False

    def _check_argument(self, signature: Signature, spec: ArgumentSpec, tree: Tree) -> bool:
        if self.allow_expressions and _is_deferred(tree):
            return True
        # The arguments of a nested object are checked one by one.
        if not isinstance(tree, MappingNode) and is_unknown(tree):
            return True
        # Null where it is allowed; and a scalar other than a text where the argument takes plain
        # data as well as objects: a learning rate is a number or a schedule.
        is_plain_value = (
            spec.type.is_optional
            if is_null(tree)
            else spec.type.schema is not None
            and isinstance(tree, ScalarNode)
            and not isinstance(tree.value, str)
        )
        object_kind = spec.type.object
        is_quoted_number = (
            not spec.type.is_list
            and spec.type.schema is not None
            and isinstance(tree, ScalarNode)
            and isinstance(tree.value, str)
            and _NUMBER.fullmatch(tree.value) is not None
        )
        if object_kind is None or is_plain_value or is_quoted_number:
            title = f"'{spec.name}' of {signature.name}"
            hint = value_hint(signature, spec, tree)
            return check_value(tree, spec.type.schema or {}, title, self.diagnostics, hint=hint)
        if not spec.type.is_list:
            return self.check_object(object_kind, tree)
        if not isinstance(tree, SequenceNode) or not tree.items:
            message = f"'{spec.name}' must be a list, each item {_KIND_WITH_ARTICLE[object_kind]}"
            self.diagnostics.error(
                "type-mismatch", f"{message}, not {describe_with_items(tree)}", tree.span
            )
            return False
        # A list: `all` of a generator would stop at the first invalid item and not report the rest.
        valid = [self.check_object(object_kind, each) for each in tree.items]
        return all(valid)

    def _check_named_object(
        self, object_kind: ObjectKind, name: str, span: Span, arguments: Tree | None
    ) -> bool:
        keras_registry = registry.load()
        # Keras has aliases for most objects: 'he_normal' is 'HeNormal'.
        canonical = keras_registry.canonical_name(object_kind, name)
        if canonical is None:
            self._report_unknown_object(object_kind, name, span)
            return False
        if arguments is not None and is_null(arguments):
            arguments = None
        if object_kind == "activation":
            if arguments is not None:
                message = f"the activation '{name}' takes no arguments"
                self.diagnostics.error("unknown-argument", message, arguments.span)
            return arguments is None
        signature = keras_registry.signatures(object_kind)[canonical]
        tracker = self.diagnostics.track_errors()
        self.check_arguments(signature, arguments, span)
        return not tracker.has_errors()

    def _report_unknown_object(self, object_kind: ObjectKind, name: str, span: Span) -> None:
        keras_registry = registry.load()
        is_layer = object_kind in LAYER_KINDS
        article_and_noun = _KIND_WITH_ARTICLE[object_kind]
        unsupported = keras_registry.unsupported if is_layer else keras_registry.unsupported_objects
        block = self.describe_block(name) if is_layer else None
        code: Code
        suggestion = None
        notes: tuple[str, ...] = ()
        if block is not None:
            # Where Keras takes only a layer, as in a wrapper.
            code, message = "type-mismatch", f"{quote(name)} is {block}, not {article_and_noun}"
            note = f"write {article_and_noun}, such as {_EXAMPLES[object_kind]}"
            notes = (note,)
        elif name in unsupported:
            code = "unsupported-layer" if is_layer else "unknown-keras-object"
            message = f"{name} is not supported in a blueprint: {unsupported[name]}"
        else:
            code = "unknown-layer" if is_layer else "unknown-keras-object"
            message = f"there is no {article_and_noun.partition(' ')[2]} {quote(name)}"
            # A layer of another kind, such as `cell: {LSTM: 64}` in `RNN`.
            if is_layer and name in keras_registry.layers:
                code, message = "type-mismatch", f"{name} is not {article_and_noun}"
            foreign_hint = object_hint(name)
            if name.endswith(")"):
                foreign_hint = f"arguments are a mapping, as in {_EXAMPLES[object_kind]}"
            if foreign_hint:
                notes = (foreign_hint,)
            else:
                suggestion = closest_match(name, keras_registry.names(object_kind))
        self.diagnostics.error(code, message, span, suggestion=suggestion, notes=notes)


def _is_deferred(tree: Tree) -> bool:
    """Return whether the check of a value is deferred, because it depends on an expression."""
    if isinstance(tree, ScalarNode):
        return isinstance(tree.value, str) and "$" in tree.value
    if isinstance(tree, SequenceNode):
        return any(_is_deferred(item) for item in tree.items)
    # A mapping is a nested object, whose arguments are checked one by one.
    return False
