"""Decodes what a file declares beside its steps: params, imports, variants and expectations."""

from __future__ import annotations

from typing import Final

from archbuilder.decode.form import Form, describe, quoted
from archbuilder.document import Expectation, Import, Param, Variant
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Sequence, Span, Tree, plain
from archbuilder.values import Value

TYPES: Final = ("integer", "number", "boolean", "string", "array", "object", "null")
SCHEMA_KEYS: Final = (
    "type",
    "minimum",
    "maximum",
    "exclusiveMinimum",
    "exclusiveMaximum",
    "multipleOf",
    "enum",
    "items",
    "minItems",
    "maxItems",
    "minLength",
    "maxLength",
)
PARAM_KEYS: Final = ("default", "description", *SCHEMA_KEYS)
_COUNTS: Final = ("minItems", "maxItems", "minLength", "maxLength")
_EXPECTATION_KEYS: Final = ("parameters", "trainable", "multiply_adds", "output")
_WORDS: Final = "true false null True False None and or not if else in"
_FUNCTIONS: Final = "min max abs round floor ceil len sum range int float str divisible"
RESERVED: Final = frozenset(f"{_WORDS} {_FUNCTIONS} variant".split())
"""Words that mean something in expressions or to the compiler, and therefore name no parameter."""


def decode_params(form: Form, tree: Tree) -> dict[str, Param]:
    """The declared parameters by name."""
    mapping = form.mapping(tree, "'params'", of="a mapping from names to defaults")
    params: dict[str, Param] = {}
    for entry in mapping or ():
        if entry.key in RESERVED:
            form.diagnostics.error(
                "invalid-name",
                f"{quoted(entry.key)} means something else already; choose another name",
                entry.key_span,
            )
        else:
            form.name(entry.key, entry.key_span, "a parameter")
        params[entry.key] = _decode_param(form, entry)
    return params


def _decode_param(form: Form, entry: Entry) -> Param:
    tree = entry.value
    if isinstance(tree, Mapping):
        return _decode_declaration(form, entry, tree)
    if isinstance(tree, Scalar) and tree.value is None:
        return Param(entry.key, {}, None, entry.key_span)
    value = form.value(tree)
    return Param(entry.key, _inferred(value), value, entry.key_span)


def _inferred(value: Value) -> dict[str, Plain]:
    """The type that a bare default stands for: `classes: 1000` is an integer."""
    if not value.constant:
        return {}
    if isinstance(value.tree, Sequence):
        return {"type": "array"}
    names: dict[type, Plain] = {
        bool: "boolean",
        int: "integer",
        float: "number",
        str: "string",
    }
    return {"type": names[type(plain(value.tree))]}


def _decode_declaration(form: Form, entry: Entry, tree: Mapping) -> Param:
    default: Value | None = None
    schema: dict[str, Plain] = {}
    for each in form.known(tree, PARAM_KEYS, f"the parameter {quoted(entry.key)}"):
        if each.key == "default":
            default = form.value(each.value)
        elif each.key == "description":
            form.text(each.value, "'description'")
        elif _is_keyword(form, each):
            schema[each.key] = plain(each.value)
    return Param(entry.key, schema, default, entry.key_span)


def _is_keyword(form: Form, entry: Entry) -> bool:
    """Whether a keyword of a parameter's type has the value that JSON Schema asks for."""
    if entry.key == "items":
        return _are_items(form, entry)
    value = plain(entry.value)
    if entry.key == "type":
        names = value if isinstance(value, list) else [value]
        good, expected = all(name in TYPES for name in names), f"one of {', '.join(TYPES)}"
    elif entry.key == "enum":
        good, expected = isinstance(value, list) and bool(value), "a list of values"
    elif entry.key in _COUNTS:
        good, expected = type(value) is int and value >= 0, "an integer of at least 0"
    elif entry.key == "multipleOf":
        good = isinstance(value, int | float) and value is not True and value > 0
        expected = "a number above 0"
    else:
        good, expected = type(value) in (int, float), "a number"
    if not good:
        form.wrong(entry.value, f"'{entry.key}'", expected)
    return good


def _are_items(form: Form, entry: Entry) -> bool:
    mapping = form.mapping(entry.value, "'items'", of="a mapping such as {type: integer}")
    if mapping is None:
        return False
    good = [_is_keyword(form, each) for each in form.known(mapping, SCHEMA_KEYS, "'items'")]
    return all(good) and len(good) == len(mapping.entries)


