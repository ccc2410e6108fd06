"""Words and phrases of a few words as tokens, as Keras's `TextVectorization` has them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from tokenizers.normalizers import Normalizer

from archbuilder.config.sources import TokenizerConfig
from archbuilder.data.text.tokenizer import (
    SPECIAL_TOKENS,
    UNK_ID,
    TextBlocks,
    Vocabulary,
    split_words,
    text_normalizer,
)
from archbuilder.diagnostics.errors import RunError

_MAX_PHRASES: Final = 2**24
"""Largest number of different phrases, which are in memory while they are counted."""


@dataclass(frozen=True, slots=True, eq=False)
class PhraseTokenizer:
    """A tokenizer of words and of all phrases of up to `max_words` words."""

    normalizer: Normalizer | None
    max_words: int
    ids: Mapping[str, int]

    @classmethod
    def from_vocabulary(
        cls, config: TokenizerConfig, max_words: int, vocabulary: Vocabulary
    ) -> PhraseTokenizer:
        """Create the tokenizer that learned a vocabulary."""
        numbers = enumerate(vocabulary.tokens, start=len(SPECIAL_TOKENS))
        return cls(text_normalizer(config), max_words, {token: number for number, token in numbers})

    @classmethod
    def learn(
        cls, config: TokenizerConfig, max_words: int, blocks: TextBlocks, source_name: str
    ) -> Vocabulary:
        """Learn the most frequent words and phrases; equally frequent ones by the alphabet.

        Raises:
            RunError: if the text is empty, or has too many phrases.
        """
        tokenizer = cls(text_normalizer(config), max_words, {})
        counts: Counter[str] = Counter()
        for block in blocks():
            counts.update(tokenizer._phrases(block))
            if len(counts) > _MAX_PHRASES:
                raise RunError(
                    f"{source_name} has more than {_MAX_PHRASES:,} different phrases; use fewer"
                    " 'ngrams'"
                )
        for token in SPECIAL_TOKENS:
            del counts[token]
        if not counts:
            raise RunError(f"{source_name} has no text")
        tokens = sorted(counts, key=lambda token: (-counts[token], token))
        return Vocabulary(tuple(tokens[: config.vocabulary_size - len(SPECIAL_TOKENS)]))

    @property
    def vocab_size(self) -> int:
        """Number of tokens, including the special ones."""
        return len(self.ids) + len(SPECIAL_TOKENS)

    def encode(self, texts: Sequence[str]) -> list[NDArray[np.int64]]:
        """Return the ids of the words and phrases of each text."""
        return [
            np.array([self.ids.get(each, UNK_ID) for each in self._phrases(text)], np.int64)
            for text in texts
        ]

    def _phrases(self, text: str) -> Iterator[str]:
        if self.normalizer is not None:
            text = self.normalizer.normalize_str(text)
        words = split_words(text)
        for size in range(1, self.max_words + 1):
            for start in range(len(words) - size + 1):
                yield " ".join(words[start : start + size])
