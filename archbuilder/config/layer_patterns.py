"""Patterns that select layers by their paths, such as `backbone.*`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from fnmatch import translate
from functools import lru_cache, partial
from glob import escape
from typing import Final

from archbuilder.compiler.value_check import check_value
from archbuilder.config.value_types import JsonSchema, LocatedText, SectionContext, ValueType
from archbuilder.diagnostics.errors import closest_match, quote, quote_list
from archbuilder.diagnostics.span import Span
from archbuilder.yaml.nodes import SequenceNode, Tree, to_plain

_TEXT: Final[JsonSchema] = {"type": "string", "minLength": 1, "maxLength": 200}
MAX_PATTERNS: Final = 64
"""Largest number of patterns in a setting."""
_LIST: Final[JsonSchema] = {
    "type": "array",
    "items": _TEXT,
    "minItems": 1,
    "maxItems": MAX_PATTERNS,
}
_WITHIN: Final = ".*"
"""End of a pattern for the layers within a block."""
_MAX_PATHS: Final = 10_000
_MAX_CANDIDATES: Final = 1_000
_MAX_NAMES: Final = 8


def layer_patterns(*, or_inner: bool = False) -> ValueType[tuple[str, ...]]:
    """Return the type of patterns, each of which has to match a layer: one, or a list of them.

    With `or_inner`, a pattern may also name a layer within one of Keras, such as
    `attention.query`. Only Keras knows these names.
    """
    return ValueType(
        {"anyOf": [_TEXT, _LIST]},
        partial(_parse, or_inner=or_inner),
        "path of layers with `*`, or a list of them",
    )


def selects(patterns: Iterable[str], path: str) -> bool:
    """Return whether a pattern matches the path of a layer, or of a block around it.

    `*` stands for any characters.
    """
    return any(_regex(pattern).match(path) for pattern in patterns)


@lru_cache(maxsize=256)
def _regex(pattern: str) -> re.Pattern[str]:
    # `fnmatch` has more special characters than `*`. Its expressions take linear time.
    glob = "*".join(escape(each) for each in pattern.split("*"))
    return re.compile(f"{translate(glob)}|{translate(glob + _WITHIN)}")


def layer_path_prefix(network: str, networks: Collection[str]) -> str:
    """Return what the paths of a network's layers begin with, if a run has several networks."""
    return f"{network}." if len(networks) > 1 else ""


def block_prefix(patterns: Iterable[str]) -> str:
    """Return `backbone.` for the only pattern `backbone` or `backbone.*`; empty for others."""
    blocks = [each.removesuffix(_WITHIN) for each in patterns]
    return f"{blocks[0]}." if len(blocks) == 1 and "*" not in blocks[0] else ""


def _parse(tree: Tree, title: str, context: SectionContext, *, or_inner: bool) -> tuple[str, ...]:
    is_list = isinstance(tree, SequenceNode)
    if isinstance(tree, SequenceNode) and not tree.items:
        # The schema would say of what the list is, and not that it is empty.
        context.diagnostics.error("out-of-range", f"{title} names no layer", tree.span)
        return ()
    if not check_value(tree, _LIST if is_list else _TEXT, title, context.diagnostics):
        return ()
    nodes = tree.items if isinstance(tree, SequenceNode) else (tree,)
    for node in nodes:
        pattern = str(to_plain(node))
        outer, _, _ = pattern.rpartition(".")
        if not (or_inner and any(selects((outer,), path) for path in context.layers)):
            check_layer_pattern(pattern, node.span, context)
    return tuple(LocatedText(str(to_plain(node)), node.span) for node in nodes)


def check_layer_pattern(pattern: str, span: Span, context: SectionContext) -> bool:
    """Return whether a pattern matches a layer; report it with the most similar path if not."""
    if any(selects((pattern,), path) for path in context.layers):
        return True
    # Blocks first, whose names people write; then the layers in them.
    paths = [path.split(".") for path in context.layers[:_MAX_PATHS]]
    depth = max(map(len, paths), default=0)
    candidates = dict.fromkeys(
        ".".join(parts[:length]) for length in range(1, depth + 1) for parts in paths
    )
    names = [*candidates][:_MAX_CANDIDATES]
    suffix = _WITHIN if pattern.endswith(_WITHIN) else ""
    closest = closest_match(pattern.removesuffix(suffix), names)
    # A layer has nothing within it: `head.*` is not the way to name it.
    suggestion = (
        None if closest is None else closest + (suffix if closest + suffix != pattern else "")
    )
    shown = quote_list(names[:_MAX_NAMES]) + (", ..." if len(names) > _MAX_NAMES else "")
    context.diagnostics.error(
        "unknown-name",
        f"no layer of the network matches {quote(pattern)}",
        span,
        suggestion=suggestion,
        notes=() if suggestion else (f"blocks and layers are: {shown}",),
    )
    return False
