"""Checks what a blueprint gives to layers, functions and nested objects against the catalogue."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from archbuilder import catalogue
from archbuilder.catalogue.signatures import LAYER_KINDS, ArgumentSpec, ObjectKind, Signature
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.foreign_keys import hint_of_object
from archbuilder.graph import Argument
from archbuilder.judging import judge
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Scalar, Sequence, Span, Tree, kind, plain

BlockFinder: TypeAlias = Callable[[str], str | None]
"""Says what a block is and where, as in `a block (net.yaml:4:3)`; None if no block has the name."""

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
"""What other libraries call an argument."""

_ARTICLES: Final[dict[ObjectKind, str]] = {
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
}


def check_arguments(
    signature: Signature,
    written: Tree | None,
    span: Span,
    diagnostics: Diagnostics,
    *,
    formulas: bool,
    find_block: BlockFinder = lambda _: None,
) -> tuple[Argument, ...]:
    """The arguments of a layer as they were written, without those that are wrong.

    `written` is a mapping by name, or one value for the first argument; `span` is where the name of
    the layer stands. With `formulas`, a text with `$` in it stands for any value. `find_block`
    explains the name of a block that stands where only a layer can.
    """
    return _Checker(diagnostics, formulas, find_block).arguments(signature, written, span)


def _meant(name: str, specs: Mapping[str, ArgumentSpec]) -> str | None:
    """The argument that a name stands for, also where it is mistyped."""
    if name in specs:
        return name
    synonym = SYNONYMS.get(name)
    return synonym if synonym in specs else nearest(name, specs)


def check_call(
    signature: Signature, written: Tree, diagnostics: Diagnostics, *, formulas: bool
) -> tuple[Argument, ...]:
    """The constants of a layer's call, without those that are wrong."""
    if not isinstance(written, MappingTree):
        diagnostics.error(
            "wrong-form",
            f"'call' is a mapping from names to constants, not {kind(written)}",
            written.span,
        )
        return ()
    arguments = tuple(Argument(entry.key, entry.value, entry.key_span) for entry in written)
    for argument in arguments:
        if argument.name in signature.tensors:
            diagnostics.error(
                "unknown-argument",
                f"'{argument.name}' is an input of {signature.name}; name it under 'from'",
                argument.span,
            )
    constants = tuple(each for each in arguments if each.name not in signature.tensors)
    return _Checker(diagnostics, formulas).each(signature, constants, signature.call)


def check_object(
    object_kind: ObjectKind, tree: Tree, diagnostics: Diagnostics, *, formulas: bool = False
) -> bool:
    """Whether a tree is an object of a kind: a name, or `{Name: arguments}`; reports where not."""
    return _Checker(diagnostics, formulas).object(object_kind, tree)


