"""Tokenizers, which sources of text and features of tables share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias

from archbuilder.config.settings import setting
from archbuilder.config.value_types import ValueType, boolean, choice, integer

TokenizerType: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]
TokenCounts: TypeAlias = Literal["multi_hot", "count", "tf_idf"]
SEQUENCE_LENGTH: Final = integer(1, 1_000_000)
DEFAULT_LENGTH: Final = 128
TOKENIZER: Final[ValueType[Any]] = choice("characters", "words", "bpe", "wordpiece")
TOKEN_COUNTS: Final[ValueType[Any]] = choice("multi_hot", "count", "tf_idf")
COUNTS_DESCRIPTION: Final = (
    "A value for each token of the vocabulary instead of ids: whether it occurs, how often, or how"
    " often by its rarity."
)
# The five special tokens, and at least one token of text.
VOCABULARY_SIZE: Final = integer(6, 1_000_000)


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Configuration of a tokenizer, whose vocabulary is learned from the training text."""

    tokenizer: TokenizerType = setting(
        TOKENIZER, "How text is split into tokens.", default="characters"
    )
    vocabulary_size: int = setting(
        VOCABULARY_SIZE, "Largest size of the vocabulary.", default=30_000
    )
    lowercase: bool = setting(boolean(), "Whether text is converted to lower case.", default=False)
    strip_punctuation: bool = setting(
        boolean(), "Whether ASCII punctuation is removed from text.", default=False
    )
