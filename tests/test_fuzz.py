"""No blueprint, however wrong, gets anything out of archbuilder but mistakes with their places.

Good blueprints are damaged: as a tree, by what people and attackers put where something else
belongs, and as text, by what happens while somebody types. Then they go the whole way that needs
no Keras: reading, decoding, checking, expanding with every variant, writing out again.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from helpers.plain_yaml import load_plain
from hypothesis import given, settings
from hypothesis import strategies as st

import archbuilder
from archbuilder import BlueprintError, Diagnostic, Limits
from archbuilder.diagnostics.render import render

ROOT = Path(__file__).parent.parent
GOOD = sorted((ROOT / "tests" / "cases" / "good").glob("*.yaml"))
LIBRARY = sorted((ROOT / "blueprints").glob("*.yaml"))
TEXTS = [path.read_text(encoding="utf-8") for path in (*GOOD, *LIBRARY)]
TREES = [load_plain(text) for text in TEXTS]
BOUNDS = Limits(expanded_steps=2_000)

Location = tuple[Any, Any]


def places(tree: Any) -> Iterator[Location]:
    """Every list and mapping within a tree with each of its keys."""
    keys = list(tree) if isinstance(tree, dict) else range(len(tree))
    for key in keys:
        yield tree, key
        if isinstance(tree[key], dict | list) and tree[key]:
            yield from places(tree[key])


def subtrees(trees: list[Any]) -> list[Any]:
    """What stands at any place of any of these trees."""
    return [holder[key] for tree in trees for holder, key in places(tree)]


def words(trees: list[Any]) -> list[str]:
    """Every key of any mapping in these trees, and every short text."""
    texts = [key for tree in trees for _, key in places(tree) if isinstance(key, str)]
    texts += [text for text in subtrees(trees) if isinstance(text, str) and len(text) < 60]
    return sorted(set(texts))


WORDS = words(TREES)
VALUES = st.one_of(
    st.sampled_from(subtrees(TREES)),
    st.sampled_from(
        [
            None, True, False, 0, 1, -1, 0.5, 10**18, -(10**18), 1e300, "", "x", [], {}, [[]], [{}],
            {"": 1}, "$(1)", "$(", "$(1/0)", "$(x)", "$(10 ** 30)", "$(range(9))", "$(n - 1)",
            "$(self)", "a.b", "a b", "../x", "/etc/passwd", "{0.__class__}", "%s%n", "<b>", "tf.nn",
            {"module": "os", "class_name": "system"}, ["Dense", 1], {"Dense": {"units": "$(2)"}},
            {"repeat": 10**9}, {"for": {"i": "$(range(99))"}}, {"reuse": "nothing"}, {"when": "x"},
        ]
    ),
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(-5, 5), st.sampled_from(WORDS)),
        lambda inner: st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(WORDS), inner, max_size=3),
        max_leaves=6,
    ),
)  # fmt: skip
DAMAGE = st.tuples(
    st.sampled_from(["replace", "remove", "rename", "double", "wrap"]),
    st.integers(0, 10**6),
    VALUES,
    st.sampled_from(WORDS),
)


def damaged(tree: Any, kind: str, index: int, value: Any, word: str) -> None:
    """Change one place of a tree."""
    locations = list(places(tree))
    if not locations:
        return
    holder, key = locations[index % len(locations)]
    if kind == "remove":
        del holder[key]
    elif kind == "rename" and isinstance(holder, dict):
        holder[word] = holder.pop(key)
    elif kind == "double" and isinstance(holder, list):
        holder.insert(key, copy.deepcopy(holder[key]))
    elif kind == "wrap":
        holder[key] = {word: holder[key]}
    else:
        holder[key] = copy.deepcopy(value)


def expanded(path: Path, text: str) -> tuple[str, tuple[Diagnostic, ...]]:
    """The blueprint with everything resolved, or the mistakes in it."""
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    try:
        blueprint = archbuilder.load(path, limits=BOUNDS)
        blueprint.validate()
        return blueprint.expand(), ()
    except BlueprintError as error:
        return "", error.diagnostics


def check_all_stages(path: Path, text: str) -> None:
    """It is expanded to what stays as it is, or there are mistakes, each with its place."""
    resolved, mistakes = expanded(path, text)
    if resolved:
        assert expanded(path, resolved) == (resolved, ())
        return
    assert mistakes
    for mistake in mistakes:
        assert mistake.code
        assert mistake.span is not None
        assert mistake.span.line >= 1
    printed = render(mistakes)
    assert all(sign == "\n" or sign.isprintable() for sign in printed)


@settings(max_examples=3 * settings().max_examples)
@given(tree=st.sampled_from(TREES), changes=st.lists(DAMAGE, min_size=1, max_size=4))
def test_fuzz_blueprint_trees(
    tmp_path_factory: Any, tree: Any, changes: list[tuple[str, int, Any, str]]
) -> None:
    """Wrong values, keys and forms anywhere in a blueprint."""
    tree = copy.deepcopy(tree)
    for change in changes:
        damaged(tree, *change)
    check_all_stages(tmp_path_factory.getbasetemp() / "tree.yaml", json.dumps(tree, indent=1))


@settings(max_examples=2 * settings().max_examples)
@given(
    text=st.sampled_from(TEXTS),
    changes=st.lists(
        st.tuples(
            st.integers(0, 10**6),
            st.integers(0, 12),
            st.text(st.sampled_from("[]{}:,-#&*!|>'\"%@`$() \n\taz09._"), max_size=4)
            | st.sampled_from(WORDS)
            | st.text(max_size=3),
        ),
        min_size=1,
        max_size=3,
    ),
)
def test_fuzz_blueprint_texts(
    tmp_path_factory: Any, text: str, changes: list[tuple[int, int, str]]
) -> None:
    """Signs and words that are left out, put in or exchanged."""
    for position, length, inserted in changes:
        start = position % (len(text) + 1)
        text = text[:start] + inserted + text[start + length :]
    check_all_stages(tmp_path_factory.getbasetemp() / "text.yaml", text)
