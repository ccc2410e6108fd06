"""JSON Schema (draft 7) of blueprint files, for editors with a YAML language server.

The schema is generated from the registry. It covers what can be checked without resolving names:
keys, layers, arguments, their types and choices. The compiler itself does not use it.

Draft 7 ignores keywords beside `$ref`, so only `description`, which constrains nothing, stands
there.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, TypeAlias, get_args

from archbuilder.language.parser.declarations import (
    DATA_SIZE_PATTERN,
    SCHEMA_KEYS,
    TYPE_NAMES,
)
from archbuilder.registry import Registry
from archbuilder.registry.signatures import LAYER_KINDS, ObjectKind, Signature

Schema: TypeAlias = dict[str, Any]

_ANY: Final[Schema] = {}
_NULL: Final[Schema] = {"type": "null"}
_TEXT: Final[Schema] = {"type": "string"}
_EXPRESSION: Final[Schema] = {"$ref": "#/definitions/expression"}
_STEPS: Final[Schema] = {"$ref": "#/definitions/steps"}
_PARAMS: Final[Schema] = {"$ref": "#/definitions/params"}
_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
_BLOCK_NAME: Final = "^[a-z_][a-z0-9_]*$"
# The schema cannot know the blocks of a file, so any name in lower case may be one. Without the
# lookahead, an unknown function such as 'ops.fft9' would pass as block 'fft9' of an import 'ops'.
_BLOCK_USE: Final = r"^(?!ops\.)[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$"


def _with_description(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _mapping_schema(values: Schema, pattern: str = _NAME) -> Schema:
    """Return the schema of a mapping from names that match `pattern` to `values`."""
    return {"type": "object", "patternProperties": {pattern: values}, "additionalProperties": False}


_NUMBER: Final[Schema] = {"type": "number"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_SHAPE: Final[Schema] = {"type": "array", "items": {"type": ["integer", "null"]}}
_EXPECTATION: Final[Schema] = {
    "type": "object",
    "properties": {
        "parameters": _with_description("The number of parameters, trainable or not.", _COUNT),
        "trainable": _with_description("The number of trainable parameters.", _COUNT),
        "multiply_adds": _with_description("Multiply-adds for one example.", _COUNT),
        "output": _with_description(
            "The shape of the output with its batch axis.",
            _any_of(_SHAPE, {"type": "object", "additionalProperties": _SHAPE}),
        ),
    },
    "additionalProperties": False,
}

_TYPE_NAME: Final[Schema] = {"enum": list(TYPE_NAMES)}
_PARAM_KEYWORDS: Final[Schema] = {
    "type": _any_of(_TYPE_NAME, {"type": "array", "items": _TYPE_NAME}),
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "enum": {"type": "array", "minItems": 1},
    "items": {"type": "object"},
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _COUNT),
}
_PARAM: Final = _any_of(
    # A bare default cannot be a mapping, because a mapping is a declaration.
    {"type": ["null", "boolean", "number", "string", "array"]},
    {
        "type": "object",
        "properties": {
            "default": _with_description("The default value.", _ANY),
            "description": _with_description("What the parameter is for.", _TEXT),
            "from_data": _with_description(
                "The number in the data that training sets it to, as in 'review.vocabulary_size'.",
                {"type": "string", "pattern": f"^{DATA_SIZE_PATTERN}$"},
            ),
            **{key: _PARAM_KEYWORDS[key] for key in SCHEMA_KEYS},
        },
        "additionalProperties": False,
    },
)

_BLOCK_PROPERTIES: Final[Schema] = {
    "params": _PARAMS,
    "description": _TEXT,
    "inputs": _with_description(
        "The names of the inputs; by default, one called 'input'.",
        {"type": "array", "items": {"type": "string", "pattern": _NAME}, "minItems": 1},
    ),
    "layers": _with_description("The steps, in sequence.", _STEPS),
    "outputs": _with_description(
        "The steps that are outputs.",
        _any_of(_TEXT, {"type": "array", "items": _TEXT, "minItems": 1}, _mapping_schema(_TEXT)),
    ),
}
_BLOCK: Final[Schema] = {
    "type": "object",
    "required": ["layers"],
    "properties": _BLOCK_PROPERTIES,
    "additionalProperties": False,
}
_NETWORK_INPUTS: Final = _with_description(
    "The inputs with their shapes.", _mapping_schema({"$ref": "#/definitions/input"})
)
# A block, except that its inputs have shapes and are required.
_NETWORK: Final[Schema] = {
    **_BLOCK,
    "required": ["inputs", "layers"],
    "properties": {**_BLOCK_PROPERTIES, "inputs": _NETWORK_INPUTS},
}

_WHEN: Final = _with_description(
    "Skip the step if false.", _any_of({"type": "boolean"}, _EXPRESSION)
)
_SIZE: Final = _any_of({"type": ["integer", "null"], "minimum": 1}, _EXPRESSION)
_INPUT_SHAPE: Final = _with_description(
    "Sizes without the batch axis; null for an unknown size.",
    _any_of({"type": "array", "items": _SIZE}, _EXPRESSION),
)

_SOURCE: Final = _any_of(_TEXT, {"type": "array", "items": _TEXT})
_MODIFIERS: Final[Schema] = {
    "layers": _with_description("Steps in sequence.", _STEPS),
    "branches": _with_description(
        "Parallel lists of steps; [] is the identity.",
        _any_of(
            {"type": "array", "items": _STEPS, "minItems": 1},
            {"type": "object", "additionalProperties": _STEPS},
        ),
    ),
    "merge": {"$ref": "#/definitions/merge"},
    "reuse": _with_description("Apply an earlier step again, with the same weights.", _TEXT),
    "name": _with_description("The name by which other steps refer to this one.", _TEXT),
    "from": _with_description(
        "The inputs of the step, instead of the previous step.",
        _any_of(
            _TEXT,
            {"type": "array", "items": _SOURCE, "minItems": 1},
            {"type": "object", "additionalProperties": _SOURCE},
        ),
    ),
    "repeat": _with_description(
        "The number of repetitions in sequence; $i is the index.", _any_of(_COUNT, _EXPRESSION)
    ),
    "for": _with_description(
        "Repeat for each item; several lists are iterated in parallel.",
        _mapping_schema(_any_of({"type": "array"}, _EXPRESSION)),
    ),
    "when": _WHEN,
    "call": _with_description("Constant arguments of the layer's call.", {"type": "object"}),
}

_IMPORT: Final[Schema] = {
    "type": "object",
    "properties": {"file": _TEXT, "params": {"type": "object"}},
    "required": ["file"],
    "additionalProperties": False,
}
# Not `_mapping_schema`: variants may have names such as '50' or '1.1'.
_VARIANTS: Final[Schema] = {
    "type": "object",
    "additionalProperties": _any_of({"type": "object"}, _NULL),
}
_FILE_PROPERTIES: Final[Schema] = {
    "archbuilder": _with_description("The version of the language.", {"const": 1}),
    "name": _with_description("The name of the model.", {"type": "string", "pattern": _NAME}),
    "title": _with_description("The display name of the model.", _TEXT),
    "description": _with_description("What the model is for.", _TEXT),
    "references": _with_description(
        "The papers and tables that the model follows.",
        _any_of(_TEXT, {"type": "array", "items": _TEXT}),
    ),
    "imports": _with_description(
        "Other files, whose networks and blocks can be used as layers.",
        _mapping_schema(_any_of(_TEXT, _IMPORT), _BLOCK_NAME),
    ),
    "params": _PARAMS,
    "blocks": _with_description(
        "Reusable blocks of layers, by name.",
        _mapping_schema({"$ref": "#/definitions/block"}, _BLOCK_NAME),
    ),
    "inputs": _NETWORK_INPUTS,
    "layers": _BLOCK_PROPERTIES["layers"],
    "outputs": _BLOCK_PROPERTIES["outputs"],
    "networks": _with_description(
        "Several networks that train together.",
        _mapping_schema({"$ref": "#/definitions/network"}, _BLOCK_NAME),
    ),
    "variants": _with_description("Named sets of parameters.", _VARIANTS),
    "expect": _with_description(
        "Expected facts about the model, by variant.",
        {"type": "object", "additionalProperties": _EXPECTATION},
    ),
}


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
    calls = {**registry.layers, **_operations(registry)}
    dtype = _any_of({"enum": list(registry.dtypes)}, _EXPRESSION)
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "archbuilder blueprint",
        "description": f"Version 1 of the language; layers of Keras {registry.keras_version}.",
        "type": "object",
        "required": ["archbuilder"],
        "properties": {
            **_FILE_PROPERTIES,
            **{name: {"$ref": f"#/definitions/{name}_section"} for name in recipe},
        },
        "additionalProperties": False,
        "definitions": {
            "expression": {"type": "string", "pattern": r"\$"},
            "params": _with_description(
                "Parameters and their defaults.",
                _mapping_schema({"$ref": "#/definitions/param"}),
            ),
            "param": _PARAM,
            "block": _BLOCK,
            "network": _NETWORK,
            "input": _any_of(
                _INPUT_SHAPE,
                {
                    "type": "object",
                    "properties": {"shape": _INPUT_SHAPE, "dtype": dtype, "when": _WHEN},
                    "required": ["shape"],
                    "additionalProperties": False,
                },
            ),
            "steps": {"type": "array", "items": {"$ref": "#/definitions/step"}},
            "step": _step(registry),
            "merge": _merge(registry),
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
        for name in (*registry.layers, *_operations(registry))
    }
    mapping = {
        "type": "object",
        "properties": {**calls, **_MODIFIERS},
        "patternProperties": {_BLOCK_USE: _ANY},
        "additionalProperties": False,
        "minProperties": 1,
    }
    # Without its arguments, a step can name only layers that require none.
    signatures = (*registry.layers.items(), *_operations(registry).items())
    complete = [name for name, signature in signatures if not _required(signature)]
    bare = _any_of({"enum": complete}, {"type": "string", "pattern": _BLOCK_USE})
    return _any_of(bare, mapping)


def _merge(registry: Registry) -> Schema:
    names = [name for name, layer in registry.layers.items() if layer.accepts_list]
    properties = {name: {"$ref": f"#/definitions/{name}"} for name in names}
    # Any layer or block may join branches. Layers that take a list of inputs are named for
    # completion; the pattern accepts the others.
    mapping = {
        "type": "object",
        "properties": properties,
        "patternProperties": {_BLOCK_USE: _ANY, r"^[A-Z]": _ANY},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    bare = _any_of({"enum": names}, _TEXT)
    return _with_description("The layer that merges the branches.", _any_of(bare, mapping))


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
        definitions[object_definition_name(kind)] = _any_of({"enum": names}, mapping, _EXPRESSION)
    definitions[object_definition_name("activation")] = _any_of(
        {"enum": list(registry.activations)}, _EXPRESSION
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
            kinds.append(
                {"type": "array", "items": kind, "minItems": 1} if spec.type.is_list else kind
            )
            if spec.type.is_optional:
                kinds.append(_NULL)
        if spec.type.schema is not None:
            kinds += [allow_expressions(spec.type.schema), _EXPRESSION]
        properties[name] = {
            **({"description": spec.summary} if spec.summary else {}),
            **({} if spec.required else {"default": spec.default}),
            **(kinds[0] if len(kinds) == 1 else _any_of(*kinds)),
        }
    mapping: Schema = {"type": "object", "properties": properties, "additionalProperties": False}
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
            choices.append(_any_of(_TEXT, _NUMBER, {"type": "array"}))
        else:
            choices.append(_any_of(allow_expressions(argument_type.schema or {}), _EXPRESSION))
    if not required:
        choices.append(_NULL)
    return _with_description(signature.summary, _any_of(*choices))


def _required(signature: Signature) -> list[str]:
    return [spec.name for spec in signature.arguments.values() if spec.required]


def allow_expressions(schema: Mapping[str, Any]) -> Schema:
    """Return a schema that also accepts an expression in place of each value within it."""
    # The schemas of the registry are shared by all callers, and must not be changed.
    result = dict(schema)
    for key in ("items", "additionalProperties"):
        if isinstance(result.get(key), dict):
            result[key] = _any_of(allow_expressions(result[key]), _EXPRESSION)
    if "properties" in result:
        result["properties"] = {
            name: _any_of(allow_expressions(each), _EXPRESSION)
            for name, each in result["properties"].items()
        }
    if "anyOf" in result:
        result["anyOf"] = [allow_expressions(each) for each in result["anyOf"]]
    return result
