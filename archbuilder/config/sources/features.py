"""Features of tables: how columns become the values of an input."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, get_args

from archbuilder.config.settings import mapping_or_true, setting
from archbuilder.config.sources.pixels import TableImage
from archbuilder.config.sources.sounds import TableAudio
from archbuilder.config.sources.tokenizers import (
    COUNTS_DESCRIPTION,
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
from archbuilder.config.sources.videos import TableVideo
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

MissingRule: TypeAlias = Literal["mean", "median", "indicator"] | float
DatePart: TypeAlias = Literal[
    "year", "month", "day", "weekday", "hour", "minute", "second", "day_of_year", "timestamp"
]
TableFile: TypeAlias = TableImage | TableAudio | TableVideo
"""How the files that a column names are found and decoded."""
TransformName: TypeAlias = Literal["log", "log1p", "sqrt"]
ListEnd: TypeAlias = Literal["pre", "post"]
CoordinateKind: TypeAlias = Literal[
    "points",
    "xyxy",
    "yxyx",
    "xywh",
    "center_xywh",
    "center_yxhw",
    "rel_points",
    "rel_xyxy",
    "rel_yxyx",
    "rel_xywh",
    "rel_center_xywh",
    "rel_center_yxhw",
]
"""Points, or boxes in a format of Keras, in pixels; with `rel_` in parts of width and height."""
MAX_CATEGORIES: Final = 2**20
"""Largest size of a vocabulary."""

COLUMN: Final = plain_type({"type": "string"}, "column")
COLUMNS: Final = list_between(COLUMN, 1, 65_536)
_WORD: Final = plain_type(
    {"type": ["string", "integer"], "minLength": 1, "maxLength": 1000}, "text or integer"
)
_TRANSFORM: Final[ValueType[Any]] = choice("log", "log1p", "sqrt")
_LIST_LENGTH: Final = integer(1, 1_000_000)
_LIST_END: Final[ValueType[Any]] = choice("pre", "post")
_TRUE: Final = plain_type({"enum": [True]}, "`true`")
_DATE_PART: Final = choice(*get_args(DatePart))


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
        " of 0 or 1 instead of an index. With a `length`, what separates the values of a list.",
        default=None,
    )
    date: tuple[DatePart, ...] | None = setting(
        list_between(_DATE_PART, 1, len(get_args(DatePart))),
        "Parts of a date or time in ISO 8601, as numbers side by side.",
        default=None,
    )
    image: TableImage | None = setting(
        mapping_or_true(
            TableImage, "[image settings](#images-in-tables)", TableImage.find_conflict
        ),
        "The column has the names of image files: `true`, or the settings of the images.",
        default=None,
    )
    audio: TableAudio | None = setting(
        mapping_or_true(TableAudio, "[audio settings](#audio-in-tables)", TableAudio.find_conflict),
        "The column has the names of audio files: `true`, or the settings of the recordings.",
        default=None,
    )
    video: TableVideo | None = setting(
        mapping_or_true(TableVideo, "[video settings](#video-in-tables)", TableVideo.find_conflict),
        "The column has the names of directories with the frames of videos, or of animated images:"
        " `true`, or the settings of the videos.",
        default=None,
    )
    relative_to: str | None = setting(
        COLUMN,
        "The input with the image in whose pixels the numbers are coordinates, by turns horizontal"
        " and vertical: they become fractions of its width and its height.",
        default=None,
    )
    coordinates: CoordinateKind | None = setting(
        choice(*get_args(CoordinateKind)),
        "What the coordinates `relative_to` an image are, which then move with its pixels in"
        " `augment`: `points`, or boxes in a format of Keras; with `rel_`, the file already has"
        " fractions.",
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
    vocabulary_from: VocabularyPath | None = setting(
        vocabulary_path(), VOCABULARY_FROM, default=None
    )
    sequence_length: int | None = setting(
        SEQUENCE_LENGTH,
        "Number of ids, to which texts are truncated, or padded with 0.",
        default=None,
    )
    output: TokenCounts | None = setting(TOKEN_COUNTS, COUNTS_DESCRIPTION, default=None)
    ngrams: int | None = setting(NGRAMS, NGRAMS_DESCRIPTION, default=None)
    segments_of: str | None = setting(
        COLUMN,
        "The input with the texts of several `columns`: this input numbers them, from 0.",
        default=None,
    )
    labels_of: str | None = setting(
        COLUMN,
        "The words, boxes or points that this target labels, one label for each. The labels are"
        " classes in alphabetical order, or in that of the list `vocabulary`.",
        default=None,
    )
    next_tokens_of: str | None = setting(
        COLUMN,
        "Alone in a target: the input with a text for whose every token this is the next one.",
        default=None,
    )
    length: int | tuple[int, ...] | None = setting(
        either(_LIST_LENGTH, list_between(_LIST_LENGTH, 1, 64)),
        "The column has lists of numbers, of lists of numbers, or of categories, which are padded"
        " with 0 to this length. Of several lengths, each batch has the least that its lists fit"
        " in, and training batches have lists of similar length.",
        default=None,
    )
    padding: ListEnd | None = setting(
        _LIST_END,
        "Whether lists are padded before or after their values; by default `post`.",
        default=None,
    )
    truncating: ListEnd | None = setting(
        _LIST_END,
        "Whether longer lists lose their first or their last values; by default they are errors.",
        default=None,
    )
    mask_of: str | None = setting(
        COLUMN,
        "The input with lists in which this input is 1 at values and 0 at padding.",
        default=None,
    )

    same_length_as: str | None = setting(
        COLUMN,
        "The input with lists of which this input's lists have the number of values and the"
        " `length`, `padding` and `truncating`, as the bonds of a molecule and their ends.",
        default=None,
    )
    positions_of: str | int | None = setting(
        either(COLUMN, integer(1, 2**31 - 1)),
        "The input with lists in whose values these numbers are positions, from 0, or how many"
        " values there are. Other positions are errors.",
        default=None,
    )

    @property
    def tokens_of(self) -> str | None:
        """The input with the text, of whose tokens this feature consists; None if it has its own.

        `resolve_references` and `resolve_targets` copy the other settings from that input.
        """
        return self.segments_of or self.next_tokens_of

    @property
    def is_ragged(self) -> bool:
        """Whether the values are lists of varying length, or the mask of such lists."""
        return self.length is not None or self.same_length_as is not None

    @property
    def lengths(self) -> tuple[int, ...]:
        """The lengths that lists are padded to, in ascending order."""
        return (self.length,) if isinstance(self.length, int) else self.length or ()

    @property
    def is_multi_hot(self) -> bool:
        """Whether the value is a flag for each category."""
        return self.is_category and self.separator is not None and not self.is_ragged

    @property
    def is_category(self) -> bool:
        """Whether the values are categories rather than numbers."""
        return self.is_box_labels or (self.vocabulary is not None and self.labels_of is None)

    @property
    def is_labels(self) -> bool:
        """Whether the values are a label for each word of an input."""
        return self.labels_of is not None and not self.is_ragged

    @property
    def is_box_labels(self) -> bool:
        """Whether the values are a label for each box or point of a list; its length is set."""
        return self.labels_of is not None and self.is_ragged

    @property
    def has_words(self) -> bool:
        """Whether the values are words that are not split: categories or names of files."""
        return self.is_category or self.file is not None

    @property
    def file(self) -> TableFile | None:
        """How the files that the column names are decoded; None if it names none."""
        return self.image or self.audio or self.video

    @property
    def is_text(self) -> bool:
        """Whether the values are texts, which a tokenizer splits."""
        return self.tokenizer is not None

    @property
    def is_string(self) -> bool:
        """Whether columns are read as strings rather than as numbers."""
        return (
            self.has_words
            or self.is_text
            or self.is_labels
            or self.is_ragged
            or self.date is not None
        )

    @property
    def takes_missing(self) -> bool:
        """Whether values may be missing."""
        can_be_empty = self.is_category or self.is_text or self.is_labels or self.is_ragged
        return can_be_empty or self.missing is not None

    @property
    def tokenizer_config(self) -> TokenizerConfig:
        """The tokenizer of a text."""
        values = {each.name: getattr(self, each.name) for each in fields(TokenizerConfig)}
        return TokenizerConfig(**{name: each for name, each in values.items() if each is not None})

    @property
    def domain(self) -> Domain | None:
        """The numbers that the transform takes; None if all."""
        return _DOMAINS.get(self.transform or "")

    @property
    def is_list(self) -> bool:
        """Whether an example has an axis of values even if there is only one."""
        return self.column is None or self.date is not None or self.relative_to is not None


InputColumns: TypeAlias = str | tuple[str, ...] | FeatureConfig
"""A column of a table, several that are concatenated into one input, or a feature."""


def features_of(columns: object) -> Mapping[str, FeatureConfig]:
    """Return the features among columns by input or output; a single one has the name ""."""
    named = columns if isinstance(columns, Mapping) else {"": columns}
    return {name: each for name, each in named.items() if isinstance(each, FeatureConfig)}


def file_config_of(inputs: object, name: str) -> TableFile | None:
    """Return how the files of an input are decoded; None if it is not a feature of files."""
    columns = inputs.get(name) if isinstance(inputs, Mapping) else None
    return columns.file if isinstance(columns, FeatureConfig) else None
