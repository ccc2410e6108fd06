"""`archbuilder show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_blocks_are_one_row_each(run: Run, lenet: Path) -> None:
    """A person sees the steps as they were written."""
    result = run("show", lenet, "--depth", "1")
    assert (result.code, result.err) == (0, "")
    assert "stage0" in result.out
    assert "conv2d" not in result.out
    assert "2,346" in result.out


def test_variant_has_the_names_of_blocks(run: Run, lenet: Path) -> None:
    """A variant is not a block: the rows are those of the defaults."""
    rows = [line.split() for line in run("show", f"{lenet}:large", "--depth", "1").out.splitlines()]
    assert ["stage0", "stage"] in [row[:2] for row in rows]
    assert ["dense0", "Dense"] in [row[:2] for row in rows]


def test_depth_zero_shows_totals_only(run: Run, lenet: Path) -> None:
    """No step has a row."""
    result = run("show", lenet, "--depth", "0")
    assert (result.code, result.out.split()[:2]) == (0, ["network", "lenet,"])
    assert "2,346" in result.out


def test_depth_all_expands_blocks(run: Run, lenet: Path) -> None:
    """A row for each layer."""
    result = run("show", lenet, "--depth", "all")
    assert "stage0.conv2d0" in result.out


def test_json_has_every_layer(run: Run, lenet: Path) -> None:
    """And the same totals."""
    (network,) = json.loads(run("show", lenet, "--format", "json").out)
    assert network["parameters"] == 2346
    assert sum(step["parameters"] for step in network["steps"]) == 2346
    assert [step["operation"] for step in network["steps"]][:2] == ["Conv2D", "MaxPooling2D"]
    assert network["outputs"] == {"output": [10]}


def test_shape_error_is_reported(run: Run, tmp_path: Path) -> None:
    """It is shown as every other mistake."""
    path = tmp_path / "net.yaml"
    path.write_text("archbuilder: 1\ninputs: {x: [4, 4, 1]}\nlayers: [MaxPooling2D: 8]\n")
    result = run("show", path)
    assert (result.code, result.out) == (2, "")
    assert "error[empty-output]" in result.err
