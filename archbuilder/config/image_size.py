"""The setting `image_size`: the size of images, for a network that takes any."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final, TypeAlias

from archbuilder.compiler.ir import Graph, GraphInput
from archbuilder.config.sources.pixels import IMAGE_SIZE, SIZE
from archbuilder.config.value_types import SectionContext, ValueType, either
from archbuilder.yaml.nodes import Tree

ImageSize: TypeAlias = int | tuple[int, int]
"""The height and width of images, or both at once."""
_EXAMPLE: Final = "as in 'inputs: {image: [null, null, 3]}'"


def takes_any_size(graph_input: GraphInput) -> bool:
    """Return whether an input takes images of any height and width."""
    return len(graph_input.shape) == 3 and graph_input.shape[:2] == (None, None)


def sized_graphs(graphs: Mapping[str, Graph], size: ImageSize | None) -> Mapping[str, Graph]:
    """Return networks whose inputs of images of any size have one; None leaves them as they are."""
    if size is None:
        return graphs
    height, width = (size, size) if isinstance(size, int) else size

    def sized(graph_input: GraphInput) -> GraphInput:
        if not takes_any_size(graph_input):
            return graph_input
        return replace(graph_input, shape=(height, width, graph_input.shape[2]))

    return {
        name: replace(graph, inputs=tuple(map(sized, graph.inputs)))
        for name, graph in graphs.items()
    }


def image_size() -> ValueType[Any]:
    """Return the type of a size, or of a list of height and width."""
    plain = either(SIZE, IMAGE_SIZE)

    def parse(tree: Tree, title: str, context: SectionContext) -> ImageSize | None:
        size: ImageSize | None = plain.parse(tree, title, context)
        if size is not None and not context.takes_any_size:
            context.diagnostics.error(
                "invalid-choice",
                f"{title} is for a network that takes images of any size",
                tree.span,
                notes=(f"declare its input with an open height and width, {_EXAMPLE}",),
            )
        return size

    return ValueType(plain.schema, parse, plain.text)
