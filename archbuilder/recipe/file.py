"""A recipe in a file of its own, so that one architecture serves many data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from archbuilder.decode.file import check_version
from archbuilder.decode.form import FieldReader
from archbuilder.errors import Diagnostics
from archbuilder.files import read_file
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.reading import parse_recipe
from archbuilder.recipe.spec import Recipe
from archbuilder.source import parse_yaml

_KEYS: Final = ("archbuilder", "data", "training")
_BLUEPRINT_SECTIONS: Final = ("inputs", "layers", "networks", "blocks")
"""Sections that a blueprint has and a recipe has not."""


def read_recipe_file(path: Path, graphs: Mapping[str, Graph], limits: Limits) -> Recipe:
    """What a file with `data`, `training` or both says for networks.

    Raises:
        BlueprintError: with every mistake in it.
    """
    diagnostics = Diagnostics()
    reader = FieldReader(limits, diagnostics)
    tree = parse_yaml(read_file(path, limits), str(path), limits)
    mapping = reader.expect_mapping(
        tree, "a recipe", expected="a mapping with 'data' and 'training'"
    )
    if mapping is not None and any(entry.key in _BLUEPRINT_SECTIONS for entry in mapping):
        diagnostics.error(
            "wrong-form",
            "this is a blueprint, and a recipe has 'data' and 'training' alone",
            mapping.span,
            notes=("move these sections to a file of their own",),
        )
        diagnostics.raise_errors()
    sections = {
        entry.key: entry.value for entry in reader.known_entries(mapping, _KEYS, "a recipe")
    } if mapping else {}  # fmt: skip
    if "archbuilder" in sections:
        check_version(reader, sections["archbuilder"])
    diagnostics.raise_errors()
    return parse_recipe(sections.get("data"), sections.get("training"), graphs, limits)
