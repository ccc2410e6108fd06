"""Samples of the generator of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.errors import UsageError
from archbuilder.graph import Graph
from archbuilder.limits import Limits
from archbuilder.recipe.record import Recorded
from archbuilder.recipe.spec import Adversarial, CausalLanguageModel, SequenceToSequence
from archbuilder.training.samples import SAMPLES, as_images, grid, noise_of
from archbuilder.training.step_errors import explained_failures
from archbuilder.using.trained import open_network

_AT_ONCE: Final = 256


def sample(
    run: Path,
    graphs: Mapping[str, Graph],
    recorded: Recorded,
    limits: Limits,
    count: int,
    seed: int,
) -> NDArray[np.float32]:
    """What the generator of a run makes of noise: `(count, ...)`.

    Raises:
        UsageError: if the run trained no generator, or is not over.
        RunError: if the files of the run are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective = recorded.training.objective
    if not isinstance(objective, Adversarial):
        text = isinstance(objective, CausalLanguageModel | SequenceToSequence)
        raise UsageError(
            "the run trained no generator, which takes the objective 'adversarial'; 'archbuilder"
            f" {'generate' if text else 'predict'}' uses what it trained"
        )
    model = open_network(run, graphs, limits, "generator").model
    shape = (count, *model.input.shape[1:])
    noise = noise_of(objective.noise, shape, seed, SAMPLES)
    with explained_failures("the sampling", graphs.values()):
        parts = [
            np.asarray(model(noise[begin : begin + _AT_ONCE], training=False), np.float32)
            for begin in range(0, count, _AT_ONCE)
        ]
    return np.concatenate(parts)


def as_png(samples: NDArray[np.float32]) -> bytes:
    """A picture of samples side by side.

    Raises:
        UsageError: if they are no images.
    """
    images = as_images(samples)
    if images is None:
        raise UsageError(
            f"samples of the shape {list(samples.shape[1:])} are no images; give an --output that"
            " ends in .npz"
        )
    png: bytes = tf.io.encode_png(grid(images)).numpy()
    return png


def as_npz(samples: NDArray[np.float32]) -> bytes:
    """A numpy archive with the array `samples`."""
    file = io.BytesIO()
    np.savez(file, samples=samples)
    return file.getvalue()
