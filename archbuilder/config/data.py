"""Parser of the `data` section: the sources of examples.

A source has the syntax of a layer: a name (`digits`), a name with one value (`npz: data.npz`), or
a name with arguments (`npz: {file: data.npz, inputs: images}`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from archbuilder.config.settings import (
    Setting,
    make_section,
    parse_settings,
    setting_trees,
    settings_of,
)
from archbuilder.config.sources import SOURCES, DataConfig, DataSource
from archbuilder.config.value_types import SectionContext
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree, to_plain

_SPLITS: Final = ("train", "validation")
_MAX_EXAMPLE_KEYS: Final = 3


def parse_data(tree: Tree, limits: Limits, diagnostics: Diagnostics) -> DataConfig | None:
    """Parse and check the `data` section; report errors and return None if there are any.

    The section is one source, or the sources `train` and `validation`.
    """
    parser = _SourceParser(SectionContext(FieldReader(limits, diagnostics)))
    directory = Path(tree.span.source.name).parent
    keys = {entry.key for entry in tree} if isinstance(tree, MappingNode) else set()
    # `{npz: a.npz, validation: 0.2}` is a source with a misplaced key, not a mapping of splits.
    has_splits = "train" in keys or ("validation" in keys and keys.isdisjoint(SOURCES))
    if not isinstance(tree, MappingNode) or not has_splits:
        train = parser.source(tree)
        return DataConfig(train, directory=directory) if train else None
    sources = {
        entry.key: parser.source(entry.value)
        for entry in parser.context.fields.known_entries(tree, _SPLITS, "'data'")
    }
    if "train" not in sources:
        diagnostics.error("missing-key", "'data' has a 'validation' but no 'train'", tree.span)
    train = sources.get("train")
    # Fewer sources than entries: known_entries has reported and dropped an unknown key.
    if train is None or len(sources) < len(tree.entries) or None in sources.values():
        return None
    return DataConfig(train, sources.get("validation"), directory)


@dataclass(frozen=True, slots=True)
class _SourceParser:
    """Parser of sources and their arguments.

    Errors are reported to `context.diagnostics`.
    """

    context: SectionContext

    def source(self, tree: Tree) -> DataSource | None:
        """Parse a source; report errors and return None if there are any."""
        name, span, value = self._name_and_arguments(tree)
        if name is None:
            return None
        source_class = SOURCES.get(name)
        if source_class is None:
            suggestion = closest_match(name, SOURCES)
            self.context.diagnostics.error(
                "unknown-source",
                f"unknown data source {quote(name)}",
                span,
                suggestion=suggestion,
                notes=() if suggestion else (f"the sources are: {', '.join(SOURCES)}",),
            )
            return None
        reports = self.context.diagnostics.report_count
        settings = settings_of(source_class)
        what = f"the source '{name}'"
        trees = self._setting_trees(what, settings, value)
        missing = [
            f"'{each.name}'" for each in settings if each.is_required and each.name not in trees
        ]
        if missing:
            self.context.diagnostics.error(
                "missing-argument", f"{what} needs {' and '.join(missing)}", span
            )
        present = [each for each in settings if each.name in trees]
        values = parse_settings(present, trees, (what, span), self.context)
        if self.context.diagnostics.report_count > reports:
            return None
        return make_section(source_class, values)

    def _name_and_arguments(self, tree: Tree) -> tuple[str | None, Span, Tree | None]:
        """Return the name of a source, the span of the name, and the tree of its arguments."""
        if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
            return tree.value, tree.span, None
        if isinstance(tree, MappingNode) and len(tree.entries) == 1:
            entry = tree.entries[0]
            return entry.key, entry.key_span, entry.value
        if not self._report_misplaced_arguments(tree):
            self.context.fields.report_unexpected(
                tree, "a data source", "a name with its arguments", note=_EXAMPLE
            )
        return None, tree.span, None

    def _report_misplaced_arguments(self, tree: Tree) -> bool:
        """Report arguments beside the source's name, as in `{npz: a.npz, sample_weight: w}`.

        Return whether the tree has this form.
        """
        if not isinstance(tree, MappingNode):
            return False
        names = [entry.key for entry in tree if entry.key in SOURCES]
        if len(names) != 1:
            return False
        (name,) = names
        keys = [each.name for each in settings_of(SOURCES[name])]
        arguments = [entry for entry in tree if entry.key in keys]
        for entry in tree:
            if entry.key not in (name, *keys):
                self.context.fields.report_unknown_key(entry, keys, f"the source '{name}'")
        if arguments:
            argument_names = quote_list(entry.key for entry in arguments)
            example = "".join(f", {entry.key}: ..." for entry in arguments[:_MAX_EXAMPLE_KEYS])
            verb = "belongs" if len(arguments) == 1 else "belong"
            self.context.diagnostics.error(
                "invalid-structure",
                f"{argument_names} {verb} among the arguments of '{name}'",
                arguments[0].key_span,
                notes=(f"as in 'data: {{{name}: {{{keys[0]}: ...{example}}}}}'",),
            )
        return True

    def _setting_trees(
        self, what: str, settings: Sequence[Setting], value: Tree | None
    ) -> dict[str, Tree]:
        """Return the values of a source's settings by name; report unknown ones."""
        if isinstance(value, MappingNode):
            return setting_trees(settings, value, what, self.context)
        # `digits:` has a null value and means the same as `digits`.
        if value is None or to_plain(value) is None:
            return {}
        # A value that is not a mapping is the first setting, as in `npz: data.npz`.
        if settings[0].is_required:
            return {settings[0].name: value}
        self.context.fields.report_unexpected(value, what, "without a value")
        return {}


_EXAMPLE: Final = "as in 'data: digits' or 'data: {npz: {file: data.npz, inputs: x, targets: y}}'"
