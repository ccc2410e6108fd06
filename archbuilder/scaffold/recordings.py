"""A blueprint for recordings: a small convolutional network for the class of each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Final

import numpy as np

from archbuilder.config.sources import Audio, AudioConfig
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.plain_data import PlainData
from archbuilder.scaffold.arrays import target_output
from archbuilder.scaffold.layout import BlueprintText

LONGEST: Final = AudioConfig(duration=10.0)
"""How recordings are decoded that decide the duration; longer ones are cut."""
_SAMPLE_SIZE: Final = 100
_STAGE: Final = """\
blocks:
  stage:
    params: {filters: }
    layers:
      - Conv1D: {filters: $filters, kernel_size: 9, strides: 4, padding: same, use_bias: false}
      - BatchNormalization
      - ReLU
"""


def recordings_blueprint(
    dataset: SourceDataset,
    name: str,
    files: Mapping[str, PlainData],
    other_sets: Mapping[str, PlainData],
) -> str:
    """Return a blueprint for the classes of recordings.

    Args:
        dataset: The recordings, decoded as `LONGEST`.
        name: The name of the blueprint.
        files: The options of the source that name its files.
        other_sets: The sources of the validation and the test set.
    """
    output = target_output(dataset)
    duration = _duration(dataset)
    samples = AudioConfig(duration=duration).samples
    return BlueprintText(
        name,
        f"The class of recordings in {dataset.source_name.strip(chr(39))}"[:100],
        [],
        {"dropout": 0.2},
        {"recording": [samples, 1]},
        [
            "Conv1D: {filters: 32, kernel_size: 64, strides: 16, padding: same, activation: relu}",
            *(f"stage: {filters}" for filters in (64, 128)),
            "GlobalAveragePooling1D",
            "Dropout: $dropout",
            *output.layers,
        ],
        Audio.key,
        {**files, "sample_rate": LONGEST.sample_rate, "duration": duration},
        output.training(epochs=30),
        blocks=_STAGE,
        other_sets=other_sets,
    ).render()


def _duration(dataset: SourceDataset) -> float:
    """Return the seconds, in tenths, that nine of ten recordings do not exceed."""
    rows = np.linspace(0, dataset.count - 1, min(dataset.count, _SAMPLE_SIZE)).astype(np.int64)
    column = dataset.inputs[UNNAMED].column
    # Shorter ones end with zeros.
    lengths = [
        int(np.flatnonzero(column.numpy(rows[[index]]).any(axis=(0, 2))).max(initial=0))
        for index in range(len(rows))
    ]
    tenths = math.ceil(float(np.quantile(lengths, 0.9)) * 10 / LONGEST.sample_rate)
    return max(tenths, 1) / 10
