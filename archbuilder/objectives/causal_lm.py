"""Objective `causal_lm`: predict each token from the preceding ones.

Source: Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section
3.1.
"""

from __future__ import annotations

import keras

from archbuilder.compiler.ir import Graph
from archbuilder.config.objectives import CausalLMConfig
from archbuilder.data.source_dataset import UNNAMED
from archbuilder.objectives.lm_common import (
    LanguageObjective,
    ModelInputs,
    Tokens,
    check_outputs,
    crossentropy,
    make_language_task,
    require_tokenizer,
)
from archbuilder.trainer.context import TrainableTask, TrainingContext

_NEXT_TOKENS = "next"
_OBJECTIVE = "causal_lm"


def make_causal_lm_task(context: TrainingContext, config: CausalLMConfig) -> TrainableTask:
    """Build the network, and return the task that trains it. The loss is in nats per token.

    Raises:
        UsageError: if the blueprint has several networks, or the data is not text.
        BlueprintError: if the network does not fit the machine.
        RunError: if the text does not fit the network.
    """
    tokenizer = require_tokenizer(context, _OBJECTIVE, "text")

    def make_objective(graph: Graph, model: keras.Model) -> LanguageObjective:
        ((output, _),) = graph.outputs[:1]
        check_outputs(graph, model, output, tokenizer)
        name = graph.inputs[0].name

        def make_inputs(_share: object, tokens: Tokens) -> ModelInputs:
            return {name: tokens[UNNAMED]}, {output: tokens[_NEXT_TOKENS]}, {}

        return LanguageObjective(
            lambda dataset: {
                UNNAMED: dataset.inputs[UNNAMED].column,
                _NEXT_TOKENS: dataset.targets[UNNAMED],
            },
            make_inputs,
            {output: crossentropy(graph, model, output)},
            config.optimizer,
            has_perplexity=True,
        )

    return make_language_task(context, _OBJECTIVE, make_objective)