@dataclass(frozen=True, slots=True)
class _Checker:
    """Checks arguments, and the objects nested in them; reports what is wrong."""

    diagnostics: Diagnostics
    formulas: bool
    find_block: BlockFinder = lambda _: None

    def arguments(
        self, signature: Signature, written: Tree | None, span: Span
    ) -> tuple[Argument, ...]:
        """The arguments of a layer or object, without those that are wrong."""
        arguments = _by_name(signature, written, self.diagnostics)
        good = self.each(signature, arguments, signature.arguments)
        # A mistyped argument is one mistake, not also a missing one.
        given = {_meant(argument.name, signature.arguments) for argument in arguments}
        _check_missing(signature, given, span, self.diagnostics)
        return good

    def each(
        self,
        signature: Signature,
        arguments: Iterable[Argument],
        specs: Mapping[str, ArgumentSpec],
    ) -> tuple[Argument, ...]:
        """The arguments that are known and have a right value."""
        good: list[Argument] = []
        for argument in arguments:
            spec = specs.get(argument.name)
            if spec is None:
                _report_unknown(signature, argument, specs, self.diagnostics)
            elif self._argument(signature, spec, argument.value):
                good.append(argument)
        return tuple(good)

    def object(self, object_kind: ObjectKind, tree: Tree) -> bool:
        """Whether a tree is an object of a kind."""
        if self.formulas and isinstance(tree, Scalar) and "$" in str(tree.value):
            return True
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return self._named(object_kind, tree.value, tree.span, None)
        if isinstance(tree, MappingTree) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return self._named(object_kind, entry.key, entry.key_span, entry.value)
        self.diagnostics.error(
            "wrong-type",
            f"{_ARTICLES[object_kind]} is a name, or a name with arguments such as"
            f" {_EXAMPLES[object_kind]}, not {_described(tree)}",
            tree.span,
            notes=_SEVERAL_CELLS if object_kind == "cell" and isinstance(tree, Sequence) else (),
        )
        return False

    def _argument(self, signature: Signature, spec: ArgumentSpec, tree: Tree) -> bool:
        if self.formulas and _is_open(tree):
            return True
        if spec.type.object is not None and not _is_plain_for(spec, tree):
            return self._objects(spec, spec.type.object, tree)
        what = f"'{spec.name}' of {signature.name}"
        return check_value(tree, spec.type.schema or {}, what, self.diagnostics)

    def _objects(self, spec: ArgumentSpec, object_kind: ObjectKind, tree: Tree) -> bool:
        if not spec.type.many:
            return self.object(object_kind, tree)
        if not isinstance(tree, Sequence) or not tree.items:
            message = f"'{spec.name}' is a list, each item {_ARTICLES[object_kind]}"
            self.diagnostics.error("wrong-type", f"{message}, not {_described(tree)}", tree.span)
            return False
        good = [self.object(object_kind, each) for each in tree.items]
        return all(good)

    def _named(self, object_kind: ObjectKind, name: str, span: Span, written: Tree | None) -> bool:
        known = catalogue.load()
        canonical = known.alias(object_kind, name)
        if canonical is None:
            block = self.find_block(name) if object_kind in LAYER_KINDS else None
            if block is None:
                _report_unknown_object(object_kind, name, span, self.diagnostics)
            else:
                _report_block(object_kind, name, block, span, self.diagnostics)
            return False
        if object_kind == "activation":
            if written is not None and not _is_null(written):
                message = f"the activation '{name}' takes no arguments"
                self.diagnostics.error("unknown-argument", message, written.span)
                return False
            return True
        signature = known.signatures(object_kind)[canonical]
        errors = self.diagnostics.error_count
        self.arguments(signature, None if written is None or _is_null(written) else written, span)
        return self.diagnostics.error_count == errors


_SEVERAL_CELLS: Final = ("several cells on top of each other: {StackedRNNCells: {cells: [...]}}",)
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
}


def _report_unknown_object(
    object_kind: ObjectKind, name: str, span: Span, diagnostics: Diagnostics
) -> None:
    known = catalogue.load()
    if object_kind in LAYER_KINDS and name in known.refused:
        message = f"{name} cannot stand in a blueprint: {known.refused[name]}"
        diagnostics.error("refused-layer", message, span)
    elif object_kind not in LAYER_KINDS and name in known.refused_objects:
        message = f"{name} cannot stand in a blueprint: {known.refused_objects[name]}"
        diagnostics.error("unknown-object", message, span)
    else:
        code = "unknown-layer" if object_kind in LAYER_KINDS else "unknown-object"
        noun = _ARTICLES[object_kind].partition(" ")[2]
        message = f"there is no {noun} {shown(name)}"
        if object_kind in LAYER_KINDS and name in known.layers:
            code, message = "wrong-type", f"{name} is no {noun}"
        foreign = hint_of_object(name)
        suggestion = None if foreign else nearest(name, known.names(object_kind))
        notes = (foreign,) if foreign else ()
        diagnostics.error(code, message, span, suggestion=suggestion, notes=notes)


def _report_block(
    object_kind: ObjectKind, name: str, block: str, span: Span, diagnostics: Diagnostics
) -> None:
    """Report a block where Keras takes only a layer, as in a wrapper."""
    article = _ARTICLES[object_kind]
    note = f"write {article} here, such as {_EXAMPLES[object_kind]}"
    if object_kind != "cell":
        note += "; to wrap a block, wrap each of its layers in a step of its own"
    diagnostics.error("wrong-type", f"{shown(name)} is {block}, not {article}", span, notes=(note,))


