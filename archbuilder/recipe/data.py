"""Reads `data:`: the examples and where they come from.

A source is written as a layer is: a bare name (`digits`), a name with one value (`npz: data.npz`),
or a name with arguments (`npz: {file: data.npz, inputs: images}`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from archbuilder.arguments import check_value
from archbuilder.decode.form import Form
from archbuilder.errors import Diagnostics, nearest, shown
from archbuilder.limits import Limits
from archbuilder.recipe.spec import (
    Arrays,
    Csv,
    DataFile,
    DataSource,
    DataSpec,
    Digits,
    Files,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    OnError,
    Pairs,
    Text,
    Tokeniser,
    Tokenising,
)
from archbuilder.tree import Entry, Mapping, Plain, Scalar, Span, Tree, plain

_SPLITS: Final = ("train", "validation")


def decode_data(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> DataSpec | None:
    """The data of a recipe; None after mistakes, which are reported."""
    decoder = _Decoder(Form(limits, diagnostics))
    folder = Path(tree.span.source.name).parent
    if not (isinstance(tree, Mapping) and any(tree.get(split) for split in _SPLITS)):
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


@dataclass(frozen=True, slots=True)
class _Decoder:
    form: Form

    def source(self, tree: Tree) -> DataSource | None:
        name, span, value = self._call(tree)
        if name is None:
            return None
        read = _SOURCES.get(name)
        if read is None:
            suggestion = nearest(name, _SOURCES)
            self.form.diagnostics.error(
                "unknown-object",
                f"there is no source of data {shown(name)}",
                span,
                suggestion=suggestion,
                notes=() if suggestion else (f"the sources are: {', '.join(_SOURCES)}",),
            )
            return None
        return read(self, name, span, value)

    def _call(self, tree: Tree) -> tuple[str | None, Span, Tree | None]:
        """The name of a source, its place, and its arguments."""
        if isinstance(tree, Scalar) and isinstance(tree.value, str):
            return tree.value, tree.span, None
        if isinstance(tree, Mapping) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return entry.key, entry.key_span, entry.value
        self.form.wrong(tree, "a source of data", "a name with its arguments", note=_EXAMPLE)
        return None, tree.span, None

    def arguments(
        self, name: str, span: Span, value: Tree | None, known: tuple[str, ...], required: int = 1
    ) -> dict[str, Tree] | None:
        """The arguments of a source by name; of the `known` ones, the first are `required`."""
        diagnostics = self.form.diagnostics
        if isinstance(value, Mapping):
            entries: list[Entry] = list(self.form.known(value, known, f"the source '{name}'"))
            broken = len(entries) < len(value.entries)
            given = {entry.key: entry.value for entry in entries}
        else:
            broken = False
            given = {} if value is None else {known[0]: value}
        missing = [f"'{key}'" for key in known[:required] if key not in given]
        if missing:
            diagnostics.error(
                "missing-argument", f"the source '{name}' needs {' and '.join(missing)}", span
            )
        return None if broken or missing else given

    def file(self, tree: Tree, what: str) -> DataFile | None:
        text = self.form.text(tree, what)
        return None if text is None else DataFile(text, tree.span)

    def arrays(self, tree: Tree | None, what: str, default: str) -> Arrays | None:
        if tree is None:
            return default
        if not isinstance(tree, Mapping):
            return self.form.text(tree, what)
        names = {
            entry.key: self.form.text(entry.value, f"the array for '{entry.key}'") for entry in tree
        }
        whole = {key: name for key, name in names.items() if name is not None}
        return whole if len(whole) == len(names) else None

    def files(self, tree: Tree, what: str) -> Files | None:
        if not isinstance(tree, Mapping):
            return self.file(tree, what)
        files = {entry.key: self.file(entry.value, f"the file for '{entry.key}'") for entry in tree}
        whole = {key: file for key, file in files.items() if file is not None}
        return whole if len(whole) == len(files) else None

    def scale(self, tree: Tree | None) -> tuple[bool, float | None]:
        """Whether the scale is right, and the scale."""
        if tree is None:
            return True, None
        value = self.value(tree, "'scale'", {"type": "number", "exclusiveMinimum": 0})
        return value is not None, float(value) if isinstance(value, int | float) else None

    def values(
        self, given: dict[str, Tree], schemas: dict[str, dict[str, Plain]]
    ) -> dict[str, Plain] | None:
        """The plain values of those keys that are given; None after mistakes."""
        before = self.form.diagnostics.error_count
        found = {
            key: self.value(given[key], f"'{key}'", schema)
            for key, schema in schemas.items()
            if key in given
        }
        return found if self.form.diagnostics.error_count == before else None

    def value(self, tree: Tree, what: str, schema: dict[str, Plain]) -> Plain:
        """The plain value of a tree that matches a schema; None where it does not."""
        return plain(tree) if check_value(tree, schema, what, self.form.diagnostics) else None


def _read_digits(decoder: _Decoder, name: str, _: Span, value: Tree | None) -> Digits | None:
    if value is None or plain(value) in (None, {}):
        return Digits()
    decoder.form.wrong(value, f"the source '{name}'", "without arguments")
    return None


def _read_npz(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Npz | None:
    found = _named_arrays(decoder, name, span, value)
    return None if found is None else Npz(*found)


def _read_jsonl(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Jsonl | None:
    found = _named_arrays(decoder, name, span, value)
    return None if found is None else Jsonl(*found)


def _named_arrays(
    decoder: _Decoder, name: str, span: Span, value: Tree | None
) -> tuple[DataFile, Arrays, Arrays, float | None] | None:
    """A file, what stands for inputs and targets in it, and the scale."""
    given = decoder.arguments(name, span, value, ("file", "inputs", "targets", "scale"))
    if given is None:
        return None
    file = decoder.file(given["file"], "'file'")
    inputs = decoder.arrays(given.get("inputs"), "'inputs'", "x")
    targets = decoder.arrays(given.get("targets"), "'targets'", "y")
    right, scale = decoder.scale(given.get("scale"))
    if file is None or inputs is None or targets is None or not right:
        return None
    return file, inputs, targets, scale


def _read_npy(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Npy | None:
    given = decoder.arguments(name, span, value, ("inputs", "targets", "scale"), required=2)
    if given is None:
        return None
    inputs = decoder.files(given["inputs"], "'inputs'")
    targets = decoder.files(given["targets"], "'targets'")
    right, scale = decoder.scale(given.get("scale"))
    if inputs is None or targets is None or not right:
        return None
    return Npy(inputs, targets, scale)


def _read_idx(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Idx | None:
    given = decoder.arguments(name, span, value, ("images", "labels", "scale"), required=2)
    if given is None:
        return None
    images = decoder.file(given["images"], "'images'")
    labels = decoder.file(given["labels"], "'labels'")
    right, scale = decoder.scale(given.get("scale"))
    return Idx(images, labels, scale) if images and labels and right else None


_IMAGES: Final[dict[str, dict[str, Plain]]] = {
    "size": {
        "type": "array",
        "items": {"type": "integer", "minimum": 1, "maximum": 16_384},
        "minItems": 2,
        "maxItems": 2,
    },
    "channels": {"enum": [1, 3]},
    "on_error": {"enum": ["stop", "skip"]},
}


def _read_images(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Images | None:
    given = decoder.arguments(name, span, value, ("folder", "scale", *_IMAGES))
    if given is None:
        return None
    folder = decoder.file(given["folder"], "'folder'")
    right, scale = decoder.scale(given.get("scale"))
    options = decoder.values(given, _IMAGES)
    if folder is None or not right or options is None:
        return None
    size = cast(list[int] | None, options.get("size"))
    return Images(
        folder,
        (size[0], size[1]) if size else None,
        cast(int | None, options.get("channels")),
        scale,
        cast(OnError, options.get("on_error", "stop")),
    )


def _read_csv(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Csv | None:
    given = decoder.arguments(name, span, value, ("file", "target", "header"))
    if given is None:
        return None
    file = decoder.file(given["file"], "'file'")
    target: Plain = None
    header: Plain = True
    if "target" in given:
        target = decoder.value(given["target"], "'target'", {"type": ["string", "integer"]})
    if "header" in given:
        header = decoder.value(given["header"], "'header'", {"type": "boolean"})
    if file is None or not isinstance(header, bool) or ("target" in given and target is None):
        return None
    return Csv(file, target if isinstance(target, str | int) else None, header)


_TEXT: Final[dict[str, dict[str, Plain]]] = {
    "tokens": {"enum": ["characters", "words", "bpe", "wordpiece"]},
    "vocabulary": {"type": "integer", "minimum": 6, "maximum": 1_000_000},
    "lowercase": {"type": "boolean"},
    "length": {"type": "integer", "minimum": 1, "maximum": 1_000_000},
    "field": {"type": "string"},
}


def _read_text(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Text | None:
    given = decoder.arguments(name, span, value, ("file", *_TEXT))
    if given is None:
        return None
    file = decoder.file(given["file"], "'file'")
    options = decoder.values(given, _TEXT)
    if file is None or options is None:
        return None
    defaults = Text(file, Tokenising())
    return Text(
        file,
        _tokenising(options),
        cast(int, options.get("length", defaults.length)),
        cast(str | None, options.get("field")),
    )


def _read_pairs(decoder: _Decoder, name: str, span: Span, value: Tree | None) -> Pairs | None:
    known = {key: schema for key, schema in _TEXT.items() if key != "field"}
    given = decoder.arguments(name, span, value, ("file", *known))
    if given is None:
        return None
    file = decoder.file(given["file"], "'file'")
    options = decoder.values(given, known)
    if file is None or options is None:
        return None
    defaults = Pairs(file, Tokenising())
    return Pairs(file, _tokenising(options), cast(int, options.get("length", defaults.length)))


def _tokenising(options: dict[str, Plain]) -> Tokenising:
    defaults = Tokenising()
    return Tokenising(
        cast(Tokeniser, options.get("tokens", defaults.tokens)),
        cast(int, options.get("vocabulary", defaults.vocabulary)),
        bool(options.get("lowercase", defaults.lowercase)),
    )


_SOURCES: Final[dict[str, Callable[[_Decoder, str, Span, Tree | None], DataSource | None]]] = {
    "digits": _read_digits,
    "npz": _read_npz,
    "npy": _read_npy,
    "idx": _read_idx,
    "images": _read_images,
    "csv": _read_csv,
    "jsonl": _read_jsonl,
    "text": _read_text,
    "pairs": _read_pairs,
}
_EXAMPLE: Final = "as in 'data: digits' or 'data: {npz: {file: data.npz, inputs: x, targets: y}}'"
