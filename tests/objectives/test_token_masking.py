"""What a masked language model is shown."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from archbuilder.data.batch_share import BatchShare
from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, MASK_ID
from archbuilder.objectives.token_masking import (
    MaskRates,
    mask_tokens,
    segment_pair,
    single_segment,
)

SEED = tf.constant([3, 7])
LENGTH = 29
BATCH = BatchShare(tf.constant(0, tf.int64), tf.range(64))
TEXT = tf.constant(np.arange(64 * LENGTH).reshape(64, LENGTH) + 10, tf.int32)
"""Every token is another one, so that it tells where it is from."""


def test_single_segment():
    """The text between its begin and its end."""
    pieces = single_segment(TEXT)
    tokens = pieces.tokens.numpy()
    assert (tokens[:, 0] == BEGIN_ID).all()
    assert (tokens[:, -1] == END_ID).all()
    assert np.array_equal(tokens[:, 1:-1], TEXT)
    assert not pieces.segments.numpy().any()


def test_next_sentence_segments():
    """A begin, a piece, an end, a piece and an end; half of the second ones are another's."""
    pieces = segment_pair(TEXT, SEED)
    others = pieces.next_sentence_label.numpy()
    assert 16 < others.sum() < 48
    cuts = set()
    for row, tokens in enumerate(pieces.tokens.numpy()):
        (cut,) = np.flatnonzero(tokens[:-1] == END_ID)
        cuts.add(int(cut))
        assert tokens[0] == BEGIN_ID
        assert tokens[-1] == END_ID
        assert np.array_equal(tokens[1:cut], TEXT[row, : cut - 1])
        origin = (tokens[cut + 1] - 10) // LENGTH
        assert (origin != row) == bool(others[row])
        assert np.array_equal(tokens[cut + 1 : -1], TEXT[origin, cut - 1 :])
        assert np.array_equal(pieces.segments[row], np.arange(LENGTH + 3) > cut)
    assert len(cuts) > 10


def test_next_sentence_with_a_single_example():
    """Where there is no other example, the second piece is always the right one."""
    pieces = [segment_pair(TEXT[:1], tf.constant([0, step])) for step in range(20)]
    assert not any(each.next_sentence_label.numpy().any() for each in pieces)


def test_mask_rates():
    """15% of the tokens are chosen: 80% of them hidden, 10% others, 10% as they were."""
    tokens = tf.concat([tf.fill([64, 1], BEGIN_ID), tf.fill([64, 199], 50)], axis=1)
    masked = mask_tokens(tokens, MaskRates(0.15), 10_000, SEED, BATCH)
    chosen = masked.predict_mask.numpy() == 1
    assert (chosen.sum(axis=1) == 30).all()
    assert not chosen[:, 0].any()
    shown = masked.tokens.numpy()
    assert np.array_equal(shown[~chosen], tokens.numpy()[~chosen])
    shown_tokens = shown[chosen]
    assert np.mean(shown_tokens == MASK_ID) == pytest.approx(0.8, abs=0.03)
    assert np.mean(shown_tokens == 50) == pytest.approx(0.1, abs=0.03)
    others = shown_tokens[(shown_tokens != MASK_ID) & (shown_tokens != 50)]
    assert np.mean(others) == pytest.approx(5_000, rel=0.15)


def test_masking_is_seeded():
    """The same seed hides the same tokens, another one others."""
    first, again, second_seed = (
        mask_tokens(TEXT, MaskRates(0.2), 99, tf.constant([1, n]), BATCH) for n in (1, 1, 2)
    )
    assert np.array_equal(first.tokens, again.tokens)
    assert not np.array_equal(first.predict_mask, second_seed.predict_mask)


def test_special_tokens_are_not_masked():
    """Where there is nothing to hide, nothing is hidden."""
    masked = mask_tokens(tf.fill([64, 10], END_ID), MaskRates(0.5), 99, SEED, BATCH)
    assert not masked.predict_mask.numpy().any()
    assert (masked.tokens.numpy() == END_ID).all()
