"""The parts of the JSON Schema of blueprints that the language fixes: its keys, without layers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from archbuilder.language.parser.declarations import DATA_SIZE_PATTERN
from archbuilder.language.parser.value_schemas import BLOCK_TYPE, SCHEMA_KEYS, TYPE_NAMES

Schema: TypeAlias = dict[str, Any]

ANY: Final[Schema] = {}
NULL: Final[Schema] = {"type": "null"}
TEXT: Final[Schema] = {"type": "string"}
EXPRESSION: Final[Schema] = {"$ref": "#/definitions/expression"}
_STEPS: Final[Schema] = {"$ref": "#/definitions/steps"}
_PARAMS: Final[Schema] = {"$ref": "#/definitions/params"}
_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
_BLOCK_NAME: Final = "^[a-z_][a-z0-9_]*$"
# The schema cannot know the blocks of a file, so any name in lower case may be one. Without the
# lookahead, an unknown function such as 'ops.fft9' would pass as block 'fft9' of an import 'ops'.
# `$name` is the block that a parameter holds.
BLOCK_USE: Final = r"^((?!ops\.)[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?|\$[A-Za-z_][A-Za-z0-9_]*)$"


def with_description(text: str, schema: Schema) -> Schema:
    """Return a schema with the text that editors show for it."""
    return {"description": text, **schema}


def any_of(*schemas: Schema) -> Schema:
    """Return the schema of values that one of the schemas accepts."""
    return {"anyOf": list(schemas)}


def mapping_schema(values: Schema, pattern: str = _NAME) -> Schema:
    """Return the schema of a mapping from names that match `pattern` to `values`."""
    return {"type": "object", "patternProperties": {pattern: values}, "additionalProperties": False}


def record_schema(properties: Mapping[str, Schema], *required: str) -> Schema:
    """Return the schema of a mapping with these keys alone, of which some are required."""
    return {
        "type": "object",
        "properties": {**properties},
        **({"required": [*required]} if required else {}),
        "additionalProperties": False,
    }


def list_schema(items: Schema, minimum: int = 0) -> Schema:
    """Return the schema of a list with at least so many items."""
    schema: Schema = {"type": "array", "items": items}
    return {**schema, "minItems": minimum} if minimum else schema


BLOCK_CALL: Final = any_of(
    {"type": "string", "pattern": BLOCK_USE},
    {
        "type": "object",
        "patternProperties": {BLOCK_USE: ANY},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    },
)
"""A block as a value: a name, or a name with arguments."""
NUMBER: Final[Schema] = {"type": "number"}
_COUNT: Final[Schema] = {"type": "integer", "minimum": 0}
_SHAPE: Final[Schema] = list_schema({"type": ["integer", "null"]})
_EXPECTATION: Final[Schema] = record_schema(
    {
        "parameters": with_description("The number of parameters, trainable or not.", _COUNT),
        "trainable": with_description("The number of trainable parameters.", _COUNT),
        "multiply_adds": with_description("Multiply-adds for one example.", _COUNT),
        "output": with_description(
            "The shape of the output with its batch axis.",
            any_of(_SHAPE, {"type": "object", "additionalProperties": _SHAPE}),
        ),
    }
)

_TYPE_NAME: Final[Schema] = {"enum": list(TYPE_NAMES)}
_PARAM_KEYWORDS: Final[Schema] = {
    "type": any_of(_TYPE_NAME, list_schema(_TYPE_NAME)),
    "multipleOf": {"type": "number", "exclusiveMinimum": 0},
    "enum": {"type": "array", "minItems": 1},
    "items": {"type": "object"},
    "properties": {"type": "object", "additionalProperties": {"type": ["object", "null"]}},
    "required": list_schema(TEXT),
    "additionalProperties": {"type": ["boolean", "object"]},
    **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), NUMBER),
    **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), _COUNT),
}
PARAM: Final = any_of(
    # A bare default cannot be a mapping, because a mapping is a declaration.
    {"type": ["null", "boolean", "number", "string", "array"]},
    record_schema(
        {
            "default": with_description("The default value.", ANY),
            "description": with_description("What the parameter is for.", TEXT),
            "from_data": with_description(
                "The number in the data that training sets it to, as in 'review.vocabulary_size'.",
                {"type": "string", "pattern": f"^{DATA_SIZE_PATTERN}$"},
            ),
            **{key: _PARAM_KEYWORDS[key] for key in SCHEMA_KEYS},
        }
    ),
    record_schema(
        {
            "type": with_description("The values are blocks.", {"const": BLOCK_TYPE}),
            "default": with_description(
                "The default block: a layer or block, a list of steps, or null.",
                any_of(
                    {"$ref": "#/definitions/steps"},
                    NULL,
                    {"type": "string"},
                    {"type": "object", "minProperties": 1, "maxProperties": 1},
                ),
            ),
            "description": with_description("What the parameter is for.", TEXT),
        },
        "type",
    ),
)

_BLOCK_PROPERTIES: Final[Schema] = {
    "params": _PARAMS,
    "description": TEXT,
    "inputs": with_description(
        "The names of the inputs; by default, one called 'input'.",
        list_schema({"type": "string", "pattern": _NAME}, 1),
    ),
    "layers": with_description("The steps, in sequence.", _STEPS),
    "outputs": with_description(
        "The steps that are outputs.",
        any_of(TEXT, list_schema(TEXT, 1), mapping_schema(TEXT)),
    ),
}
BLOCK: Final[Schema] = record_schema(_BLOCK_PROPERTIES, "layers")
_NETWORK_INPUTS: Final = with_description(
    "The inputs with their shapes.", mapping_schema({"$ref": "#/definitions/input"})
)
# A block, except that its inputs have shapes and are required.
NETWORK: Final[Schema] = {
    **BLOCK,
    "required": ["inputs", "layers"],
    "properties": {**_BLOCK_PROPERTIES, "inputs": _NETWORK_INPUTS},
}

WHEN: Final = with_description("Skip the step if false.", any_of({"type": "boolean"}, EXPRESSION))
_SIZE: Final = any_of({"type": ["integer", "null"], "minimum": 1}, EXPRESSION)
INPUT_SHAPE: Final = with_description(
    "Sizes without the batch axis; null for an unknown size.",
    any_of(list_schema(_SIZE), EXPRESSION),
)

_INDEX: Final = with_description(
    "The name of the variable that counts the iterations from 0; by default 'i'.",
    {"type": "string", "pattern": _NAME},
)
_SOURCE: Final = any_of(TEXT, list_schema(TEXT))
MODIFIERS: Final[Schema] = {
    "layers": with_description("Steps in sequence.", _STEPS),
    "branches": with_description(
        "Parallel lists of steps; [] is the identity.",
        any_of(
            list_schema(_STEPS, 1),
            {"type": "object", "additionalProperties": _STEPS},
        ),
    ),
    "merge": {"$ref": "#/definitions/merge"},
    "reuse": with_description("Apply an earlier step again, with the same weights.", TEXT),
    "formula": with_description(
        "A computation with tensors by the names of their steps, as in x * 0.5 + 1.", TEXT
    ),
    "name": with_description("The name by which other steps refer to this one.", TEXT),
    "from": with_description(
        "The inputs of the step, instead of the previous step.",
        any_of(
            TEXT,
            list_schema(_SOURCE, 1),
            {"type": "object", "additionalProperties": _SOURCE},
        ),
    ),
    "repeat": with_description(
        "The number of repetitions in sequence; $i is the index, unless 'index' names it.",
        any_of(
            _COUNT,
            EXPRESSION,
            record_schema({"times": any_of(_COUNT, EXPRESSION), "index": _INDEX}, "times"),
        ),
    ),
    "for": with_description(
        "Repeat for each item; several lists are iterated in parallel.",
        {
            **mapping_schema(any_of({"type": "array"}, EXPRESSION), f"^(?!index$){_NAME[1:]}"),
            "properties": {"index": _INDEX},
        },
    ),
    "when": WHEN,
    "else": with_description("The steps in place of this one if 'when' is false.", _STEPS),
    "call": with_description("Constant arguments of the layer's call.", {"type": "object"}),
}

_FUNCTION: Final[Schema] = record_schema(
    {
        "args": with_description(
            "The names of the arguments.",
            list_schema({"type": "string", "pattern": _NAME}),
        ),
        "value": with_description("The value, as an expression of the arguments.", EXPRESSION),
        "description": with_description("What the function is for.", TEXT),
    },
    "value",
)
_IMPORT: Final[Schema] = record_schema({"file": TEXT, "params": {"type": "object"}}, "file")
# Not `mapping_schema`: variants may have names such as '50' or '1.1'.
_VARIANTS: Final[Schema] = {
    "type": "object",
    "additionalProperties": any_of({"type": "object"}, NULL),
}
FILE_PROPERTIES: Final[Schema] = {
    "archbuilder": with_description("The version of the language.", {"const": 1}),
    "name": with_description("The name of the model.", {"type": "string", "pattern": _NAME}),
    "title": with_description("The display name of the model.", TEXT),
    "description": with_description("What the model is for.", TEXT),
    "references": with_description(
        "The papers and tables that the model follows.",
        any_of(TEXT, list_schema(TEXT)),
    ),
    "imports": with_description(
        "Other files, whose networks and blocks can be used as layers.",
        mapping_schema(any_of(TEXT, _IMPORT), _BLOCK_NAME),
    ),
    "params": _PARAMS,
    "functions": with_description(
        "Functions that the expressions of the file can call.", mapping_schema(_FUNCTION)
    ),
    "blocks": with_description(
        "Reusable blocks of layers, by name.",
        mapping_schema({"$ref": "#/definitions/block"}, _BLOCK_NAME),
    ),
    "inputs": _NETWORK_INPUTS,
    "layers": _BLOCK_PROPERTIES["layers"],
    "outputs": _BLOCK_PROPERTIES["outputs"],
    "networks": with_description(
        "Several networks that train together.",
        mapping_schema({"$ref": "#/definitions/network"}, _BLOCK_NAME),
    ),
    "variants": with_description("Named sets of parameters.", _VARIANTS),
    "expect": with_description(
        "Expected facts about the model, by variant.",
        {"type": "object", "additionalProperties": _EXPECTATION},
    ),
}
