"""`archbuilder list`, and the library that it lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archbuilder import UsageError, load, zoo

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_list_table(run: Run) -> None:
    """A line for each size, as commands call it, with what it has and what proves it."""
    lines = run("list").out.splitlines()
    assert lines[0].split("  ")[0] == "NAME"
    named = [line.split()[0] for line in lines[1:]]
    assert list(dict.fromkeys(name.partition(":")[0] for name in named)) == list(zoo.names())
    (resnet,) = (line for line in lines if line.startswith("resnet:101 "))
    assert resnet.split()[1:3] == ["44,654,504", "7,570,194,432"]
    (resnet,) = (line for line in lines if line.startswith("resnet:50 "))
    assert "keras.applications" in resnet


def test_list_json(run: Run) -> None:
    """With the path of each, for programs."""
    for entry in json.loads(run("list", "--format", "json").out):
        assert Path(entry["path"]).is_file()
        blueprint = load(entry["name"])
        assert entry["variants"] == list(blueprint.variants)
        assert entry["title"] == blueprint.title
        assert entry["references"] == list(blueprint.references)
        assert all(size["parameters"] for size in entry["sizes"])


def test_list_objectives(run: Run) -> None:
    """A line for each file of the library, with the networks that it needs."""
    lines = run("list", "--objectives").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == [*zoo.objective_names()]
    (line,) = (line for line in lines if line.startswith("clip "))
    assert "image_encoder, text_encoder" in line
    assert "Radford et al. 2021, arXiv:2103.00020" in line
    entries = json.loads(run("list", "--objectives", "--format", "json").out)
    assert [each["name"] for each in entries] == [*zoo.objective_names()]
    assert all(Path(each["path"]).read_text(encoding="utf-8") == each["text"] for each in entries)


def test_list_unknown_name() -> None:
    """It is the user's to mend."""
    with pytest.raises(UsageError, match="'archbuilder list' shows the blueprints"):
        zoo.path("\x1b[2J")
