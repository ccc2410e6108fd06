"""Segments and masked tokens for masked language models.

Everything is a function of the seed and the step: tokens are masked anew at every step.

Source: Devlin et al. 2018, arXiv:1810.04805, sections 3.1 and A.1. Unlike there, segments have a
fixed length together, and begin and end anywhere in the text, not at the ends of sentences.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, cast

import tensorflow as tf

from archbuilder.compiler.ir import Node
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, MASK_ID, SPECIAL_TOKENS
from archbuilder.language.objective_operations import (
    MASK_TOKENS,
    NEXT_SENTENCE,
    SEGMENT_TEXT,
    objective_signatures,
)
from archbuilder.objectives.step_context import Tensors
from archbuilder.yaml.nodes import to_plain

SEGMENT_SPECIAL_TOKENS: Final = 2
PAIR_SPECIAL_TOKENS: Final = 3
"""The special tokens of one segment and of two: one at the beginning, one after each segment."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentedTokens:
    """One or two segments with the special tokens around them; arrays are `(examples, length)`."""

    tokens: tf.Tensor
    segments: tf.Tensor
    """0 in the first segment, 1 in the second."""
    next_sentence_label: tf.Tensor
    """`(examples,)`: 0 if the second segment follows the first, 1 if it is of another text."""


@dataclass(frozen=True, slots=True, eq=False)
class MaskedTokens:
    """Tokens with masks, and the positions to predict; arrays are `(examples, length)`."""

    tokens: tf.Tensor
    predict_mask: tf.Tensor
    """1 where a token has to be predicted, else 0."""


def single_segment(text: tf.Tensor) -> SegmentedTokens:
    """Return a text between its special tokens, which make it two tokens longer."""
    edge = tf.ones_like(text[:, :1])
    tokens = tf.concat([edge * BEGIN_ID, text, edge * END_ID], axis=1)
    return SegmentedTokens(tokens, tf.zeros_like(tokens), tf.zeros_like(tokens[:, 0]))


def segment_pair(text: tf.Tensor, seed: tf.Tensor) -> SegmentedTokens:
    """Return two segments, of which the second is from another example in half of the examples.

    The text is cut at a random position. The result is three tokens longer: one at the beginning,
    and one after each segment.
    """
    num_examples, length = tf.shape(text)[0], text.shape[1]
    cut_seed, swap_seed, shift_seed = tf.unstack(tf.random.split(seed, 3))
    cut = tf.random.stateless_uniform([num_examples, 1], cut_seed, 1, length, tf.int32)
    is_random_next = tf.random.stateless_uniform([num_examples, 1], swap_seed) < 0.5
    # A batch of one example has no other text to take a segment of.
    is_random_next &= num_examples > 1
    # Rolling by 1 to n - 1 examples never pairs an example with itself.
    shift = tf.random.stateless_uniform([], shift_seed, 1, tf.maximum(num_examples, 2), tf.int32)
    second = tf.where(is_random_next, tf.roll(text, shift, axis=0), text)
    position = tf.range(length + 3)[tf.newaxis]
    # Position 0 is BEGIN_ID, and position cut + 1 the END_ID of the first segment.
    is_second = position > cut + 1
    # Clipped at the positions of special tokens, which are filled in below.
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


@dataclass(frozen=True, slots=True)
class MaskRates:
    """The fraction of the tokens that are selected, and those of what becomes of them."""

    selected: float
    masked: float = 0.8
    """Fraction of the selected tokens that become the mask token (section 3.1)."""
    random: float = 0.1
    """Fraction of the selected tokens that become a random token; the rest stay."""


def mask_tokens(
    tokens: tf.Tensor,
    rates: MaskRates,
    vocabulary_size: int,
    seed: tf.Tensor,
    share: BatchShare,
) -> MaskedTokens:
    """Select a fraction of the tokens of a share to predict, and mask most of them.

    The number of selected tokens is the same in every example, except where it has too few tokens
    that are not special: those are never selected.
    """
    selection_seed, action_seed, token_seed = tf.unstack(tf.random.split(seed, 3))
    length = tokens.shape[1]
    batch_shape = (share.batch_size, length)
    count = max(round(length * rates.selected), 1)
    is_plain_token = tokens >= len(SPECIAL_TOKENS)
    # The largest of random scores are a random choice of exactly `count` positions, so that shapes
    # are static.
    random_scores = tf.where(
        is_plain_token,
        share.select(tf.random.stateless_uniform(batch_shape, selection_seed)),
        -1.0,
    )
    _, positions = tf.math.top_k(random_scores, count)
    predict_mask = tf.reduce_sum(tf.one_hot(positions, length, dtype=tf.int32), axis=1)
    # In a text with fewer than `count` plain tokens, special tokens are among the top ones.
    predict_mask *= tf.cast(is_plain_token, tf.int32)
    action_draw = share.select(tf.random.stateless_uniform(batch_shape, action_seed))
    random_tokens = tf.random.stateless_uniform(
        batch_shape,
        token_seed,
        len(SPECIAL_TOKENS),
        # Not empty, even if the vocabulary has special tokens only.
        max(vocabulary_size, len(SPECIAL_TOKENS) + 1),
        tf.int32,
    )
    replacements = tf.where(
        action_draw < rates.masked,
        MASK_ID,
        tf.where(
            action_draw < rates.masked + rates.random,
            share.select(random_tokens),
            tokens,
        ),
    )
    return MaskedTokens(tf.where(predict_mask == 1, replacements, tokens), predict_mask)


def draw_tokens(
    node: Node, tokens: tf.Tensor, seed: tf.Tensor, share: BatchShare, vocabulary_size: int
) -> Tensors:
    """Return the outputs of an operation on tokens, a function of them and the seed."""
    if node.operation == SEGMENT_TEXT:
        pieces = segment_pair(tokens, seed) if has_pairs(node) else single_segment(tokens)
        return pieces.tokens, pieces.segments, pieces.next_sentence_label
    signature = objective_signatures()[MASK_TOKENS]
    defaults = {name: each.default for name, each in signature.arguments.items()}
    rates = {**defaults, **{each.name: to_plain(each.value) for each in node.arguments}}
    masked = mask_tokens(
        tokens,
        MaskRates(*(float(cast("float", rates[name])) for name in ("rate", "masked", "random"))),
        vocabulary_size,
        seed,
        share,
    )
    return masked.tokens, masked.predict_mask


def has_pairs(node: Node) -> bool:
    """Return whether a step returns two pieces of a text."""
    return bool(node.argument(NEXT_SENTENCE))


def text_columns(nodes: Iterable[Node]) -> Mapping[str, Node]:
    """Return the columns of which steps make segments, each with its step."""
    return {each.input_refs()[0].node: each for each in nodes if each.operation == SEGMENT_TEXT}
