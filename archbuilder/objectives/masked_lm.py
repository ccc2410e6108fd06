"""Objective `masked_lm`: predict masked tokens, with or without next sentence prediction.

Source: Devlin et al. 2018, arXiv:1810.04805, sections 3.1 and A.2.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from archbuilder.compiler.ir import Graph
from archbuilder.config.objectives import MaskedLMConfig
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.columns import Column
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.diagnostics.errors import UsageError
from archbuilder.objectives.lm_common import (
    LanguageObjective,
    ModelInputs,
    Tokens,
    check_inputs,
    check_outputs,
    crossentropy,
    make_language_task,
    require_tokenizer,
)
from archbuilder.objectives.mlm_masking import mask_tokens, segment_pair, single_segment
from archbuilder.trainer.context import TrainableTask, TrainingContext

_OBJECTIVE = "masked_lm"
_NEXT_SENTENCE = "next_sentence"
_INPUTS = ("tokens", "segments", "mask")


def make_masked_lm_task(context: TrainingContext, config: MaskedLMConfig) -> TrainableTask:
    """Build the network, and return the task that trains it.

    The outputs of the network are `masked_lm` and, for next sentence prediction, `next_sentence`. A
    single output may have any name. Its inputs are `tokens`, and optionally `segments` and `mask`.

    Raises:
        UsageError: if the blueprint has several networks, or other inputs and outputs, or the data
            is not text.
        BlueprintError: if the network does not fit the machine.
        RunError: if the text does not fit the network.
    """
    tokenizer = require_tokenizer(context, _OBJECTIVE, "text")

    def make_objective(graph: Graph, model: keras.Model) -> LanguageObjective:
        check_inputs(graph, _INPUTS[:1], _INPUTS)
        output, has_next_sentence = _output_names(graph)
        check_outputs(graph, model, output, tokenizer)

        def make_inputs(share: BatchShare, tokens: Tokens) -> ModelInputs:
            # Independent draws at every step, which a resumed run repeats.
            seed = [context.config.seed, tf.cast(share.step, tf.int32)]
            segment_seed, mask_seed = tf.unstack(tf.random.split(seed, 2))
            text = tokens[UNNAMED]
            segmented_tokens = (
                segment_pair(text, segment_seed) if has_next_sentence else single_segment(text)
            )
            masked_tokens = mask_tokens(
                segmented_tokens.tokens, config.mask_rate, tokenizer.vocab_size, mask_seed, share
            )
            inputs = {
                "tokens": masked_tokens.tokens,
                "segments": segmented_tokens.segments,
                "mask": tf.ones_like(segmented_tokens.tokens),
            }
            # The loss is the mean over the masked positions of the global batch.
            weights = {output: tf.cast(masked_tokens.predict_mask, tf.float32)}
            targets = {output: segmented_tokens.tokens}
            if has_next_sentence:
                targets[_NEXT_SENTENCE] = segmented_tokens.next_sentence_label
                weights[_NEXT_SENTENCE] = tf.ones_like(
                    segmented_tokens.next_sentence_label, tf.float32
                )
            return inputs, targets, weights

        losses = {output: crossentropy(graph, model, output)}
        if has_next_sentence:
            losses[_NEXT_SENTENCE] = crossentropy(graph, model, _NEXT_SENTENCE)
        # Special tokens: one at the beginning, and one after each segment.
        return LanguageObjective(
            lambda dataset: {UNNAMED: _text_windows(dataset, 3 if has_next_sentence else 2)},
            make_inputs,
            losses,
            config.optimizer,
            # The second segment may be from another example.
            needs_batch=has_next_sentence,
        )

    return make_language_task(context, _OBJECTIVE, make_objective)


def _output_names(graph: Graph) -> tuple[str, bool]:
    """Return the output that predicts tokens, and whether there is one for the next sentence."""
    names = [name for name, _ in graph.outputs]
    if len(names) == 1:
        return names[0], False
    if set(names) != {_OBJECTIVE, _NEXT_SENTENCE}:
        raise UsageError(
            f"the network '{graph.name}' has the outputs {', '.join(names)}; the objective"
            f" '{_OBJECTIVE}' trains '{_OBJECTIVE}' and '{_NEXT_SENTENCE}', or a single output"
        )
    return _OBJECTIVE, True


def _text_windows(dataset: SourceDataset, num_special_tokens: int) -> Column:
    """Return windows of the text that have the configured length with the special tokens added."""
    texts, length = dataset.token_array, dataset.inputs[UNNAMED].shape[0] - num_special_tokens
    # A pair of segments has at least one token in each.
    if texts is None or length < 2:
        raise UsageError(
            f"the objective '{_OBJECTIVE}' needs sequences of at least {num_special_tokens + 2}"
            " tokens; increase 'sequence_length'"
        )
    return texts.windows(length)
