"""Draw samples with the networks of a run."""

from __future__ import annotations

import io

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.compiler.ir import TensorRef
from archbuilder.compiler.objective_ir import networks_by_name
from archbuilder.config.objectives import BlockObjective
from archbuilder.config.sources import DataSource
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.diagnostics.errors import InternalError, UsageError
from archbuilder.inference.evaluate import TrainedRun, load_trained_weights, make_eval_context
from archbuilder.keras_backend import build
from archbuilder.objectives.columns import adapt_columns
from archbuilder.objectives.sampler import Sampler
from archbuilder.objectives.step_context import Network
from archbuilder.objectives.token_masking import text_columns
from archbuilder.trainer.datasets import adapt_sets
from archbuilder.trainer.step_errors import translate_tf_errors


def sample(
    trained_run: TrainedRun, num_samples: int, seed: int, data_source: DataSource | None = None
) -> NDArray[np.float32]:
    """Return samples of the networks of a run: `(num_samples, ...)`.

    If they depend on columns of the data, these are those of the first examples of `data_source`,
    by default of the validation set of the run, or of the training set without one.

    Raises:
        UsageError: if the objective draws no samples, or the run is not finished.
        RunError: if examples or weights are missing or damaged.
        BlueprintError: if a network does not fit the machine, or a data file may not be read.
    """
    objective = trained_run.config.training.objective
    objective.require_command("sample")
    if not isinstance(objective, BlockObjective) or objective.graph.sample is None:
        raise InternalError(f"the objective '{objective.name}' draws no samples")
    graph, declared, datasets = objective.graph, objective.graph.sample, None
    if data_source is not None and not declared.columns:
        raise UsageError("the samples of this run do not depend on data")
    graphs = networks_by_name(graph.networks, trained_run.graphs)
    if declared.columns:
        columns = graph.columns_for([TensorRef(each) for each in declared.columns])
        context = make_eval_context(trained_run, data_source)
        texts = text_columns(graph.nodes)
        datasets = adapt_sets(
            context, lambda dataset: adapt_columns(dataset, columns, graphs, texts)
        )
    operations = {each.operation for each in declared.nodes}
    networks = {}
    for name, network_graph in graphs.items():
        if name in operations:
            model = build(network_graph, trained_run.limits)
            load_trained_weights(trained_run, model, network_graph.name)
            networks[name] = Network(model, network_graph)
    sampler = Sampler(graph, declared, networks, trained_run.log, datasets)
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
