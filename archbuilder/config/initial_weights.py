"""The setting `weights`: files whose weights the networks of a run start from."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from archbuilder.config.layer_patterns import layer_patterns
from archbuilder.config.settings import (
    make_section,
    mapping_schema,
    parse_settings,
    setting,
    setting_trees,
    settings_of,
)
from archbuilder.config.sources.base import DataPath, path
from archbuilder.config.value_types import (
    JsonSchema,
    SectionContext,
    ValueType,
    boolean,
    choice,
    text,
)
from archbuilder.diagnostics.errors import closest_match, quote
from archbuilder.yaml.nodes import MappingNode, ScalarNode, SequenceNode, Tree

if TYPE_CHECKING:
    from archbuilder.weights import MatchMode

_EXAMPLE: Final = "for example 'weights: {file: encoder.keras, of: backbone.*}'"
_SUFFIXES: Final = (".h5", ".hdf5", ".keras", ".safetensors")
_MATCH_KEYS: Final = ("match", "skip_mismatch")
_MAX_FILES: Final = 16
_MATCH_MODE: Final[ValueType[Any]] = choice("name", "order")


@dataclass(frozen=True, slots=True)
class InitialWeightsConfig:
    """A weight file, and the part of the networks that starts from it."""

    file: DataPath = setting(
        path("path of a weight file or a run"),
        "A `.keras`, `.weights.h5`, `.h5` or `.safetensors` file, the directory of a run, or a file"
        " of words.",
        example="'file: encoder.keras'",
    )
    of: tuple[str, ...] = setting(
        layer_patterns(),
        "The layers that start from the file; by default all of them.",
        default=(),
    )
    words_of: str | None = setting(
        text(),
        "The input whose words have vectors in the file, a text file with a word and its numbers in"
        " each line, such as those of GloVe. An `Embedding` starts from them.",
        default=None,
    )
    match: MatchMode | None = setting(
        _MATCH_MODE,
        "Whether weights are matched by name or by order; by default what matches more of them.",
        default=None,
    )
    skip_mismatch: bool = setting(
        boolean(),
        "Whether weights without a match keep their initial values, instead of being an error.",
        default=False,
    )

    @property
    def is_run(self) -> bool:
        """Whether `file` is the directory of a run."""
        return self.words_of is None and Path(self.file.path).suffix not in _SUFFIXES

    @property
    def directory(self) -> Path:
        """The directory of the blueprint or recipe that names the file."""
        return Path() if self.file.span is None else Path(self.file.span.source.name).parent


def initial_weights() -> ValueType[tuple[InitialWeightsConfig, ...]]:
    """Return the type of weight files: a path, a mapping, or a list of them."""
    settings = settings_of(InitialWeightsConfig)
    item: JsonSchema = {"anyOf": [{"type": "string"}, mapping_schema(settings)]}

    def parse(tree: Tree, title: str, context: SectionContext) -> tuple[InitialWeightsConfig, ...]:
        items = tree.items if isinstance(tree, SequenceNode) else (tree,)
        if len(items) > _MAX_FILES:
            expected = f"a list of at most {_MAX_FILES} files"
            context.fields.report_unexpected(tree, title, expected, note=_EXAMPLE)
        configs = [_parse_item(each, title, context) for each in items]
        return tuple(each for each in configs if each is not None)

    schema: JsonSchema = {
        "anyOf": [*item["anyOf"], {"type": "array", "items": item, "maxItems": _MAX_FILES}]
    }
    return ValueType(
        schema, parse, "path, a mapping as in [`training: weights`](#training-weights), or a list"
    )


def _parse_item(tree: Tree, title: str, context: SectionContext) -> InitialWeightsConfig | None:
    """Parse one file; report errors and return None if there are any."""
    settings = settings_of(InitialWeightsConfig)
    # A value that is not a mapping is the first setting, as in `data`.
    trees = {settings[0].name: tree}
    if isinstance(tree, MappingNode):
        trees = setting_trees(settings, tree, title, context)
    elif not isinstance(tree, ScalarNode):
        expected = "a path, or a mapping with the key 'file'"
        context.fields.report_unexpected(tree, title, expected, note=_EXAMPLE)
        return None
    tracker = context.diagnostics.track_errors()
    values = parse_settings(settings, trees, title, tree.span, context)
    if "words_of" in values and values["words_of"] not in context.inputs:
        context.diagnostics.error(
            "unknown-name",
            f"the network has no input {quote(values['words_of'])}",
            trees["words_of"].span,
            suggestion=closest_match(values["words_of"], context.inputs),
        )
    for key in _MATCH_KEYS if "words_of" in values else ():
        if key in trees:
            message = f"{title} has '{key}', which is not for a file of words"
            context.diagnostics.error("invalid-structure", message, trees[key].span)
    return None if tracker.has_errors() else make_section(InitialWeightsConfig, values)
