"""Write archbuilder/registry/keras.json from the installed Keras: `make registry`.

Names, order, defaults and documentation come from Keras; types, and what is unsupported, from
`registry_rules.py`.
"""

from __future__ import annotations

import inspect
import json
import re
import sys
from pathlib import Path
from typing import Any

import keras

import archbuilder.keras_ext.layers
import archbuilder.keras_ext.losses
import archbuilder.keras_ext.metrics
import archbuilder.keras_ext.schedules
from archbuilder.registry.signatures import ALWAYS

sys.path.insert(0, str(Path(__file__).parent))
import registry_rules as rules

OUTPUT = Path(__file__).parent.parent / "archbuilder" / "registry" / "keras.json"
BASE_ARGUMENTS = ("trainable", "dtype")
"""Arguments that every layer takes through **kwargs."""
MODULES = {
    "initializer": keras.initializers,
    "regularizer": keras.regularizers,
    "constraint": keras.constraints,
    "loss": keras.losses,
    "metric": keras.metrics,
    "optimizer": keras.optimizers,
    "schedule": keras.optimizers.schedules,
    "callback": keras.callbacks,
}
OURS = {
    "loss": archbuilder.keras_ext.losses,
    "metric": archbuilder.keras_ext.metrics,
    "schedule": archbuilder.keras_ext.schedules,
}
"""The modules of those nested objects that Keras lacks."""
_TYPE = r"(?:string|float|int|integer|bool|boolean|none|list|tuple|tuple of \d integers)"
TYPE_SENTENCE = re.compile(
    rf"(?:optional )?{_TYPE}(?:(?:, or | or |, |/){_TYPE})*"
    r"(?: between 0 and 1| in (?:range )?[\[(]0, 1[\])]| >= 0)?"
    r"(?:,? \(?defaults?[^.]*)?\.",
    re.IGNORECASE,
)

Entry = dict[str, Any]


def main() -> None:
    """Write the file, or stop with every argument that has not been reviewed."""
    OUTPUT.write_text(generate(), encoding="utf-8")


def generate() -> str:
    """Return the text of the registry for the installed Keras."""
    unreviewed: list[str] = []
    registry = {
        "keras": keras.__version__,
        "dtypes": list(rules.DTYPES),
        "layers": layers(unreviewed),
        "kinds": kinds(),
        "operations": operations(unreviewed),
        "objects": {kind: objects(kind, unreviewed) for kind in MODULES},
        "activations": activations(),
        "unsupported_objects": dict(rules.UNSUPPORTED_OBJECTS),
        "unsupported": unsupported(unreviewed),
    }
    if unreviewed:
        names = "\n  ".join(unreviewed)
        raise SystemExit(f"registry_rules.py has no rule for:\n  {names}")
    return json.dumps(registry, indent=1, sort_keys=False, ensure_ascii=True) + "\n"


def layers(unreviewed: list[str]) -> dict[str, Entry]:
    """Return every supported layer, under all its public names."""
    entries: dict[str, Entry] = {}
    for module, origin in (
        (keras.layers, "keras.layers"),
        (archbuilder.keras_ext.layers, "archbuilder.keras_ext.layers"),
    ):
        for name in sorted(getattr(module, "__all__", None) or dir(module)):
            layer = getattr(module, name)
            if inspect.isclass(layer) and name not in rules.UNSUPPORTED_LAYERS:
                entries[name] = layer_entry(name, layer, origin, unreviewed)
    return dict(sorted(entries.items()))


def kinds() -> Entry:
    """Return the names of the recurrent layers and of the recurrent cells."""
    names: dict[str, list[str]] = {"recurrent layer": [], "cell": []}
    for module in (keras.layers, archbuilder.keras_ext.layers):
        for name in sorted(getattr(module, "__all__", None) or dir(module)):
            layer = getattr(module, name)
            if not inspect.isclass(layer) or name in rules.UNSUPPORTED_LAYERS:
                continue
            if issubclass(layer, keras.layers.RNN):
                names["recurrent layer"].append(name)
            elif "states" in inspect.signature(layer.call).parameters:
                names["cell"].append(name)
    return names