def decode_imports(form: Form, tree: Tree) -> dict[str, Import]:
    """The imported files by the name they get."""
    mapping = form.mapping(tree, "'imports'", of="a mapping from names to files")
    imports: dict[str, Import] = {}
    for entry in mapping or ():
        form.name(entry.key, entry.key_span, "an import", lower=True)
        decoded = _decode_import(form, entry)
        if decoded is not None:
            imports[entry.key] = decoded
    return imports


def _decode_import(form: Form, entry: Entry) -> Import | None:
    what = f"the import {quoted(entry.key)}"
    if not isinstance(entry.value, Mapping):
        path = form.text(entry.value, what)
        return None if path is None else Import(entry.key, path, (), entry.value.span)
    file: Entry | None = None
    params: tuple[tuple[str, Value, Span], ...] = ()
    for each in form.known(entry.value, ("file", "params"), what):
        if each.key == "file":
            file = each
        else:
            mapping = form.mapping(each.value, "'params'", of="a mapping from names to values")
            params = tuple((one.key, form.value(one.value), one.key_span) for one in mapping or ())
    if file is None:
        form.diagnostics.error("missing-key", f"{what} names no 'file'", entry.key_span)
        return None
    path = form.text(file.value, "'file'")
    return None if path is None else Import(entry.key, path, params, file.value.span)


def decode_variants(form: Form, tree: Tree) -> dict[str, Variant]:
    """The named sets of parameters."""
    mapping = form.mapping(tree, "'variants'", of="a mapping from names to parameters")
    variants: dict[str, Variant] = {}
    for entry in mapping or ():
        if not _is_variant_name(form, entry):
            continue
        empty = isinstance(entry.value, Scalar) and entry.value.value is None
        values: Mapping | None = None
        if not empty:
            values = form.mapping(entry.value, f"the variant {quoted(entry.key)}")
        given = tuple((each.key, each.value, each.key_span) for each in values or ())
        variants[entry.key] = Variant(entry.key, given, entry.key_span)
    return variants


def _is_variant_name(form: Form, entry: Entry) -> bool:
    """Variants may be called '50' or '1.1' as well: people know the networks by such names."""
    word = entry.key.replace(".", "").replace("-", "")
    if entry.key == "default":
        form.diagnostics.error(
            "invalid-name",
            "'default' stands for the blueprint without a variant; choose another name",
            entry.key_span,
        )
        return False
    if word.isascii() and word.replace("_", "").isalnum() and len(word) <= 64:
        return True
    return form.name(entry.key, entry.key_span, "a variant")


def decode_expectations(form: Form, tree: Tree) -> dict[str, Expectation]:
    """What the file promises, by variant."""
    mapping = form.mapping(tree, "'expect'", of="a mapping from variants to what they promise")
    expectations: dict[str, Expectation] = {}
    for entry in mapping or ():
        promise = form.mapping(entry.value, f"what {quoted(entry.key)} promises")
        if promise is not None:
            expectations[entry.key] = _decode_expectation(form, entry, promise)
    return expectations


def _decode_expectation(form: Form, entry: Entry, promise: Mapping) -> Expectation:
    counts: dict[str, int] = {}
    output: Tree | None = None
    spans: dict[str, Span] = {}
    for each in form.known(promise, _EXPECTATION_KEYS, "'expect'"):
        spans[each.key] = each.value.span
        if each.key == "output":
            output = each.value if _is_output(form, each.value) else None
        elif isinstance(each.value, Scalar) and type(each.value.value) is int:
            counts[each.key] = each.value.value
        else:
            form.wrong(each.value, f"'{each.key}'", "a whole number")
    return Expectation(
        entry.key,
        counts.get("parameters"),
        counts.get("trainable"),
        counts.get("multiply_adds"),
        output,
        spans,
        entry.key_span,
    )


def _is_output(form: Form, tree: Tree) -> bool:
    shapes = [entry.value for entry in tree] if isinstance(tree, Mapping) else [tree]
    for shape in shapes:
        sizes = [plain(item) for item in shape.items] if isinstance(shape, Sequence) else [""]
        if not all(size is None or type(size) is int for size in sizes):
            form.diagnostics.error(
                "wrong-form",
                f"an output shape is a list such as [null, 1000], not {describe(shape)}",
                shape.span,
            )
            return False
    return True
