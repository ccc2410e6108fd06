"""Objective `sequence_to_sequence`: predict each token from the source and the preceding tokens.

In training, the preceding tokens are those of the target, not predicted ones (teacher forcing).

Sources: Vaswani et al. 2017, arXiv:1706.03762, sections 3.1 and 5; the smoothing of labels is that
of Szegedy et al. 2015, arXiv:1512.00567, section 7.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.config.objectives import SequenceToSequenceConfig
from archbuilder.data.sources.pairs import SOURCE, TARGET
from archbuilder.data.text.tokenizer import PAD_ID
from archbuilder.objectives.lm_common import (
    LanguageObjective,
    ModelInputs,
    Tokens,
    check_inputs,
    check_outputs,
    make_language_task,
    require_tokenizer,
)
from archbuilder.objectives.output_activation import has_final_activation
from archbuilder.trainer.context import TrainableTask, TrainingContext

_OBJECTIVE = "sequence_to_sequence"
_INPUTS = (SOURCE, TARGET, "mask")


class LabelSmoothedCrossentropy(keras.losses.Loss):
    """Crossentropy with integer classes and label smoothing.

    Equals Keras's `CategoricalCrossentropy` with `label_smoothing`, but needs no one-hot targets,
    which would take one number per class for every token.

    Args:
        label_smoothing: Probability that is spread over all classes, from 0 to 1.
        from_logits: Whether predictions are logits rather than probabilities.
    """

    def __init__(self, label_smoothing: float, *, from_logits: bool) -> None:
        # The mean over tokens that are not padding, whose sample weight is 0.
        super().__init__(name="smoothed_crossentropy", reduction="mean_with_sample_weight")
        self._label_smoothing = label_smoothing
        self._from_logits = from_logits

    def call(self, y_true: tf.Tensor, y_pred: tf.Tensor) -> tf.Tensor:
        """Return the loss of each token: `(examples, length)`."""
        y_pred = tf.cast(y_pred, tf.float32)
        if self._from_logits:
            log_probs = tf.nn.log_softmax(y_pred)
        else:
            # As Keras does, so that a probability of 0 has a finite loss.
            log_probs = tf.math.log(tf.maximum(y_pred, keras.config.epsilon()))
        label_log_probs = tf.gather(log_probs, tf.cast(y_true, tf.int32), batch_dims=2)
        return -(
            1 - self._label_smoothing
        ) * label_log_probs - self._label_smoothing * tf.reduce_mean(log_probs, axis=-1)


def make_sequence_to_sequence_task(
    context: TrainingContext, config: SequenceToSequenceConfig
) -> TrainableTask:
    """Build the network, and return the task that trains it.

    The inputs of the network are `source`, `target` and optionally `mask`, which is 1 at the tokens
    of the source. At every position of the target it outputs a prediction of the next token.

    Raises:
        UsageError: if the blueprint has several networks, or other inputs, or the data is not pairs
            of texts.
        BlueprintError: if the network does not fit the machine.
        RunError: if the texts do not fit the network.
    """
    tokenizer = require_tokenizer(context, _OBJECTIVE, "pairs")

    def make_objective(graph: Graph, model: keras.Model) -> LanguageObjective:
        check_inputs(graph, _INPUTS[:2], _INPUTS)
        ((output, _),) = graph.outputs[:1]
        check_outputs(graph, model, output, tokenizer)

        def make_inputs(_share: object, tokens: Tokens) -> ModelInputs:
            source, target = tokens[SOURCE], tokens[TARGET]
            # The target shifted by one: its input has no last token, its labels no first one.
            inputs = {
                SOURCE: source,
                "mask": tf.cast(source != PAD_ID, tf.int32),
                TARGET: target[:, :-1],
            }
            weights = tf.cast(target[:, 1:] != PAD_ID, tf.float32)
            return inputs, {output: target[:, 1:]}, {output: weights}

        logits = not has_final_activation(graph, model, output, "softmax")
        return LanguageObjective(
            lambda dataset: {name: dataset.inputs[name].column for name in (SOURCE, TARGET)},
            make_inputs,
            {output: LabelSmoothedCrossentropy(config.label_smoothing, from_logits=logits)},
            config.optimizer,
            # With label smoothing, the loss is not the crossentropy.
            has_perplexity=not config.label_smoothing,
        )

    return make_language_task(context, _OBJECTIVE, make_objective)
