"""Checks what a blueprint gives to layers, functions and nested objects against the catalogue."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from archbuilder import catalogue
from archbuilder.catalogue.signatures import LAYER_KINDS, ArgumentSpec, ObjectKind, Signature
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.graph import Argument
from archbuilder.judging import judge
from archbuilder.tree import Mapping as MappingTree
from archbuilder.tree import Plain, Scalar, Sequence, Span, Tree, kind, plain

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
) -> tuple[Argument, ...]:
    """The arguments of a layer as they were written, without those that are wrong.

    `written` is a mapping by name, or one value for the first argument; `span` is where the name of
    the layer stands. With `formulas`, a text with `$` in it stands for any value.
    """
    arguments = _by_name(signature, written, diagnostics)
    good = _check_each(signature, arguments, signature.arguments, diagnostics, formulas=formulas)
    # A mistyped argument is one mistake, not also a missing one.
    given = {_meant(argument.name, signature.arguments) for argument in arguments}
    _check_missing(signature, given, span, diagnostics)
    return good


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
    return _check_each(signature, constants, signature.call, diagnostics, formulas=formulas)


def check_object(
    object_kind: ObjectKind, tree: Tree, diagnostics: Diagnostics, *, formulas: bool = False
) -> bool:
    """Whether a tree is an object of a kind: a name, or `{Name: arguments}`; reports where not."""
    if formulas and isinstance(tree, Scalar) and "$" in str(tree.value):
        return True
    if isinstance(tree, Scalar) and isinstance(tree.value, str):
        name, span, arguments = tree.value, tree.span, None
    elif isinstance(tree, MappingTree) and len(tree.entries) == 1:
        entry = tree.entries[0]
        name, span, arguments = entry.key, entry.key_span, entry.value
    else:
        diagnostics.error(
            "wrong-type",
            f"{_ARTICLES[object_kind]} is a name, or a name with arguments such as"
            f" {_EXAMPLES[object_kind]}, not {_described(tree)}",
            tree.span,
            notes=_SEVERAL_CELLS if object_kind == "cell" and isinstance(tree, Sequence) else (),
        )
        return False
    return _check_named(object_kind, name, span, arguments, diagnostics, formulas=formulas)


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


def _check_named(
    object_kind: ObjectKind,
    name: str,
    span: Span,
    written: Tree | None,
    diagnostics: Diagnostics,
    *,
    formulas: bool,
) -> bool:
    known = catalogue.load()
    canonical = known.alias(object_kind, name)
    if canonical is None:
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
            suggestion = nearest(name, known.names(object_kind))
            diagnostics.error(code, message, span, suggestion=suggestion)
        return False
    if object_kind == "activation":
        if written is not None and not _is_null(written):
            message = f"the activation '{name}' takes no arguments"
            diagnostics.error("unknown-argument", message, written.span)
            return False
        return True
    signatures = known.signatures(object_kind)
    errors = diagnostics.error_count
    arguments = None if written is None or _is_null(written) else written
    check_arguments(signatures[canonical], arguments, span, diagnostics, formulas=formulas)
    return diagnostics.error_count == errors


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


def _check_each(
    signature: Signature,
    arguments: Iterable[Argument],
    specs: Mapping[str, ArgumentSpec],
    diagnostics: Diagnostics,
    *,
    formulas: bool,
) -> tuple[Argument, ...]:
    good: list[Argument] = []
    for argument in arguments:
        spec = specs.get(argument.name)
        if spec is None:
            _report_unknown(signature, argument, specs, diagnostics)
        elif _check_argument(signature, spec, argument.value, diagnostics, formulas=formulas):
            good.append(argument)
    return tuple(good)


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


def _check_argument(
    signature: Signature,
    spec: ArgumentSpec,
    tree: Tree,
    diagnostics: Diagnostics,
    *,
    formulas: bool,
) -> bool:
    if formulas and _is_open(tree):
        return True
    if spec.type.object is not None and not _is_plain_for(spec, tree):
        return _check_objects(spec, spec.type.object, tree, diagnostics, formulas=formulas)
    what = f"'{spec.name}' of {signature.name}"
    return check_value(tree, spec.type.schema or {}, what, diagnostics)


def _is_plain_for(spec: ArgumentSpec, tree: Tree) -> bool:
    """Whether a value is no object: null where that is allowed, a number beside a schedule."""
    if _is_null(tree):
        return spec.type.nullable
    if spec.type.schema is None:
        return False
    return isinstance(tree, Scalar) and not isinstance(tree.value, str)


def _check_objects(
    spec: ArgumentSpec,
    object_kind: ObjectKind,
    tree: Tree,
    diagnostics: Diagnostics,
    *,
    formulas: bool,
) -> bool:
    if not spec.type.many:
        return check_object(object_kind, tree, diagnostics, formulas=formulas)
    if not isinstance(tree, Sequence) or not tree.items:
        message = f"'{spec.name}' is a list, each item {_ARTICLES[object_kind]}"
        diagnostics.error("wrong-type", f"{message}, not {_described(tree)}", tree.span)
        return False
    good = [check_object(object_kind, each, diagnostics, formulas=formulas) for each in tree.items]
    return all(good)


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
