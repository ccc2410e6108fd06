"""Parser of `repeat` and `for`: the counts, lists, variables and indices of loops."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from archbuilder.language.ast import ForLoop, Repeat
from archbuilder.language.parser.fields import FieldReader, describe_value, quoted
from archbuilder.yaml.nodes import MappingEntry, MappingNode, ScalarNode, SequenceNode

DEFAULT_INDEX: Final = "i"
"""The variable that counts the iterations of a loop from 0, unless it has an `index`."""
REPEAT_KEYS: Final = ("times", "index")
INDEX_KEY: Final = "index"


def decode_repeat(reader: FieldReader, entry: MappingEntry | None) -> Repeat | None:
    """Decode `repeat: 3` or `repeat: {times: 3, index: j}`; report an error and return None."""
    if entry is None:
        return None
    if not isinstance(entry.value, MappingNode):
        return Repeat(reader.decode_value(entry.value), DEFAULT_INDEX)
    fields = {each.key: each for each in reader.known_entries(entry.value, REPEAT_KEYS, "'repeat'")}
    index = _decode_index(reader, fields.get(INDEX_KEY), ())
    times = fields.get("times")
    if times is None:
        if not reader.is_misspelled(entry.value, "times", REPEAT_KEYS):
            reader.diagnostics.error(
                "missing-key",
                "'repeat' has no 'times'",
                entry.key_span,
                notes=("for example: repeat: {times: 3, index: j}",),
            )
        return Repeat(replace(reader.decode_value(entry.value), invalid=True), index)
    return Repeat(reader.decode_value(times.value), index)


def decode_loop(reader: FieldReader, entry: MappingEntry | None) -> ForLoop | None:
    """Decode `for: {filters: [64, 128], index: j}`; report an error and return None."""
    if entry is None:
        return None
    mapping = entry.value
    if not isinstance(mapping, MappingNode):
        reader.report_unexpected(
            mapping,
            "'for'",
            "a mapping from variables to lists, as in {filters: [64, 128]}",
            note="for a number of repetitions, write 'repeat: 3'",
        )
        return None
    entries = [each for each in mapping if each.key != INDEX_KEY]
    if not entries:
        reader.diagnostics.error(
            "invalid-structure", "'for' must name at least one variable", mapping.span
        )
        return None
    variables = []
    for variable in entries:
        reader.check_name(variable.key, variable.key_span, "a variable")
        value = reader.decode_value(variable.value)
        # What an expression evaluates to is checked by the expansion.
        if not isinstance(variable.value, SequenceNode) and value.is_constant:
            reader.diagnostics.error(
                "invalid-structure",
                f"'for' needs a list for {quoted(variable.key)}, not"
                f" {describe_value(variable.value)}",
                variable.value.span,
                notes=("for a number of repetitions, write 'repeat: 3'",),
            )
            # The expansion would report the same error once more.
            value = replace(value, invalid=True)
        variables.append((variable.key, value))
    index = _decode_index(reader, mapping.get(INDEX_KEY), [name for name, _ in variables])
    return ForLoop(tuple(variables), index, entry.key_span)


def _decode_index(reader: FieldReader, entry: MappingEntry | None, variables: Iterable[str]) -> str:
    """Return the name of the index of a loop; report one that is not valid."""
    if entry is None:
        return DEFAULT_INDEX
    tree = entry.value
    name = tree.value if isinstance(tree, ScalarNode) else None
    if not isinstance(name, str) or "$" in name:
        reader.report_unexpected(
            tree,
            "'index'",
            "the name of the variable that counts the iterations",
            note="a variable of a loop cannot be called 'index' itself",
        )
        return INDEX_KEY
    reader.check_name(name, tree.span, "an index")
    if name in variables:
        reader.diagnostics.error(
            "duplicate-name", f"{quoted(name)} is a list of this 'for' and its index", tree.span
        )
    return name
