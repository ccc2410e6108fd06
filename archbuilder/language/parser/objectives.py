"""Parser of objectives: their columns, steps, updates, copies, memories and probes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from archbuilder.diagnostics.errors import closest_match
from archbuilder.diagnostics.span import Span
from archbuilder.language.ast import Block
from archbuilder.language.objective_ast import (
    ColumnDeclaration,
    CopyDeclaration,
    LossDeclaration,
    MemoryDeclaration,
    MetricDeclaration,
    ObjectiveBlock,
    ProbeDeclaration,
    ProbeMethod,
    Reference,
    SampleDeclaration,
    UpdateDeclaration,
)
from archbuilder.language.objective_terms import GENERATED_TEXTS, METRIC_FUNCTIONS
from archbuilder.language.parser.fields import FieldReader, is_empty, quoted
from archbuilder.language.parser.steps import decode_steps
from archbuilder.yaml.nodes import (
    MappingEntry,
    MappingNode,
    ScalarNode,
    SequenceNode,
    Tree,
    is_null,
)

OBJECTIVE_KEYS: Final = (
    "description",
    "networks",
    "inputs",
    "layers",
    "minimize",
    "updates",
    "metrics",
    "copies",
    "memories",
    "sample",
    "frozen",
    "probe",
    "result",
    "generate",
)
UPDATE_KEYS: Final = ("minimize", "networks", "steps", "optimizer")
LOSS_KEYS: Final = ("of", "weight")
METRIC_KEYS: Final = ("of", "function")
COPY_KEYS: Final = ("of", "momentum")
MEMORY_KEYS: Final = ("of", "length")
SAMPLE_KEYS: Final = ("inputs", "layers", "output", "count")
PROBE_KEYS: Final[Mapping[ProbeMethod, tuple[str, ...]]] = {
    "linear": ("of", "label", "when"),
    "knn": ("of", "label", "when", "neighbors", "temperature"),
}
ONLY_UPDATE: Final = ""
"""The name of the update of an objective that has one loss for all networks."""

_Choice = TypeVar("_Choice", bound=str)


def is_objective(tree: Tree) -> bool:
    """Return whether a value of `objective` is one in full rather than the name of one."""
    return isinstance(tree, MappingNode) and tree.get("layers") is not None


def split_objective(tree: Tree) -> tuple[Tree, MappingEntry | None]:
    """Return the section `training` without an objective that it has in full, and that one."""
    entry = tree.get("objective") if isinstance(tree, MappingNode) else None
    if not isinstance(tree, MappingNode) or entry is None or not is_objective(entry.value):
        return tree, None
    return replace(tree, entries=tuple(each for each in tree if each is not entry)), entry


def decode_objective(reader: FieldReader, name: str, entry: MappingEntry) -> ObjectiveBlock | None:
    """Decode an objective; report an error and return None if it is not even a mapping."""
    tree, span = reader.expect_mapping(entry.value, "the objective"), entry.key_span
    if tree is None:
        return None
    entries = {
        each.key: each for each in reader.known_entries(tree, OBJECTIVE_KEYS, "the objective")
    }
    values = {key: entry.value for key, entry in entries.items()}
    if _is_missing("layers", tree, OBJECTIVE_KEYS):
        reader.diagnostics.error("missing-key", "the objective has no 'layers'", span)
    steps = decode_steps(reader, values["layers"]) if "layers" in values else ()
    return ObjectiveBlock(
        block=Block(name, {}, (), steps, None, span),
        networks=_references(reader, values.get("networks"), "'networks'", "a network"),
        columns=_decode_columns(reader, values.get("inputs")),
        updates=_decode_updates(reader, tree, entries, span),
        metrics=tuple(_decode_metrics(reader, values.get("metrics"))),
        copies=tuple(_decode_copies(reader, values.get("copies"))),
        memories=tuple(_decode_memories(reader, values.get("memories"))),
        sample=_decode_sample(reader, entries.get("sample")),
        frozen=_references(reader, values.get("frozen"), "'frozen'", "a network"),
        probes=tuple(_decode_probes(reader, values.get("probe"))),
        result=next(iter(_reference(reader, values.get("result"), "'result'", "a network")), None),
        generates=_decode_choice(reader, values.get("generate"), "'generate'", GENERATED_TEXTS),
        span=span,
    )


def _is_missing(key: str, tree: MappingNode, keys: Sequence[str]) -> bool:
    """Return whether a mapping lacks a key; a mistyped one is reported as unknown, not missing."""
    present = {each.key if each.key in keys else closest_match(each.key, keys) for each in tree}
    return key not in present


def _references(
    reader: FieldReader, tree: Tree | None, title: str, noun: str
) -> tuple[Reference, ...]:
    """Decode one name or a list of names; report anything else."""
    if tree is None:
        return ()
    items = tree.items if isinstance(tree, SequenceNode) else (tree,)
    references = []
    for item in items:
        if isinstance(item, ScalarNode) and isinstance(item.value, str):
            references.append(Reference(item.value, item.span))
        else:
            reader.report_unexpected(item, title, f"the name of {noun}")
    return tuple(references)


def _reference(
    reader: FieldReader, tree: Tree | None, title: str, noun: str
) -> tuple[Reference, ...]:
    """Decode one name; report anything else and return none."""
    if isinstance(tree, SequenceNode):
        reader.report_unexpected(tree, title, f"the name of {noun}")
        return ()
    return _references(reader, tree, title, noun)


def _named_entries(
    reader: FieldReader, tree: Tree | None, key: str, noun: str
) -> Iterator[MappingEntry]:
    """Yield the entries of a mapping by name, after a check of the names."""
    mapping = reader.expect_mapping(tree, f"'{key}'", expected=f"a mapping from names to {key}")
    for entry in mapping or ():
        reader.check_name(entry.key, entry.key_span, noun)
        yield entry


def _decode_columns(reader: FieldReader, tree: Tree | None) -> tuple[ColumnDeclaration, ...] | None:
    if tree is None:
        return None
    if is_empty(tree):
        reader.report_unexpected(tree, "'inputs'", "at least one column")
    if not isinstance(tree, MappingNode):
        names = _references(reader, tree, "'inputs'", "a column")
        return tuple(ColumnDeclaration(each.name, None, each.span) for each in names)
    columns = []
    for entry in _named_entries(reader, tree, "inputs", "a column"):
        title = f"the column {quoted(entry.key)}"
        empty = is_null(entry.value)
        inputs = () if empty else _references(reader, entry.value, title, "an input of a network")
        columns.append(ColumnDeclaration(entry.key, next(iter(inputs), None), entry.key_span))
    return tuple(columns)


def _decode_updates(
    reader: FieldReader, tree: MappingNode, entries: dict[str, MappingEntry], span: Span
) -> tuple[UpdateDeclaration, ...]:
    minimize, updates = entries.get("minimize"), entries.get("updates")
    if minimize is not None and updates is not None:
        reader.diagnostics.error(
            "invalid-structure",
            "'minimize' stands beside 'updates', each of which has its own",
            minimize.key_span,
        )
    if all(_is_missing(each, tree, OBJECTIVE_KEYS) for each in ("minimize", "updates")):
        reader.diagnostics.error(
            "missing-key",
            "the objective has nothing to minimize",
            span,
            notes=("add 'minimize: {LOSS: 1}' with the step that computes the loss",),
        )
    if updates is None:
        if minimize is None:
            return ()
        losses = _decode_losses(reader, minimize.value)
        return (UpdateDeclaration(ONLY_UPDATE, losses, (), None, None, minimize.key_span),)
    if is_empty(updates.value):
        reader.report_unexpected(updates.value, "'updates'", "at least one update")
    declarations = []
    for entry in _named_entries(reader, updates.value, "updates", "an update"):
        title = f"the update {quoted(entry.key)}"
        mapping = reader.expect_mapping(entry.value, title)
        fields = reader.fields(mapping, UPDATE_KEYS, title)
        if mapping is not None and _is_missing("minimize", mapping, UPDATE_KEYS):
            reader.diagnostics.error("missing-key", f"{title} has no 'minimize'", entry.key_span)
        declarations.append(
            UpdateDeclaration(
                entry.key,
                _decode_losses(reader, fields["minimize"]) if "minimize" in fields else (),
                _references(reader, fields.get("networks"), "'networks'", "a network"),
                reader.decode_optional(fields.get("steps")),
                reader.decode_optional(fields.get("optimizer")),
                entry.key_span,
            )
        )
    return tuple(declarations)


def _decode_losses(reader: FieldReader, tree: Tree) -> tuple[LossDeclaration, ...]:
    """Decode one loss, a list, `{loss: weight}`, or `{name: {of: loss, weight: weight}}`.

    A weight may be a schedule, whose name begins with a capital letter.
    """
    if is_empty(tree):
        reader.report_unexpected(tree, "'minimize'", "at least one loss")
    if not isinstance(tree, MappingNode):
        references = _references(reader, tree, "'minimize'", "a step")
        return tuple(LossDeclaration(each.name, each, None) for each in references)
    losses = []
    for entry in tree:
        step, weight = Reference(entry.key, entry.key_span), entry.value
        is_schedule = isinstance(weight, MappingNode) and all(
            each.key[:1].isupper() for each in weight
        )
        if isinstance(weight, MappingNode) and not is_schedule:
            fields = _required_fields(reader, entry, LOSS_KEYS, "the loss")
            if fields is None:
                continue
            step = next(iter(_references(reader, fields["of"], "'of'", "a step")), step)
            weight = fields["weight"]
        losses.append(LossDeclaration(entry.key, step, reader.decode_value(weight)))
    return tuple(losses)


def _decode_metrics(reader: FieldReader, tree: Tree | None) -> Iterator[MetricDeclaration]:
    """Decode `{name: step}` and `{name: {of: step, function: exp}}`."""
    for entry in _named_entries(reader, tree, "metrics", "a metric"):
        step, function = entry.value, None
        if isinstance(entry.value, MappingNode):
            fields = _required_fields(reader, entry, METRIC_KEYS, "the metric")
            if fields is None:
                continue
            step = fields["of"]
            function = _decode_choice(reader, fields["function"], "'function'", METRIC_FUNCTIONS)
        for reference in _reference(reader, step, "a metric", "a step"):
            yield MetricDeclaration(entry.key, reference, function)


def _decode_choice(
    reader: FieldReader, tree: Tree | None, title: str, choices: tuple[_Choice, ...]
) -> _Choice | None:
    """Decode one of some names; report anything else and return None."""
    value = tree.value if isinstance(tree, ScalarNode) else None
    if tree is None or value in choices:
        return next((each for each in choices if each == value), None)
    reader.diagnostics.error(
        "invalid-choice",
        f"{title} is {' or '.join(choices)}",
        tree.span,
        suggestion=closest_match(value, choices) if isinstance(value, str) else None,
    )
    return None


def _required_fields(
    reader: FieldReader, entry: MappingEntry, keys: tuple[str, ...], noun: str
) -> dict[str, Tree] | None:
    """Return the fields of a mapping that has all of these keys; report others and return None."""
    title = f"{noun} {quoted(entry.key)}"
    mapping = reader.expect_mapping(entry.value, title)
    if mapping is None:
        return None
    fields = reader.fields(mapping, keys, title)
    missing = [key for key in keys if key not in fields]
    for key in missing:
        if _is_missing(key, mapping, keys):
            reader.diagnostics.error("missing-key", f"{title} has no '{key}'", entry.key_span)
    return None if missing else fields


def _decode_copies(reader: FieldReader, tree: Tree | None) -> Iterator[CopyDeclaration]:
    for entry in _named_entries(reader, tree, "copies", "a copy"):
        fields = _required_fields(reader, entry, COPY_KEYS, "the copy")
        if fields is None:
            continue
        for network in _reference(reader, fields["of"], "'of'", "a network"):
            momentum = reader.decode_value(fields["momentum"])
            yield CopyDeclaration(entry.key, network, momentum, entry.key_span)


def _decode_memories(reader: FieldReader, tree: Tree | None) -> Iterator[MemoryDeclaration]:
    for entry in _named_entries(reader, tree, "memories", "a memory"):
        fields = _required_fields(reader, entry, MEMORY_KEYS, "the memory")
        if fields is None:
            continue
        for step in _reference(reader, fields["of"], "'of'", "a step"):
            length = reader.decode_value(fields["length"])
            yield MemoryDeclaration(entry.key, step, length, entry.key_span)


def _decode_sample(reader: FieldReader, entry: MappingEntry | None) -> SampleDeclaration | None:
    if entry is None:
        return None
    mapping = reader.expect_mapping(entry.value, "'sample'")
    if mapping is None:
        return None
    fields = reader.fields(mapping, SAMPLE_KEYS, "'sample'")
    if "layers" not in fields:
        if _is_missing("layers", mapping, SAMPLE_KEYS):
            reader.diagnostics.error("missing-key", "'sample' has no 'layers'", entry.key_span)
        return None
    if is_empty(fields["layers"]):
        reader.report_unexpected(fields["layers"], "'layers'", "at least one step")
    steps = decode_steps(reader, fields["layers"])
    return SampleDeclaration(
        Block(entry.key, {}, (), steps, None, entry.key_span),
        _references(reader, fields.get("inputs"), "'inputs'", "a column"),
        next(iter(_references(reader, fields.get("output"), "'output'", "a step")), None),
        reader.decode_optional(fields.get("count")),
        entry.key_span,
    )


def _decode_probes(reader: FieldReader, tree: Tree | None) -> Iterator[ProbeDeclaration]:
    """Decode `{linear: STEP}`, or with options `{knn: {of: STEP, neighbors: 20}}`."""
    mapping = reader.expect_mapping(tree, "'probe'", expected="a mapping such as '{linear: STEP}'")
    entries = () if mapping is None else reader.known_entries(mapping, (*PROBE_KEYS,), "'probe'")
    if mapping is not None and is_empty(mapping):
        reader.report_unexpected(mapping, "'probe'", f"one of {', '.join(PROBE_KEYS)}")
    for entry in entries:
        title = f"the probe {quoted(entry.key)}"
        method = next(each for each in PROBE_KEYS if each == entry.key)
        fields = {"of": entry.value}
        if isinstance(entry.value, MappingNode):
            fields = reader.fields(entry.value, PROBE_KEYS[method], title)
            if _is_missing("of", entry.value, PROBE_KEYS[method]):
                reader.diagnostics.error("missing-key", f"{title} has no 'of'", entry.key_span)
        if "of" not in fields:
            continue
        labels = _references(reader, fields.get("label"), "'label'", "a column")
        for features in _reference(reader, fields["of"], title, "a step"):
            yield ProbeDeclaration(
                method,
                features,
                next(iter(labels), None),
                reader.decode_optional(fields.get("when")),
                reader.decode_optional(fields.get("neighbors")),
                reader.decode_optional(fields.get("temperature")),
                entry.key_span,
            )
