"""Parser of the declarations of a file: params, imports, variants and expectations."""

from __future__ import annotations

import re
from typing import Final, cast, get_args

from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import (
    BlockArgument,
    DataSize,
    Expectation,
    Import,
    Param,
    SizeQuantity,
    Variant,
)
from archbuilder.language.deferred_values import DeferredValue
from archbuilder.language.parser.fields import FieldReader, describe_value, quoted
from archbuilder.language.parser.steps import decode_block_argument
from archbuilder.language.parser.value_schemas import BLOCK_TYPE, SCHEMA_KEYS, decode_schema
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    is_null,
    to_plain,
)

PARAM_KEYS: Final = ("default", "description", "from_data", *SCHEMA_KEYS)
BLOCK_PARAM_KEYS: Final = ("type", "default", "description")
DATA_SIZE_PATTERN: Final = rf"(?:(.+)\.)?({'|'.join(get_args(SizeQuantity))})"
_DEFAULT_TYPES: Final[dict[type, PlainData]] = {
    bool: "boolean",
    int: "integer",
    float: "number",
    str: "string",
    list: "array",
}
_IMPORT_KEYS: Final = ("file", "params")
_EXPECTATION_KEYS: Final = ("parameters", "trainable", "multiply_adds", "output")
_KEYWORDS: Final = "true false null True False None and or not if else in for"
RESERVED_NAMES: Final = frozenset([*_KEYWORDS.split(), "variant"])
"""Names that cannot be parameters: the keywords of expressions, and `variant`, which is a keyword
argument of the API beside the parameters. Those of functions can: a call has a bracket."""


def decode_params(reader: FieldReader, tree: Tree | None) -> dict[str, Param]:
    """Decode the declared parameters, by name."""
    mapping = reader.expect_mapping(tree, "'params'", expected="a mapping from names to defaults")
    params: dict[str, Param] = {}
    for entry in mapping or ():
        if entry.key in RESERVED_NAMES:
            reader.diagnostics.error(
                "invalid-name",
                f"{quoted(entry.key)} is reserved in expressions; choose another name",
                entry.key_span,
            )
        else:
            reader.check_name(entry.key, entry.key_span, "a parameter")
        # Also with an invalid name, so that references to it are not reported as unknown.
        if isinstance(entry.value, MappingNode):
            params[entry.key] = _decode_declaration(reader, entry, entry.value)
        elif is_null(entry.value):
            # `filters:` without a value declares a required parameter, not the default null.
            params[entry.key] = Param(entry.key, {}, None, entry.key_span)
        else:
            default = reader.decode_value(entry.value)
            # A bare default implies a type: `classes: 1000` is an integer.
            implied_type = _DEFAULT_TYPES[type(to_plain(entry.value))]
            schema = {"type": implied_type} if default.is_constant else {}
            params[entry.key] = Param(entry.key, schema, default, entry.key_span)
    return params


def _decode_declaration(
    reader: FieldReader, entry: MappingEntry, declaration: MappingNode
) -> Param:
    type_entry = declaration.get("type")
    if type_entry is not None and to_plain(type_entry.value) == BLOCK_TYPE:
        return _decode_block_param(reader, entry, declaration)
    default: DeferredValue | None = None
    keywords: list[MappingEntry] = []
    from_data: DataSize | None = None
    description = ""
    title = f"the parameter {quoted(entry.key)}"
    for field in reader.known_entries(declaration, PARAM_KEYS, title):
        if field.key == "default":
            default = reader.decode_value(field.value)
        elif field.key == "description":
            description = reader.expect_text(field.value, "'description'") or ""
        elif field.key == "from_data":
            from_data = _decode_data_size(reader, field.value)
        else:
            keywords.append(field)
    schema = decode_schema(reader, keywords)
    if from_data is not None and default is None:
        reader.diagnostics.error(
            "missing-key",
            f"{title} has 'from_data' but no 'default', which commands without data need",
            entry.key_span,
        )
    return Param(entry.key, schema, default, entry.key_span, description, from_data)


def _decode_block_param(
    reader: FieldReader, entry: MappingEntry, declaration: MappingNode
) -> Param:
    """Decode a parameter with `type: block`, which has no further keywords."""
    name = entry.key
    title = f"the parameter {quoted(name)} of type {BLOCK_TYPE}"
    default: DeferredValue | None = None
    block: BlockArgument | None = None
    description = ""
    for field in reader.known_entries(declaration, BLOCK_PARAM_KEYS, title):
        if field.key == "default":
            default = reader.decode_value(field.value)
            block = decode_block_argument(reader, field.value, f"the default of {quoted(name)}")
        elif field.key == "description":
            description = reader.expect_text(field.value, "'description'") or ""
    return Param(name, {}, default, entry.key_span, description, is_block=True, default_block=block)


