"""Features of tables: how columns become the values of an input."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from typing import Any, Final, Literal, TypeAlias, TypeVar, get_args

from archbuilder.config.settings import (
    make_section,
    mapping_schema,
    parse_settings,
    setting,
    setting_trees,
    settings_of,
)
from archbuilder.config.value_types import (
    SectionContext,
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
from archbuilder.diagnostics.errors import quote_list
from archbuilder.yaml.nodes import MappingNode, Tree

_T = TypeVar("_T")
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
    min_count: int | None = setting(
        integer(1, 2**31 - 1), "How often a category must occur in the training set.", default=None
    )
    max_size: int | None = setting(
        integer(1, MAX_CATEGORIES), "Largest number of categories, without index 0.", default=None
    )

    @property
    def is_category(self) -> bool:
        """Whether the values are categories rather than numbers."""
        return self.vocabulary is not None

    @property
    def takes_missing(self) -> bool:
        """Whether values may be missing."""
        return self.is_category or self.missing is not None

    @property
    def domain(self) -> Domain | None:
        """The numbers that the transform takes; None if all."""
        return _DOMAINS.get(self.transform or "")

    @property
    def is_list(self) -> bool:
        """Whether an example has an axis of values even if there is only one."""
        return self.column is None or self.date is not None

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        keys = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        text_keys = [each for each in keys if each in ("vocabulary", "date")]
        number_keys = [each for each in keys if each in _NUMBER_KEYS]
        learned_keys = [each for each in keys if each in _VOCABULARY_KEYS]
        words = [*map(str, self.vocabulary)] if isinstance(self.vocabulary, tuple) else []
        repeated = [word for word, count in Counter(words).items() if count > 1]
        fill = self.missing if isinstance(self.missing, int | float) else None
        conflicts = {
            "has both 'column' and 'columns'": self.column is not None and self.columns is not None,
            "has both 'vocabulary' and 'date'": len(text_keys) > 1,
            f"has {quote_list(number_keys)} for numbers and 'vocabulary' for categories": (
                self.is_category and number_keys
            ),
            f"has {quote_list(text_keys)}, which needs one 'column'": (
                text_keys and self.column is None
            ),
            "has a 'separator', which needs a 'vocabulary'": (
                self.separator is not None and not self.is_category
            ),
            f"has {quote_list(learned_keys)}, which needs 'vocabulary: true'": (
                learned_keys and self.vocabulary is not True
            ),
            f"has {quote_list(repeated)} twice in 'vocabulary'": repeated,
            "has a part of 'date' twice": len({*(self.date or ())}) < len(self.date or ()),
            f"replaces missing values by {fill}, and {self.domain}": (
                self.domain and fill is not None and not self.domain.contains(fill)
            ),
            "has a 'clip' whose first bound is not below the second": (
                self.clip is not None and self.clip[0] >= self.clip[1]
            ),
        }
        return next((message for message, applies in conflicts.items() if applies), "")

    def find_target_conflict(self) -> str:
        """Return what is not possible for a target, as a sentence; empty if nothing."""
        conflicts = {
            "has no 'column'": self.column is None,
            "has a 'date', which a target cannot be": self.date is not None,
            "has 'missing', but a target cannot be missing": self.missing is not None,
            "has a 'vocabulary' but no 'separator'; the strings of a plain column are classes": (
                self.is_category and self.separator is None
            ),
        }
        return next((message for message, applies in conflicts.items() if applies), "")


InputColumns: TypeAlias = str | tuple[str, ...] | FeatureConfig
"""A column of a table, several that are concatenated into one input, or a feature."""


def feature(find_conflict: Callable[[FeatureConfig], str]) -> ValueType[FeatureConfig]:
    """Return the type of features; `find_conflict` returns what contradicts itself, if anything."""
    settings = settings_of(FeatureConfig)

    def parse(tree: Tree, what: str, context: SectionContext) -> FeatureConfig:
        if not isinstance(tree, MappingNode):
            context.fields.report_unexpected(tree, what, "a mapping")
            return FeatureConfig()
        tracker = context.diagnostics.track_errors()
        trees = setting_trees(settings, tree, what, context)
        config = make_section(
            FeatureConfig, parse_settings(settings, trees, (what, tree.span), context)
        )
        conflict = "" if tracker.has_errors() else find_conflict(config)
        if conflict:
            context.diagnostics.error("invalid-structure", f"{what} {conflict}", tree.span)
        return config

    return ValueType(mapping_schema(settings), parse, "[feature](#features)")


def features_by_name(
    plain: ValueType[_T],
    find_conflict: Callable[[FeatureConfig], str] = FeatureConfig.find_conflict,
) -> ValueType[_T | Mapping[str, _T | FeatureConfig]]:
    """Return the type of columns: a plain value for one, or values or features by name."""
    feature_type = feature(find_conflict)

    def parse(
        tree: Tree, what: str, context: SectionContext
    ) -> _T | Mapping[str, _T | FeatureConfig]:
        if not isinstance(tree, MappingNode):
            return plain.parse(tree, what, context)
        inputs: dict[str, _T | FeatureConfig] = {}
        for entry in tree:
            is_feature = isinstance(entry.value, MappingNode)
            parse_value = feature_type.parse if is_feature else plain.parse
            inputs[entry.key] = parse_value(entry.value, f"{what} of '{entry.key}'", context)
        rest = [
            name
            for name, each in inputs.items()
            if isinstance(each, FeatureConfig) and each.column is None and each.columns is None
        ]
        if len(rest) > 1:
            message = f"the inputs {quote_list(rest)} have no column; only one may have the rest"
            context.diagnostics.error("invalid-structure", message, tree.span)
        return inputs

    by_name = {
        "type": "object",
        "additionalProperties": {"anyOf": [plain.schema, feature_type.schema]},
    }
    return ValueType(
        {"anyOf": [plain.schema, by_name]},
        parse,
        f"{plain.text}, or a mapping by name of them or of [features](#features)",
    )


def targets_by_name(plain: ValueType[_T]) -> ValueType[_T | Mapping[str, _T | FeatureConfig]]:
    """Return the type of targets: a plain value for one, or values or features by name."""
    return features_by_name(
        plain, lambda config: config.find_conflict() or config.find_target_conflict()
    )
