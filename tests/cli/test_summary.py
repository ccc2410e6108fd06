"""Tables and data out of an analysis."""

from __future__ import annotations

from pathlib import Path

import pytest

import archbuilder
from archbuilder.cli.summary import analysis_to_dict, format_shape, format_totals, summary_table
from archbuilder.compiler.ir import Graph
from archbuilder.keras_backend.analysis import Analysis

NETWORK = """\
archbuilder: 1
name: net
inputs: {image: [8, 8, 3]}
blocks:
  unit:
    params: {filters: }
    layers:
      - Conv2D: {filters: $filters, kernel_size: 1, use_bias: false}
      - BatchNormalization
  stage:
    params: {filters: }
    layers:
      - unit: $filters
        repeat: 2
      - MaxPooling2D: 2
layers:
  - stage: 4
  - stage: 8
  - Flatten
  - Dense: {units: 10, use_bias: false}
"""


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> tuple[Analysis, Graph]:
    """A network of blocks within blocks."""
    path = tmp_path_factory.mktemp("report") / "net.yaml"
    path.write_text(NETWORK)
    blueprint = archbuilder.load(path)
    return blueprint.analyze()["net"], blueprint.graphs()["net"]


def rows(lines: list[str]) -> list[list[str]]:
    """The cells of a table without its head."""
    return [line.split() for line in lines[1:]]


def test_block_is_one_row(network: tuple[Analysis, Graph]) -> None:
    """With the sums of what is in it, and the shape that comes out of it."""
    lines = summary_table(*network, depth=1)
    assert lines[0].split("  ")[0] == "STEP"
    assert [row[:4] for row in rows(lines)] == [
        ["stage0", "stage", "4x4x4", "60"],
        ["stage1", "stage", "2x2x8", "160"],
        ["flatten0", "Flatten", "32", "0"],
        ["dense0", "Dense", "10", "320"],
    ]


def test_depth_expands_blocks(network: tuple[Analysis, Graph]) -> None:
    """Two levels, then all of them."""
    two = rows(summary_table(*network, depth=2))
    assert [row[:2] for row in two[:3]] == [
        ["stage0.unit0", "unit"],
        ["stage0.unit1", "unit"],
        ["stage0.max_pooling2d0", "MaxPooling2D"],
    ]
    expanded = summary_table(*network, depth="all")
    assert len(expanded) == 1 + 2 * 5 + 2
    assert summary_table(*network, depth=9) == expanded


def test_variant_is_not_a_block(tmp_path: Path) -> None:
    """The table of a variant has the same levels as that of the defaults."""
    path = tmp_path / "net.yaml"
    network = NETWORK.replace("units: 10", "units: $classes")
    path.write_text(network + "params: {classes: 10}\nvariants: {large: {classes: 100}}\n")
    blueprint = archbuilder.load(path)
    analysis = blueprint.analyze(variant="large")["net"]
    graph = blueprint.graphs(variant="large")["net"]
    assert [row[:4] for row in rows(summary_table(analysis, graph, depth=1))] == [
        ["stage0", "stage", "4x4x4", "60"],
        ["stage1", "stage", "2x2x8", "160"],
        ["flatten0", "Flatten", "32", "0"],
        ["dense0", "Dense", "100", "3,200"],
    ]
    assert len(summary_table(analysis, graph, depth=2)) == 1 + 2 * 3 + 2


def test_short_table_is_expanded(network: tuple[Analysis, Graph]) -> None:
    """Without a depth, a short network is written out."""
    assert summary_table(*network) == summary_table(*network, depth="all")


def test_totals_do_not_depend_on_depth(network: tuple[Analysis, Graph]) -> None:
    """Folding loses nothing."""
    analysis, _ = network
    for depth in (1, 2, 3):
        counts = [row[3:5] for row in rows(summary_table(*network, depth=depth))]
        assert sum(int(each[0].replace(",", "")) for each in counts) == analysis.parameters
        assert sum(int(each[1].replace(",", "")) for each in counts) == analysis.multiply_adds


def test_overview_has_totals(network: tuple[Analysis, Graph]) -> None:
    """Separators, units, and what is trainable where that differs."""
    lines = dict(line.split(maxsplit=1) for line in format_totals(network[0]).splitlines())
    assert lines["network"] == "net, 12 layers"
    assert lines["inputs"] == "image 8x8x3"
    assert lines["outputs"] == "output 10"
    assert lines["parameters"] == "540 (492 trainable), 2.1 KiB"
    assert lines["multiply-adds"].endswith(" per example")


def test_summary_data_is_complete(network: tuple[Analysis, Graph]) -> None:
    """Every layer, and the same sums."""
    data = analysis_to_dict(network[0])
    steps = data["steps"]
    assert isinstance(steps, list)
    assert len(steps) == 12
    assert data["parameters"] == 540
    assert data["inputs"] == {"image": {"shape": [8, 8, 3], "dtype": "float32"}}
    assert data["outputs"] == {"output": [10]}


@pytest.mark.parametrize(
    ("shape", "text"), [((28, 28, 1), "28x28x1"), ((None, 8), "?x8"), ((), "scalar")]
)
def test_shape_format(shape: tuple[int | None, ...], text: str) -> None:
    """Without the batch axis."""
    assert format_shape(shape) == text
