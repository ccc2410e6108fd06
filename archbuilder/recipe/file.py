"""A recipe in a file of its own, so that one architecture serves many data sets."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

from archbuilder.decode.file import check_version
from archbuilder.decode.form import Form
from archbuilder.errors import Diagnostics
from archbuilder.files import read_file
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.reading import decode_recipe
from archbuilder.recipe.spec import Recipe
from archbuilder.source import read_text

_KEYS: Final = ("archbuilder", "data", "training")
_NETWORK: Final = ("inputs", "layers", "networks", "blocks")
"""Sections that a blueprint has and a recipe has not."""


def read_recipe_file(path: Path, graphs: Mapping[str, Graph], limits: Limits) -> Recipe:
    """What a file with `data`, `training` or both says for networks.

    Raises:
        BlueprintError: with every mistake in it.
    """
    diagnostics = Diagnostics()
    form = Form(limits, diagnostics)
    tree = read_text(read_file(path, limits), str(path), limits)
    mapping = form.mapping(tree, "a recipe", of="a mapping with 'data' and 'training'")
    if mapping is not None and any(entry.key in _NETWORK for entry in mapping):
        diagnostics.error(
            "wrong-form",
            "this is a blueprint, and a recipe has 'data' and 'training' alone",
            mapping.span,
            notes=("move these sections to a file of their own",),
        )
        diagnostics.raise_errors()
    sections = {
        entry.key: entry.value for entry in form.known(mapping, _KEYS, "a recipe")
    } if mapping else {}  # fmt: skip
    if "archbuilder" in sections:
        check_version(form, sections["archbuilder"])
    diagnostics.raise_errors()
    return decode_recipe(sections.get("data"), sections.get("training"), graphs, limits)