def layer_entry(name: str, layer: type, origin: str, unreviewed: list[str]) -> Entry:
    """Describe a layer: its constructor and its call."""
    documentation = argument_documentation(layer)
    arguments: dict[str, Entry] = {}
    unsupported = {name: rules.UNSUPPORTED_ARGUMENTS[name] for name in rules.UNSUPPORTED_EVERYWHERE}
    constructor = inspect.signature(layer.__init__).parameters
    for argument, parameter in constructor.items():
        if argument == "self" or parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        ):
            continue
        if argument in rules.UNSUPPORTED_ARGUMENTS or argument.startswith("_"):
            unsupported[argument] = rules.UNSUPPORTED_ARGUMENTS.get(argument, "it is Keras's own")
            continue
        schema = layer_schema(name, layer, argument)
        if schema is None:
            unreviewed.append(f"{name}.{argument} = {parameter.default}")
            continue
        arguments[argument] = argument_entry(schema, parameter, documentation.get(argument, ""))
        if (name, argument) in rules.REQUIRED_TOO:
            arguments[argument] = {
                "required": True,
                "reason": rules.REQUIRED_TOO[name, argument],
                "replacement": rules.REPLACEMENTS.get((name, argument), rules.ADAPT),
                **{key: each for key, each in arguments[argument].items() if key != "default"},
            }
    for argument, schema in rules.ADDED_ARGUMENTS.get(name, {}).items():
        summary = sentence(schema["description"])
        arguments[argument] = {**typed(schema), "default": None, "summary": summary}
    if name in rules.NOT_ADAPTABLE:
        unsupported[rules.ADAPT] = rules.NOT_ADAPTABLE[name]
    if name in rules.ADAPTABLE_LAYERS:
        summary = "Whether the layer learns its state from the training set, before the first step."
        arguments[rules.ADAPT] = {
            **typed(rules.BOOLEAN),
            "default": False,
            "summary": summary,
        }
    for argument in BASE_ARGUMENTS:
        if argument not in arguments:
            schema = rules.ARGUMENTS[argument]
            default = True if argument == "trainable" else None
            summary = {
                "trainable": "Whether training changes the weights of the layer.",
                "dtype": "The dtype of the layer, or a policy such as mixed_bfloat16.",
            }[argument]
            arguments[argument] = {**typed(schema), "default": default, "summary": summary}
    tensors, needed, constants, takes_list = call_of(name, layer)
    return {
        "summary": summary_of(layer),
        "origin": origin,
        "arguments": arguments,
        "call": constants,
        "tensors": tensors,
        "needed": 2 if name in rules.TWO_INPUTS else needed,
        "takes_list": takes_list,
        **several_outputs(name, {**arguments, **constants}),
        "unsupported": unsupported,
    }


def layer_schema(name: str, layer: type, argument: str) -> rules.Schema | None:
    """Return the type of an argument: of this layer, of its rank, or of any layer."""
    for class_name in (name, *(base.__name__ for base in layer.__mro__)):
        if (class_name, argument) in rules.FOR_LAYER:
            return rules.FOR_LAYER[class_name, argument]
    rank = re.search(r"([123])D", name)
    ranked = rules.per_spatial_rank(int(rank[1])) if rank else {}
    if argument in ranked:
        return ranked[argument]
    for ending, kind in (
        ("_initializer", "initializer"),
        ("_regularizer", "regularizer"),
        ("_constraint", "constraint"),
    ):
        if argument.endswith(ending):
            return rules.object_of(kind, nullable=True)
    return rules.ARGUMENTS.get(argument)


def call_of(name: str, layer: type) -> tuple[list[str], int, dict[str, Entry], bool]:
    """Return the tensors that a layer's call takes, how many are required, and its constants.

    The last value tells whether the tensors are passed as one list.
    """
    tensors: list[str] = []
    needed = 0
    constants: dict[str, Entry] = {}
    if name in rules.TAKES_NONE:
        return tensors, needed, constants, False
    for argument, parameter in inspect.signature(layer.call).parameters.items():
        if argument in ("self", "args", "kwargs"):
            continue
        if argument in rules.CALL_CONSTANTS:
            schema = rules.CALL_CONSTANTS[argument]
            constants[argument] = argument_entry(schema, parameter, "")
        else:
            tensors.append(argument)
            needed += parameter.default is inspect.Parameter.empty
    merging = issubclass(layer, keras.layers.Add.__mro__[1])
    return tensors or ["inputs"], max(needed, 1), constants, merging or name in rules.TAKES_LIST


def several_outputs(name: str, arguments: dict[str, Entry]) -> Entry:
    """Return the entry of a call with several outputs: when it has them."""
    if name in rules.SEVERAL_OUTPUTS:
        return {"several": ALWAYS}
    switches = [each for each in rules.OUTPUT_SWITCHES if each in arguments]
    return {"several": switches[0]} if switches else {}


