"""Targets that are words: the names of classes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.training.columns import Numbers
from archbuilder.training.examples import Examples

_SHOWN: Final = 10


def as_classes(
    words: Sequence[str], what: str, like: Examples | None
) -> tuple[Numbers, tuple[str, ...], str]:
    """The numbers of words, their names in that order, and what is to be said of them.

    Words are numbered by the alphabet, or as the classes of `like` are.

    Raises:
        RunError: if a word is none of the classes of `like`.
    """
    classes = like.classes if like and like.classes else tuple(sorted(set(words)))
    numbers = {word: number for number, word in enumerate(classes)}
    unknown = sorted(set(words) - set(numbers))
    if unknown:
        raise RunError(f"{what} has {shown(unknown[0])}, which is no class of what is trained on")
    few = ", ".join(f"{shown(word)} is {numbers[word]}" for word in classes[:_SHOWN])
    remark = f"the {len(classes)} words of {what} became numbers: {few}"
    return np.array([numbers[word] for word in words], np.int64), classes, remark
