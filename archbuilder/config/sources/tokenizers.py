"""Tokenizers, which sources of text and features of tables share."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias

from archbuilder.config.settings import setting
from archbuilder.config.sources.base import DataPath
from archbuilder.config.value_types import SectionContext, ValueType, boolean, choice, integer
from archbuilder.yaml.nodes import Tree

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
NGRAMS: Final = integer(2, 10)
NGRAMS_DESCRIPTION: Final = (
    "With `words` and an `output`: count phrases of up to so many words as well as words."
)
# The five special tokens, and at least one token of text.
VOCABULARY_SIZE: Final = integer(6, 1_000_000)
VOCABULARY_FROM: Final = (
    "A run, or its `tokenizer.json`, whose vocabulary the tokenizer takes instead of learning one."
)


@dataclass(frozen=True, slots=True)
class VocabularyPath(DataPath):
    """Path of a run or of a tokenizer file.

    Unlike other data, it stays relative to the blueprint or recipe that names it if `--data` names
    the file of the data.
    """

    @property
    def directory(self) -> Path:
        """The directory of the blueprint or recipe."""
        return Path() if self.span is None else Path(self.span.source.name).parent

    @property
    def recorded_path(self) -> str:
        """The path in the record of a run: absolute, whatever directory the data is in."""
        return str((self.directory / self.path).absolute())

    @property
    def is_run(self) -> bool:
        """Whether the path is that of a run."""
        return Path(self.path).suffix != ".json"


def vocabulary_path() -> ValueType[VocabularyPath]:
    """Return the type of runs and files that have a vocabulary."""

    def parse(tree: Tree, title: str, context: SectionContext) -> VocabularyPath:
        return VocabularyPath(context.fields.expect_text(tree, title) or "", tree.span)

    return ValueType({"type": "string"}, parse, "path of a run or of a `tokenizer.json`")


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
    vocabulary_from: VocabularyPath | None = setting(
        vocabulary_path(), VOCABULARY_FROM, default=None
    )