def operations(unreviewed: list[str]) -> dict[str, Entry]:
    """Describe the functions of keras.ops that blueprints may call."""
    entries: dict[str, Entry] = {}
    for name in sorted(rules.OPERATIONS):
        function = operation_named(name)
        if function is None:
            unreviewed.append(f"ops.{name} is not in this Keras")
            continue
        documentation = argument_documentation(function)
        arguments: dict[str, Entry] = {}
        tensors: list[str] = []
        needed = 2 if name in rules.PAIRS else 0
        variadic = False
        for argument, parameter in inspect.signature(function).parameters.items():
            if parameter.kind is parameter.VAR_KEYWORD:
                continue
            if (
                argument in rules.OPERATION_TENSORS
                and (name, argument) not in rules.OPERATION_TYPES
            ):
                tensors.append(argument)
                variadic = parameter.kind is parameter.VAR_POSITIONAL
                without_default = parameter.default is inspect.Parameter.empty
                if name not in rules.PAIRS:
                    needed += without_default or f"{name}.{argument}" in rules.NEEDED_TOO
                number = rules.NUMBERS_TOO.get(
                    argument, rules.NUMBERS_TOO.get(f"{name}.{argument}")
                )
                if number is None or name in rules.TENSORS_ALONE:
                    continue
                arguments[argument] = {"schema": number, "default": None, "summary": ""}
                continue
            schema = rules.OPERATION_TYPES.get((name, argument))
            schema = schema or rules.OPERATION_ARGUMENTS.get(argument)
            if schema is None:
                unreviewed.append(f"ops.{name}({argument}={parameter.default})")
                continue
            arguments[argument] = argument_entry(schema, parameter, documentation.get(argument, ""))
        entries[name] = {
            "summary": summary_of(function),
            "origin": "keras.ops",
            "arguments": arguments,
            "call": {},
            "tensors": tensors,
            "needed": needed,
            "takes_list": variadic or name in rules.LISTS_OF_TENSORS,
            "variadic": variadic,
            **several_outputs(name, arguments),
            "unsupported": {},
        }
    return entries


def operation_named(name: str) -> Any:
    """Return a function of keras.ops, or None if this version of Keras lacks it."""
    module = keras.ops
    *modules, last = name.split(".")
    for module_name in modules:
        module = getattr(module, module_name)
    return getattr(module, last, None)


def objects(kind: str, unreviewed: list[str]) -> Entry:
    """Describe the classes of a kind: their arguments, and the aliases that Keras has for them."""
    module = MODULES[kind]
    classes: dict[str, Entry] = {}
    names: dict[type, str] = {}
    aliases: dict[str, str] = {}
    for name in sorted(dir(module)):
        value = getattr(module, name)
        if not inspect.isclass(value) or name in rules.UNSUPPORTED_OBJECTS:
            continue
        if value in names:
            aliases[name] = names[value]
            continue
        if value.__name__ in rules.UNSUPPORTED_OBJECTS:
            continue
        names[value] = name
        classes[name] = object_entry(kind, name, value, unreviewed)
    if kind in OURS:
        for name in OURS[kind].__all__:
            entry = object_entry(kind, name, getattr(OURS[kind], name), unreviewed)
            classes[name] = {**entry, "origin": OURS[kind].__name__}
        classes = dict(sorted(classes.items()))
    for name in classes:
        aliases.setdefault(snake_case(name), name)
    if kind in ("loss", "metric"):
        aliases |= rules.SHORT_NAMES
    return {"classes": classes, "aliases": dict(sorted(aliases.items()))}


def object_entry(kind: str, name: str, value: type, unreviewed: list[str]) -> Entry:
    """Describe one class of a kind."""
    documentation = argument_documentation(value)
    arguments: dict[str, Entry] = {}
    unsupported: dict[str, str] = {}
    reasons = rules.UNSUPPORTED_OBJECT_ARGUMENTS.get(kind, {})
    for argument, parameter in inspect.signature(value.__init__).parameters.items():
        if parameter.kind in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL):
            continue
        if argument == "self" or argument in rules.IGNORED_OBJECT_ARGUMENTS:
            continue
        if argument in reasons:
            unsupported[argument] = reasons[argument]
            continue
        schema = rules.OBJECTS[kind].get(argument)
        if schema is None:
            unreviewed.append(f"{kind} {name}.{argument} = {parameter.default}")
            continue
        arguments[argument] = argument_entry(schema, parameter, documentation.get(argument, ""))
    for argument, schema in rules.ADDED_OBJECT_ARGUMENTS.get(kind, {}).items():
        arguments[argument] = {
            **typed(schema),
            "default": None,
            "summary": sentence(schema["description"]),
        }
    entry: Entry = {"summary": summary_of(value), "arguments": arguments}
    return {**entry, "unsupported": unsupported} if unsupported else entry


