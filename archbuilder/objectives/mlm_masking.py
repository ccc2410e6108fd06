"""What a masked language model is shown: pieces of text with some of their tokens hidden.

All of it follows from a seed and the number of a step, anew at every step.

Source: Devlin et al. 2018, arXiv:1810.04805, sections 3.1 and A.1; the length of the pieces is
fixed and they begin and end anywhere, not at the ends of sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, MASK_ID, SPECIAL_TOKENS

MASK_TOKEN_RATE: Final = 0.8
RANDOM_TOKEN_RATE: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedTokens:
    """Tokens with those that begin, divide and end them: all `(examples, length)`."""

    tokens: tf.Tensor
    segments: tf.Tensor
    """0 in the first piece, 1 in the second."""
    next_sentence_label: tf.Tensor
    """`(examples,)`: 0 where the second piece follows the first, 1 where it is another's."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskedTokens:
    """Tokens of which some are hidden, and which of them are to be told: `(examples, length)`."""

    tokens: tf.Tensor
    predict_mask: tf.Tensor
    """1 where a token is to be told, otherwise 0; as many in every example."""


def single_segment(text: tf.Tensor) -> SegmentedTokens:
    """One piece between its begin and its end: two tokens longer than the text."""
    edge = tf.ones_like(text[:, :1])
    tokens = tf.concat([edge * BEGIN_ID, text, edge * END_ID], axis=1)
    return SegmentedTokens(tokens, tf.zeros_like(tokens), tf.zeros_like(tokens[:, 0]))


def segment_pair(text: tf.Tensor, seed: tf.Tensor) -> SegmentedTokens:
    """Two pieces, of which the second is in half of the examples that of another one.

    The text is cut anywhere, at random. Three tokens longer than the text: the begin, and an end
    behind each piece.
    """
    num_examples, length = tf.shape(text)[0], text.shape[1]
    cut_seed, swap_seed, shift_seed = tf.unstack(tf.random.split(seed, 3))
    cut = tf.random.stateless_uniform([num_examples, 1], cut_seed, 1, length, tf.int32)
    is_random_next = tf.random.stateless_uniform([num_examples, 1], swap_seed) < 0.5
    # One example alone has no other that it could be given a piece of.
    is_random_next &= num_examples > 1
    shift = tf.random.stateless_uniform([], shift_seed, 1, tf.maximum(num_examples, 2), tf.int32)
    second = tf.where(is_random_next, tf.roll(text, shift, axis=0), text)
    position = tf.range(length + 3)[tf.newaxis]
    is_second = position > cut + 1
    # Places of the tokens that begin, divide and end are filled in below.
    source_position = tf.clip_by_value(position - tf.where(is_second, 2, 1), 0, length - 1)
    tokens = tf.where(
        is_second,
        tf.gather(second, source_position, batch_dims=1),
        tf.gather(text, source_position, batch_dims=1),
    )
    is_end = (position == cut + 1) | (position == length + 2)
    tokens = tf.where(is_end, END_ID, tf.where(position == 0, BEGIN_ID, tokens))
    return SegmentedTokens(
        tokens, tf.cast(is_second, tf.int32), tf.cast(is_random_next[:, 0], tf.int32)
    )


def mask_tokens(
    tokens: tf.Tensor, mask_selection_rate: float, vocabulary_size: int, seed: tf.Tensor
) -> MaskedTokens:
    """Tokens of which a share is chosen: most are hidden, some become others of `size`, some stay.

    As many are chosen in every example, and never a special token.
    """
    selection_seed, action_seed, token_seed = tf.unstack(tf.random.split(seed, 3))
    length = tokens.shape[1]
    count = max(round(length * mask_selection_rate), 1)
    is_plain_token = tokens >= len(SPECIAL_TOKENS)
    random_scores = tf.where(
        is_plain_token, tf.random.stateless_uniform(tf.shape(tokens), selection_seed), -1.0
    )
    _, positions = tf.math.top_k(random_scores, count)
    predict_mask = tf.reduce_sum(tf.one_hot(positions, length, dtype=tf.int32), axis=1)
    # Where a text has less plain tokens than are to be chosen, none is taken twice.
    predict_mask *= tf.cast(is_plain_token, tf.int32)
    action_draw = tf.random.stateless_uniform(tf.shape(tokens), action_seed)
    random_tokens = tf.random.stateless_uniform(
        tf.shape(tokens),
        token_seed,
        len(SPECIAL_TOKENS),
        max(vocabulary_size, len(SPECIAL_TOKENS) + 1),
        tf.int32,
    )
    replacements = tf.where(
        action_draw < MASK_TOKEN_RATE,
        MASK_ID,
        tf.where(action_draw < MASK_TOKEN_RATE + RANDOM_TOKEN_RATE, random_tokens, tokens),
    )
    return MaskedTokens(tf.where(predict_mask == 1, replacements, tokens), predict_mask)
