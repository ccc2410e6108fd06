"""Write the list of the library's blueprints: `make gallery`.

python scripts/generate_gallery.py [NAME ...]

It goes to blueprints/gallery.json and docs/gallery.md. With names, the rows of the other blueprints
stay as they are.
"""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

import archbuilder
from archbuilder import zoo
from archbuilder.formatting import format_bytes
from archbuilder.keras_backend import Analysis
from archbuilder.zoo import ZooVariant

ROOT: Final = Path(__file__).parent.parent
PAGE: Final = ROOT / "docs" / "gallery.md"

sys.path.insert(0, str(ROOT / "tests"))

from zoo.reference_specs import FAMILIES  # noqa: E402 - needs the path

HEAD: Final = """\
# Gallery

The blueprints that come with archbuilder. `archbuilder compile resnet:50` compiles one of them,
`archbuilder show resnet:50` shows it, and `archbuilder new mine.yaml --from resnet` copies it as a
starting point. Their expectations (`expect`) are published numbers or computed from the paper's
table, never counted by archbuilder itself.

"Reference" is the independent implementation that a blueprint is compared with. With the same
weights, the outputs differ by at most 0.00001 of the largest. `make test` compares small networks,
`make parity` the published sizes; [parity.md](parity.md) lists the differences.

Parameters include the statistics of batch normalization. Multiply-adds count convolutions and dense
layers, for one example, or for one token if the sequence length is open. Memory is that of the
weights in float32, and of the inputs and all activations that training stores for one example.

| blueprint | parameters | multiply-adds | weights | activations | reference |
|---|---:|---:|---:|---:|---|
"""

TAIL: Final = """
## What the files follow where papers and their code differ

{notes}

This page is entries by `make gallery`.
"""


def rows(name: str) -> Iterator[ZooVariant]:
    """Yield a row for each variant of a blueprint, or for each network of a variant."""
    blueprint = archbuilder.load(zoo.path(name))
    default = blueprint.expand()
    same = [name for name in blueprint.variants if blueprint.expand(variant=name) == default]
    # 'default' comes first if no variant is the default.
    variants = [] if same else [("default", True)]
    variants += [(name, name in same[:1]) for name in blueprint.variants]
    for variant, is_default in variants:
        for network, analysis in blueprint.analyze(variant=variant).items():
            yield row(analysis, variant, network if network != blueprint.name else "", is_default)


def row(analysis: Analysis, variant: str, network: str, is_default: bool) -> ZooVariant:  # noqa: FBT001
    """Return the row of a network."""
    return ZooVariant(
        variant=variant,
        network=network,
        is_default=is_default,
        parameters=analysis.parameters,
        multiply_adds=analysis.multiply_adds,
        weight_bytes=analysis.weight_bytes,
        activation_bytes=analysis.activation_bytes,
    )


def gallery_text(chosen: Collection[str]) -> str:
    """Return the data of the gallery, with new entries of these blueprints."""
    entries = json.loads(zoo.gallery_path().read_text(encoding="utf-8"))
    data = {name: family_entry(name) if name in chosen else entries[name] for name in zoo.names()}
    return json.dumps(data, indent=1) + "\n"


def family_entry(name: str) -> dict[str, object]:
    """Return the title, the reference and the rows of a blueprint."""
    return {
        "title": archbuilder.load(zoo.path(name)).title,
        "reference": FAMILIES[name].reference,
        "rows": [each.to_dict() for each in rows(name)],
    }


def page_text() -> str:
    """Return the page, from the data."""
    lines: list[str] = []
    for entry in zoo.gallery():
        lines.append(
            f"| **[{entry.name}](../blueprints/{entry.name}.yaml)** {entry.title} | | | | "
            f"| {entry.reference} |"
        )
        lines += [
            f"| `{each.blueprint_argument(entry.name)}`{f' {each.network}' if each.network else ''}"
            f" | {each.parameters:,} | {each.multiply_adds:,} | {format_bytes(each.weight_bytes)}"
            f" | {format_bytes(each.activation_bytes)} | |"
            for each in entry.rows
        ]
    notes = [
        textwrap.fill(f"- **{name}**: {family.follows}", 100, subsequent_indent="  ")
        for name, family in FAMILIES.items()
        if family.follows
    ]
    return HEAD + "\n".join(lines) + "\n" + TAIL.format(notes="\n".join(notes))


if __name__ == "__main__":
    zoo.gallery_path().write_text(gallery_text(sys.argv[1:] or zoo.names()), encoding="utf-8")
    PAGE.write_text(page_text(), encoding="utf-8")
