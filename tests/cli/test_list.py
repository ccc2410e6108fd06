"""`archbuilder list`, and the library that it lists."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from archbuilder import UsageError, library, load

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_the_library_is_listed(run: Run) -> None:
    """A line for each, with its title."""
    lines = run("list").out.splitlines()
    assert lines[0].split() == ["NAME", "TITLE", "VARIANTS"]
    assert [line.split()[0] for line in lines[1:]] == list(library.names())


def test_the_library_as_json(run: Run) -> None:
    """With the path of each, for programs."""
    for entry in json.loads(run("list", "--format", "json").out):
        assert Path(entry["path"]).is_file()
        blueprint = load(entry["name"])
        assert entry["variants"] == list(blueprint.variants)
        assert entry["title"] == blueprint.title


def test_an_unknown_name() -> None:
    """It is the user's to mend."""
    with pytest.raises(UsageError, match="'archbuilder list' shows what there is"):
        library.path("\x1b[2J")
