"""Types of the values in a recipe: each knows its JSON Schema and how to parse a value.

A type of plain values (`integer`, `choice`, ...) is checked against its schema. Other types parse
trees: a mapping by output, a path, an object of Keras.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Self, TypeAlias, TypeVar

from archbuilder.compiler.check_arguments import check_object
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.compiler.objective_ir import ObjectiveGraph
from archbuilder.compiler.value_check import check_value
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.span import Span
from archbuilder.formatting import any_of
from archbuilder.language.json_schema import object_definition_name
from archbuilder.language.parser.fields import FieldReader
from archbuilder.plain_data import PlainData
from archbuilder.registry.signatures import ObjectKind
from archbuilder.yaml.nodes import MappingNode, SequenceNode, Tree, to_plain

JsonSchema: TypeAlias = dict[str, Any]
_T = TypeVar("_T")
_Scalar = TypeVar("_Scalar", bound=bool | int | float | str)


@dataclass(frozen=True, slots=True)
class SectionContext:
    """What the values of a section may refer to."""

    fields: FieldReader
    """Checks the structure of trees; its `diagnostics` receives the errors."""
    inputs: tuple[str, ...] = ()
    """Input names of the network."""
    outputs: tuple[str, ...] = ()
    """Output names of the network."""
    layers: tuple[str, ...] = ()
    """Paths of the layers; with several networks, after the name of the network and a dot."""
    takes_any_size: bool = False
    """Whether an input of the network takes images of any size."""
    objective: ObjectiveGraph | None = None
    """The objective, if the recipe has one in full or names a file; None for the others."""

    @property
    def diagnostics(self) -> Diagnostics:
        """The errors that were reported so far."""
        return self.fields.diagnostics


class LocatedText(str):
    """A text with its location, for a check that needs the data of a run."""

    __slots__ = ("span",)
    span: Span

    def __new__(cls, text: str, span: Span) -> Self:
        """Return the text; it equals the same text without a location."""
        located = super().__new__(cls, text)
        located.span = span
        return located


Parse: TypeAlias = Callable[[Tree, str, SectionContext], _T]
"""Parses a value; the text names it in messages. After reporting an error it may return anything:
the caller looks at the diagnostics."""


@dataclass(frozen=True, slots=True)
class ValueType(Generic[_T]):
    """The values of a setting: their JSON Schema, and the function that parses one.

    `schema` is for editors too: it has no references except to definitions of the blueprint schema.
    `text` describes the values on the reference page, as in `integer from 1 to 1,024`.
    """

    schema: JsonSchema
    parse: Parse[_T]
    text: str


def plain_type(schema: JsonSchema, text: str) -> ValueType[Any]:
    """Return the type of plain values that match a schema; a list becomes a tuple."""

    def parse(tree: Tree, title: str, context: SectionContext) -> PlainData | tuple[PlainData, ...]:
        if not check_value(tree, schema, title, context.diagnostics):
            return None
        value = to_plain(tree)
        # Sections are frozen dataclasses, whose fields are immutable.
        return tuple(value) if isinstance(value, list) else value

    return ValueType(schema, parse, text)


def integer(minimum: int, maximum: int) -> ValueType[int]:
    """Return the type of integers within bounds."""
    schema: JsonSchema = {"type": "integer", "minimum": minimum, "maximum": maximum}
    return plain_type(schema, f"integer from {minimum:,} to {maximum:,}")


def number(
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    below: float | None = None,
) -> ValueType[float]:
    """Return the type of finite numbers within bounds, some of which exclude the bound itself."""
    bounds = {
        "minimum": (minimum, "at least"),
        "exclusiveMinimum": (above, "above"),
        "maximum": (maximum, "at most"),
        "exclusiveMaximum": (below, "below"),
    }
    schema: JsonSchema = {
        "type": "number",
        **{key: bound for key, (bound, _) in bounds.items() if bound is not None},
    }
    texts = [f"{words} {bound:,}" for bound, words in bounds.values() if bound is not None]
    plain = plain_type(
        schema, " and ".join([f"number {texts[0]}", *texts[1:]]) if texts else "number"
    )

    def parse(tree: Tree, title: str, context: SectionContext) -> float:
        value = plain.parse(tree, title, context)
        return float(value) if isinstance(value, int | float) else 0.0

    return ValueType(schema, parse, plain.text)


def boolean() -> ValueType[bool]:
    """Return the type of `true` and `false`."""
    return plain_type({"type": "boolean"}, "`true` or `false`")


def choice(*values: _Scalar) -> ValueType[_Scalar]:
    """Return the type of a few values."""
    texts = [str(each).lower() if isinstance(each, bool) else str(each) for each in values]
    return plain_type({"enum": list(values)}, any_of(f"`{each}`" for each in texts))


def text() -> ValueType[str]:
    """Return the type of texts of 1 to 200 characters."""
    return plain_type({"type": "string", "minLength": 1, "maxLength": 200}, "text")


def pair_of(item: ValueType[_T]) -> ValueType[tuple[_T, _T]]:
    """Return the type of lists of two plain values."""
    schema: JsonSchema = {"type": "array", "items": item.schema, "minItems": 2, "maxItems": 2}
    return plain_type(schema, f"list of 2, each {item.text}")


def list_between(item: ValueType[_T], minimum: int, maximum: int) -> ValueType[tuple[_T, ...]]:
    """Return the type of lists of plain values with a length within bounds."""
    schema: JsonSchema = {
        "type": "array",
        "items": item.schema,
        "minItems": minimum,
        "maxItems": maximum,
    }
    return plain_type(schema, f"list, each {item.text}")


def either(first: ValueType[Any], second: ValueType[Any]) -> ValueType[Any]:
    """Return the type of plain values of one of two types."""
    return plain_type({"anyOf": [first.schema, second.schema]}, f"{first.text}, or {second.text}")


def or_by_name(item: ValueType[_T]) -> ValueType[_T | Mapping[str, _T]]:
    """Return the type of one value, or of a mapping of values by input or output."""

    def parse(tree: Tree, title: str, context: SectionContext) -> _T | Mapping[str, _T]:
        if not isinstance(tree, MappingNode):
            return item.parse(tree, title, context)
        return {
            entry.key: item.parse(entry.value, f"{title} of '{entry.key}'", context)
            for entry in tree
        }

    by_name: JsonSchema = {"type": "object", "additionalProperties": item.schema}
    return ValueType(
        {"anyOf": [item.schema, by_name]}, parse, f"{item.text}, or a mapping of them by name"
    )


def keras_object(kind: ObjectKind) -> ValueType[KerasObject]:
    """Return the type of objects of a kind, whose class and arguments are checked."""

    def parse(tree: Tree, _title: str, context: SectionContext) -> KerasObject:
        check_object(kind, tree, context.diagnostics, allow_expressions=False)
        return KerasObject.from_tree(kind, tree)

    schema = {"$ref": f"#/definitions/{object_definition_name(kind)}"}
    return ValueType(schema, parse, f"{kind} of Keras")


def keras_objects(
    kind: ObjectKind,
    check: Callable[[Sequence[KerasObject], Diagnostics], None],
    *,
    example: str,
    item_schema: JsonSchema | None = None,
) -> ValueType[tuple[KerasObject, ...]]:
    """Return the type of lists of objects of a kind.

    Args:
        kind: The kind of the objects.
        check: Reports objects that are not supported, or do not fit each other. It receives those
            without other errors.
        example: How to write the setting, for the error about a value that is not a list.
        item_schema: The schema of an object for editors; by default that of the kind.
    """
    item = keras_object(kind)

    def parse(tree: Tree, title: str, context: SectionContext) -> tuple[KerasObject, ...]:
        if not isinstance(tree, SequenceNode):
            expected = f"a list of {kind}s"
            context.fields.report_unexpected(tree, title, expected, note=f"for example {example}")
            return ()
        valid = []
        for node in tree.items:
            tracker = context.diagnostics.track_errors()
            parsed = item.parse(node, title, context)
            if not tracker.has_errors():
                valid.append(parsed)
        check(valid, context.diagnostics)
        return tuple(valid)

    schema = {"type": "array", "items": item_schema or item.schema}
    return ValueType(schema, parse, f"list of {kind}s of Keras")
