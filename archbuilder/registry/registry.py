"""Reads the catalogue, each entry when it is first asked for."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, cast, get_args

from archbuilder.registry.signatures import (
    LAYER_KINDS,
    ArgumentSpec,
    ArgumentType,
    ObjectKind,
    Signature,
)

REGISTRY_FILE: Final = Path(__file__).with_name("keras.json")
OPERATION_PREFIX: Final = "ops."

_Entry = dict[str, Any]


class Registry:
    """The layers, functions and objects of Keras, and what is refused of it."""

    def __init__(self, data: _Entry) -> None:
        self._data = data
        self.keras_version: str = data["keras"]
        self.dtypes: tuple[str, ...] = tuple(data["dtypes"])
        self.unsupported: Mapping[str, str] = data["refused"]
        self.unsupported_objects: Mapping[str, str] = data["refused_objects"]
        self.activations: Mapping[str, str] = data["activations"]
        self.layers: Mapping[str, Signature] = _Signatures(data["layers"], "")
        self.operations: Mapping[str, Signature] = _Signatures(data["operations"], OPERATION_PREFIX)

    @cached_property
    def objects(self) -> Mapping[ObjectKind, Mapping[str, Signature]]:
        """The classes of nested objects by kind: initialisers, losses, optimisers."""
        return {
            cast(ObjectKind, kind): _Signatures(entry["classes"], "")
            for kind, entry in self._data["objects"].items()
        }

    def signature(self, operation: str) -> Signature | None:
        """The signature of `Conv2D` or `ops.transpose`, None where there is none."""
        if operation.startswith(OPERATION_PREFIX):
            return self.operations.get(operation.removeprefix(OPERATION_PREFIX))
        return self.layers.get(operation)

    def canonical_name(self, kind: ObjectKind, name: str) -> str | None:
        """The name of the class that Keras also calls `written`: `he_normal`, `HeNormal`."""
        if kind == "activation":
            return name if name in self.activations else None
        if kind in LAYER_KINDS:
            return name if name in self._layer_names(kind) else None
        entry = self._data["objects"][kind]
        if name in entry["classes"]:
            return name
        canonical = entry["aliases"].get(name)
        return canonical if isinstance(canonical, str) else None

    def names(self, kind: ObjectKind) -> tuple[str, ...]:
        """Every way to write an object of a kind without arguments."""
        if kind == "activation":
            return tuple(self.activations)
        if kind in LAYER_KINDS:
            return tuple(self._layer_names(kind))
        entry = self._data["objects"][kind]
        return (*entry["classes"], *entry["aliases"])

    def signatures(self, kind: ObjectKind) -> Mapping[str, Signature]:
        """What there is of a kind by its name; layers of every kind are among the layers."""
        return self.layers if kind in LAYER_KINDS else self.objects[kind]

    def _layer_names(self, kind: ObjectKind) -> Collection[str]:
        names: Collection[str] = self.layers if kind == "layer" else self._data["kinds"][kind]
        return names


@cache
def load() -> Registry:
    """The catalogue that comes with archbuilder."""
    return Registry(json.loads(REGISTRY_FILE.read_text(encoding="utf-8")))


class _Signatures(Mapping[str, Signature]):
    """Signatures by name, decoded one by one: a blueprint uses few of them."""

    def __init__(self, entries: dict[str, _Entry], prefix: str) -> None:
        self._entries = entries
        self._prefix = prefix
        self._cache: dict[str, Signature] = {}

    def __getitem__(self, name: str) -> Signature:
        if name not in self._cache:
            self._cache[name] = _decode_signature(self._prefix + name, self._entries[name])
        return self._cache[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries


def _decode_signature(name: str, entry: _Entry) -> Signature:
    return Signature(
        name=name,
        summary=entry["summary"],
        origin=entry.get("origin", ""),
        arguments=_decode_arguments(entry["arguments"]),
        call_arguments=_decode_arguments(entry.get("call", {})),
        tensor_arguments=tuple(entry.get("tensors", ())),
        min_inputs=entry.get("needed", 0),
        accepts_list=entry.get("takes_list", False),
        is_variadic=entry.get("variadic", False),
        unsupported=entry.get("refused", {}),
    )


def _decode_arguments(entries: dict[str, _Entry]) -> dict[str, ArgumentSpec]:
    return {
        name: ArgumentSpec(
            name=name,
            type=ArgumentType(
                schema=entry.get("schema"),
                object=_object_kind(entry.get("object")),
                is_list=entry.get("many", False),
                is_optional=entry.get("nullable", False),
            ),
            required=entry.get("required", False),
            default=entry.get("default"),
            summary=entry.get("summary", ""),
            reason=entry.get("reason", ""),
        )
        for name, entry in entries.items()
    }


def _object_kind(name: str | None) -> ObjectKind | None:
    return cast(ObjectKind, name) if name in get_args(ObjectKind) else None
