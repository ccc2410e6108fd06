"""Parser of the `data` section: the sources of examples.

A source has the syntax of a layer: a name (`digits`), a name with one value (`npz: data.npz`), or
a name with arguments (`npz: {file: data.npz, inputs: images}`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final

from archbuilder.config.settings import (
    make_section,
    parse_settings,
    section_values,
    setting_trees,
    settings_of,
)
from archbuilder.config.sources import SOURCES, DataConfig, DataSource
from archbuilder.config.sources.base import data_paths
from archbuilder.config.value_types import SectionContext
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree, to_plain

_SPLITS: Final = ("train", "validation", "test")
_MAX_EXAMPLE_KEYS: Final = 3


def parse_data(
    tree: Tree, limits: Limits, diagnostics: Diagnostics, *, inherits: bool = True
) -> DataConfig | None:
    """Parse and check the `data` section; report errors and return None if there are any.

    The section is one source, or the sources `train`, `validation` and `test`. If `inherits`, the
    latter two have the settings of `train` that they do not state, unless these say where the
    examples are.
    """
    context = SectionContext(FieldReader(limits, diagnostics))
    directory = Path(tree.span.source.name).parent
    keys = {entry.key for entry in tree} if isinstance(tree, MappingNode) else set()
    # `{npz: a.npz, validation: 0.2}` is a source with a misplaced key, not a mapping of splits.
    has_splits = "train" in keys or (not keys.isdisjoint(_SPLITS) and keys.isdisjoint(SOURCES))
    if not isinstance(tree, MappingNode) or not has_splits:
        only = _parse_source(tree, context)
        return DataConfig(only.source, directory=directory) if only else None
    trees = context.fields.fields(tree, _SPLITS, "'data'")
    train = _parse_source(trees["train"], context) if "train" in trees else None
    if "train" not in trees:
        present = next(each for each in _SPLITS if each in keys)
        diagnostics.error("missing-key", f"'data' has a '{present}' but no 'train'", tree.span)
    template = train if inherits else None
    others = {
        name: _parse_source(each, context, template)
        for name, each in trees.items()
        if name != "train"
    }
    # Fewer sources than entries: it has reported and dropped an unknown key.
    if train is None or len(trees) < len(tree.entries) or None in others.values():
        return None
    validation, test = (
        each.source if each else None for each in map(others.get, ("validation", "test"))
    )
    return DataConfig(train.source, validation, directory, test=test)


@dataclass(frozen=True, slots=True)
class _ParsedSource:
    """A source, and its settings as they are written."""

    source: DataSource
    trees: Mapping[str, Tree]

    def inherited(self, source_class: type[DataSource]) -> dict[str, Tree]:
        """Return the settings that another set of the same format has too, unless it has its own.

        Those that say where the examples are belong to one set.
        """
        if source_class is not type(self.source):
            return {}
        values = section_values(self.source)
        return {
            name: tree
            for name, tree in self.trees.items()
            if name not in source_class.location_settings and not any(data_paths(values[name]))
        }


def _parse_source(
    tree: Tree, context: SectionContext, template: _ParsedSource | None = None
) -> _ParsedSource | None:
    """Parse a source; report errors and return None if there are any.

    It has the settings of the `template` that it does not state.
    """
    value: Tree | None = None
    if isinstance(tree, ScalarNode) and isinstance(tree.value, str):
        name, span = tree.value, tree.span
    elif isinstance(tree, MappingNode) and len(tree.entries) == 1:
        name, span, value = tree.entries[0].key, tree.entries[0].key_span, tree.entries[0].value
    else:
        if not _report_misplaced_arguments(tree, context):
            context.fields.report_unexpected(
                tree, "a data source", "a name with its arguments", note=_EXAMPLE
            )
        return None
    source_class = SOURCES.get(name)
    if source_class is None:
        _report_unknown_source(name, span, context)
        return None
    tracker = context.diagnostics.track_errors()
    settings = settings_of(source_class)
    title = f"the source '{name}'"
    trees: dict[str, Tree] = {}
    if isinstance(value, MappingNode):
        trees = setting_trees(settings, value, title, context)
    # `digits:` has a null value and means the same as `digits`.
    elif value is not None and to_plain(value) is not None:
        # A value that is not a mapping is the first setting, as in `npz: data.npz`.
        if settings[0].is_required:
            trees = {settings[0].name: value}
        else:
            context.fields.report_unexpected(value, title, "without a value")
    trees = {**(template.inherited(source_class) if template else {}), **trees}
    missing = [f"'{each.name}'" for each in settings if each.is_required and each.name not in trees]
    if missing:
        context.diagnostics.error(
            "missing-argument", f"{title} needs {' and '.join(missing)}", span
        )
    present = [each for each in settings if each.name in trees]
    values = parse_settings(present, trees, title, span, context)
    if tracker.has_errors():
        return None
    source = make_section(source_class, values)
    conflict = source.find_conflict()
    if conflict:
        context.diagnostics.error("invalid-structure", f"{title}: {conflict}", span)
        return None
    return _ParsedSource(source, trees)


def _report_unknown_source(name: str, span: Span, context: SectionContext) -> None:
    suffix = PurePosixPath(name).suffix
    by_suffix = [key for key, source in SOURCES.items() if suffix in source.suffixes]
    if "/" in name:
        by_suffix.append("images")
    suggestion = None if by_suffix else closest_match(name, SOURCES)
    note = f"the sources are: {', '.join(SOURCES)}"
    if by_suffix:
        note = f"write the source before the file: {{{by_suffix[0]}: {name}}}"
    context.diagnostics.error(
        "unknown-source",
        f"unknown data source {quote(name)}",
        span,
        suggestion=suggestion,
        notes=() if suggestion else (note,),
    )


def _report_misplaced_arguments(tree: Tree, context: SectionContext) -> bool:
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
            context.fields.report_unknown_key(entry, keys, f"the source '{name}'")
    if arguments:
        argument_names = quote_list(entry.key for entry in arguments)
        example = "".join(f", {entry.key}: ..." for entry in arguments[:_MAX_EXAMPLE_KEYS])
        verb = "belongs" if len(arguments) == 1 else "belong"
        context.diagnostics.error(
            "invalid-structure",
            f"{argument_names} {verb} among the arguments of '{name}'",
            arguments[0].key_span,
            notes=(f"as in 'data: {{{name}: {{{keys[0]}: ...{example}}}}}'",),
        )
    return True


_EXAMPLE: Final = "as in 'data: digits' or 'data: {npz: {file: data.npz, inputs: x, targets: y}}'"
