"""Load the networks and the tokenizer of a run.

Networks are built from the blueprint, and only weights are read from the files of models. To load a
model from such a file would run the code of layers that a stranger may have chosen.
"""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.save_best import WeightsChoice
from archbuilder.data.text.tokenizer import TOKENIZER_DIR, TOKENIZER_FILE, TextTokenizer
from archbuilder.diagnostics.errors import UsageError, quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.keras_backend import build
from archbuilder.limits import Limits
from archbuilder.runs.run_dir import RunDir
from archbuilder.weights import restore_weights


@dataclass(frozen=True, slots=True, eq=False)
class LoadedNetwork:
    """A network of a run, with its weights."""

    graph: Graph
    model: keras.Model


def load_run_network(
    run_dir: Path,
    graphs: Mapping[str, Graph],
    limits: Limits,
    weights: WeightsChoice,
) -> LoadedNetwork:
    """Build the only network of a run, and load its weights.

    Raises:
        UsageError: if the run has several networks or no such weights, or is not finished.
        RunError: if the weight file is damaged.
        BlueprintError: if the network does not fit the machine.
    """
    if len(graphs) > 1:
        raise UsageError(f"the run has several networks: {', '.join(graphs)}")
    ((name, graph),) = graphs.items()
    model = build(graph, limits)
    load_run_weights(run_dir, model, name, weights)
    return LoadedNetwork(graph, model)


def load_run_weights(run_dir: Path, model: keras.Model, name: str, weights: WeightsChoice) -> None:
    """Load the weights that a run saved into a network.

    Raises:
        UsageError: if the run is not finished, or has no best weights.
        RunError: if the weight file is damaged.
    """
    weights_file = RunDir(run_dir).model_file(name, weights)
    if weights_file.status() is None:
        if weights == "best" and RunDir(run_dir).model_file(name).status() is not None:
            raise UsageError(
                f"the run has no {quote(weights_file.path.name)}: it has no best epoch; a run with"
                " 'save_best' under 'training' saves one"
            )
        previous = RunDir(run_dir).previous_manifest()
        is_finished = previous is not None and previous.get("status") == "finished"
        cause = "the file was deleted" if is_finished else "training is not finished"
        raise UsageError(
            f"the run has no {quote(weights_file.path.name)}: {cause}; resume it with: archbuilder"
            f" train --resume {shlex.quote(str(run_dir))}"
        )
    restore_weights(model, weights_file)


def load_run_tokenizer(run_dir: Path) -> TextTokenizer:
    """Load the tokenizer of a run.

    Raises:
        UsageError: if the run was not trained on text.
        RunError: if the file is damaged.
    """
    tokenizer_file = SandboxPath(run_dir).joinpath(TOKENIZER_DIR, TOKENIZER_FILE)
    if tokenizer_file.parent.status() is None:
        raise UsageError(
            f"the run {quote(str(run_dir), 200)} has no tokenizer: it was not trained on text"
        )
    return TextTokenizer.load(tokenizer_file)
