"""The settings `validation_split`, `test_split` and `train_split`: the examples of each set."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Final, Literal, TypeAlias

from archbuilder.config.settings import mapping_type, setting
from archbuilder.config.value_types import (
    SectionContext,
    ValueType,
    either,
    integer,
    number,
    plain_type,
    text,
)
from archbuilder.diagnostics.errors import quote_list
from archbuilder.yaml.nodes import MappingNode, Tree

_FRACTION: Final = number(minimum=0, below=1)
_VALUE: Final = plain_type(
    {"type": ["string", "integer"], "minLength": 1, "maxLength": 1000}, "text or integer"
)
_WAYS: Final = ("fraction", "last", "column", "folds")
MAX_FOLDS: Final = 1000


@dataclass(frozen=True, slots=True)
class SplitConfig:
    """The examples of a set: a `fraction`, the `last` ones, or those that a column names.

    A number alone is `fraction`: `validation_split: 0.2`.
    """

    fraction: float | None = setting(
        _FRACTION, "Fraction of the examples, chosen at random.", default=None
    )
    by: str | None = setting(
        text(),
        "With `fraction` or `folds`: column of the groups. All examples of a group are in the same"
        " set, and the fraction is that of the groups.",
        default=None,
    )
    stratify: Literal[True] | str | None = setting(
        either(plain_type({"enum": [True]}, "`true`"), text()),
        "With `fraction` or `folds`: each class has the same share of both sets. With several"
        " targets, the output whose classes count.",
        default=None,
    )
    last: float | None = setting(
        number(above=0, below=1),
        "Fraction of the examples, the last ones of the data; the others are still shuffled.",
        default=None,
    )
    folds: int | None = setting(
        integer(2, MAX_FOLDS),
        "Number of equal parts, one of which is held out, as in cross-validation; also with `by`"
        " or `stratify`.",
        default=None,
    )
    fold: int | None = setting(
        integer(1, MAX_FOLDS), "With `folds`: which part, from 1.", default=None
    )
    column: str | None = setting(
        text(), "Column that says to which set an example belongs, with `value`.", default=None
    )
    value: str | int | None = setting(
        _VALUE, "Value of the column in the examples that are held out.", default=None
    )

    def find_conflict(self) -> str:
        """Return what contradicts itself, as a sentence about keys; empty if nothing does."""
        keys = [each.name for each in fields(self) if getattr(self, each.name) is not None]
        ways = [each for each in keys if each in _WAYS]
        of_parts = [each for each in keys if each in ("by", "stratify")]
        is_random = self.fraction is not None or self.folds is not None
        conflicts = {
            f"has {quote_list(ways)}: write only one of them": len(ways) > 1,
            "has a 'fold' and no 'folds'": self.fold is not None and self.folds is None,
            "has 'folds' and no 'fold'": self.folds is not None and self.fold is None,
            f"has 'fold: {self.fold}', but only {self.folds} folds": (self.fold or 0)
            > (self.folds or MAX_FOLDS),
            "has neither 'fraction' nor 'last' nor 'folds' nor 'column'": not ways,
            f"has {quote_list(of_parts)}, which needs 'fraction' or 'folds'": (
                of_parts and not is_random
            ),
            "has both 'by' and 'stratify'": self.by is not None and bool(self.stratify),
            "has a 'column' and no 'value'": self.column is not None and self.value is None,
            "has a 'value' and no 'column'": self.value is not None and self.column is None,
        }
        return next((message for message, applies in conflicts.items() if applies), "")

    @property
    def key_column(self) -> str | None:
        """The column that decides about an example besides its position."""
        return self.by or self.column


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How the rows of the training data are divided into a training, validation and test set."""

    validation: SplitConfig | None = None
    """None if nothing is held out, or the data has a source for it."""
    test: SplitConfig | None = None
    train: SplitConfig | None = None
    """Which of the remaining rows are trained on; None for all."""
    seed: int = 0
    shuffle: bool = True
    """Whether a plain fraction is chosen at random; otherwise it is the last part of the data."""

    @property
    def sets(self) -> tuple[SplitConfig | None, ...]:
        """How the rows of each set are chosen."""
        return self.validation, self.test, self.train

    @property
    def key_columns(self) -> tuple[str, ...]:
        """The columns that decide about examples."""
        columns = (each.key_column for each in self.sets if each is not None)
        return tuple(dict.fromkeys(each for each in columns if each is not None))

    @property
    def is_stratified(self) -> bool:
        """Whether rows are chosen by their classes."""
        return any(each is not None and each.stratify for each in self.sets)


SplitSetting: TypeAlias = float | SplitConfig
"""A fraction, or another way to split."""


def to_split_config(value: SplitSetting | None) -> SplitConfig | None:
    """Return how the examples of a set are chosen; None if none are."""
    if value is None:
        return None
    config = SplitConfig(value) if isinstance(value, int | float) else value
    return None if config.fraction == 0 else config


def split() -> ValueType[SplitSetting]:
    """Return the type of a fraction, or of a mapping that says which examples are held out."""
    mapping = mapping_type(SplitConfig, "[split](#splits)", SplitConfig.find_conflict)

    def parse(tree: Tree, title: str, context: SectionContext) -> SplitSetting:
        value_type = mapping if isinstance(tree, MappingNode) else _FRACTION
        return value_type.parse(tree, title, context)

    schema = {"anyOf": [_FRACTION.schema, mapping.schema]}
    return ValueType(schema, parse, f"{_FRACTION.text}, or a {mapping.text}")
