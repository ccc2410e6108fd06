"""Sequences that are made token by token."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from archbuilder.data.text.tokenizer import BEGIN_ID, END_ID, PAD_ID
from archbuilder.inference.samplers import SamplingConfig, beam_search, sample_tokens

TOKENS = 8
PROMPT = np.array([[BEGIN_ID]])


def network(seed: int):
    """Logarithms of probabilities that depend on the last two tokens."""
    scores = np.random.default_rng(seed).normal(size=(TOKENS, TOKENS, TOKENS)) * 2
    scores[:, :, [PAD_ID, 1, BEGIN_ID, 4]] = -np.inf
    scores -= np.log(np.exp(scores).sum(axis=-1, keepdims=True))

    def following(sequences: np.ndarray) -> np.ndarray:
        previous = sequences[:, -2] if sequences.shape[1] > 1 else np.zeros(len(sequences), int)
        return scores[previous, sequences[:, -1]]

    return following


def score(following, tokens: tuple[int, ...]) -> float:
    total, sequence = 0.0, PROMPT
    for token in tokens:
        total += following(sequence)[0, token]
        sequence = np.concatenate([sequence, [[token]]], axis=1)
    return float(total / ((5 + len(tokens)) / 6) ** 0.6)


@pytest.mark.parametrize("seed", range(8))
def test_wide_beam_finds_the_best_sequence(seed: int):
    """With as many beams as there are sequences, none is better than what it finds."""
    following = network(seed)
    words = (5, 6, 7)
    ended = [(*middle, END_ID) for n in range(4) for middle in itertools.product(words, repeat=n)]
    cut = list(itertools.product(words, repeat=4))
    best = max([*ended, *cut], key=lambda tokens: score(following, tokens))
    sequences = beam_search(following, PROMPT, 4, 1_000)
    assert tuple(sequences) == tuple(token for token in best if token != END_ID)


@pytest.mark.parametrize("seed", range(4))
def test_single_beam_is_greedy(seed: int):
    """As a temperature of 0 does, for sequences that come to their end."""
    following = network(seed)
    greedy = sample_tokens(following, PROMPT, 30, SamplingConfig(temperature=0))[0]
    sequence = PROMPT
    for token in greedy:
        assert token == following(sequence)[0].argmax()
        sequence = np.concatenate([sequence, [[token]]], axis=1)
    assert len(greedy) == 30 or following(sequence)[0].argmax() == END_ID


def test_sampling_probabilities():
    """Tokens come as often as they should, at any temperature and from the likeliest alone."""
    with np.errstate(divide="ignore"):
        odds = np.log([0, 0, 0, 0.1, 0, 0.6, 0.2, 0.1])
    many = np.tile(PROMPT, (20_000, 1))

    def shares(chance: SamplingConfig) -> np.ndarray:
        drawn = sample_tokens(lambda rows: np.tile(odds, (len(rows), 1)), many, 1, chance)
        tokens = [int(row[0]) if len(row) else END_ID for row in drawn]
        return np.bincount(tokens, minlength=8)[[END_ID, 5, 6, 7]] / len(tokens)

    assert shares(SamplingConfig()) == pytest.approx([0.1, 0.6, 0.2, 0.1], abs=0.02)
    assert shares(SamplingConfig(top_k=2)) == pytest.approx([0, 0.75, 0.25, 0], abs=0.02)
    squares = np.array([0.1, 0.6, 0.2, 0.1]) ** 2
    assert shares(SamplingConfig(0.5)) == pytest.approx(squares / squares.sum(), abs=0.02)


def test_sampling_is_seeded():
    """The same seed draws the same tokens."""
    first, again, second_seed = (
        sample_tokens(network(0), PROMPT, 20, SamplingConfig(seed=seed))[0].tolist()
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != second_seed


def test_sequences_end_independently():
    """Of several sequences each goes to its own end."""

    def following(sequences: np.ndarray) -> np.ndarray:
        scores = np.full((len(sequences), TOKENS), -10.0)
        ends = sequences.shape[1] >= sequences[:, 0] - 4
        scores[np.arange(len(sequences)), np.where(ends, END_ID, 6)] = 0
        return scores

    prompts = np.array([[5], [7], [6]])
    outputs = sample_tokens(following, prompts, 10, SamplingConfig(temperature=0))
    assert [row.tolist() for row in outputs] == [[], [6, 6], [6]]
