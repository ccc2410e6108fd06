"""Makes sequences of what a network says of the next token: by chance, the best one, or a beam.

`Next` gives the logarithms of the probabilities of the next token, `(sequences, tokens)`, for
sequences of one length, `(sequences, length)`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from archbuilder.training.text.vocabulary import END, PADDING

Sequences: TypeAlias = NDArray[np.int64]
Next: TypeAlias = Callable[[Sequences], NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Chance:
    """How a token is drawn. A temperature of 0 takes the most likely one."""

    temperature: float = 1.0
    top: int | None = None
    """How many of the most likely tokens are drawn from."""
    seed: int = 0


def drawn(following: Next, begun: Sequences, tokens: int, chance: Chance) -> list[Sequences]:
    """What follows each of some sequences: up to so many tokens, or to its end, without it."""
    numbers = np.random.default_rng(chance.seed)
    sequences = begun
    over = np.zeros(len(begun), np.bool_)
    for _ in range(tokens):
        scores = following(sequences)
        chosen = np.where(over, PADDING, _choose(scores, chance, numbers))
        over |= chosen == END
        sequences = np.concatenate([sequences, chosen[:, np.newaxis]], axis=1)
        if over.all():
            break
    return [_until_end(row) for row in sequences[:, begun.shape[1] :]]


def _choose(
    scores: NDArray[np.float64], chance: Chance, numbers: np.random.Generator
) -> NDArray[np.int64]:
    if chance.temperature == 0:
        return _largest(scores)
    # The likeliest is at 0: what stays finite there is what the coldest draw can choose.
    with np.errstate(over="ignore"):
        heated = (scores - scores.max(axis=1, keepdims=True)) / chance.temperature
    if chance.top is not None and chance.top < scores.shape[1]:
        least = np.partition(heated, -chance.top, axis=1)[:, [-chance.top]]
        heated = np.where(heated < least, -np.inf, heated)
    # Gumbel's trick: the largest of these is drawn with the right probability.
    return _largest(heated + numbers.gumbel(size=heated.shape))


def _largest(scores: NDArray[np.float64]) -> Sequences:
    places: Sequences = scores.argmax(axis=1)
    return places


def beam(
    following: Next, begun: Sequences, tokens: int, beams: int, *, penalty: float = 0.6
) -> Sequences:
    """The likeliest of the sequences that the widest `beams` at each length lead to.

    `begun` is one sequence, `(1, length)`. A sequence of n tokens is judged by its logarithm over
    ((5 + n) / 6) ** penalty (Wu et al. 2016, arXiv:1609.08144, equation 14; 0.6 as in Vaswani et
    al. 2017, section 6.1).
    """
    alive, logs = begun, np.zeros(1)
    done: list[tuple[float, Sequences]] = []
    for count in range(1, tokens + 1):
        scale = ((5 + count) / 6) ** penalty
        totals = (logs[:, np.newaxis] + following(alive)).ravel()
        width = totals.size // len(alive)
        best = np.argsort(-totals, kind="stable")[: 2 * beams]
        rows, last = np.divmod(best, width)
        grown = np.concatenate([alive[rows], last[:, np.newaxis]], axis=1)
        ends = last == END
        done += [
            (totals[each] / scale, row)
            for each, row, end in zip(best, grown, ends, strict=True)
            if end and np.isfinite(totals[each])
        ]
        going = np.flatnonzero(~ends & np.isfinite(totals[best]))[:beams]
        if not len(going):
            break
        alive, logs = grown[going], totals[best[going]]
        if len(done) >= beams and max(score for score, _ in done) >= logs[0] / scale:
            break
    else:
        done += [(log / scale, row) for log, row in zip(logs, alive, strict=True)]
    _, winner = max(done, key=lambda each: each[0])
    return _until_end(winner[begun.shape[1] :])


def _until_end(tokens: Sequences) -> Sequences:
    ends = np.flatnonzero(tokens == END)
    return tokens[: ends[0]] if len(ends) else tokens
