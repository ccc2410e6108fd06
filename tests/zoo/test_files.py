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
def test_a_file_reads_well(name: str) -> None:
    """It helps editors, fits into 120 columns, and says what it follows."""
    assert lines(name)[0] == SCHEMA
    assert [line for line in lines(name) if len(line) > 120 or line != line.rstrip()] == []
    assert document(name)["name"] == name
    assert document(name)["title"]
    assert document(name)["references"]


@pytest.mark.parametrize(("name", "most"), [("vgg", 30), ("resnet", 60)])
def test_a_family_of_networks_is_short(name: str, most: int) -> None:
    """The language says VGG in 30 lines and ResNet in 60, with all their variants."""
    assert len(lines(name)) <= most


def test_files_are_short() -> None:
    """Half of them fit on a page and a half."""
    assert statistics.median(len(lines(name)) for name in NAMES) < 80


@pytest.mark.parametrize("name", NAMES)
def test_nothing_in_a_file_is_odd(name: str) -> None:
    """It expands with its defaults and with every variant, without a warning."""
    assert archbuilder.load(zoo.path(name)).validate() == ()
