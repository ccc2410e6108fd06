"""Every blueprint of the library against an independent implementation with the same weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from zoo.parity import RECORDED, Comparison, Reference, recorded, referred
from zoo.reference_specs import FAMILIES

from archbuilder import zoo

LARGEST_ERROR = 1e-5
"""As a part of the largest number that the reference gives."""

Row = tuple[str, str, Comparison]


def small() -> Iterator[Row]:
    """Comparisons of small forms, with the family and the comparison's name."""
    for family, spec in FAMILIES.items():
        yield from ((family, name, comparison) for name, comparison in spec.small.items())


def full() -> Iterator[Row]:
    """Comparisons at published sizes."""
    for family, spec in FAMILIES.items():
        yield from ((family, name, comparison) for name, comparison in spec.full.items())


def named(rows: Iterator[Row]) -> list[object]:
    """Parameters of a test with readable names."""
    return [pytest.param(*row, id=f"{row[0]} {row[1]}") for row in rows]


def test_every_blueprint_has_a_family() -> None:
    """A new blueprint says what it is compared with."""
    assert sorted(FAMILIES) == sorted(zoo.names())


@pytest.mark.parametrize(("family", "name", "comparison"), named(small()))
def test_parity_of_small_forms(family: str, name: str, comparison: Comparison) -> None:
    """A network gives what its reference gives, or gave when it was recorded."""
    if isinstance(comparison, Reference):
        errors = comparison.errors_from(recorded(family)[name])
    else:
        errors = comparison.errors()
    assert max(errors) < LARGEST_ERROR


@pytest.mark.parity
@pytest.mark.parametrize(
    ("family", "name", "comparison"),
    named((*row[:2], row[2]) for row in small() if isinstance(row[2], Reference)),
)
def test_goldens_agree_with_references(family: str, name: str, comparison: Comparison) -> None:
    """What was recorded is what the reference gives today."""
    assert max(comparison.errors()) < LARGEST_ERROR


@pytest.mark.parity
@pytest.mark.parametrize(("family", "name", "comparison"), named(full()))
def test_parity_of_published_sizes(
    family: str,
    name: str,
    comparison: Comparison,
    record_property: Callable[[str, object], None],
) -> None:
    """At its published size a network gives what its reference gives."""
    difference = max(comparison.errors())
    record_property("blueprint", f"{family}: {name}")
    record_property("reference", comparison.reference)
    record_property("difference", difference)
    assert difference < LARGEST_ERROR


@pytest.mark.parametrize("family", FAMILIES)
def test_goldens_are_small(family: str) -> None:
    """They are small enough for a repository, and none is left over."""
    path = RECORDED / f"{family}.json"
    asked = dict(referred(FAMILIES[family].small))
    assert path.exists() == bool(asked)
    if asked:
        assert path.stat().st_size < 100_000
        assert sorted(recorded(family)) == sorted(asked)
