"""JSON Schema (draft 7) of blueprint files, for editors with a YAML language server.

The schema is generated from the registry. It covers what can be checked without resolving names:
keys, layers, arguments, their types and choices. The compiler itself does not use it.

Draft 7 ignores keywords beside `$ref`, so only `description`, which constrains nothing, stands
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, get_args

from archbuilder.language.keyword_schemas import (
    ANY,
    BLOCK,
    BLOCK_CALL,
    BLOCK_USE,
    EXPRESSION,
    FILE_PROPERTIES,
    INPUT_SHAPE,
    MODIFIERS,
    NETWORK,
    NULL,
    NUMBER,
    PARAM,
    TEXT,
    WHEN,
    Schema,
    any_of,
    list_schema,
    mapping_schema,
    record_schema,
    with_description,
)
from archbuilder.language.objective_operations import objective_signatures
from archbuilder.language.objective_schema import OBJECTIVE
from archbuilder.registry import Registry
from archbuilder.registry.signatures import LAYER_KINDS, ObjectKind, Signature


def schema_text(schema: Schema) -> str:
    """Serialize a schema with one definition per line, to keep the diffs of the file readable."""
    definitions = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(value)}"
        for name, value in schema["definitions"].items()
    )
    rest = {key: value for key, value in schema.items() if key != "definitions"}
    head = json.dumps(rest, indent=1).removesuffix("\n}")
    return f'{head},\n "definitions": {{\n{definitions}\n }}\n}}\n'


def blueprint_schema(registry: Registry, recipe: Mapping[str, Schema]) -> Schema:
    """Return the JSON Schema of a blueprint file, with every layer, argument and default.

    `recipe` has the schemas of the sections `data` and `training`.
    """
    # Steps of objectives too: an editor does not know where a list of steps is.
    calls = {**registry.layers, **_operations(registry), **objective_signatures()}
    dtype = any_of({"enum": list(registry.dtypes)}, EXPRESSION)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "archbuilder blueprint",
        "description": f"Version 1 of the language; layers of Keras {registry.keras_version}.",
        "type": "object",
        "required": ["archbuilder"],
        "properties": {
            **FILE_PROPERTIES,
            "objective": {"$ref": "#/definitions/objective"},
            **{name: {"$ref": f"#/definitions/{name}_section"} for name in recipe},
        },
        "additionalProperties": False,
        "definitions": {
            "expression": {"type": "string", "pattern": r"\$"},
            "params": with_description(
                "Parameters and their defaults.",
                mapping_schema({"$ref": "#/definitions/param"}),
            ),
            "param": PARAM,
            "block": BLOCK,
            "network": NETWORK,
            "input": any_of(
                INPUT_SHAPE,
                record_schema({"shape": INPUT_SHAPE, "dtype": dtype, "when": WHEN}, "shape"),
            ),
            "steps": list_schema({"$ref": "#/definitions/step"}),
            "step": _step(registry),
            "merge": _merge(registry),
            "objective": OBJECTIVE,
            **{f"{name}_section": section for name, section in recipe.items()},
            **_object_definitions(registry),
            **{name: _arguments(signature) for name, signature in calls.items()},
        },
    }


def _step(registry: Registry) -> Schema:
    """Return the schema of a step: a bare name, or a mapping with one call and its modifiers."""
    # That a step has only one layer is left to the compiler: a `oneOf` with a branch for each layer
    # would report an error for every branch.
    calls = {
        name: {"$ref": f"#/definitions/{name}"}
        for name in (*registry.layers, *_operations(registry), *objective_signatures())
    }
    mapping = {
        "type": "object",
        "properties": {**calls, **MODIFIERS},
        "patternProperties": {BLOCK_USE: ANY},
        "additionalProperties": False,
        "minProperties": 1,
        "dependencies": {"else": ["when"]},
    }
    # Without its arguments, a step can name only layers that require none.
    signatures = (
        *registry.layers.items(),
        *_operations(registry).items(),
        *objective_signatures().items(),
    )
    complete = [name for name, signature in signatures if not _required(signature)]
    bare = any_of({"enum": complete}, {"type": "string", "pattern": BLOCK_USE})
    return any_of(bare, mapping)


def _merge(registry: Registry) -> Schema:
    names = [name for name, layer in registry.layers.items() if layer.accepts_list]
    properties = {name: {"$ref": f"#/definitions/{name}"} for name in names}
    # Any layer or block may join branches. Layers that take a list of inputs are named for
    # completion; the pattern accepts the others.
    mapping = {
        "type": "object",
        "properties": properties,
        "patternProperties": {BLOCK_USE: ANY, r"^[A-Z]": ANY},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    bare = any_of({"enum": names}, TEXT)
    return with_description("The layer that merges the branches.", any_of(bare, mapping))


def _object_definitions(registry: Registry) -> Schema:
    """Return a definition for each kind of nested object."""
    definitions: Schema = {}
    for kind in get_args(ObjectKind):
        # An activation is only a name, defined after the loop: it takes no arguments.
        if kind == "activation":
            continue
        names = list(dict.fromkeys(registry.names(kind)))
        if kind in LAYER_KINDS:
            properties = {name: {"$ref": f"#/definitions/{name}"} for name in names}
        else:
            classes = registry.signatures(kind)
            properties = {name: _arguments(each) for name, each in classes.items()}
        mapping = {
            "type": "object",
            "properties": properties,
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }
        definitions[object_definition_name(kind)] = any_of({"enum": names}, mapping, EXPRESSION)
    definitions[object_definition_name("activation")] = any_of(
        {"enum": list(registry.activations)}, EXPRESSION
    )
    return definitions


def object_definition_name(kind: ObjectKind) -> str:
    """Return the name of the definition of a kind of nested object, such as `loss_object`."""
    return f"{kind.replace(' ', '_')}_object"


def _operations(registry: Registry) -> dict[str, Signature]:
    """Return the functions of keras.ops by their names in steps, such as `ops.transpose`."""
    return {signature.name: signature for signature in registry.operations.values()}


def _arguments(signature: Signature) -> Schema:
    """Return the schema of a call's arguments: a mapping, one bare value, or nothing."""
    required = _required(signature)
    properties: Schema = {}
    for name, spec in signature.arguments.items():
        # An object, plain data or both, or an expression.
        kinds: list[Schema] = []
        if spec.type.object is not None:
            # The definition of an object accepts an expression as well.
            kind: Schema = {"$ref": f"#/definitions/{object_definition_name(spec.type.object)}"}
            kinds.append(list_schema(kind, 1) if spec.type.is_list else kind)
            if name == signature.block_argument:
                kinds += [{"$ref": "#/definitions/steps"}, BLOCK_CALL]
            if spec.type.is_optional:
                kinds.append(NULL)
        if spec.type.schema is not None:
            kinds += [allow_expressions(spec.type.schema), EXPRESSION]
        properties[name] = {
            **({"description": spec.summary} if spec.summary else {}),
            **({} if spec.required else {"default": spec.default}),
            **(kinds[0] if len(kinds) == 1 else any_of(*kinds)),
        }
    mapping: Schema = record_schema(properties)
    replacements = {each.replacement for each in signature.arguments.values()} - {""}
    if replacements:
        # Either the arguments themselves, or what stands for all of them.
        mapping["anyOf"] = [{"required": required}, {"required": sorted(replacements)}]
    elif required:
        mapping["required"] = required
    choices: list[Schema] = [mapping]
    bare = signature.bare_argument
    # The bare value is possible only if no other argument is required.
    if bare is not None and required in ([], [bare]):
        argument_type = signature.arguments[bare].type
        if argument_type.object is not None:
            # Without mappings: `{LSTM: 64}` here would be an argument by name, not an object.
            choices.append(any_of(TEXT, NUMBER, {"type": "array"}))
        else:
            choices.append(any_of(allow_expressions(argument_type.schema or {}), EXPRESSION))
    if not required:
        choices.append(NULL)
    return with_description(signature.summary, any_of(*choices))


def _required(signature: Signature) -> list[str]:
    return [spec.name for spec in signature.arguments.values() if spec.required]


def allow_expressions(schema: Mapping[str, Any]) -> Schema:
    """Return a schema that also accepts an expression in place of each value within it."""
    # The schemas of the registry are shared by all callers, and must not be changed.
    result = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = any_of(allow_expressions(result[key]), EXPRESSION)
    if "properties" in result:
        result["properties"] = {
            name: any_of(allow_expressions(each), EXPRESSION)
            for name, each in result["properties"].items()
        }
    if "anyOf" in result:
        result["anyOf"] = [allow_expressions(each) for each in result["anyOf"]]
    return result
