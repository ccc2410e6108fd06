"""The blueprints of results on real data that Python packages contain."""

from __future__ import annotations

import pytest

import archbuilder
from archbuilder import zoo

NAMES = [each for each in zoo.example_names() if each.startswith("real_data/")]


def test_every_result_has_a_blueprint() -> None:
    """A table, a series, text and masks."""
    assert len(NAMES) == 4


@pytest.mark.parametrize("name", NAMES)
def test_blueprint_is_valid(name: str) -> None:
    """It has data and training, no warnings, and shapes that fit."""
    blueprint = archbuilder.load(name)
    assert blueprint.validate() == ()
    blueprint.analyze()
