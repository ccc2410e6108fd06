"""Parser of the `data` section: the sources of examples.

A source has the syntax of a layer: a name (`digits`), a name with one value (`npz: data.npz`), or
a name with arguments (`npz: {file: data.npz, inputs: images}`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

from archbuilder.compiler.check_arguments import check_value
from archbuilder.config.sources import (
    TFDS_NAME,
    Csv,
    DataConfig,
    DataPath,
    DataSource,
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
    TokenizerConfig,
    TokenizerType,
)
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, Tree, to_plain

_SPLITS: Final = ("train", "validation")
_MAX_EXAMPLE_KEYS: Final = 3
_T = TypeVar("_T")


def parse_data(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> DataConfig | None:
    """Parse and check the `data` section; report errors and return None if there are any.

    The section is one source, or the sources `train` and `validation`.
    """
    parser = _SourceParser(FieldReader(limits, diagnostics))
    folder = Path(tree.span.source.name).parent
    keys = {entry.key for entry in tree} if isinstance(tree, MappingNode) else set()
    # `{npz: a.npz, validation: 0.2}` is a source with a misplaced key, not a mapping of splits.
    has_splits = "train" in keys or ("validation" in keys and keys.isdisjoint(_SOURCES))
    if not isinstance(tree, MappingNode) or not has_splits:
        train = parser.source(tree)
        return DataConfig(train, folder=folder) if train else None
    sources = {
        entry.key: parser.source(entry.value)
        for entry in parser.fields.known_entries(tree, _SPLITS, "'data'")
    }
    if "train" not in sources:
        diagnostics.error("missing-key", "'data' has a 'validation' but no 'train'", tree.span)
    train = sources.get("train")
    # Fewer sources than entries: known_entries has reported and dropped an unknown key.
    if train is None or len(sources) < len(tree.entries) or None in sources.values():
        return None
    return DataConfig(train, sources.get("validation"), folder)


@dataclass(frozen=True, slots=True)
class _SourceParser:
    """Parser of sources and their arguments.

    Errors are reported to `fields.diagnostics`; the methods that parse arguments then return a
    value that is not used.
    """

    fields: FieldReader

    def source(self, tree: Tree) -> DataSource | None:
        """Parse a source; report errors and return None if there are any."""
        name, span, value = self._name_and_arguments(tree)
        if name is None:
            return None
        syntax = _SOURCES.get(name)
        if syntax is None:
            suggestion = closest_match(name, _SOURCES)
            self.fields.diagnostics.error(
                "unknown-source",
                f"unknown data source {quote(name)}",
                span,
                suggestion=suggestion,
                notes=() if suggestion else (f"the sources are: {', '.join(_SOURCES)}",),
            )
            return None
        reports = self.fields.diagnostics.report_count
        argument_trees = self._arguments(name, span, value, syntax)
        arguments = {
            key: syntax.keys[key](self, each, f"'{key}'") for key, each in argument_trees.items()
        }
        # With an error, arguments may be missing or None, and make() would fail.
        return syntax.make(arguments) if self.fields.diagnostics.report_count == reports else None

    def _name_and_arguments(self, tree: Tree) -> tuple[str | None, Span, Tree | None]:
        """Return the name of a source, the span of the name, and the tree of its arguments."""
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return tree.value, tree.span, None
        if isinstance(tree, MappingNode) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return entry.key, entry.key_span, entry.value
        if not self._report_misplaced_arguments(tree):
            self.fields.report_unexpected(
                tree, "a data source", "a name with its arguments", note=_EXAMPLE
            )
        return None, tree.span, None

    def _report_misplaced_arguments(self, tree: Tree) -> bool:
        """Report arguments beside the source's name, as in `{npz: a.npz, sample_weight: w}`.

        Return whether the tree has this form.
        """
        if not isinstance(tree, MappingNode):
            return False
        names = [entry.key for entry in tree if entry.key in _SOURCES]
        if len(names) != 1:
            return False
        (name,) = names
        keys = _SOURCES[name].keys
        arguments = [entry for entry in tree if entry.key in keys]
        for entry in tree:
            if entry.key not in (name, *keys):
                self.fields.report_unknown_key(entry, keys, f"the source '{name}'")
        if arguments:
            argument_names = quote_list(entry.key for entry in arguments)
            example = "".join(f", {entry.key}: ..." for entry in arguments[:_MAX_EXAMPLE_KEYS])
            verb = "belongs" if len(arguments) == 1 else "belong"
            self.fields.diagnostics.error(
                "invalid-structure",
                f"{argument_names} {verb} among the arguments of '{name}'",
                arguments[0].key_span,
                notes=(f"as in 'data: {{{name}: {{{next(iter(keys))}: ...{example}}}}}'",),
            )
        return True

    def _arguments(
        self, name: str, span: Span, value: Tree | None, syntax: _SourceSyntax
    ) -> dict[str, Tree]:
        """Return the trees of a source's arguments by name; report missing and unknown ones."""
        arguments: dict[str, Tree] = {}
        if isinstance(value, MappingNode):
            entries: list[MappingEntry] = [
                *self.fields.known_entries(value, syntax.keys, f"the source '{name}'")
            ]
            arguments = {entry.key: entry.value for entry in entries}
        # `digits:` has a null value and means the same as `digits`.
        elif value is not None and to_plain(value) is not None:
            # A value that is not a mapping is the first argument, as in `npz: data.npz`.
            if syntax.num_required:
                arguments = {next(iter(syntax.keys)): value}
            else:
                self.fields.report_unexpected(value, f"the source '{name}'", "without a value")
        missing = [
            f"'{key}'" for key in [*syntax.keys][: syntax.num_required] if key not in arguments
        ]
        if missing:
            self.fields.diagnostics.error(
                "missing-argument", f"the source '{name}' needs {' and '.join(missing)}", span
            )
        return arguments

    def text(self, tree: Tree, what: str) -> str:
        """Parse a string."""
        return self.fields.expect_text(tree, what) or ""

    def file(self, tree: Tree, what: str) -> DataPath:
        """Parse the path of a file, or a glob pattern."""
        return DataPath(self.text(tree, what), tree.span)

    def value_or_mapping(
        self, tree: Tree, what: str, parse: Callable[[Tree, str], _T]
    ) -> _T | Mapping[str, _T]:
        """Parse one value, or a mapping of values by input or output."""
        if not isinstance(tree, MappingNode):
            return parse(tree, what)
        return {entry.key: parse(entry.value, f"{what} of '{entry.key}'") for entry in tree}

    def value(self, tree: Tree, what: str, schema: dict[str, PlainData]) -> PlainData:
        """Return the plain value of a tree that matches a JSON schema; None if it does not."""
        return to_plain(tree) if check_value(tree, schema, what, self.fields.diagnostics) else None


