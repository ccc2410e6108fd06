"""The text of a new blueprint: sections of YAML, with short comments."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from archbuilder.compiler.unparse import to_flow_yaml
from archbuilder.plain_data import PlainData

_WIDTH: Final = 100
_NOT_NAME: Final = re.compile(r"[^a-z0-9]+")


@dataclass(frozen=True, slots=True)
class BlueprintText:
    """The parts of a blueprint. Lines of `layers` are layers, without the dash of the list."""

    name: str
    title: str
    comments: Sequence[str]
    """What the user should know, such as columns that are not used."""
    params: Mapping[str, PlainData]
    inputs: Mapping[str, PlainData]
    layers: Sequence[str]
    source: str
    """The key of the data source."""
    options: Mapping[str, PlainData]
    training: Mapping[str, PlainData]
    blocks: str = ""
    other_sets: Mapping[str, PlainData] = field(default_factory=dict)
    """The sources of the validation and the test set, if they have any."""

    def render(self) -> str:
        """Return the YAML."""
        lines = [f"# {each}" for each in self.comments]
        lines += [
            "archbuilder: 1",
            f"name: {to_flow_yaml(self.name)}",
            f"title: {to_flow_yaml(self.title)}",
            "",
            *_section("params", self.params),
            "",
            *([self.blocks] if self.blocks else []),
            *_section("inputs", self.inputs),
            "",
            "layers:",
            *(f"  - {each}" for each in self.layers),
            "",
            *self._data(),
            "",
            *_section("training", self._training()),
        ]
        return "\n".join(lines) + "\n"

    def _data(self) -> list[str]:
        source: dict[str, PlainData] = {self.source: {**self.options}}
        if not self.other_sets:
            return _section("data", source)
        return _section("data", {"train": source, **self.other_sets})

    def _training(self) -> Mapping[str, PlainData]:
        """Return the settings, without holding out a set that has a source."""
        held_out = {f"{each}_split" for each in self.other_sets}
        return {key: value for key, value in self.training.items() if key not in held_out}


def _section(key: str, values: Mapping[str, PlainData]) -> list[str]:
    """Return a mapping as lines; a value that does not fit on its line gets lines of its own."""
    lines = [f"{key}:"]
    for name, value in values.items():
        line = f"  {to_flow_yaml(name)}: {to_flow_yaml(value)}"
        if isinstance(value, dict) and len(line) > _WIDTH - 2:
            lines += (f"  {each}" for each in _section(to_flow_yaml(name), value))
        elif isinstance(value, list) and len(line) > _WIDTH - 2:
            lines += [
                f"  {to_flow_yaml(name)}:",
                *(f"    - {to_flow_yaml(each)}" for each in value),
            ]
        else:
            lines.append(line)
    return lines


def layer(class_name: str, arguments: PlainData, name: str = "", inputs: PlainData = None) -> str:
    """Return a layer of a blueprint in one line, with its name and inputs if it has any."""
    settings: dict[str, PlainData] = {class_name: arguments}
    if name:
        settings["name"] = name
    if inputs is not None:
        settings["from"] = inputs
    text = to_flow_yaml(settings)
    if arguments is None:
        text = text.replace(": null", ": ", 1)
    return text if len(settings) > 1 else text[1:-1]


def to_name(text: str, used: set[str], default: str) -> str:
    """Return a name for a part of a network that is not used yet, and add it to `used`."""
    name = _NOT_NAME.sub("_", text.lower()).strip("_")[:40] or default
    if not name[0].isalpha():
        name = f"{default}_{name}"
    number, unique = 1, name
    while unique in used:
        number += 1
        unique = f"{name}_{number}"
    used.add(unique)
    return unique
