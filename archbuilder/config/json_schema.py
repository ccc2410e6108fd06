"""JSON Schema of recipes for editors: the sections `data` and `training`, from their declarations.

It covers what can be checked without the network and without resolving names: keys, types, bounds
and choices. Which keys of `training` an objective has is left to `archbuilder validate`: an editor
would explain a violation of `if` and `then` badly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from archbuilder.config.objectives import OBJECTIVES
from archbuilder.config.settings import Setting, setting_schema, settings_of
from archbuilder.config.sources import SOURCES
from archbuilder.config.training import TrainingConfig
from archbuilder.config.value_types import JsonSchema
from archbuilder.language.json_schema import allow_expressions, blueprint_schema, schema_text
from archbuilder.registry import Registry

_EXPRESSION: Final[JsonSchema] = {"$ref": "#/definitions/expression"}
_NULL: Final[JsonSchema] = {"type": "null"}


def full_schema(registry: Registry) -> JsonSchema:
    """Return the JSON Schema of a blueprint file with its recipe."""
    recipe = {
        "data": {"description": "The training data.", **data_schema()},
        "training": {"description": "The training settings.", **training_schema()},
    }
    return blueprint_schema(registry, recipe)


def full_schema_text(registry: Registry) -> str:
    """Return the text of the schema file, `schemas/blueprint-v1.schema.json`."""
    return schema_text(full_schema(registry))


def data_schema() -> JsonSchema:
    """Return the JSON Schema of the section `data`: a source, or sources by split."""
    source = _source_schema()
    bare, mapping = source["anyOf"]
    # One schema for both: of two, the YAML language server completes the keys of one only.
    splits = {"train": source, "validation": source}
    properties = {**mapping["properties"], **splits}
    section = {"type": "object", "properties": properties, "additionalProperties": False}
    return {"anyOf": [bare, section]}


def _source_schema() -> JsonSchema:
    """Return the schema of a source: its name, or a mapping from it to its settings."""
    sources, without_settings = {}, []
    for name, source in SOURCES.items():
        settings = settings_of(source)
        # A value that is not a mapping is the first setting, as in `npz: data.npz`.
        bare: JsonSchema = {"type": "string"} if settings[0].is_required else _NULL
        if bare is _NULL:
            without_settings.append(name)
        sources[name] = _described(source, settings_schema(settings), bare)
    return {"anyOf": [{"enum": without_settings}, _one_key(sources)]}


def training_schema() -> JsonSchema:
    """Return the JSON Schema of the section `training`, with the keys of all objectives."""
    keys: dict[str, list[Setting]] = {}
    sections: list[type] = [TrainingConfig, *OBJECTIVES.values()]
    for section in sections:
        for declared in settings_of(section):
            if not declared.is_option:
                keys.setdefault(declared.name, []).append(declared)
    properties = {name: _merged_schema(settings) for name, settings in keys.items()}
    objective = {"description": "What is trained, and how.", **_objective_schema()}
    return {
        "type": "object",
        "properties": {"objective": objective, **properties},
        "additionalProperties": False,
    }


def _objective_schema() -> JsonSchema:
    """Return the schema of a name of an objective, or of a mapping from it to its options."""
    options = {}
    for name, objective in OBJECTIVES.items():
        settings = [each for each in settings_of(objective) if each.is_option]
        options[name] = _described(objective, settings_schema(settings), _NULL)
    names = list(OBJECTIVES)
    return {"default": names[0], "anyOf": [{"enum": names}, _one_key(options)]}


def settings_schema(settings: Iterable[Setting]) -> JsonSchema:
    """Return the schema of a mapping with these settings."""
    settings = tuple(settings)
    schema: JsonSchema = {
        "type": "object",
        "properties": {each.name: _with_expressions(each) for each in settings},
        "additionalProperties": False,
    }
    if required := [each.name for each in settings if each.is_required]:
        schema["required"] = required
    return schema


def _described(section: type, *choices: JsonSchema) -> JsonSchema:
    """Return the schema of one of several values, with the summary of a section."""
    summary = (section.__doc__ or "").partition("\n")[0]
    return {"description": summary, "anyOf": list(choices)}


def _one_key(properties: JsonSchema) -> JsonSchema:
    """Return the schema of a mapping with exactly one of these keys."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _merged_schema(settings: list[Setting]) -> JsonSchema:
    """Return the schema of a key that objectives share, such as `optimizer`."""
    schemas = [_with_expressions(each) for each in settings]
    distinct = [each for index, each in enumerate(schemas) if each not in schemas[:index]]
    if len(distinct) == 1:
        return distinct[0]
    # The first description stands for all.
    return {"description": settings[0].description, "anyOf": distinct}


def _with_expressions(declared: Setting) -> JsonSchema:
    """Return the schema of a setting whose values may also be expressions, such as `$rate`."""
    schema = setting_schema(declared)
    annotations: JsonSchema = {
        key: schema.pop(key) for key in ("description", "default") if key in schema
    }
    return {**annotations, "anyOf": [allow_expressions(schema), _EXPRESSION]}
