"""Declarations of settings: the fields of a dataclass, with their types, bounds and descriptions.

A section of a recipe is a dataclass whose fields are declared with `setting`. The parser of the
section, the JSON Schema for editors, the reference page and the `--help` texts all read these
declarations:

    @dataclass(frozen=True, slots=True)
    class RidgeConfig:
        alpha: float = setting(number(minimum=0), "Weight of the L2 penalty.", default=1e-6)

`value_types` has the types of values, such as `number`.
"""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar, cast

from archbuilder.config.value_types import JsonSchema, SectionContext, ValueType
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree

_T = TypeVar("_T")
_Default = TypeVar("_Default")
ObjectiveFeature: TypeAlias = Literal["steps", "stages", "accumulation", "augmentation"]
"""What an objective may support: training in steps and stages, splitting a batch, augmenting
images."""
_METADATA_KEY: Final = "archbuilder.setting"
_GROUP_KEY: Final = "archbuilder.group"
_REQUIRED: Final[Any] = object()


@dataclass(frozen=True, slots=True)
class Setting:
    """A declared setting: a key of a section.

    `settings_of` fills in the fields that follow from the dataclass: the name and the default.
    """

    value_type: ValueType[Any]
    description: str
    example: str = ""
    """How to write the setting, for the error about a missing one."""
    is_option: bool = False
    """Whether it stands under the name of an objective instead of beside it."""
    requires: ObjectiveFeature | None = None
    """The feature without which an objective does not take the setting; None if all take it."""
    is_resumable: bool = False
    """Whether a run may be resumed with another value."""
    name: str = ""
    is_required: bool = True
    default: Any = None
    """Value without the key; None if the setting is required."""


def setting(
    value_type: ValueType[_T],
    description: str,
    *,
    default: _Default = _REQUIRED,
    default_factory: Callable[[], _T] | None = None,
    example: str = "",
    requires: ObjectiveFeature | None = None,
    is_resumable: bool = False,
) -> _T | _Default:
    """Declare a field of a section; without a default it is required.

    Args:
        value_type: The values that it takes.
        description: One sentence for editors, the reference page and `--help`.
        default: The value without the key.
        default_factory: Returns the default; for defaults that are mutable.
        example: How to write the setting, for the error about a missing one.
        requires: The feature without which an objective does not take the setting of `training`.
        is_resumable: Whether a run may be resumed with another value: true of settings of
            `training` that decide how long, on which devices or how fast a run computes, but not
            what a step computes.
    """
    declared = Setting(
        value_type, description, example, requires=requires, is_resumable=is_resumable
    )
    return cast("_T | _Default", _field(declared, default, default_factory))


def option(value_type: ValueType[_T], description: str, *, default: _T) -> _T:
    """Declare a field of an objective that stands under the objective's name."""
    return cast(_T, _field(Setting(value_type, description, is_option=True), default, None))


def group(section: type[_T]) -> _T:
    """Declare a field whose settings stand beside those of the section, as keys of one mapping.

    `section` is a dataclass of settings that all have a default.
    """
    return dataclasses.field(default_factory=section, metadata={_GROUP_KEY: section})