def _decode_data_size(reader: FieldReader, tree: Tree) -> DataSize | None:
    """Decode `review.vocabulary_size`, or a quantity alone; report anything else."""
    value = to_plain(tree)
    match = re.fullmatch(DATA_SIZE_PATTERN, value) if isinstance(value, str) else None
    if match is None:
        quantities = ", ".join(f"NAME.{each}" for each in get_args(SizeQuantity))
        reader.report_unexpected(
            tree, "'from_data'", f"one of {quantities}, where NAME is an input or an output"
        )
        return None
    return DataSize(match[1] or "", cast(SizeQuantity, match[2]), tree.span)


def decode_imports(
    reader: FieldReader, tree: Tree | None
) -> tuple[dict[str, Import], frozenset[str]]:
    """Return the imports by alias, and the aliases of those that could not be decoded."""
    mapping = reader.expect_mapping(tree, "'imports'", expected="a mapping from names to files")
    imports: dict[str, Import] = {}
    invalid: set[str] = set()
    for entry in mapping or ():
        reader.check_name(entry.key, entry.key_span, "an import", lower=True)
        title = f"the import {quoted(entry.key)}"
        file: Tree | None = entry.value
        path_name = title
        params: tuple[tuple[str, DeferredValue, Span], ...] = ()
        if isinstance(entry.value, MappingNode):
            fields = reader.fields(entry.value, _IMPORT_KEYS, title)
            values = reader.expect_mapping(
                fields.get("params"), "'params'", expected="a mapping from names to values"
            )
            params = tuple(
                (param.key, reader.decode_value(param.value), param.key_span)
                for param in values or ()
            )
            file, path_name = fields.get("file"), "'file'"
            if file is None and not reader.is_misspelled(entry.value, "file", _IMPORT_KEYS):
                reader.diagnostics.error("missing-key", f"{title} has no 'file'", entry.key_span)
        path = reader.expect_text(file, path_name)
        if file is None or path is None:
            invalid.add(entry.key)
        else:
            imports[entry.key] = Import(entry.key, path, params, file.span)
    return imports, frozenset(invalid)


def decode_variants(reader: FieldReader, tree: Tree | None) -> dict[str, Variant]:
    """Decode the variants, by name."""
    mapping = reader.expect_mapping(
        tree, "'variants'", expected="a mapping from names to parameters"
    )
    variants: dict[str, Variant] = {}
    for entry in mapping or ():
        if entry.key == "default":
            reader.diagnostics.error(
                "invalid-name",
                "'default' is reserved for the blueprint without a variant; choose another name",
                entry.key_span,
            )
            continue
        # Names such as '50' or '1.1' are allowed, because networks are known by them (ResNet-50).
        word = entry.key.replace(".", "").replace("-", "")
        is_plain_word = word.isascii() and word.replace("_", "").isalnum() and len(word) <= 64
        if not is_plain_word and not reader.check_name(entry.key, entry.key_span, "a variant"):
            continue
        # A variant without values is valid: it gives the defaults a second name.
        empty = is_null(entry.value)
        values: MappingNode | None = None
        if not empty:
            values = reader.expect_mapping(entry.value, f"the variant {quoted(entry.key)}")
        params = tuple((each.key, each.value, each.key_span) for each in values or ())
        variants[entry.key] = Variant(entry.key, params, entry.key_span)
    return variants


def decode_expectations(reader: FieldReader, tree: Tree | None) -> dict[str, Expectation]:
    """Decode `expect`: the expected properties of each variant, by its name."""
    mapping = reader.expect_mapping(
        tree, "'expect'", expected="a mapping from variants to expectations"
    )
    expectations: dict[str, Expectation] = {}
    for entry in mapping or ():
        fields = reader.expect_mapping(entry.value, f"the expectation of {quoted(entry.key)}")
        if fields is None:
            continue
        counts: dict[str, int] = {}
        output: Tree | None = None
        spans: dict[str, Span] = {}
        for field in reader.known_entries(fields, _EXPECTATION_KEYS, "'expect'"):
            spans[field.key] = field.value.span
            if field.key == "output":
                output = field.value if _check_output_shapes(reader, field.value) else None
            elif isinstance(field.value, ScalarNode) and type(field.value.value) is int:
                counts[field.key] = field.value.value
            else:
                reader.report_unexpected(field.value, f"'{field.key}'", "an integer")
        expectations[entry.key] = Expectation(
            entry.key,
            counts.get("parameters"),
            counts.get("trainable"),
            counts.get("multiply_adds"),
            output,
            spans,
            entry.key_span,
        )
    return expectations


def _check_output_shapes(reader: FieldReader, tree: Tree) -> bool:
    """Check that `output` is a shape or a mapping of shapes; report the first invalid one."""
    shapes = [entry.value for entry in tree] if isinstance(tree, MappingNode) else [tree]
    for shape in shapes:
        # The empty text stands for what is not a list, and fails the check of the sizes below.
        sizes = (
            [to_plain(item) for item in shape.items] if isinstance(shape, SequenceNode) else [""]
        )
        if not all(size is None or type(size) is int for size in sizes):
            reader.diagnostics.error(
                "invalid-structure",
                f"an output shape must be a list such as [null, 1000], not {describe_value(shape)}",
                shape.span,
            )
            return False
    return True
