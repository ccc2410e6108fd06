"""What a masked language model is shown: pieces of text with some of their tokens hidden.

All of it follows from a seed and the number of a step, anew at every step.

Source: Devlin et al. 2018, arXiv:1810.04805, sections 3.1 and A.1; the length of the pieces is
fixed and they begin and end anywhere, not at the ends of sentences.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import tensorflow as tf

from archbuilder.training.text.vocabulary import BEGIN, END, MASK, SPECIAL

HIDDEN: Final = 0.8
OTHER: Final = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class Pieces:
    """Tokens with those that begin, divide and end them: all `(examples, length)`."""

    tokens: tf.Tensor
    segments: tf.Tensor
    """0 in the first piece, 1 in the second."""
    follows: tf.Tensor
    """`(examples,)`: 0 where the second piece follows the first, 1 where it is another's."""


@dataclass(frozen=True, slots=True, eq=False)
class Masked:
    """Tokens of which some are hidden, and which of them are to be told: `(examples, length)`."""

    tokens: tf.Tensor
    chosen: tf.Tensor
    """1 where a token is to be told, otherwise 0; as many in every example."""


def single(text: tf.Tensor) -> Pieces:
    """One piece between its begin and its end: two tokens longer than the text."""
    edge = tf.ones_like(text[:, :1])
    tokens = tf.concat([edge * BEGIN, text, edge * END], axis=1)
    return Pieces(tokens, tf.zeros_like(tokens), tf.zeros_like(tokens[:, 0]))


def paired(text: tf.Tensor, seed: tf.Tensor) -> Pieces:
    """Two pieces, of which the second is in half of the examples that of another one.

    The text is cut anywhere, at random. Three tokens longer than the text: the begin, and an end
    behind each piece.
    """
    examples, length = tf.shape(text)[0], text.shape[1]
    cuts, coins, shift = tf.unstack(tf.random.split(seed, 3))
    cut = tf.random.stateless_uniform([examples, 1], cuts, 1, length, tf.int32)
    other = tf.random.stateless_uniform([examples, 1], coins) < 0.5
    # One example alone has no other that it could be given a piece of.
    other &= examples > 1
    steps = tf.random.stateless_uniform([], shift, 1, tf.maximum(examples, 2), tf.int32)
    second = tf.where(other, tf.roll(text, steps, axis=0), text)
    place = tf.range(length + 3)[tf.newaxis]
    behind = place > cut + 1
    # Places of the tokens that begin, divide and end are filled in below.
    source = tf.clip_by_value(place - tf.where(behind, 2, 1), 0, length - 1)
    tokens = tf.where(
        behind,
        tf.gather(second, source, batch_dims=1),
        tf.gather(text, source, batch_dims=1),
    )
    ends = (place == cut + 1) | (place == length + 2)
    tokens = tf.where(ends, END, tf.where(place == 0, BEGIN, tokens))
    return Pieces(tokens, tf.cast(behind, tf.int32), tf.cast(other[:, 0], tf.int32))


def masked(tokens: tf.Tensor, share: float, size: int, seed: tf.Tensor) -> Masked:
    """Tokens of which a share is chosen: most are hidden, some become others of `size`, some stay.

    As many are chosen in every example, and never a special token.
    """
    choice, kinds, others = tf.unstack(tf.random.split(seed, 3))
    length = tokens.shape[1]
    count = max(round(length * share), 1)
    plain = tokens >= len(SPECIAL)
    lots = tf.where(plain, tf.random.stateless_uniform(tf.shape(tokens), choice), -1.0)
    _, places = tf.math.top_k(lots, count)
    chosen = tf.reduce_sum(tf.one_hot(places, length, dtype=tf.int32), axis=1)
    # Where a text has less plain tokens than are to be chosen, none is taken twice.
    chosen *= tf.cast(plain, tf.int32)
    kind = tf.random.stateless_uniform(tf.shape(tokens), kinds)
    random = tf.random.stateless_uniform(
        tf.shape(tokens), others, len(SPECIAL), max(size, len(SPECIAL) + 1), tf.int32
    )
    shown = tf.where(kind < HIDDEN, MASK, tf.where(kind < HIDDEN + OTHER, random, tokens))
    return Masked(tf.where(chosen == 1, shown, tokens), chosen)
