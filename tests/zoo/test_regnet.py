"""RegNet's table of stages, which its blueprint computes from the numbers of the paper."""

from __future__ import annotations

from collections import Counter

import pytest

import archbuilder
from archbuilder.compiler.ir import Node
from archbuilder.yaml.nodes import to_plain

TABLE = {
    "x-200mf": ([1, 1, 4, 7], [24, 56, 152, 368], 8),
    "x-400mf": ([1, 2, 7, 12], [32, 64, 160, 384], 16),
    "x-3.2gf": ([2, 6, 15, 2], [96, 192, 432, 1008], 48),
    "x-4.0gf": ([2, 5, 14, 2], [80, 240, 560, 1360], 40),
    "x-32gf": ([2, 7, 13, 1], [336, 672, 1344, 2520], 168),
    "y-4.0gf": ([2, 6, 12, 2], [128, 192, 512, 1088], 64),
    "y-8.0gf": ([2, 4, 10, 1], [168, 448, 896, 2016], 56),
    "y-16gf": ([2, 4, 11, 1], [224, 448, 1232, 3024], 112),
}
"""Depths, widths and the width of groups, from the figures of the top models in the paper."""


def grouped_convolution(node: Node) -> tuple[int, int] | None:
    """The filters of a 3x3 convolution in a block, and its channels per group."""
    arguments = {each.name: to_plain(each.value) for each in node.arguments}
    if arguments.get("kernel_size") != 3 or node.name == "stem.conv2d0":
        return None
    filters, groups = arguments["filters"], arguments["groups"]
    assert isinstance(filters, int)
    assert isinstance(groups, int)
    return filters, filters // groups


@pytest.mark.parametrize("variant", TABLE)
def test_stages_are_those_of_the_paper(variant: str):
    """The table follows from d, w_0, w_a, w_m and g alone."""
    depths, widths, group_width = TABLE[variant]
    graph = archbuilder.load("regnet").graphs(variant=variant)["regnet"]
    convolutions = Counter(filter(None, map(grouped_convolution, graph.nodes)))
    expected = {(w, group_width): d for d, w in zip(depths, widths, strict=True)}
    assert convolutions == expected


@pytest.mark.parametrize(
    ("variant", "parameters"),
    [("x-400mf", 5_495_976), ("y-800mf", 6_432_512), ("y-8.0gf", 39_381_472)],
)
def test_widths_of_torchvision(variant: str, parameters: int):
    """With `within_tenth`, they have the parameters that torchvision publishes."""
    analysis = archbuilder.load("regnet").analyze(variant=variant, within_tenth=True)["regnet"]
    assert analysis.trainable_parameters == parameters
