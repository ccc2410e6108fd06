"""Sources of text, which is split into tokens."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from archbuilder.config.settings import group, setting
from archbuilder.config.sources.base import (
    DataPath,
    SkippableSource,
    class_directories,
    find_repeated_directory,
    path,
)
from archbuilder.config.sources.feature_conflicts import find_ngram_conflict
from archbuilder.config.sources.features import FeatureConfig
from archbuilder.config.sources.tokenizers import (
    COUNTS_DESCRIPTION,
    DEFAULT_LENGTH,
    NGRAMS,
    NGRAMS_DESCRIPTION,
    SEQUENCE_LENGTH,
    TOKEN_COUNTS,
    TOKENIZER,
    VOCABULARY_FROM,
    VOCABULARY_SIZE,
    TokenCounts,
    TokenizerConfig,
    TokenizerType,
    VocabularyPath,
    vocabulary_path,
)
from archbuilder.config.value_types import boolean, plain_type

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
    sequence_length: int = setting(
        SEQUENCE_LENGTH, "Number of tokens of an example.", default=DEFAULT_LENGTH
    )
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
        SEQUENCE_LENGTH, "Largest number of tokens of each text.", default=DEFAULT_LENGTH
    )

    def load(self, context: LoadContext) -> SourceDataset:
        """Load the tokens."""
        from archbuilder.data.sources.pairs import load_pairs

        return load_pairs(self, context)


TEXT_SUFFIXES: Final = (".txt",)
"""Suffixes of files with one text, in lower case."""


@dataclass(frozen=True, slots=True)
class TextFiles(SkippableSource):
    """Text files of a directory: one subdirectory per class, or texts without labels.

    A file is an example.
    """

    key = "text_files"

    directory: DataPath = setting(path(), "The directory.")
    classes: tuple[str, ...] = class_directories()
    tokenizer: TokenizerType = setting(TOKENIZER, "How text is split into tokens.", default="words")
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
    sequence_length: int | None = setting(
        SEQUENCE_LENGTH,
        "Number of ids, to which texts are truncated, or padded with 0; by default 128.",
        default=None,
    )
    output: TokenCounts | None = setting(TOKEN_COUNTS, COUNTS_DESCRIPTION, default=None)
    ngrams: int | None = setting(NGRAMS, NGRAMS_DESCRIPTION, default=None)

    @property
    def feature(self) -> FeatureConfig:
        """How a text becomes the values of an input."""
        is_ids = self.output is None
        return FeatureConfig(
            "text",
            tokenizer=self.tokenizer,
            vocabulary_size=self.vocabulary_size,
            lowercase=self.lowercase,
            strip_punctuation=self.strip_punctuation,
            vocabulary_from=self.vocabulary_from,
            sequence_length=(self.sequence_length or DEFAULT_LENGTH) if is_ids else None,
            output=self.output,
            ngrams=self.ngrams,
        )

    def find_conflict(self) -> str:
        """Return which settings contradict each other, as a sentence; empty if none do."""
        if self.output is not None and self.sequence_length is not None:
            return "'sequence_length' is that of ids, and an 'output' has no order of tokens"
        if conflict := find_ngram_conflict(self.feature):
            return f"it {conflict}"
        return find_repeated_directory(self.classes)

    def load(self, context: LoadContext) -> SourceDataset:
        """Read the texts."""
        from archbuilder.data.sources.text_directory import load_text_files

        return load_text_files(self, context)


TEXT_SOURCES: Final = (Text, Pairs, TextFiles)
