"""JSON Schema of recipes for editors: the sections `data` and `training`, from their declarations.

It covers what can be checked without the network and without resolving names: keys, types, bounds
and choices. Which keys of `training` an objective has is left to `archbuilder validate`: an editor
would explain a violation of `if` and `then` badly.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from archbuilder import zoo
from archbuilder.config.objectives import OBJECTIVES
from archbuilder.config.settings import Setting, mapping_schema, setting_schema, settings_of
from archbuilder.config.sources import SOURCES
from archbuilder.config.stages import STAGE_KEYS
from archbuilder.config.training import TrainingConfig
from archbuilder.config.value_types import JsonSchema
from archbuilder.language.json_schema import allow_expressions, blueprint_schema, schema_text
from archbuilder.language.keyword_schemas import record_schema
from archbuilder.registry import Registry

_EXPRESSION: Final[JsonSchema] = {"$ref": "#/definitions/expression"}
_NULL: Final[JsonSchema] = {"type": "null"}
_YAML_PATH: Final = r"\.ya?ml$"


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
    sources, without_settings = {}, []
    for name, source_class in SOURCES.items():
        settings = settings_of(source_class)
        # A value that is not a mapping is the first setting, as in `npz: data.npz`.
        bare: JsonSchema = {"type": "string"} if settings[0].is_required else _NULL
        if bare is _NULL:
            without_settings.append(name)
        sources[name] = _described(source_class, settings_schema(settings), bare)
    bare_name = {"enum": without_settings}
    source = {"anyOf": [bare_name, _single_key_mapping(sources)]}
    # One schema for all: of several, the YAML language server completes the keys of one only.
    properties = {**sources, "train": source, "validation": source, "test": source}
    section = record_schema(properties)
    return {"anyOf": [bare_name, section]}


def training_schema() -> JsonSchema:
    """Return the JSON Schema of the section `training`, with the keys of all objectives."""
    keys: dict[str, list[Setting]] = {}
    sections: list[type] = [TrainingConfig, *OBJECTIVES.values()]
    for section in sections:
        for declared in settings_of(section):
            if not declared.is_option:
                keys.setdefault(declared.name, []).append(declared)
    options = {}
    for name, objective in OBJECTIVES.items():
        settings = [each for each in settings_of(objective) if each.is_option]
        options[name] = _described(objective, settings_schema(settings), _NULL)
    names = list(OBJECTIVES)
    properties: JsonSchema = {
        "objective": {
            "description": "What is trained, and how.",
            "default": names[0],
            "anyOf": [
                {"enum": [*names, *zoo.objective_names()]},
                {"type": "string", "pattern": _YAML_PATH},
                _objective_with_options(options),
                {"$ref": "#/definitions/objective"},
            ],
        }
    }
    for name, declarations in keys.items():
        schemas = [_with_expressions(each) for each in declarations]
        distinct = [each for index, each in enumerate(schemas) if each not in schemas[:index]]
        # Objectives share keys such as `optimizer`; the first description stands for all.
        properties[name] = (
            distinct[0]
            if len(distinct) == 1
            else {"description": declarations[0].description, "anyOf": distinct}
        )
    stage = {name: properties[name] for name in STAGE_KEYS}
    properties["stages"] = {
        "description": properties["stages"]["description"],
        "type": "array",
        "items": record_schema(stage, "epochs"),
    }
    return record_schema(properties)


def settings_schema(settings: Iterable[Setting]) -> JsonSchema:
    """Return the schema of a mapping with these settings, whose values may be expressions."""
    return mapping_schema(settings, _with_expressions)


def _described(section: type, *choices: JsonSchema) -> JsonSchema:
    """Return the schema of one of several values, with the summary of a section."""
    summary = (section.__doc__ or "").partition("\n")[0]
    return {"description": summary, "anyOf": list(choices)}


def _single_key_mapping(properties: JsonSchema) -> JsonSchema:
    """Return the schema of a mapping with exactly one of these keys."""
    return {
        "type": "object",
        "properties": properties,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }


def _objective_with_options(options: JsonSchema) -> JsonSchema:
    """Return the schema of a mapping from the name or the file of an objective to its options."""
    library: JsonSchema = {name: {"type": ["object", "null"]} for name in zoo.objective_names()}
    schema = _single_key_mapping({**options, **library})
    return {**schema, "patternProperties": {_YAML_PATH: {"type": ["object", "null"]}}}


def _with_expressions(declared: Setting) -> JsonSchema:
    """Return the schema of a setting whose values may also be expressions, such as `$rate`."""
    schema = setting_schema(declared)
    annotations: JsonSchema = {
        key: schema.pop(key) for key in ("description", "default") if key in schema
    }
    return {**annotations, "anyOf": [allow_expressions(schema), _EXPRESSION]}
