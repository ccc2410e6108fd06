"""Reads `data:`: the examples and where they come from.

A source is written as a layer is: a bare name (`digits`), a name with one value (`npz: data.npz`),
or a name with arguments (`npz: {file: data.npz, inputs: images}`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

from archbuilder.arguments import check_value
from archbuilder.decode.form import Form
from archbuilder.errors import Diagnostics, listed, nearest, shown
from archbuilder.limits import Limits
from archbuilder.recipe.sources import (
    DATA_SET,
    Csv,
    DataFile,
    DataSource,
    DataSpec,
    Digits,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Pairs,
    Parquet,
    Text,
    Tfds,
    Tfrecord,
    Tokeniser,
    Tokenising,
)
from archbuilder.tree import Entry, Plain, Scalar, Span, Tree, plain
from archbuilder.tree import Mapping as MappingTree

_SPLITS: Final = ("train", "validation")
_MOST_SHOWN: Final = 3
_T = TypeVar("_T")


def decode_data(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> DataSpec | None:
    """The data of a recipe; None after mistakes, which are reported."""
    decoder = _Decoder(Form(limits, diagnostics))
    folder = Path(tree.span.source.name).parent
    if not (isinstance(tree, MappingTree) and _has_splits(tree)):
        train = decoder.source(tree)
        return DataSpec(train, folder=folder) if train else None
    sources = {
        entry.key: decoder.source(entry.value)
        for entry in decoder.form.known(tree, _SPLITS, "'data'")
    }
    if "train" not in sources:
        diagnostics.error("missing-key", "'data' has a 'validation' but no 'train'", tree.span)
    train = sources.get("train")
    if train is None or len(sources) < len(tree.entries) or None in sources.values():
        return None
    return DataSpec(train, sources.get("validation"), folder)


def _has_splits(tree: MappingTree) -> bool:
    """Whether data has sets by name: `{npz: a.npz, validation: 0.2}` is a source, and a mistake."""
    keys = {entry.key for entry in tree}
    return "train" in keys or ("validation" in keys and keys.isdisjoint(_SOURCES))


@dataclass(frozen=True, slots=True)
class _Decoder:
    """Reads sources. What is wrong is reported, and what is returned then does not matter."""

    form: Form

    def source(self, tree: Tree) -> DataSource | None:
        """A source; None after mistakes."""
        name, span, value = self._call(tree)
        if name is None:
            return None
        kind = _SOURCES.get(name)
        if kind is None:
            suggestion = nearest(name, _SOURCES)
            self.form.diagnostics.error(
                "unknown-object",
                f"there is no source of data {shown(name)}",
                span,
                suggestion=suggestion,
                notes=() if suggestion else (f"the sources are: {', '.join(_SOURCES)}",),
            )
            return None
        before = self.form.diagnostics.error_count
        given = self._arguments(name, span, value, kind)
        found = {key: kind.keys[key](self, each, f"'{key}'") for key, each in given.items()}
        return kind.make(found) if self.form.diagnostics.error_count == before else None

    def _call(self, tree: Tree) -> tuple[str | None, Span, Tree | None]:
        """The name of a source, its place, and its arguments."""
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return tree.value, tree.span, None
        if isinstance(tree, MappingTree) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return entry.key, entry.key_span, entry.value
        if not self._is_misplaced(tree):
            self.form.wrong(tree, "a source of data", "a name with its arguments", note=_EXAMPLE)
        return None, tree.span, None

    def _is_misplaced(self, tree: Tree) -> bool:
        """Whether keys stand beside a source, as in `{npz: a.npz, weights: w}`; reports them."""
        if not isinstance(tree, MappingTree):
            return False
        names = [entry.key for entry in tree if entry.key in _SOURCES]
        if len(names) != 1:
            return False
        (name,) = names
        keys = _SOURCES[name].keys
        arguments = [entry for entry in tree if entry.key in keys]
        for entry in tree:
            if entry.key not in (name, *keys):
                self.form.unknown_key(entry, keys, f"the source '{name}'")
        if arguments:
            told = listed(entry.key for entry in arguments)
            example = "".join(f", {entry.key}: ..." for entry in arguments[:_MOST_SHOWN])
            verb = "belongs" if len(arguments) == 1 else "belong"
            self.form.diagnostics.error(
                "wrong-form",
                f"{told} {verb} among the arguments of '{name}'",
                arguments[0].key_span,
                notes=(f"as in 'data: {{{name}: {{{next(iter(keys))}: ...{example}}}}}'",),
            )
        return True

    def _arguments(self, name: str, span: Span, value: Tree | None, kind: _Kind) -> dict[str, Tree]:
        """The arguments of a source by name, as they are written."""
        given: dict[str, Tree] = {}
        if isinstance(value, MappingTree):
            entries: list[Entry] = [*self.form.known(value, kind.keys, f"the source '{name}'")]
            given = {entry.key: entry.value for entry in entries}
        elif value is not None and plain(value) is not None:
            if kind.required:
                given = {next(iter(kind.keys)): value}
            else:
                self.form.wrong(value, f"the source '{name}'", "without a value")
        missing = [f"'{key}'" for key in [*kind.keys][: kind.required] if key not in given]
        if missing:
            self.form.diagnostics.error(
                "missing-argument", f"the source '{name}' needs {' and '.join(missing)}", span
            )
        return given

    def text(self, tree: Tree, what: str) -> str:
        """A text."""
        return self.form.text(tree, what) or ""

    def file(self, tree: Tree, what: str) -> DataFile:
        """A file, or a pattern that stands for several."""
        return DataFile(self.text(tree, what), tree.span)

    def named(
        self, tree: Tree, what: str, read: Callable[[Tree, str], _T]
    ) -> _T | Mapping[str, _T]:
        """One value, or several by the names of inputs or outputs."""
        if not isinstance(tree, MappingTree):
            return read(tree, what)
        return {entry.key: read(entry.value, f"{what} of '{entry.key}'") for entry in tree}

    def value(self, tree: Tree, what: str, schema: dict[str, Plain]) -> Plain:
        """The plain value of a tree that matches a schema."""
        return plain(tree) if check_value(tree, schema, what, self.form.diagnostics) else None


_Reader: TypeAlias = Callable[[_Decoder, Tree, str], object]


def _value(**schema: Plain) -> _Reader:
    def read(decoder: _Decoder, tree: Tree, what: str) -> object:
        found = decoder.value(tree, what, schema)
        return tuple(found) if isinstance(found, list) else found

    return read


def _by_name(read: _Reader) -> _Reader:
    return lambda decoder, tree, what: decoder.named(
        tree, what, lambda each, inner: read(decoder, each, inner)
    )


def _scale(decoder: _Decoder, tree: Tree, what: str) -> float | None:
    found = decoder.value(tree, what, {"type": "number", "exclusiveMinimum": 0})
    return float(found) if isinstance(found, int | float) else None


def _data_set(decoder: _Decoder, tree: Tree, what: str) -> DataFile:
    name = decoder.text(tree, what)
    if name and not re.fullmatch(DATA_SET, name):
        decoder.form.wrong(tree, what, "the name of a data set, as in mnist or glue/sst2:2.0.0")
    return DataFile(name, tree.span)


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a source is written: its keys, of which the first are `required`."""

    make: Callable[[dict[str, object]], DataSource]
    keys: Mapping[str, _Reader]
    required: int = 1


