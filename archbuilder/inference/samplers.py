"""Samplers of token sequences: random sampling, greedy search and beam search."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.data.text.tokenizer import END_ID, PAD_ID

TokenIds: TypeAlias = NDArray[np.int64]
LogProbFn: TypeAlias = Callable[[TokenIds], NDArray[np.float64]]
"""Returns log-probabilities of the next token, `(sequences, tokens)`, for `(sequences, length)`."""


@dataclass(frozen=True, slots=True)
class SamplingConfig:
    """How a token is drawn. A temperature of 0 selects the most likely one."""

    temperature: float = 1.0
    top_k: int | None = None
    """Number of the most likely tokens to draw from; None for all."""
    seed: int = 0


def sample_tokens(
    log_prob_fn: LogProbFn, prompts: TokenIds, max_new_tokens: int, sampling: SamplingConfig
) -> list[TokenIds]:
    """Return the continuation of each prompt: up to `max_new_tokens` tokens, without END_ID.

    All prompts have the same length: `(sequences, length)`.
    """
    rng = np.random.default_rng(sampling.seed)
    sequences = prompts
    finished = np.zeros(len(prompts), np.bool_)
    for _ in range(max_new_tokens):
        scores = log_prob_fn(sequences)
        if sampling.temperature != 0:
            # The top logit is 0, so a division by a tiny temperature overflows to -inf only for
            # tokens that are never drawn.
            with np.errstate(over="ignore"):
                logits = (scores - scores.max(axis=1, keepdims=True)) / sampling.temperature
            if sampling.top_k is not None and sampling.top_k < logits.shape[1]:
                threshold = np.partition(logits, -sampling.top_k, axis=1)[:, [-sampling.top_k]]
                # Tokens that tie with the k-th one are kept.
                logits = np.where(logits < threshold, -np.inf, logits)
            # Gumbel-max trick: the argmax is distributed as the softmax of the logits.
            scores = logits + rng.gumbel(size=logits.shape)
        # A finished sequence still draws, so that the others do not depend on when it ended.
        next_tokens = np.where(finished, PAD_ID, scores.argmax(axis=1))
        finished |= next_tokens == END_ID
        sequences = np.concatenate([sequences, next_tokens[:, np.newaxis]], axis=1)
        if finished.all():
            break
    return [_truncate_at_eos(row) for row in sequences[:, prompts.shape[1] :]]


def beam_search(
    log_prob_fn: LogProbFn,
    prompt: TokenIds,
    max_new_tokens: int,
    num_beams: int,
    *,
    length_penalty: float = 0.6,
) -> TokenIds:
    """Return the best continuation of a prompt, `(1, length)`, without END_ID.

    The score of n tokens is their log-probability over ((5 + n) / 6) ** length_penalty (Wu et al.
    2016, arXiv:1609.08144, equation 14). 0.6 is the value of Vaswani et al. 2017, section 6.1.
    """
    active, log_probs = prompt, np.zeros(1)
    finished: list[tuple[float, TokenIds]] = []
    for length in range(1, max_new_tokens + 1):
        scale = ((5 + length) / 6) ** length_penalty
        totals = (log_probs[:, np.newaxis] + log_prob_fn(active)).ravel()
        vocab_size = totals.size // len(active)
        # At most one candidate of each beam ends, so twice as many leave `num_beams` to continue.
        # Stable, so that ties are broken in the same way on every CPU.
        best = np.argsort(-totals, kind="stable")[: 2 * num_beams]
        rows, next_tokens = np.divmod(best, vocab_size)
        extended = np.concatenate([active[rows], next_tokens[:, np.newaxis]], axis=1)
        is_end = next_tokens == END_ID
        finished += [
            (totals[each] / scale, row)
            for each, row, end in zip(best, extended, is_end, strict=True)
            if end and np.isfinite(totals[each])
        ]
        continuing = np.flatnonzero(~is_end & np.isfinite(totals[best]))[:num_beams]
        if not len(continuing):
            break
        active, log_probs = extended[continuing], totals[best[continuing]]
        # Stop when the best active beam is behind. This is a heuristic: the log-probability of a
        # longer sequence is divided by more, so its score could still overtake.
        if (
            len(finished) >= num_beams
            and max(score for score, _ in finished) >= log_probs[0] / scale
        ):
            break
    else:
        # `max_new_tokens` is reached: beams without an end compete as they are.
        finished += [(log / scale, row) for log, row in zip(log_probs, active, strict=True)]
    _, best_sequence = max(finished, key=lambda candidate: candidate[0])
    return _truncate_at_eos(best_sequence[prompt.shape[1] :])


def _truncate_at_eos(tokens: TokenIds) -> TokenIds:
    ends = np.flatnonzero(tokens == END_ID)
    return tokens[: ends[0]] if len(ends) else tokens