_FieldParser: TypeAlias = Callable[[_SourceParser, Tree, str], object]


def _schema_value(**schema: PlainData) -> _FieldParser:
    def parse(parser: _SourceParser, tree: Tree, what: str) -> object:
        value = parser.value(tree, what, schema)
        # The sources are frozen dataclasses, whose fields are immutable.
        return tuple(value) if isinstance(value, list) else value

    return parse


def _or_by_name(parse: _FieldParser) -> _FieldParser:
    return lambda parser, tree, what: parser.value_or_mapping(
        tree, what, lambda item, item_what: parse(parser, item, item_what)
    )


def _parse_divisor(parser: _SourceParser, tree: Tree, what: str) -> float | None:
    value = parser.value(tree, what, {"type": "number", "exclusiveMinimum": 0})
    return float(value) if isinstance(value, int | float) else None


def _parse_tfds_name(parser: _SourceParser, tree: Tree, what: str) -> DataPath:
    name = parser.text(tree, what)
    if name and not re.fullmatch(TFDS_NAME, name):
        parser.fields.report_unexpected(
            tree, what, "the name of a dataset, as in mnist or glue/sst2:2.0.0"
        )
    return DataPath(name, tree.span)


@dataclass(frozen=True, slots=True)
class _SourceSyntax:
    """Syntax of a source."""

    make: Callable[[dict[str, object]], DataSource]
    keys: Mapping[str, _FieldParser]
    """Parsers by argument. The order matters: required arguments come first."""
    num_required: int = 1
    """Number of required arguments."""


def _source_syntax(
    source_class: Callable[..., DataSource],
    keys: Mapping[str, _FieldParser],
    *,
    num_required: int = 1,
    skippable: bool = False,
) -> _SourceSyntax:
    """Return the syntax of a source whose arguments are the fields of its class."""
    all_keys = {**keys, **(_ON_ERROR if skippable else {}), "cache": _schema_value(type="boolean")}
    return _SourceSyntax(lambda arguments: source_class(**arguments), all_keys, num_required)


