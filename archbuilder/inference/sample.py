"""Sample from the generator of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import ObjectiveGraph, networks_by_name
from archbuilder.config.objectives import AdversarialConfig, BlockObjective
from archbuilder.config.run_config import RunConfig
from archbuilder.config.save_best import WeightsChoice
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.diagnostics.errors import InternalError, UsageError
from archbuilder.inference.load_run import load_run_network
from archbuilder.limits import Limits
from archbuilder.objectives.block_calls import Network
from archbuilder.objectives.block_samples import Sampler
from archbuilder.trainer.callbacks.sample_images import SAMPLE_STEP, sample_noise
from archbuilder.trainer.step_errors import translate_tf_errors

_BATCH_SIZE: Final = 256


def sample(
    run_dir: Path,
    graphs: Mapping[str, Graph],
    config: RunConfig,
    limits: Limits,
    num_samples: int,
    seed: int,
    weights: WeightsChoice = "last",
) -> NDArray[np.float32]:
    """Return samples of the generator of a run: `(num_samples, ...)`.

    Raises:
        UsageError: if the run trained no generator, or is not finished.
        RunError: if the files of the run are damaged.
        BlueprintError: if the network does not fit the machine.
    """
    objective = config.training.objective
    objective.require_command("sample")
    if isinstance(objective, BlockObjective) and objective.graph.sample is not None:
        return _draw_samples(run_dir, graphs, objective.graph, limits, num_samples, seed, weights)
    if not isinstance(objective, AdversarialConfig):
        raise InternalError(f"the objective '{objective.name}' has no samples")
    model = load_run_network(run_dir, graphs, limits, weights, "generator").model
    shape = (num_samples, *model.input.shape[1:])
    # All noise at once, so that the size of the batches does not change the samples.
    noise = sample_noise(objective.noise, shape, seed, SAMPLE_STEP)
    # In batches, so that activations fit the memory.
    with translate_tf_errors("the sampling", graphs.values()):
        batches = [
            np.asarray(model(noise[begin : begin + _BATCH_SIZE], training=False), np.float32)
            for begin in range(0, num_samples, _BATCH_SIZE)
        ]
    return np.concatenate(batches)


def _draw_samples(
    run_dir: Path,
    graphs: Mapping[str, Graph],
    objective: ObjectiveGraph,
    limits: Limits,
    num_samples: int,
    seed: int,
    weights: WeightsChoice,
) -> NDArray[np.float32]:
    if objective.sample is None:
        raise InternalError("the objective draws no samples")
    networks = {}
    for name, graph in networks_by_name(objective.networks, graphs).items():
        if name in {node.operation for node in objective.sample.nodes}:
            model = load_run_network(run_dir, graphs, limits, weights, graph.name).model
            networks[name] = Network(model, graph)
    sampler = Sampler(objective, objective.sample, networks)
    with translate_tf_errors("the sampling", graphs.values()):
        return sampler(num_samples, seed)


def samples_to_png(samples: NDArray[np.float32]) -> bytes:
    """Encode a grid of samples as a PNG image.

    Raises:
        UsageError: if the samples are not images.
    """
    images = to_uint8_images(samples)
    if images is None:
        raise UsageError(
            f"samples of the shape {list(samples.shape[1:])} are no images; give an --output that"
            " ends in .npz"
        )
    png: bytes = tf.io.encode_png(image_grid(images)).numpy()
    return png


def samples_to_npz(samples: NDArray[np.float32]) -> bytes:
    """Encode samples as an .npz archive with the array `samples`."""
    file = io.BytesIO()
    np.savez(file, samples=samples)
    return file.getvalue()