def _field(declared: Setting, default: Any, default_factory: Callable[[], Any] | None) -> Any:
    metadata = {_METADATA_KEY: declared}
    # `field` is declared to return the type of its default, as this function does.
    if default_factory is not None:
        return dataclasses.field(default_factory=default_factory, metadata=metadata)
    if default is _REQUIRED:
        return dataclasses.field(metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def settings_of(section: type) -> tuple[Setting, ...]:
    """Return the settings of a section: its own in the order of the fields, then inherited ones.

    Fields without a declaration are not keys of the section, and are left out.
    """
    annotated_names = inspect.get_annotations(section)
    # sorted() is stable, and True comes after False.
    fields = sorted(
        dataclasses.fields(section), key=lambda field: field.name not in annotated_names
    )
    settings: list[Setting] = []
    for field in fields:
        if _GROUP_KEY in field.metadata:
            settings += settings_of(field.metadata[_GROUP_KEY])
        elif _METADATA_KEY in field.metadata:
            declared: Setting = field.metadata[_METADATA_KEY]
            default = field.default
            if field.default_factory is not dataclasses.MISSING:
                default = field.default_factory()
            is_required = default is dataclasses.MISSING
            settings.append(
                dataclasses.replace(
                    declared,
                    name=field.name,
                    is_required=is_required,
                    default=None if is_required else default,
                )
            )
    return tuple(settings)


def make_section(section: type[_T], values: Mapping[str, Any]) -> _T:
    """Return a section with values by name; those of a group go to the field of the group."""
    arguments = dict(values)
    for field in dataclasses.fields(cast(Any, section)):
        if _GROUP_KEY in field.metadata:
            group_section = field.metadata[_GROUP_KEY]
            names = {each.name for each in settings_of(group_section)} & arguments.keys()
            arguments[field.name] = group_section(**{name: arguments.pop(name) for name in names})
    return section(**arguments)


def section_values(section: object) -> dict[str, Any]:
    """Return the values of a section by the name of the setting, the opposite of `make_section`."""
    values: dict[str, Any] = {}
    for field in dataclasses.fields(cast(Any, section)):
        value = getattr(section, field.name)
        if _GROUP_KEY in field.metadata:
            values |= section_values(value)
        elif _METADATA_KEY in field.metadata:
            values[field.name] = value
    return values


def setting_of(section: type, name: str) -> Setting:
    """Return one setting of a section by its name."""
    return next(each for each in settings_of(section) if each.name == name)


def parse_settings(
    settings: Iterable[Setting],
    trees: Mapping[str, Tree],
    title: str,
    span: Span,
    context: SectionContext,
) -> dict[str, Any]:
    """Parse the values of settings; report values that do not fit and missing keys.

    Keys that are not among the settings are ignored: the caller knows which other keys stand in
    the same mapping.

    Args:
        settings: The settings that the mapping may have.
        trees: The values by key.
        title: The name of the section, for errors about missing keys.
        span: The location of the section.
        context: What values may refer to; receives the errors.

    Returns:
        The valid values by name, as arguments of the dataclass.
    """
    values: dict[str, Any] = {}
    for declared in settings:
        tree = trees.get(declared.name)
        if tree is not None:
            tracker = context.diagnostics.track_errors()
            value = declared.value_type.parse(tree, f"'{declared.name}'", context)
            if not tracker.has_errors():
                values[declared.name] = value
        elif declared.is_required:
            context.diagnostics.error(
                "missing-key",
                f"{title} has no '{declared.name}'",
                span,
                notes=(f"for example {declared.example}",) if declared.example else (),
            )
    return values


def setting_trees(
    settings: Iterable[Setting], mapping: MappingNode, title: str, context: SectionContext
) -> dict[str, Tree]:
    """Return the values of a mapping by key; report keys that are not among the settings."""
    return context.fields.fields(mapping, [each.name for each in settings], title)


def setting_schema(declared: Setting) -> JsonSchema:
    """Return the JSON Schema of the values of a setting, with its description and default."""
    schema: JsonSchema = {"description": declared.description}
    # An editor would insert the default; None and empty collections stand for a missing key.
    if isinstance(declared.default, bool | int | float | str):
        schema["default"] = declared.default
    return {**schema, **declared.value_type.schema}


def mapping_type(
    section: type[_T], text: str, find_conflict: Callable[[_T], str] = lambda _: ""
) -> ValueType[_T]:
    """Return the type of mappings with the settings of a section; `text` describes them.

    `find_conflict` returns what contradicts itself in a section, as the end of a sentence that
    begins with its name, or an empty text.
    """
    settings = settings_of(section)

    def parse(tree: Tree, title: str, context: SectionContext) -> _T:
        if not isinstance(tree, MappingNode):
            context.fields.report_unexpected(tree, title, "a mapping")
            return cast(_T, None)
        tracker = context.diagnostics.track_errors()
        trees = setting_trees(settings, tree, title, context)
        values = parse_settings(settings, trees, title, tree.span, context)
        if tracker.has_errors():
            return cast(_T, None)
        parsed = make_section(section, values)
        if conflict := find_conflict(parsed):
            context.diagnostics.error("invalid-structure", f"{title} {conflict}", tree.span)
        return parsed

    return ValueType(mapping_schema(settings), parse, text)


def mapping_or_true(
    section: type[_T], text: str, find_conflict: Callable[[_T], str] = lambda _: ""
) -> ValueType[_T]:
    """Return the type of `true`, which stands for all defaults, and of mappings of a section."""
    mapping = mapping_type(section, f"`true`, or {text}", find_conflict)

    def parse(tree: Tree, title: str, context: SectionContext) -> _T:
        if isinstance(tree, ScalarNode) and tree.value is True:
            return section()
        if not isinstance(tree, MappingNode):
            context.fields.report_unexpected(tree, title, "`true` or a mapping")
            return section()
        return mapping.parse(tree, title, context)

    return ValueType({"anyOf": [{"enum": [True]}, mapping.schema]}, parse, mapping.text)


def mapping_schema(
    settings: Iterable[Setting], value_schema: Callable[[Setting], JsonSchema] = setting_schema
) -> JsonSchema:
    """Return the JSON Schema of a mapping with these settings.

    `value_schema` returns the schema of the values of one.
    """
    settings = tuple(settings)
    schema: JsonSchema = {
        "type": "object",
        "properties": {each.name: value_schema(each) for each in settings},
        "additionalProperties": False,
    }
    if required := [each.name for each in settings if each.is_required]:
        schema["required"] = required
    return schema