def activations() -> dict[str, str]:
    """Return the names of the activation functions with a line about each."""
    names = [name for name in dir(keras.activations) if not name.startswith("_")]
    return {
        name: summary_of(getattr(keras.activations, name))
        for name in sorted(set(names) - rules.NOT_ACTIVATIONS)
        if inspect.isfunction(getattr(keras.activations, name))
    }


def unsupported(unreviewed: list[str]) -> dict[str, str]:
    """Return layers and functions of Keras that blueprints cannot use, with the reason."""
    reasons = dict(rules.UNSUPPORTED_LAYERS)
    for name in (*dir(keras.ops), *(f"image.{each}" for each in dir(keras.ops.image))):
        if not inspect.isfunction(operation_named(name)) or name in rules.OPERATIONS:
            continue
        if name.startswith("image.") and hasattr(keras.ops, name.removeprefix("image.")):
            continue
        reason = rules.UNSUPPORTED_OPERATIONS.get(name)
        if reason is None:
            unreviewed.append(f"ops.{name}")
        else:
            reasons[f"ops.{name}"] = reason
    return dict(sorted(reasons.items()))


def argument_entry(schema: rules.Schema, parameter: inspect.Parameter, summary: str) -> Entry:
    """Describe an argument; one without a default is required."""
    entry = typed(schema)
    if parameter.default is inspect.Parameter.empty:
        entry["required"] = True
    else:
        entry["default"] = plain(parameter.default)
    entry["summary"] = summary
    return entry


def typed(schema: rules.Schema) -> Entry:
    """Describe a type: a schema, or a kind of object, or both."""
    if "object" not in schema:
        return {"schema": schema}
    kind = {key: value for key, value in schema.items() if key in ("object", "many", "nullable")}
    kind = {key: value for key, value in kind.items() if value is not False}
    rest = {
        key: value for key, value in schema.items() if key not in ("object", "many", "nullable")
    }
    return {**kind, **({"schema": rest} if rest else {})}


def plain(value: Any) -> Any:
    """Return a default as plain JSON data."""
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise SystemExit(f"the default {value!r} is not plain data")


def summary_of(value: Any) -> str:
    """Return the first sentence of a docstring on one line, without markup."""
    return sentence(inspect.getdoc(value) or "")


def sentence(text: str) -> str:
    """Return the first sentence of a text on one line, at most 200 characters.

    A first sentence that only names a type ("Float.") is skipped if another one follows.
    """
    paragraph = re.split(r"\n\s*\n", text.strip(), maxsplit=1)[0]
    words = " ".join(paragraph.split()).replace("`", "")
    words = re.sub(r"[^\x20-\x7e]", "", words)
    first, *others = re.split(r"(?<=[.!?])\s+(?=[A-Z])", words)
    if others and TYPE_SENTENCE.fullmatch(first):
        first = others[0]
    return first if len(first) <= 200 else first[:197].rsplit(" ", 1)[0] + "..."


def argument_documentation(value: Any) -> dict[str, str]:
    """Return the first sentence about each argument in the docstring of a class or function."""
    documentation = inspect.getdoc(value) or ""
    section = re.search(r"^(?:Args|Arguments):\n((?:[ \t]+.*\n?|\n)*)", documentation, re.MULTILINE)
    if section is None:
        return {}
    body = inspect.cleandoc("\n" + section[1])
    sentences = {}
    for match in re.finditer(
        r"^([a-z_A-Z0-9, ]+):((?:.*)(?:\n(?:[ \t]+.*|\s*$))*)", body, re.MULTILINE
    ):
        for name in match[1].split(","):
            sentences[name.strip()] = sentence(match[2])
    return sentences


def snake_case(name: str) -> str:
    """Return a class name in snake case, as Keras writes its aliases."""
    name = re.sub(r"(.)([A-Z][a-z0-9]+)", r"\1_\2", name)
    return re.sub(r"([a-z])([A-Z])", r"\1_\2", name).lower()


if __name__ == "__main__":
    main()
