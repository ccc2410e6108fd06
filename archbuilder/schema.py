"""Catalogue and language -> JSON Schema (draft 7), for editors with a YAML language server.

The schema completes, documents and marks what can be told without resolving names: keys, layers,
arguments, their types and choices. The compiler itself does not use it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final, TypeAlias, cast, get_args

from archbuilder.catalogue import Catalogue
from archbuilder.catalogue.signatures import LAYER_KINDS, ArgumentSpec, ObjectKind, Signature
from archbuilder.decode.declarations import SCHEMA_KEYS, TYPES

Schema: TypeAlias = dict[str, Any]

_ANY: Final[Schema] = {}
_NULL: Final[Schema] = {"type": "null"}
_TEXT: Final[Schema] = {"type": "string"}
_FORMULA: Final[Schema] = {"$ref": "#/definitions/formula"}
_STEPS: Final[Schema] = {"$ref": "#/definitions/steps"}
_PARAMS: Final[Schema] = {"$ref": "#/definitions/params"}
_NAME: Final = "^[A-Za-z_][A-Za-z0-9_]*$"
_BLOCK_NAME: Final = "^[a-z_][a-z0-9_]*$"
_BLOCK_USE: Final = r"^(?!ops\.)[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)?$"


def schema_text(catalogue: Catalogue) -> str:
    """The schema as a file, one definition a line, so that a change to a layer is one line."""
    schema = blueprint_schema(catalogue)
    definitions = ",\n".join(
        f"  {json.dumps(name)}: {json.dumps(value)}"
        for name, value in schema["definitions"].items()
    )
    rest = {key: value for key, value in schema.items() if key != "definitions"}
    head = json.dumps(rest, indent=1).removesuffix("\n}")
    return f'{head},\n "definitions": {{\n{definitions}\n }}\n}}\n'


def blueprint_schema(catalogue: Catalogue) -> Schema:
    """The JSON Schema of a blueprint file, with every layer, argument and default."""
    return {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "archbuilder blueprint",
        "description": f"Version 1 of the language; layers of Keras {catalogue.keras_version}.",
        "type": "object",
        "required": ["archbuilder"],
        "properties": _file_properties(),
        "additionalProperties": False,
        "definitions": {
            "formula": {"type": "string", "pattern": r"\$"},
            "params": _params(),
            "param": _param(),
            "block": _block(),
            "network": _network(),
            "input": _input(catalogue),
            "steps": {"type": "array", "items": {"$ref": "#/definitions/step"}},
            "step": _step(catalogue),
            "merge": _merge(catalogue),
            **_objects(catalogue),
            **_calls(catalogue),
        },
    }


def _described(text: str, schema: Schema) -> Schema:
    return {"description": text, **schema}


def _any_of(*schemas: Schema) -> Schema:
    return {"anyOf": list(schemas)}


def _named(values: Schema, pattern: str = _NAME) -> Schema:
    """A mapping from names to values."""
    return {"type": "object", "patternProperties": {pattern: values}, "additionalProperties": False}


def _file_properties() -> Schema:
    network = cast(Schema, _network()["properties"])
    variants = {"type": "object", "additionalProperties": _any_of({"type": "object"}, _NULL)}
    return {
        "archbuilder": _described("The version of the language.", {"const": 1}),
        "name": _described("The name of the model.", {"type": "string", "pattern": _NAME}),
        "title": _described("What people call it.", _TEXT),
        "description": _described("What it is for.", _TEXT),
        "references": _described(
            "The papers and tables that it follows.",
            _any_of(_TEXT, {"type": "array", "items": _TEXT}),
        ),
        "imports": _described("Other files, usable as layers.", _named(_import(), _BLOCK_NAME)),
        "params": _PARAMS,
        "blocks": _described(
            "Reusable pieces by name.", _named({"$ref": "#/definitions/block"}, _BLOCK_NAME)
        ),
        "inputs": network["inputs"],
        "layers": network["layers"],
        "outputs": network["outputs"],
        "networks": _described(
            "Several networks that train together.",
            _named({"$ref": "#/definitions/network"}, _BLOCK_NAME),
        ),
        "variants": _described("Named sets of parameters.", variants),
        "expect": _described(
            "What the file promises of itself, by variant.",
            {"type": "object", "additionalProperties": _promise()},
        ),
        "data": _described("What it is trained on.", _ANY),
        "training": _described("How it is trained.", _ANY),
    }


def _import() -> Schema:
    keys = {"file": _TEXT, "params": {"type": "object"}}
    long = {"type": "object", "properties": keys, "required": ["file"],
            "additionalProperties": False}  # fmt: skip
    return _any_of(_TEXT, long)


def _promise() -> Schema:
    count = {"type": "integer", "minimum": 0}
    shape = {"type": "array", "items": {"type": ["integer", "null"]}}
    return {
        "type": "object",
        "properties": {
            "parameters": _described("All numbers of the model.", count),
            "trainable": _described("Those that training changes.", count),
            "multiply_adds": _described("Multiply-adds for one example.", count),
            "output": _described(
                "The shape of the output with its batch axis.",
                _any_of(shape, {"type": "object", "additionalProperties": shape}),
            ),
        },
        "additionalProperties": False,
    }


def _params() -> Schema:
    return _described("Parameters and their defaults.", _named({"$ref": "#/definitions/param"}))


def _param() -> Schema:
    names = {"enum": list(TYPES)}
    number, count = {"type": "number"}, {"type": "integer", "minimum": 0}
    keywords: Schema = {
        "type": _any_of(names, {"type": "array", "items": names}),
        "multipleOf": {"type": "number", "exclusiveMinimum": 0},
        "enum": {"type": "array", "minItems": 1},
        "items": {"type": "object"},
        **dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), number),
        **dict.fromkeys(("minItems", "maxItems", "minLength", "maxLength"), count),
    }
    declaration: Schema = {
        "type": "object",
        "properties": {
            "default": _described("The value where none is given.", _ANY),
            "description": _described("What it is for.", _TEXT),
            **{key: keywords[key] for key in SCHEMA_KEYS},
        },
        "additionalProperties": False,
    }
    bare = {"type": ["null", "boolean", "number", "string", "array"]}
    return _any_of(bare, declaration)


def _outputs() -> Schema:
    names = {"type": "array", "items": _TEXT, "minItems": 1}
    return _described("The steps that are outputs.", _any_of(_TEXT, names, _named(_TEXT)))


def _block() -> Schema:
    return {
        "type": "object",
        "required": ["layers"],
        "properties": {
            "params": _PARAMS,
            "description": _TEXT,
            "inputs": _described(
                "The names of the inputs; one called 'input' where they are left out.",
                {"type": "array", "items": {"type": "string", "pattern": _NAME}, "minItems": 1},
            ),
            "layers": _described("The steps, one behind the other.", _STEPS),
            "outputs": _outputs(),
        },
        "additionalProperties": False,
    }


def _network() -> Schema:
    block = _block()
    inputs = _named({"$ref": "#/definitions/input"})
    block["properties"]["inputs"] = _described("The inputs with their shapes.", inputs)
    block["required"] = ["inputs", "layers"]
    return block


def _input(catalogue: Catalogue) -> Schema:
    size = _any_of({"type": ["integer", "null"], "minimum": 1}, _FORMULA)
    shape = _described(
        "Sizes without the batch axis; null where a length is open.",
        _any_of({"type": "array", "items": size}, _FORMULA),
    )
    dtype = _any_of({"enum": list(catalogue.dtypes)}, _FORMULA)
    long = {
        "type": "object",
        "properties": {"shape": shape, "dtype": dtype, "when": _when()},
        "required": ["shape"],
        "additionalProperties": False,
    }
    return _any_of(shape, long)


def _step(catalogue: Catalogue) -> Schema:
    """A step: a bare name, or a mapping of one layer or block and what stands beside it."""
    calls = {
        name: {"$ref": f"#/definitions/{name}"}
        for name in (*catalogue.layers, *_operations(catalogue))
    }
    mapping = {
        "type": "object",
        "properties": {**calls, **_modifiers()},
        "patternProperties": {_BLOCK_USE: _ANY},
        "additionalProperties": False,
        "minProperties": 1,
    }
    signatures = (*catalogue.layers.items(), *_operations(catalogue).items())
    complete = [name for name, signature in signatures if not _required(signature)]
    bare = _any_of({"enum": complete}, {"type": "string", "pattern": _BLOCK_USE})
    return _any_of(bare, mapping)


def _when() -> Schema:
    return _described("Kept only if true.", _any_of({"type": "boolean"}, _FORMULA))


def _modifiers() -> Schema:
    source = _any_of(_TEXT, {"type": "array", "items": _TEXT})
    branches = _any_of(
        {"type": "array", "items": _STEPS, "minItems": 1},
        {"type": "object", "additionalProperties": _STEPS},
    )
    lists = _any_of({"type": "array"}, _FORMULA)
    natural = _any_of({"type": "integer", "minimum": 0}, _FORMULA)
    return {
        "layers": _described("Steps one behind the other.", _STEPS),
        "branches": _described("Steps side by side; [] is the identity.", branches),
        "merge": {"$ref": "#/definitions/merge"},
        "use": _described("An earlier step again, with the same weights.", _TEXT),
        "name": _described("A name for other steps to refer to.", _TEXT),
        "from": _described(
            "What the step takes instead of the step before it.",
            _any_of(
                _TEXT,
                {"type": "array", "items": source, "minItems": 1},
                {"type": "object", "additionalProperties": source},
            ),
        ),
        "repeat": _described("How many times, one behind the other; $i counts.", natural),
        "for": _described(
            "Once for each item; the lists run side by side.",
            {"type": "object", "patternProperties": {_NAME: lists}, "additionalProperties": False},
        ),
        "when": _when(),
        "call": _described("Constants of the layer's call.", {"type": "object"}),
    }


def _merge(catalogue: Catalogue) -> Schema:
    names = [name for name, layer in catalogue.layers.items() if layer.takes_list]
    joining = {name: {"$ref": f"#/definitions/{name}"} for name in names}
    mapping = {
        "type": "object",
        "properties": joining,
        "patternProperties": {_BLOCK_USE: _ANY, r"^[A-Z]": _ANY},
        "minProperties": 1,
        "maxProperties": 1,
        "additionalProperties": False,
    }
    bare = _any_of({"enum": names}, _TEXT)
    return _described("The layer that joins the branches.", _any_of(bare, mapping))


def _objects(catalogue: Catalogue) -> Schema:
    """A definition for each kind of nested object."""
    definitions: Schema = {}
    for kind in get_args(ObjectKind):
        if kind == "activation":
            continue
        names = list(dict.fromkeys(catalogue.names(kind)))
        if kind in LAYER_KINDS:
            properties = {name: {"$ref": f"#/definitions/{name}"} for name in names}
        else:
            classes = catalogue.signatures(kind)
            properties = {name: _arguments(each) for name, each in classes.items()}
        mapping = {
            "type": "object",
            "properties": properties,
            "minProperties": 1,
            "maxProperties": 1,
            "additionalProperties": False,
        }
        definitions[_definition(kind)] = _any_of({"enum": names}, mapping, _FORMULA)
    definitions["a_activation"] = _any_of({"enum": list(catalogue.activations)}, _FORMULA)
    return definitions


def _definition(kind: ObjectKind) -> str:
    return f"a_{kind.replace(' ', '_')}"


def _calls(catalogue: Catalogue) -> Schema:
    """A definition for the arguments of each layer and each function of keras.ops."""
    signatures = {**catalogue.layers, **_operations(catalogue)}
    return {name: _arguments(signature) for name, signature in signatures.items()}


def _operations(catalogue: Catalogue) -> dict[str, Signature]:
    """The functions of keras.ops under the names that steps have for them."""
    return {signature.name: signature for signature in catalogue.operations.values()}


def _arguments(signature: Signature) -> Schema:
    """What may stand behind the name of a layer: arguments by name, or the first one alone."""
    specs = list(signature.arguments.values())
    required = _required(signature)
    mapping: Schema = {
        "type": "object",
        "properties": {spec.name: _argument(spec) for spec in specs},
        "additionalProperties": False,
    }
    if required:
        mapping["required"] = required
    choices: list[Schema] = [mapping]
    # A number alone, as in 'ops.power: 2', could stand for either input.
    is_input = (
        bool(specs) and signature.origin == "keras.ops" and specs[0].name in signature.tensors
    )
    if specs and not is_input and required in ([], [specs[0].name]):
        choices.append(_bare(specs[0]))
    if not required:
        choices.append(_NULL)
    return _described(signature.summary, _any_of(*choices))


def _required(signature: Signature) -> list[str]:
    return [spec.name for spec in signature.arguments.values() if spec.required]


def _bare(spec: ArgumentSpec) -> Schema:
    """The first argument without its name, which cannot be a mapping."""
    if spec.type.object is not None:
        return _any_of(_TEXT, {"type": "number"}, {"type": "array"})
    return _any_of(_open(spec.type.schema or {}), _FORMULA)


def _argument(spec: ArgumentSpec) -> Schema:
    choices = list(_choices(spec))
    schema = choices[0] if len(choices) == 1 else _any_of(*choices)
    entry: Schema = {"description": spec.summary} if spec.summary else {}
    if not spec.required:
        entry["default"] = spec.default
    return {**entry, **schema}


def _choices(spec: ArgumentSpec) -> Iterable[Schema]:
    if spec.type.object is not None:
        kind: Schema = {"$ref": f"#/definitions/{_definition(spec.type.object)}"}
        yield {"type": "array", "items": kind, "minItems": 1} if spec.type.many else kind
        if spec.type.nullable:
            yield _NULL
    if spec.type.schema is not None:
        yield _open(spec.type.schema)
        yield _FORMULA


def _open(schema: Mapping[str, Any]) -> Schema:
    """A schema whose lists may hold formulas as well."""
    opened = dict(schema)
    if "items" in opened:
        opened["items"] = _any_of(_open(opened["items"]), _FORMULA)
    if "anyOf" in opened:
        opened["anyOf"] = [_open(each) for each in opened["anyOf"]]
    return opened
