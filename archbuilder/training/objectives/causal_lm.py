"""Causal language models: every token from those in front of it.

Source: Radford et al. 2018, Improving Language Understanding by Generative Pre-Training, section
3.1.
"""

from __future__ import annotations

import keras

from archbuilder.graph import Graph
from archbuilder.recipe.spec import CausalLanguageModel
from archbuilder.training.examples import ONLY
from archbuilder.training.objectives.language import (
    Dressed,
    LanguageTask,
    Tokens,
    check_outputs,
    crossentropy,
    prepare_language,
    vocabulary_of,
)
from archbuilder.training.session import Prepared, Session

_NEXT = "next"
_OBJECTIVE = "causal_lm"


def prepare_causal_lm(session: Session) -> Prepared:
    """The network of a session, ready to be trained and judged; its loss is in nats a token.

    Raises:
        UsageError: if the blueprint has several networks, or the data is no text.
        BlueprintError: if the network does not fit the machine.
        RunError: if the text does not fit the network.
    """
    spec = session.objective(CausalLanguageModel)
    vocabulary = vocabulary_of(session, _OBJECTIVE, "text")

    def task_of(graph: Graph, model: keras.Model) -> LanguageTask:
        ((output, _),) = graph.outputs[:1]
        check_outputs(graph, model, output, vocabulary)
        name = graph.inputs[0].name

        def dress(_step: object, tokens: Tokens) -> Dressed:
            return {name: tokens[ONLY]}, {output: tokens[_NEXT]}, {}

        return LanguageTask(
            lambda examples: {
                ONLY: examples.inputs[ONLY].column,
                _NEXT: examples.targets[ONLY],
            },
            dress,
            {output: crossentropy(graph, model, output)},
            spec.optimizer,
        )

    return prepare_language(session, _OBJECTIVE, task_of)
