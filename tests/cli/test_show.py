"""`archbuilder show`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from archbuilder import zoo

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


OBJECTIVE = """archbuilder: 1
params: {weight: , scale: {type: number, default: 2, description: Scale of x}}
objective:
  layers: [{formula: $weight * $scale * x, name: loss}]
  minimize: loss
"""


def test_objectives_are_shown(run: Run, tmp_path: Path) -> None:
    """By the name in the library, or as a file: what they need, their parameters and their text."""
    result = run("show", "byol")
    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("byol: BYOL\nGrill et al. 2020, arXiv:2006.07733")
    assert "networks: encoder\ncolumns: image" in result.out
    assert "[{Dense: 4096}, BatchNormalization, ReLU, {Dense: 256}]" in result.out
    assert result.out.endswith(zoo.find_objective("byol").read_text(encoding="utf-8"))
    # The blueprint of this name is another one.
    assert run("show", "objectives/vae").out.startswith("vae: Variational autoencoder")
    path = tmp_path / "mine.yaml"
    path.write_text(OBJECTIVE)
    result = run("show", path)
    assert "networks: those of the blueprint\ncolumns: the inputs of the networks" in result.out
    assert "weight     required" in result.out
    assert "scale      2         Scale of x" in result.out
    (weight, scale) = json.loads(run("show", path, "--format", "json").out)["parameters"]
    assert (weight["is_required"], scale["default"]) == (True, 2)


def test_wrong_objectives_are_not_shown(run: Run, tmp_path: Path) -> None:
    """The errors of the file are."""
    path = tmp_path / "mine.yaml"
    text = "archbuilder: 1\nobjective: {networks: net, layers: [{net: }], minimise: net}\n"
    path.write_text(text)
    result = run("show", str(path))
    assert result.code == 2
    assert "the objective has no key 'minimise'" in result.err
    assert "mine.yaml:2:47" in result.err
    assert "1 error" in result.err


def test_wrong_use_with_objectives(run: Run) -> None:
    """What is not in the library, and options of blueprints."""
    result = run("show", "objectives/byoll")
    assert "has no objective 'byoll'; did you mean 'byol'?" in result.err
    assert (
        "--depth, --variant and --set are for blueprints" in run("show", "byol", "--depth", 1).err
    )
