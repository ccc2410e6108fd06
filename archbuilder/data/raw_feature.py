"""The columns of a feature as they are in their files."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from archbuilder.config.sources import FeatureConfig
from archbuilder.data.columns import ArrayColumn, Column
from archbuilder.data.dtypes import Mask
from archbuilder.data.lists import ListBounds
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.text.text_column import TextColumn
from archbuilder.data.text.tokenizer import Vocabulary


@dataclass(frozen=True, slots=True, eq=False)
class RawFeature:
    """The columns of a feature before it is fitted to the training set."""

    config: FeatureConfig
    names: tuple[str, ...]
    column: Column
    """Numbers, with NaN for missing ones; or indices into `categories`, and -1 for missing ones.

    If examples are lists, the values of all of them one after another.
    """
    origin: ColumnOrigin
    """Locations of the values of `column`."""
    integer_mask: Mask | None = None
    """Positions of an example whose values are integers, if the column has a floating dtype."""
    categories: tuple[str, ...] = ()
    """The distinct strings of a column of categories."""
    texts: tuple[TextColumn, ...] = ()
    """The columns of a feature with a tokenizer; `column` then has the numbers of the examples."""
    vocabulary: Vocabulary | None = None
    """The vocabulary that the tokenizer takes from a file; None to learn one."""
    output: str | None = None
    """The output whose target it is; None for an input."""
    lists: ListBounds | None = None
    """The lists of a feature of lists."""
    list_origin: ColumnOrigin | None = None
    """Locations of the lists."""

    @property
    def count(self) -> int:
        """Number of examples."""
        return self.column.count if self.lists is None else self.lists.count

    @property
    def title(self) -> str:
        """The name in messages: its column, or the first of several."""
        others = f" and {len(self.names) - 1:,} more" if self.names[1:] else ""
        return f"{self.origin.fields[0]}{others}"

    @property
    def has_class_lists(self) -> bool:
        """Whether it is a target of lists of classes, which have no indices besides."""
        of_boxes = self.config.is_box_labels
        return of_boxes or (
            self.output is not None and self.config.is_ragged and self.config.is_category
        )

    @classmethod
    def from_texts(
        cls,
        config: FeatureConfig,
        names: tuple[str, ...],
        texts: tuple[TextColumn, ...],
        origin: ColumnOrigin,
    ) -> RawFeature:
        """Return the raw feature of texts in columns of some names."""
        numbers = ArrayColumn(np.arange(texts[0].count, dtype=np.int64))
        return cls(config, names, numbers, origin, texts=texts)
