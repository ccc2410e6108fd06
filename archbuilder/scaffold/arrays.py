"""A blueprint for arrays and images: a small network for the shape of an example."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import numpy as np

from archbuilder.config.sources import DataSource, Images
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.diagnostics.errors import UsageError
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.convolutions import CONVOLUTION_STAGE, convolution_network
from archbuilder.scaffold.layout import BlueprintText
from archbuilder.scaffold.outputs import NetworkOutput

_MAX_LABELS: Final = 2**20
"""Number of labels that decide how many classes there are."""


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
    source: DataSource,
    dataset: SourceDataset,
    name: str,
    files: dict[str, PlainData],
    other_sets: Mapping[str, PlainData],
) -> str:
    """Return a blueprint for images or arrays with one target.

    Args:
        source: Where the examples are from.
        dataset: The examples.
        name: The name of the blueprint.
        files: The options of the source that name its files.
        other_sets: The sources of the validation and the test set.

    Raises:
        UsageError: if the shapes of the examples are not those of images, series or vectors.
    """
    network = _network(source, dataset)
    output = target_output(dataset)
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
        other_sets=other_sets,
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
    # Files may differ in size: all are resized to that of the network.
    is_resized = isinstance(source, Images)
    network = convolution_network(shape, is_resized=is_resized)
    return _Network(
        [*network.shape],
        [*network.layers, "GlobalAveragePooling2D", "Dropout: $dropout"],
        {"dropout": 0.2},
        CONVOLUTION_STAGE,
        {"size": [*network.shape[:2]]} if is_resized else {},
    )


def target_output(dataset: SourceDataset) -> NetworkOutput:
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
