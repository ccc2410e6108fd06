"""Writes docs/library.md, the table of the blueprints in the library: `make library`."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import archbuilder
from archbuilder import library

ROOT: Final = Path(__file__).parent.parent
OUTPUT: Final = ROOT / "docs" / "library.md"

sys.path.insert(0, str(ROOT / "tests"))

from library.families import FAMILIES  # noqa: E402 - needs the path

HEAD: Final = """\
# The library

The blueprints that come with archbuilder, in `blueprints/`. `archbuilder compile resnet:50` makes
one of them; `archbuilder show resnet:50` shows it. Their promises are published numbers, or
arithmetic from the paper's table, and never what archbuilder counted itself.

Multiply-adds are those of convolutions and dense layers for one example (one token for the
Transformer). "Proven against" names the independent implementation that gives the same outputs with
the same weights, to a part in 100,000 of the largest. `make test` compares small forms with it,
`make proofs` full sizes.

| blueprint | variant | parameters | multiply-adds | proven against |
|---|---|---:|---:|---|
"""

TAIL: Final = """
What the files follow where papers and their code differ:

{notes}

This page is written by `make library`.
"""


def library_text() -> str:
    """The page."""
    rows = [row for name in library.names() for row in _rows(name)]
    notes = "\n".join(_notes())
    return HEAD + "\n".join(rows) + "\n" + TAIL.format(notes=notes)


def _notes() -> Iterator[str]:
    for name, family in FAMILIES.items():
        if family.follows:
            yield textwrap.fill(f"- **{name}**: {family.follows}", 100, subsequent_indent="  ")


def _rows(name: str) -> Iterator[str]:
    blueprint = archbuilder.load(library.path(name))
    titled = f"[{name}](../blueprints/{name}.yaml)<br>{blueprint.title}"
    proof = FAMILIES[name].against
    for variant, label in _labels(blueprint):
        (analysis,) = blueprint.analyse(variant=variant).values()
        counts = f"{analysis.parameters:,} | {analysis.multiply_adds:,}"
        yield f"| {titled} | {label} | {counts} | {proof} |"
        titled = proof = ""


def _labels(blueprint: archbuilder.Blueprint) -> Iterator[tuple[str, str]]:
    """The variants with what to call them; the default stands alone if it is none of them."""
    default = blueprint.expand()
    same = [name for name in blueprint.variants if blueprint.expand(variant=name) == default]
    if not same:
        yield "default", "default"
    for name in blueprint.variants:
        yield name, f"{name} (default)" if name in same else name


if __name__ == "__main__":
    OUTPUT.write_text(library_text(), encoding="utf-8")