def _kind(
    kind: Callable[..., DataSource],
    keys: Mapping[str, _Reader],
    *,
    required: int = 1,
    lenient: bool = False,
) -> _Kind:
    """A source whose arguments are written as they are."""
    every = {**keys, **(_ON_ERROR if lenient else {}), "cache": _value(type="boolean")}
    return _Kind(lambda given: kind(**given), every, required)


def _tokenised(kind: Callable[..., DataSource], keys: Mapping[str, _Reader]) -> _Kind:
    """The same, with how text becomes tokens beside the file."""
    written = _kind(kind, {"file": _Decoder.file, **_TOKENISING, **keys}, lenient=True)

    def make(given: dict[str, object]) -> DataSource:
        own = {key: each for key, each in given.items() if key not in _TOKENISING}
        defaults = Tokenising()
        tokenising = Tokenising(
            cast(Tokeniser, given.get("tokens", defaults.tokens)),
            cast(int, given.get("vocabulary", defaults.vocabulary)),
            bool(given.get("lowercase", defaults.lowercase)),
        )
        return kind(**own, tokenising=tokenising)

    return _Kind(make, written.keys)


_ON_ERROR: Final = {"on_error": _value(enum=["stop", "skip"])}
_SIZES: Final[dict[str, Plain]] = {"type": "integer", "minimum": 1, "maximum": 16_384}
_PICTURES: Final[Mapping[str, _Reader]] = {
    "size": _value(type="array", items=_SIZES, minItems=2, maxItems=2),
    "channels": _value(enum=[1, 3]),
    "bits": _value(enum=[8, 16]),
    "scale": _scale,
}
_NAMES: Final = _by_name(_Decoder.text)
_ARRAYS: Final[Mapping[str, _Reader]] = {
    "file": _Decoder.file,
    "inputs": _NAMES,
    "targets": _NAMES,
    "scale": _scale,
    "weights": _NAMES,
}
_FILES: Final = _by_name(_Decoder.file)
_TABLE: Final[Mapping[str, _Reader]] = {
    "file": _Decoder.file,
    "target": _by_name(_value(type=["string", "integer"])),
    "inputs": _by_name(
        _value(
            anyOf=[
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 65_536},
            ]
        )
    ),
    "weights": _NAMES,
}
_LENGTH: Final = _value(type="integer", minimum=1, maximum=1_000_000)
_TOKENISING: Final[Mapping[str, _Reader]] = {
    "tokens": _value(enum=["characters", "words", "bpe", "wordpiece"]),
    "vocabulary": _value(type="integer", minimum=6, maximum=1_000_000),
    "lowercase": _value(type="boolean"),
}
_SHAPE: Final = _value(type="array", items=_SIZES, minItems=0, maxItems=8)
_SOURCES: Final[Mapping[str, _Kind]] = {
    "digits": _kind(Digits, {}, required=0),
    "npz": _kind(Npz, _ARRAYS),
    "npy": _kind(
        Npy,
        {"inputs": _FILES, "targets": _FILES, "scale": _scale, "weights": _FILES},
        required=2,
    ),
    "idx": _kind(
        Idx,
        {"images": _Decoder.file, "labels": _Decoder.file, "scale": _scale},
        required=2,
    ),
    "images": _kind(Images, {"folder": _Decoder.file, **_PICTURES}, lenient=True),
    "csv": _kind(Csv, {**_TABLE, "header": _value(type="boolean")}, lenient=True),
    "parquet": _kind(Parquet, {**_TABLE, "scale": _scale}, lenient=True),
    "jsonl": _kind(Jsonl, _ARRAYS, lenient=True),
    "tfrecord": _kind(Tfrecord, {**_ARRAYS, **_PICTURES, "shape": _by_name(_SHAPE)}, lenient=True),
    "tfds": _kind(
        Tfds,
        {
            "name": _data_set,
            "split": _value(type="string", minLength=1, maxLength=200),
            "inputs": _NAMES,
            "targets": _NAMES,
            **_PICTURES,
        },
        lenient=True,
    ),
    "text": _tokenised(Text, {"length": _LENGTH, "field": _value(type="string")}),
    "pairs": _tokenised(Pairs, {"length": _LENGTH}),
}
_EXAMPLE: Final = "as in 'data: digits' or 'data: {npz: {file: data.npz, inputs: x, targets: y}}'"
