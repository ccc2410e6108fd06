"""A blueprint for arrays and images: a small network for the shape of an example."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from archbuilder.config.sources import DataSource, Images
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.diagnostics.errors import UsageError
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.layout import BlueprintText, layer
from archbuilder.scaffold.outputs import NetworkOutput

_MAX_SIDE: Final = 160
"""Larger images are reduced to this height and width."""
_MIN_SIDE: Final = 8
"""Smaller maps are not pooled."""
_FILTERS: Final = (32, 64, 128, 256)
_MAX_LABELS: Final = 2**20
"""Number of labels that decide how many classes there are."""
_STAGE: Final = """\
blocks:
  stage:
    params: {filters: }
    layers:
      - Conv2D: {filters: $filters, kernel_size: 3, padding: same, use_bias: false}
      - BatchNormalization
      - ReLU
      - MaxPooling2D: 2
"""


@dataclass(frozen=True, slots=True)
class _Network:
    """The input of a network and its layers, without the output."""

    shape: list[PlainData]
    layers: list[str]
    params: dict[str, PlainData] = field(default_factory=lambda: {"units": 64, "dropout": 0.2})
    blocks: str = ""
    options: dict[str, PlainData] = field(default_factory=dict)
    """Options of the source."""


def arrays_blueprint(
    source: DataSource, dataset: SourceDataset, name: str, files: dict[str, PlainData]
) -> str:
    """Return a blueprint for images or arrays with one target.

    Args:
        source: Where the examples are from.
        dataset: The examples.
        name: The name of the blueprint.
        files: The options of the source that name its files.

    Raises:
        UsageError: if the shapes of the examples are not those of images, series or vectors.
    """
    network = _network(source, dataset)
    output = _output(dataset)
    return BlueprintText(
        name,
        f"Predicts the target of {dataset.source_name.strip(chr(39))}"[:100],
        [],
        network.params,
        {"image" if dataset.inputs[UNNAMED].image else "values": network.shape},
        [*network.layers, *output.layers],
        source.key,
        {**files, **network.options},
        output.training(epochs=20),
        blocks=network.blocks,
    ).render()


def _network(source: DataSource, dataset: SourceDataset) -> _Network:
    feature = dataset.inputs[UNNAMED]
    shape = feature.column.shape
    if feature.image:
        return _image_network(source, shape)
    if len(shape) == 1:
        hidden = "Dense: {units: $units, activation: relu}"
        # Scales the values to the same range, whatever their units are.
        layers = ["BatchNormalization", hidden, "Dropout: $dropout", hidden]
        return _Network([*shape], layers)
    if len(shape) == 2:
        layers = ["BatchNormalization", "LSTM: $units", "Dropout: $dropout"]
        return _Network([*shape], layers)
    raise UsageError(
        f"an example of {dataset.source_name} has the shape {[*shape]}; a new blueprint needs"
        " images, series (steps, values) or vectors"
    )


def _image_network(source: DataSource, shape: Sequence[int]) -> _Network:
    height, width, channels = (*shape, 1)[:3]
    options: dict[str, PlainData] = {}
    if isinstance(source, Images):
        height, width = (min(side, _MAX_SIDE) for side in (height, width))
        # Images may differ in size: all are resized to that of the network.
        options["size"] = [height, width]
    side, filters = min(height, width), []
    for count in _FILTERS:
        if side < _MIN_SIDE:
            break
        filters.append(count)
        side //= 2
    layers = [layer("stage", count) for count in filters or _FILTERS[:1]]
    return _Network(
        [height, width, channels],
        [*layers, "GlobalAveragePooling2D", "Dropout: $dropout"],
        {"dropout": 0.2},
        _STAGE,
        options,
    )


def _output(dataset: SourceDataset) -> NetworkOutput:
    """Return the output for the target: classes, or quantities."""
    target = dataset.targets[UNNAMED]
    classes = len(dataset.preprocessing.schema.classes.get(UNNAMED, ()))
    is_label = target.dtype.kind in "bui" and target.shape in ((), (1,))
    labels = target.numpy(np.arange(min(dataset.count, _MAX_LABELS)))
    if is_label and not classes and labels.min() >= 0:
        classes = int(labels.max()) + 1
    if is_label and classes == 1:
        raise UsageError(f"all examples of {dataset.source_name} have the same class")
    if is_label and 1 < classes <= len(labels):
        return NetworkOutput.for_classes(classes)
    if len(target.shape) > 1:
        raise UsageError(
            f"a target of {dataset.source_name} has the shape {[*target.shape]}; a new blueprint"
            " needs classes or numbers"
        )
    numbers = labels.astype(np.float64)
    units = target.shape[0] if target.shape else 1
    return NetworkOutput.for_numbers(units, float(numbers.mean()), float(numbers.std()))
