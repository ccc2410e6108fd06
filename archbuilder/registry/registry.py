"""The registry of Keras objects, read from `keras.json`."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final, cast

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
    """The layers, operations and objects of Keras, and those that blueprints may not use.

    `unsupported` and `unsupported_objects` have the reason for each name.
    """

    def __init__(self, data: _Entry) -> None:
        self._data = data
        self.keras_version: str = data["keras"]
        self.dtypes: tuple[str, ...] = tuple(data["dtypes"])
        self.unsupported: Mapping[str, str] = data["unsupported"]
        self.unsupported_objects: Mapping[str, str] = data["unsupported_objects"]
        self.activations: Mapping[str, str] = data["activations"]
        self.layers: Mapping[str, Signature] = _Signatures(data["layers"], "")
        self.operations: Mapping[str, Signature] = _Signatures(data["operations"], OPERATION_PREFIX)

    @cached_property
    def objects(self) -> Mapping[ObjectKind, Mapping[str, Signature]]:
        """The classes of nested objects by kind: initializers, losses, optimizers."""
        return {
            cast(ObjectKind, kind): _Signatures(entry["classes"], "")
            for kind, entry in self._data["objects"].items()
        }

    def signature(self, operation: str) -> Signature | None:
        """Return the signature of a layer (`Conv2D`) or operation (`ops.transpose`), or None."""
        if operation.startswith(OPERATION_PREFIX):
            return self.operations.get(operation.removeprefix(OPERATION_PREFIX))
        return self.layers.get(operation)

    def canonical_name(self, kind: ObjectKind, name: str) -> str | None:
        """Return the class name of an object or an alias, such as `HeNormal` of `he_normal`.

        Returns None if there is no object of this kind with the name.
        """
        # The tables of activations and layers contain their aliases as entries.
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
        """Return all names of a kind, including aliases."""
        if kind == "activation":
            return tuple(self.activations)
        if kind in LAYER_KINDS:
            return tuple(self._layer_names(kind))
        entry = self._data["objects"][kind]
        return (*entry["classes"], *entry["aliases"])

    def signatures(self, kind: ObjectKind) -> Mapping[str, Signature]:
        """Return the signatures of a kind by class name; for any kind of layer, all layers."""
        return self.layers if kind in LAYER_KINDS else self.objects[kind]

    def _layer_names(self, kind: ObjectKind) -> Collection[str]:
        # Recurrent layers and cells are lists of names: their signatures are among the layers.
        names: Collection[str] = self.layers if kind == "layer" else self._data["kinds"][kind]
        return names


# The file has 700 KB. Callers share one instance, which changes nothing but its caches.
@cache
def load() -> Registry:
    """Return the registry that ships with archbuilder."""
    return Registry(json.loads(REGISTRY_FILE.read_text(encoding="utf-8")))


class _Signatures(Mapping[str, Signature]):
    """A mapping from names to signatures, each decoded when it is first used.

    A blueprint uses a few of several hundred.
    """

    def __init__(self, entries: dict[str, _Entry], prefix: str) -> None:
        self._entries = entries
        self._prefix = prefix
        self._cache: dict[str, Signature] = {}

    def __getitem__(self, name: str) -> Signature:
        if name not in self._cache:
            entry = self._entries[name]
            # Nested objects have no tensors and no call, and only operations can be variadic.
            self._cache[name] = Signature(
                name=self._prefix + name,
                summary=entry["summary"],
                origin=entry.get("origin", ""),
                arguments=_decode_arguments(entry["arguments"]),
                call_arguments=_decode_arguments(entry.get("call", {})),
                tensor_arguments=tuple(entry.get("tensors", ())),
                min_inputs=entry.get("needed", 0),
                accepts_list=entry.get("takes_list", False),
                is_variadic=entry.get("variadic", False),
                several_outputs=entry.get("several", ""),
                unsupported=entry.get("unsupported", {}),
            )
        return self._cache[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        # `Mapping.__contains__` calls `__getitem__`, which would decode the signature.
        return name in self._entries


def _decode_arguments(entries: dict[str, _Entry]) -> dict[str, ArgumentSpec]:
    return {
        name: ArgumentSpec(
            name=name,
            type=ArgumentType(
                schema=entry.get("schema"),
                object=entry.get("object"),
                is_list=entry.get("many", False),
                is_optional=entry.get("nullable", False),
            ),
            required=entry.get("required", False),
            default=entry.get("default"),
            summary=entry.get("summary", ""),
            reason=entry.get("reason", ""),
            replacement=entry.get("replacement", ""),
        )
        for name, entry in entries.items()
    }
