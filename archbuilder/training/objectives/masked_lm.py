"""Masked language models, with or without telling whether two pieces of text follow each other.

Source: Devlin et al. 2018, arXiv:1810.04805, sections 3.1 and A.2.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from archbuilder.errors import UsageError
from archbuilder.graph import Graph
from archbuilder.recipe.spec import MaskedLanguageModel
from archbuilder.training.columns import Column
from archbuilder.training.examples import ONLY, Examples
from archbuilder.training.objectives.language import (
    Dressed,
    LanguageTask,
    Tokens,
    check_inputs,
    check_outputs,
    crossentropy,
    prepare_language,
    vocabulary_of,
)
from archbuilder.training.objectives.masking import masked, paired, single
from archbuilder.training.session import Prepared, Session

_OBJECTIVE = "masked_lm"
_NEXT = "next_sentence"
_INPUTS = ("tokens", "segments", "mask")


def prepare_masked_lm(session: Session) -> Prepared:
    """The network of a session, ready to be trained and judged.

    Its outputs are `masked_lm` and, if it is to tell which pieces follow each other,
    `next_sentence`; a single output may have any name. Its inputs are `tokens` and, if it has them,
    `segments` and `mask`.

    Raises:
        UsageError: if the blueprint has several networks, or other inputs and outputs, or the data
            is no text.
        BlueprintError: if the network does not fit the machine.
        RunError: if the text does not fit the network.
    """
    spec = session.objective(MaskedLanguageModel)
    vocabulary = vocabulary_of(session, _OBJECTIVE, "text")

    def task_of(graph: Graph, model: keras.Model) -> LanguageTask:
        check_inputs(graph, _INPUTS[:1], _INPUTS)
        output, follows = _outputs(graph)
        check_outputs(graph, model, output, vocabulary)

        def dress(step: tf.Tensor, tokens: Tokens) -> Dressed:
            pieces_seed, mask_seed = tf.unstack(tf.random.split([session.spec.seed, step], 2))
            text = tokens[ONLY]
            pieces = paired(text, pieces_seed) if follows else single(text)
            hidden = masked(pieces.tokens, spec.masked, vocabulary.size, mask_seed)
            inputs = {
                "tokens": hidden.tokens,
                "segments": pieces.segments,
                "mask": tf.ones_like(pieces.tokens),
            }
            weights = {output: tf.cast(hidden.chosen, tf.float32)}
            targets = {output: pieces.tokens}
            if follows:
                targets[_NEXT] = pieces.follows
                weights[_NEXT] = tf.ones_like(pieces.follows, tf.float32)
            return inputs, targets, weights

        losses = {output: crossentropy(graph, model, output)}
        if follows:
            losses[_NEXT] = crossentropy(graph, model, _NEXT)
        return LanguageTask(
            lambda examples: {ONLY: _pieces(examples, 3 if follows else 2)},
            dress,
            losses,
            spec.optimizer,
        )

    return prepare_language(session, _OBJECTIVE, task_of)


def _outputs(graph: Graph) -> tuple[str, bool]:
    """The output that tells tokens, and whether there is one that tells what follows."""
    names = [name for name, _ in graph.outputs]
    if len(names) == 1:
        return names[0], False
    if set(names) != {_OBJECTIVE, _NEXT}:
        raise UsageError(
            f"the network '{graph.name}' has the outputs {', '.join(names)}; the objective"
            f" '{_OBJECTIVE}' trains '{_OBJECTIVE}' and '{_NEXT}', or a single one"
        )
    return _OBJECTIVE, True


def _pieces(examples: Examples, added: int) -> Column:
    """The text in pieces that are as long as the data says once the special tokens are there."""
    texts, length = examples.texts, examples.inputs[ONLY].shape[0] - added
    if texts is None or length < 2:
        raise UsageError(
            f"the objective '{_OBJECTIVE}' takes pieces of a text of {added + 2} tokens or more"
        )
    return texts.windows(length)
