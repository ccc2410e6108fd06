"""Sources of text, which is split into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.config.settings import group, setting
from archbuilder.config.sources.base import DataPath, SkippableSource, path
from archbuilder.config.sources.tokenizers import SEQUENCE_LENGTH, TokenizerConfig
from archbuilder.config.value_types import plain_type

if TYPE_CHECKING:
    from archbuilder.data.source_dataset import SourceDataset
    from archbuilder.data.sources.load_context import LoadContext


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
    sequence_length: int = setting(SEQUENCE_LENGTH, "Number of tokens of an example.", default=128)
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
        SEQUENCE_LENGTH, "Largest number of tokens of each text.", default=128
    )

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the tokens."""
        from archbuilder.data.sources.pairs import load_pairs

        return load_pairs(self, context)


TEXT_SOURCES: Final = (Text, Pairs)