def check_value(
    tree: Tree, schema: Mapping[str, Plain], what: str, diagnostics: Diagnostics
) -> bool:
    """Whether a value matches a JSON Schema; reports it as a mistake in `what` where not."""
    mistake = judge(plain(tree), schema)
    if mistake is None:
        return True
    diagnostics.error(
        mistake.code,
        f"{what} is {mistake.expected}, not {_described(tree)}",
        tree.span,
        suggestion=mistake.suggestion,
        notes=_WHOLE_NUMBERS if _is_whole_float(tree) and "integer" in mistake.expected else (),
    )
    return False


_WHOLE_NUMBERS: Final = ("'/' makes a fraction, even of 4 / 2; '//' and int(...) make an integer",)


def _is_whole_float(tree: Tree) -> bool:
    value = tree.value if isinstance(tree, Scalar) else None
    return isinstance(value, float) and value.is_integer()


def _by_name(
    signature: Signature, written: Tree | None, diagnostics: Diagnostics
) -> tuple[Argument, ...]:
    if written is None:
        return ()
    if isinstance(written, MappingTree):
        return tuple(Argument(entry.key, entry.value, entry.key_span) for entry in written)
    first = next(iter(signature.arguments), None)
    if first is None or not _is_own(signature, first):
        message = f"{signature.name} takes no bare value; write its arguments by name"
        # Whether 2 in 'ops.power: 2' is the base or the exponent would be a guess.
        inputs = [name for name in signature.tensors if name in signature.arguments]
        notes = tuple(f"for example {signature.name}: {{{name}: 2}}" for name in inputs[::-1])
        diagnostics.error("unknown-argument", message, written.span, notes=notes)
        return ()
    return (Argument(first, written, written.span),)


def _is_own(signature: Signature, argument: str) -> bool:
    """Whether an argument is the layer's own: not one that every layer has, and not an input."""
    if signature.origin == "keras.ops":
        return argument not in signature.tensors
    return argument not in ("trainable", "dtype")


def _report_unknown(
    signature: Signature,
    argument: Argument,
    specs: Mapping[str, ArgumentSpec],
    diagnostics: Diagnostics,
) -> None:
    name = argument.name
    if name in signature.refused:
        diagnostics.error(
            "refused-argument",
            f"'{name}' of {signature.name} cannot stand in a blueprint: {signature.refused[name]}",
            argument.span,
        )
        return
    suggestion = _meant(name, specs)
    notes: tuple[str, ...] = ()
    if suggestion is None:
        notes = (f"its arguments are: {', '.join(specs)}" if specs else "it takes none",)
    if suggestion is None and name in signature.tensors:
        notes = ("it is an input; name it under 'from'",)
    diagnostics.error(
        "unknown-argument",
        f"{signature.name} has no argument {shown(name)}",
        argument.span,
        suggestion=suggestion,
        notes=notes,
    )


def _check_missing(
    signature: Signature, given: set[str | None], span: Span, diagnostics: Diagnostics
) -> None:
    missing = [
        spec for spec in signature.arguments.values() if spec.required and spec.name not in given
    ]
    if missing:
        names = ", ".join(f"'{spec.name}'" for spec in missing)
        notes = tuple(f"{spec.name}: {spec.reason}" for spec in missing if spec.reason)
        message = f"{signature.name} needs {names}"
        diagnostics.error("missing-argument", message, span, notes=notes)


def _is_plain_for(spec: ArgumentSpec, tree: Tree) -> bool:
    """Whether a value is no object: null where that is allowed, a number beside a schedule."""
    if _is_null(tree):
        return spec.type.nullable
    if spec.type.schema is None:
        return False
    return isinstance(tree, Scalar) and not isinstance(tree.value, str)


def _is_null(tree: Tree) -> bool:
    return isinstance(tree, Scalar) and tree.value is None


def _is_open(tree: Tree) -> bool:
    """Whether a value depends on a formula, so that nothing is known of it yet."""
    if isinstance(tree, Scalar):
        return isinstance(tree.value, str) and "$" in tree.value
    if isinstance(tree, Sequence):
        return any(_is_open(item) for item in tree.items)
    return False


def _described(tree: Tree) -> str:
    if isinstance(tree, Scalar) and tree.value is not None:
        value = tree.value
        return f"{kind(tree)} {str(value).lower() if isinstance(value, bool) else shown(value)}"
    return kind(tree) if isinstance(tree, Scalar | MappingTree) else shown(plain(tree))
