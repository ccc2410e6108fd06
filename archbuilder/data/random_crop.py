"""Random crops in training: images stay larger than the network's input until they are cropped."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from archbuilder.compiler.ir import Graph, Shape
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.source_dataset import Feature


@dataclass(frozen=True, slots=True)
class RandomCrop:
    """A crop to the size of a network's input."""

    size: tuple[int, int]
    """Height and width after the crop."""
    image_size: tuple[int, int]
    """Height and width before it."""

    def uncropped_shape(self, shape: Shape) -> Shape:
        """Return the shape before the crop of a value with the height and width of an image."""
        return (*self.image_size, *shape[2:]) if shape[:2] == self.size else shape

    def uncropped_graph(self, graph: Graph) -> Graph:
        """Return a graph whose inputs have the shapes before the crop."""
        inputs = tuple(
            replace(each, shape=self.uncropped_shape(each.shape)) for each in graph.inputs
        )
        return replace(graph, inputs=inputs)

    def __str__(self) -> str:
        height, width = self.image_size
        return f"cropped at random from {height}x{width} to {self.size[0]}x{self.size[1]}"


def find_random_crop(
    layers: Sequence[KerasObject], graph: Graph, features: Mapping[str, Feature]
) -> RandomCrop | None:
    """Return the crop that makes the images of a graph's inputs as large as these; None if none.

    Images that are not larger on both sides are resized to the input, as without a crop.
    """
    crops = [each for each in layers if each.class_name == "RandomCrop"]
    if not crops:
        return None
    height, width = crops[-1].argument("height"), crops[-1].argument("width")
    if not isinstance(height, int) or not isinstance(width, int):
        return None
    for graph_input in graph.inputs:
        feature = features.get(graph_input.name)
        if feature is None or not feature.image or graph_input.shape[:2] != (height, width):
            continue
        image_height, image_width = feature.shape[:2]
        if image_height > height and image_width > width:
            return RandomCrop((height, width), (image_height, image_width))
    return None
