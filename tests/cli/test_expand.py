"""`archbuilder expand`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_expanded_blueprint_has_no_blocks(run: Run, lenet: Path, tmp_path: Path) -> None:
    """Parameters, blocks and loops are gone, and expanding it again changes nothing."""
    result = run("expand", lenet, "--set", "classes=3")
    assert result.code == 0
    assert "$" not in result.out
    assert "blocks:" not in result.out
    again = tmp_path / "again.yaml"
    assert run("expand", lenet, "--set", "classes=3", "-o", again).out == f"Saved {again}\n"
    assert again.read_text() == result.out
    assert run("expand", again).out == result.out


def test_existing_file(run: Run, lenet: Path, tmp_path: Path) -> None:
    """A blueprint that someone may have written is replaced with --force only, as by `new`."""
    output = tmp_path / "mine.yaml"
    output.write_text("mine")
    result = run("expand", lenet, "-o", output)
    assert result.code == 2
    assert "exists; pass --force to overwrite it" in result.err
    assert output.read_text() == "mine"
    assert run("expand", lenet, "-o", output, "--force").out == f"Saved {output}\n"
    assert output.read_text() == run("expand", lenet).out


def test_variant_by_colon_or_option(run: Run, lenet: Path) -> None:
    """Behind a colon or as an option, it is the same."""
    assert run("expand", f"{lenet}:large") == run("expand", lenet, "--variant", "large")
    assert "1000" in run("expand", f"{lenet}:large").out


def test_blueprint_errors_write_nothing(run: Run, wrong: Path, tmp_path: Path) -> None:
    """Nothing is written for a blueprint with mistakes."""
    output = tmp_path / "out.yaml"
    result = run("expand", wrong, "-o", output, "--error-format", "json")
    assert (result.code, result.out) == (2, "")
    assert result.err.startswith("[")
    assert not output.exists()
