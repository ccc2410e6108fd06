"""Features of tables: how columns become the values of an input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from archbuilder.config.settings import setting
from archbuilder.config.sources.pixels import ImageConfig, TableImage, table_image
from archbuilder.config.sources.tokenizers import (
    COUNTS_DESCRIPTION,
    SEQUENCE_LENGTH,
    TOKEN_COUNTS,
    TOKENIZER,
    VOCABULARY_SIZE,
    TokenCounts,
    TokenizerConfig,
    TokenizerType,
)
from archbuilder.config.value_types import (
    ValueType,
    boolean,
    choice,
    either,
    integer,
    list_between,
    number,
    pair_of,
    plain_type,
    text,
)
from archbuilder.diagnostics.errors import quote, quote_list

MissingRule: TypeAlias = Literal["mean", "median", "indicator"] | float
DatePart: TypeAlias = Literal[
    "year", "month", "day", "weekday", "hour", "minute", "second", "day_of_year", "timestamp"
]
TransformName: TypeAlias = Literal["log", "log1p", "sqrt"]
MAX_CATEGORIES: Final = 2**20
"""Largest size of a vocabulary."""

COLUMN: Final = plain_type({"type": "string"}, "column")
COLUMNS: Final = list_between(COLUMN, 1, 65_536)
_WORD: Final = plain_type(
    {"type": ["string", "integer"], "minLength": 1, "maxLength": 1000}, "text or integer"
)
_TRANSFORM: Final[ValueType[Any]] = choice("log", "log1p", "sqrt")
_TRUE: Final = plain_type({"enum": [True]}, "`true`")
_DATE_PART: Final = choice(*get_args(DatePart))
_NUMBER_KEYS: Final = ("normalize", "missing", "transform", "clip")
_VOCABULARY_KEYS: Final = ("min_count", "max_size")
_KIND_KEYS: Final = ("vocabulary", "date", "tokenizer", "image")
_TOKENIZER_KEYS: Final = (
    "vocabulary_size",
    "lowercase",
    "strip_punctuation",
    "sequence_length",
    "output",
)


@dataclass(frozen=True, slots=True)
class Domain:
    """The numbers that a transform takes: those above a bound, or also the bound itself."""

    transform: str
    bound: float
    is_open: bool = True

    def contains(self, number: float) -> bool:
        """Return whether the transform takes a number."""
        return number > self.bound or (number == self.bound and not self.is_open)

    def __str__(self) -> str:
        verb = "above" if self.is_open else "from"
        return f"'{self.transform}' takes numbers {verb} {self.bound:g}"


_DOMAINS: Final[Mapping[str, Domain]] = {
    "log": Domain("log", 0),
    "log1p": Domain("log1p", -1),
    "sqrt": Domain("sqrt", 0, is_open=False),
}


@dataclass(frozen=True, slots=True)
class FeatureConfig:
    """How columns become the values of an input.

    Without a column, the feature has all columns without another role. Numbers are first completed
    (`missing`), then transformed, clipped and normalized.
    """

    column: str | None = setting(COLUMN, "The column.", default=None)
    columns: tuple[str, ...] | None = setting(
        COLUMNS, "Several columns of numbers, side by side.", default=None
    )
    missing: MissingRule | None = setting(
        either(choice("mean", "median", "indicator"), number()),
        "What replaces missing numbers: the mean or median of the training set, or a number."
        " `indicator` is 0, and appends a flag for each column: 1 where a number is missing.",
        default=None,
    )
    transform: TransformName | None = setting(
        _TRANSFORM, "A function of each number.", default=None
    )
    clip: tuple[float, float] | None = setting(
        pair_of(number()), "Bounds that replace the numbers beyond them.", default=None
    )
    normalize: bool | None = setting(
        boolean(),
        "Whether to subtract the mean of the training set, and to divide by its standard"
        " deviation.",
        default=None,
    )
    vocabulary: Literal[True] | tuple[str | int, ...] | None = setting(
        either(_TRUE, list_between(_WORD, 1, MAX_CATEGORIES)),
        "Categories that become indices from 1: a list, or `true` for those of the training set,"
        " the most frequent first. All others, and missing ones, become 0.",
        default=None,
    )
    separator: str | None = setting(
        text(),
        "What separates several categories in one text, as in `comedy;drama`. Each becomes a flag"
        " of 0 or 1 instead of an index.",
        default=None,
    )
    date: tuple[DatePart, ...] | None = setting(
        list_between(_DATE_PART, 1, len(get_args(DatePart))),
        "Parts of a date or time in ISO 8601, as numbers side by side.",
        default=None,
    )
    image: TableImage | None = setting(
        table_image(),
        "The column has the names of image files: `true`, or the settings of the images.",
        default=None,
    )
    relative_to: str | None = setting(
        COLUMN,
        "The input with the image in whose pixels the numbers are coordinates, by turns horizontal"
        " and vertical: they become fractions of its width and its height.",
        default=None,
    )
    min_count: int | None = setting(
        integer(1, 2**31 - 1), "How often a category must occur in the training set.", default=None
    )
    max_size: int | None = setting(
        integer(1, MAX_CATEGORIES), "Largest number of categories, without index 0.", default=None
    )
    tokenizer: TokenizerType | None = setting(
        TOKENIZER,
        "How text is split into tokens, which become ids of a vocabulary of the training set."
        " Several `columns` are joined with the special tokens of BERT.",
        default=None,
    )
    vocabulary_size: int | None = setting(
        VOCABULARY_SIZE, "Largest size of the vocabulary; by default 30,000.", default=None
    )
    lowercase: bool | None = setting(
        boolean(), "Whether text is converted to lower case.", default=None
    )
    strip_punctuation: bool | None = setting(
        boolean(), "Whether ASCII punctuation is removed from text.", default=None
    )
    sequence_length: int | None = setting(
        SEQUENCE_LENGTH,
        "Number of ids, to which texts are truncated, or padded with 0.",
        default=None,
    )
    output: TokenCounts | None = setting(TOKEN_COUNTS, COUNTS_DESCRIPTION, default=None)
    segments_of: str | None = setting(
        COLUMN,
        "The input with the texts of several `columns`: this input numbers them, from 0.",
        default=None,
    )
    labels_of: str | None = setting(
        COLUMN,
        "The input with the words that this target labels, one label for each. The labels are"
        " classes in alphabetical order, or in that of the list `vocabulary`.",
        default=None,
    )

    @property
    def is_category(self) -> bool:
        """Whether the values are categories rather than numbers."""
        return self.vocabulary is not None and not self.is_labels

    @property
    def is_labels(self) -> bool:
        """Whether the values are a label for each word of an input."""
        return self.labels_of is not None

    @property
    def has_words(self) -> bool:
        """Whether the values are words that are not split: categories or names of files."""
        return self.is_category or self.image is not None

    @property
    def is_text(self) -> bool:
        """Whether the values are texts, which a tokenizer splits."""
        return self.tokenizer is not None

    @property
    def is_string(self) -> bool:
        """Whether columns are read as strings rather than as numbers."""
        return self.has_words or self.is_text or self.is_labels or self.date is not None

    @property
    def takes_missing(self) -> bool:
        """Whether values may be missing."""
        return self.is_category or self.is_text or self.is_labels or self.missing is not None

    @property
    def tokenizer_config(self) -> TokenizerConfig:
        """The tokenizer of a text."""
        names = ("tokenizer", "vocabulary_size", "lowercase", "strip_punctuation")
        values = {name: getattr(self, name) for name in names}
        return TokenizerConfig(**{name: each for name, each in values.items() if each is not None})

    @property
    def domain(self) -> Domain | None:
        """The numbers that the transform takes; None if all."""
        return _DOMAINS.get(self.transform or "")

    @property
    def is_list(self) -> bool:
        """Whether an example has an axis of values even if there is only one."""
        return self.column is None or self.date is not None or self.relative_to is not None

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        conflicts = {**self._key_conflicts(), **self._text_conflicts(), **self._value_conflicts()}
        return next((message for message, applies in conflicts.items() if applies), "")

    @property
    def _keys(self) -> list[str]:
        return [each.name for each in fields(self) if getattr(self, each.name) is not None]

    def _key_conflicts(self) -> Mapping[str, object]:
        """Return sentences about keys that exclude or need each other, and whether each applies."""
        kinds, numbers, learned, of_tokenizer = (
            [each for each in self._keys if each in group]
            for group in (_KIND_KEYS, _NUMBER_KEYS, _VOCABULARY_KEYS, _TOKENIZER_KEYS)
        )
        kind_list = " and ".join(map(quote, kinds))
        beside_labels = [
            each for each in self._keys if each not in ("column", "vocabulary", "labels_of")
        ]
        value_name = "categories" if self.is_category else "images" if self.image else "text"
        return {
            f"has {quote_list(self._keys)}, but 'segments_of' stands alone": (
                self.segments_of is not None and len(self._keys) > 1
            ),
            f"has {quote_list(beside_labels)}, but labels only take a 'vocabulary'": (
                self.is_labels and beside_labels
            ),
            "has 'vocabulary: true', but labels have a list, or all in alphabetical order": (
                self.is_labels and self.vocabulary is True
            ),
            f"has 'relative_to' and {quote_list([*kinds, *numbers])}": (
                self.relative_to is not None and (kinds or numbers)
            ),
            "has 'relative_to', which needs a 'column' or 'columns'": (
                self.relative_to is not None and self.column is None and self.columns is None
            ),
            "has both 'column' and 'columns'": self.column is not None and self.columns is not None,
            f"has both {kind_list}": len(kinds) > 1,
            f"has {quote_list(numbers)} for numbers and {kind_list} for {value_name}": (
                (self.has_words or self.is_text) and numbers
            ),
            f"has {quote_list(kinds)}, which needs one 'column'": (
                kinds and not self.is_text and self.column is None
            ),
            "has a 'separator', which needs a 'vocabulary'": (
                self.separator is not None and not self.is_category
            ),
            f"has {quote_list(learned)}, which needs 'vocabulary: true'": (
                learned and self.vocabulary is not True
            ),
            f"has {quote_list(of_tokenizer)}, which needs a 'tokenizer'": (
                of_tokenizer and not self.is_text
            ),
        }

    def _text_conflicts(self) -> Mapping[str, object]:
        num_special = 0 if self.columns is None else 1 + len(self.columns)
        shortest = num_special + len(self.columns or ())
        if not self.is_text:
            return {}
        return {
            "has a 'tokenizer', which needs a 'column' or 'columns'": (
                self.column is None and self.columns is None
            ),
            "has a 'tokenizer', which needs a 'sequence_length' for ids, or an 'output'": (
                self.sequence_length is None and self.output is None
            ),
            "has a 'sequence_length' for ids, and an 'output' without an order of tokens": (
                self.sequence_length is not None and self.output is not None
            ),
            "has an 'output', which needs one 'column'": (
                self.output is not None and self.column is None
            ),
            f"has a 'sequence_length' of {self.sequence_length}, but {num_special} special tokens"
            f" and a token of each column are {shortest}": (
                self.sequence_length is not None and self.sequence_length < shortest
            ),
        }

    def _value_conflicts(self) -> Mapping[str, object]:
        words = [*map(str, self.vocabulary)] if isinstance(self.vocabulary, tuple) else []
        repeated = [word for word, count in Counter(words).items() if count > 1]
        fill = self.missing if isinstance(self.missing, int | float) else None
        return {
            f"has {quote_list(repeated)} twice in 'vocabulary'": repeated,
            "has a part of 'date' twice": len({*(self.date or ())}) < len(self.date or ()),
            f"replaces missing values by {fill}, and {self.domain}": (
                self.domain and fill is not None and not self.domain.contains(fill)
            ),
            "has a 'clip' whose first bound is not below the second": (
                self.clip is not None and self.clip[0] >= self.clip[1]
            ),
        }

    def find_input_conflict(self) -> str:
        """Return what is not possible for an input, as a sentence; empty if nothing."""
        return "has 'labels_of', which only a target can have" if self.is_labels else ""

    def find_target_conflict(self) -> str:
        """Return what is not possible for a target, as a sentence; empty if nothing."""
        conflicts = {
            "has 'segments_of', which a target cannot be": self.segments_of is not None,
            "has no 'column'": self.column is None and self.relative_to is None,
            "has an 'image' without 'pixels': write 'pixels: classes' for masks of class indices,"
            " or 'pixels: values' for images of brightness or depth": (
                self.image is not None and self.image.pixels is None
            ),
            "has a 'date', which a target cannot be": self.date is not None,
            "has a 'tokenizer', which a target cannot have": self.is_text,
            "has 'missing', but a target cannot be missing": self.missing is not None,
            "has a 'vocabulary' but no 'separator'; the strings of a plain column are classes": (
                self.is_category and self.separator is None
            ),
        }
        return next((message for message, applies in conflicts.items() if applies), "")


InputColumns: TypeAlias = str | tuple[str, ...] | FeatureConfig
"""A column of a table, several that are concatenated into one input, or a feature."""


def image_config_of(inputs: object, name: str) -> ImageConfig | None:
    """Return the image settings of an input among columns by input; None if it has none."""
    columns = inputs.get(name) if isinstance(inputs, Mapping) else None
    return columns.image if isinstance(columns, FeatureConfig) else None
