"""Sources of text, which is split into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from archbuilder.config.settings import group, setting
from archbuilder.config.sources.base import DataPath, SkippableSource, path
from archbuilder.config.value_types import boolean, choice, integer, plain_type

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext

TokenizerType: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]
_SEQUENCE_LENGTH: Final = integer(1, 1_000_000)


@dataclass(frozen=True, slots=True)
class TokenizerConfig:
    """Configuration of a tokenizer, whose vocabulary is learned from the training text."""

    tokenizer: TokenizerType = setting(
        choice("characters", "words", "bpe", "wordpiece"),
        "How text is split into tokens.",
        default="characters",
    )
    # The five special tokens, and at least one token of text.
    vocabulary_size: int = setting(
        integer(6, 1_000_000), "Largest size of the vocabulary.", default=30_000
    )
    lowercase: bool = setting(boolean(), "Whether text is converted to lower case.", default=False)


@dataclass(frozen=True, slots=True)
class Text(SkippableSource):
    """Plain text, or a field of JSON lines.

    By default the target of each token is the one that follows it.
    """

    key = "text"
    is_text = True
    suffixes = (".txt",)

    file: DataPath = setting(path(), "The text file.")
    tokenizer: TokenizerConfig = group(TokenizerConfig)
    sequence_length: int = setting(_SEQUENCE_LENGTH, "Number of tokens of an example.", default=128)
    field: str | None = setting(
        plain_type({"type": "string"}, "text"),
        "Field of JSON lines that has the text.",
        default=None,
    )

    @property
    def file_suffix(self) -> str:
        """The suffix that files of this source usually have."""
        return ".jsonl" if self.field else ".txt"

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the tokens."""
        from archbuilder.data.sources.text import load_text

        return load_text(self, context)


@dataclass(frozen=True, slots=True)
class Pairs(SkippableSource):
    """Tab-separated pairs of texts, one per line."""

    key = "pairs"
    is_text = True
    is_paired = True
    suffixes = (".tsv",)

    file: DataPath = setting(path(), "The file of pairs.")
    tokenizer: TokenizerConfig = group(TokenizerConfig)
    sequence_length: int = setting(
        _SEQUENCE_LENGTH, "Largest number of tokens of each text.", default=128
    )

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the tokens."""
        from archbuilder.data.sources.pairs import load_pairs

        return load_pairs(self, context)


TEXT_SOURCES: Final = (Text, Pairs)
