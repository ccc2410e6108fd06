"""Draw samples with the networks of a run."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import Graph
from archbuilder.compiler.objective_ir import networks_by_name
from archbuilder.config.objectives import BlockObjective
from archbuilder.config.run_config import RunConfig
from archbuilder.config.save_best import WeightsChoice
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.diagnostics.errors import InternalError, UsageError
from archbuilder.inference.load_run import load_run_network
from archbuilder.limits import Limits
from archbuilder.objectives.block_calls import Network
from archbuilder.objectives.block_samples import Sampler
from archbuilder.trainer.step_errors import translate_tf_errors


def sample(
    run_dir: Path,
    graphs: Mapping[str, Graph],
    config: RunConfig,
    limits: Limits,
    num_samples: int,
    seed: int,
    weights: WeightsChoice = "last",
) -> NDArray[np.float32]:
    """Return samples of the networks of a run: `(num_samples, ...)`.

    Raises:
        UsageError: if the objective draws no samples, or the run is not finished.
        RunError: if the files of the run are damaged.
        BlueprintError: if a network does not fit the machine.
    """
    objective = config.training.objective
    objective.require_command("sample")
    if not isinstance(objective, BlockObjective) or objective.graph.sample is None:
        raise InternalError(f"the objective '{objective.name}' draws no samples")
    declared = objective.graph.sample
    operations = {each.operation for each in declared.nodes}
    networks = {}
    for name, graph in networks_by_name(objective.graph.networks, graphs).items():
        if name in operations:
            model = load_run_network(run_dir, graphs, limits, weights, graph.name).model
            networks[name] = Network(model, graph)
    sampler = Sampler(objective.graph, declared, networks)
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
