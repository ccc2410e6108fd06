"""The files of the library: how they look and what they promise."""

from __future__ import annotations

import statistics

import pytest
from zoo.files import document, lines

import archbuilder
from archbuilder import zoo

NAMES = zoo.names()
SCHEMA = "# yaml-language-server: $schema=../schemas/blueprint-v1.schema.json"


@pytest.mark.parametrize("name", NAMES)
def test_blueprint_file_style(name: str) -> None:
    """It helps editors, fits into 120 columns, and says what it follows."""
    assert lines(name)[0] == SCHEMA
    assert [line for line in lines(name) if len(line) > 120 or line != line.rstrip()] == []
    assert document(name)["name"] == name
    assert document(name)["title"]
    assert document(name)["references"]


@pytest.mark.parametrize(("name", "most"), [("vgg", 30), ("resnet", 60)])
def test_vgg_and_resnet_files_are_short(name: str, most: int) -> None:
    """The language says VGG in 30 lines and ResNet in 60, with all their variants."""
    assert len(lines(name)) <= most


def test_median_file_is_short() -> None:
    """Half of them fit on a page and a half."""
    assert statistics.median(len(lines(name)) for name in NAMES) < 80


@pytest.mark.parametrize("name", NAMES)
def test_library_has_no_warnings(name: str) -> None:
    """It expands with its defaults and with every variant, without a warning."""
    assert archbuilder.load(zoo.path(name)).validate() == ()
