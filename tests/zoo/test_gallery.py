"""The gallery says what the library has."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
from _pytest.mark import ParameterSet
from zoo.files import document, every_variant
from zoo.reference_specs import FAMILIES

import archbuilder
from archbuilder import zoo

ROOT = Path(__file__).parent.parent.parent


@pytest.fixture(scope="module")
def script() -> ModuleType:
    """The script that writes the gallery, as a module."""
    path = ROOT / "scripts" / "generate_gallery.py"
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_gallery_has_every_blueprint() -> None:
    """With its title and its reference."""
    entries = {entry.name: (entry.title, entry.reference) for entry in zoo.gallery()}
    assert entries == {
        name: (document(name)["title"], FAMILIES[name].reference) for name in zoo.names()
    }


def test_gallery_has_every_variant() -> None:
    """Each once, and the default by itself where it is none of them."""
    for entry in zoo.gallery():
        variants = list(dict.fromkeys(row.variant for row in entry.rows))
        named = list(document(entry.name).get("variants", {}))
        assert variants in (named, ["default", *named])
        assert len({row.variant for row in entry.rows if row.is_default}) == 1


def is_number(value: object) -> bool:
    """Whether a parameter is a number or a list of numbers, and no choice between forms."""
    if isinstance(value, list):
        return all(map(is_number, value))
    return isinstance(value, int | float) and not isinstance(value, bool)


def analyzed_variants() -> Iterator[ParameterSet]:
    """The blueprints of the gallery with their variants.

    `make thorough` has those that differ from another variant in numbers alone, such as a depth:
    they have the same layers and branches.
    """
    for entry in zoo.gallery():
        settings = document(entry.name).get("variants", {})
        forms: list[dict[str, object]] = []
        for variant, is_default in {row.variant: row.is_default for row in entry.rows}.items():
            values = settings.get(variant) or {}
            form = {key: value for key, value in values.items() if not is_number(value)}
            marks = () if is_default or form not in forms else pytest.mark.thorough
            forms.append(form)
            yield pytest.param(entry.name, variant, marks=marks)


@pytest.mark.parametrize(("name", "variant"), every_variant())
def test_every_variant_has_expectations(name: str, variant: str) -> None:
    """Every size promises parameters, multiply-adds and outputs, and is shown so.

    A default that is also a variant promises the same. 'make gallery' writes what is shown.
    """
    promised = document(name)["expect"][variant]
    assert {"parameters", "multiply_adds", "output"} <= set(promised)
    (entry,) = (each for each in zoo.gallery() if each.name == name)
    rows = [row for row in entry.rows if row.variant == variant]
    if not rows:
        (same,) = {row.variant for row in entry.rows if row.is_default}
        blueprint = archbuilder.load(zoo.path(name))
        assert blueprint.expand() == blueprint.expand(variant=same)
        assert promised == document(name)["expect"][same]
        return
    assert promised["parameters"] == sum(row.parameters for row in rows)


@pytest.mark.parametrize(("name", "variant"), list(analyzed_variants()))
def test_variants_keep_expectations(name: str, variant: str, script: ModuleType) -> None:
    """Every size has the parameters, multiply-adds and outputs that it promises and shows."""
    (entry,) = (each for each in zoo.gallery() if each.name == name)
    rows = [row for row in entry.rows if row.variant == variant]
    # Raises where a promise is not kept.
    analyses = archbuilder.load(zoo.path(name)).analyze(variant=variant)
    assert rows == [
        script.row(analysis, row.variant, row.network, row.is_default)
        for row, analysis in zip(rows, analyses.values(), strict=True)
    ]


def test_gallery_is_up_to_date(script: ModuleType) -> None:
    """'make gallery' was run after the last change of the library."""
    assert script.PAGE.read_text(encoding="utf-8") == script.page_text()