def _text_source_syntax(
    source_class: Callable[..., DataSource], keys: Mapping[str, _FieldParser]
) -> _SourceSyntax:
    """Return the syntax of a text source, which has the arguments of its tokenizer too."""
    syntax = _source_syntax(
        source_class, {"file": _SourceParser.file, **_TOKENIZER_KEYS, **keys}, skippable=True
    )

    def make(arguments: dict[str, object]) -> DataSource:
        source_arguments = {
            key: each for key, each in arguments.items() if key not in _TOKENIZER_KEYS
        }
        defaults = TokenizerConfig()
        tokenizer = TokenizerConfig(
            cast(TokenizerType, arguments.get("tokenizer", defaults.tokenizer)),
            cast(int, arguments.get("vocabulary_size", defaults.vocabulary_size)),
            bool(arguments.get("lowercase", defaults.lowercase)),
        )
        return source_class(**source_arguments, tokenizer=tokenizer)

    return _SourceSyntax(make, syntax.keys)


_ON_ERROR: Final = {"on_error": _schema_value(enum=["stop", "skip"])}
_SIZES: Final[dict[str, PlainData]] = {"type": "integer", "minimum": 1, "maximum": 16_384}
_IMAGE_KEYS: Final[Mapping[str, _FieldParser]] = {
    "size": _schema_value(type="array", items=_SIZES, minItems=2, maxItems=2),
    # Not 2 or 4: transparency is composited over white when an image is decoded.
    "channels": _schema_value(enum=[1, 3]),
    "bits": _schema_value(enum=[8, 16]),
    "divide_by": _parse_divisor,
}
_NAMES: Final = _or_by_name(_SourceParser.text)
_ARRAYS: Final[Mapping[str, _FieldParser]] = {
    "file": _SourceParser.file,
    "inputs": _NAMES,
    "targets": _NAMES,
    "divide_by": _parse_divisor,
    "sample_weight": _NAMES,
}
_FILES: Final = _or_by_name(_SourceParser.file)
_TABLE: Final[Mapping[str, _FieldParser]] = {
    "file": _SourceParser.file,
    "target": _or_by_name(_schema_value(type=["string", "integer"])),
    "inputs": _or_by_name(
        _schema_value(
            anyOf=[
                {"type": "string"},
                {"type": "array", "items": {"type": "string"}, "minItems": 1, "maxItems": 65_536},
            ]
        )
    ),
    "sample_weight": _NAMES,
}
_SEQUENCE_LENGTH: Final = _schema_value(type="integer", minimum=1, maximum=1_000_000)
_TOKENIZER_KEYS: Final[Mapping[str, _FieldParser]] = {
    "tokenizer": _schema_value(enum=["characters", "words", "bpe", "wordpiece"]),
    # The five special tokens, and at least one token of text.
    "vocabulary_size": _schema_value(type="integer", minimum=6, maximum=1_000_000),
    "lowercase": _schema_value(type="boolean"),
}
_SHAPE: Final = _schema_value(type="array", items=_SIZES, minItems=0, maxItems=8)
_SOURCES: Final[Mapping[str, _SourceSyntax]] = {
    "digits": _source_syntax(Digits, {}, num_required=0),
    "npz": _source_syntax(Npz, _ARRAYS),
    "npy": _source_syntax(
        Npy,
        {"inputs": _FILES, "targets": _FILES, "divide_by": _parse_divisor, "sample_weight": _FILES},
        num_required=2,
    ),
    "idx": _source_syntax(
        Idx,
        {"images": _SourceParser.file, "labels": _SourceParser.file, "divide_by": _parse_divisor},
        num_required=2,
    ),
    "images": _source_syntax(Images, {"folder": _SourceParser.file, **_IMAGE_KEYS}, skippable=True),
    "csv": _source_syntax(Csv, {**_TABLE, "header": _schema_value(type="boolean")}, skippable=True),
    "parquet": _source_syntax(Parquet, {**_TABLE, "divide_by": _parse_divisor}, skippable=True),
    "jsonl": _source_syntax(Jsonl, _ARRAYS, skippable=True),
    "tfrecord": _source_syntax(
        Tfrecord, {**_ARRAYS, **_IMAGE_KEYS, "shape": _or_by_name(_SHAPE)}, skippable=True
    ),
    "tfds": _source_syntax(
        Tfds,
        {
            "name": _parse_tfds_name,
            "split": _schema_value(type="string", minLength=1, maxLength=200),
            "inputs": _NAMES,
            "targets": _NAMES,
            **_IMAGE_KEYS,
        },
        skippable=True,
    ),
    "text": _text_source_syntax(
        Text, {"sequence_length": _SEQUENCE_LENGTH, "field": _schema_value(type="string")}
    ),
    "pairs": _text_source_syntax(Pairs, {"sequence_length": _SEQUENCE_LENGTH}),
}
_EXAMPLE: Final = "as in 'data: digits' or 'data: {npz: {file: data.npz, inputs: x, targets: y}}'"
