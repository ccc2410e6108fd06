"""Targets that are words, the names of classes, or numbers: which, is known when all are read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from archbuilder.errors import RunError, shown
from archbuilder.tables import plural
from archbuilder.training.columns import Column, Numbers
from archbuilder.training.dtypes import EXACT
from archbuilder.training.sources.gathering import Store

_SHOWN: Final = 10
_MOST: Final = 2**20
"""The different words that may be the names of classes."""


class Labels:
    """A column of targets that grows. Words are numbered by the alphabet, or as those `given` are.

    What was trained on is given; there a word that looks like a number is one of them, and
    everywhere but in `untyped` data.
    """

    def __init__(
        self, what: str, given: Sequence[str], store: Store, *, untyped: bool = True
    ) -> None:
        self._what = what
        self._given = given
        self._untyped = untyped
        self._numbers = {word: number for number, word in enumerate(given)}
        self._codes = store.column(what)
        self._values = store.column(what)
        self._whole = True
        self._word: str | None = None
        """One that is no number."""

    def add(self, words: Sequence[str]) -> None:
        """Some more of them.

        Raises:
            RunError: if a word is none of the classes that are trained on, or there are too many.
        """
        if not self._untyped:
            self._word = self._word or next(iter(words), None)
        elif not self._given:
            self._values.add(self._as_numbers(words))
        if self._given or self._word is not None or len(self._numbers) <= _MOST:
            self._codes.add(np.array([self._number(word) for word in words], np.int32))
        if self._word is not None and len(self._numbers) > _MOST:
            raise RunError(f"{self._what} has {shown(self._word)} among more than {_MOST:,} others")

    def column(self) -> tuple[Column, tuple[str, ...], tuple[str, ...]]:
        """All of them as numbers; if they are words, the classes in their order and a remark."""
        if not self._given and self._word is None:
            self._codes.discard()
            dtype = np.dtype(np.int64 if self._whole else np.float32)
            return self._values.column(lambda values: values.astype(dtype), dtype), (), ()
        self._values.discard()
        classes = tuple(self._given or sorted(self._numbers))
        rank = {word: number for number, word in enumerate(classes)}
        table = np.array([rank[word] for word in self._numbers], np.int64)
        few = ", ".join(f"{shown(word)} is {rank[word]}" for word in classes[:_SHOWN])
        remark = f"the {plural(len(classes), 'word')} of {self._what} became numbers: {few}"
        return self._codes.column(lambda codes: table[codes], table.dtype), classes, (remark,)

    def _number(self, word: str) -> int:
        """Which of the words it is, in the order in which they are met."""
        if self._given and word not in self._numbers:
            raise RunError(
                f"{self._what} has {shown(word)}, which is no class of what is trained on"
            )
        return self._numbers.setdefault(word, len(self._numbers))

    def _as_numbers(self, words: Sequence[str]) -> Numbers:
        """The same as numbers; anything where one of them is none."""
        for kind in (int, float):
            try:
                values = np.array([kind(word) for word in words], np.float64)
            except (ValueError, OverflowError):
                self._whole = False
                continue
            self._whole = self._whole and bool((abs(values) < EXACT).all())
            return values
        self._word = self._word or next(word for word in words if not is_number(word))
        return np.zeros(len(words))


def is_number(word: str) -> bool:
    """Whether a word can be read as a number."""
    try:
        float(word)
    except ValueError:
        return False
    return True
