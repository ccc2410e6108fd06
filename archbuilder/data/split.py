"""Choice of the training, validation and test rows of a dataset, before it is fitted to a network.

The choice is a function of the seed, the number of examples, and the column or classes that the
recipe names. A resumed run, every worker and `evaluate` make it again.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data.columns import RowIndices
from archbuilder.data.shuffle import SplitStream, held_out_count, split_order
from archbuilder.data.source_dataset import SourceDataset, Split
from archbuilder.diagnostics.errors import RunError, quote, quote_list

_MIN_GROUPS = 2
_ROUNDING = 1e-9


def split_rows(dataset: SourceDataset, plan: SplitPlan, count: int | None = None) -> Split:
    """Choose the rows of the training data for each set: first those of the test set.

    `count` is the number of rows where an objective makes its own of a text.

    Fractions are those of all examples. A plain one takes random examples, or the last ones for
    text, whose neighboring pieces resemble each other, and for data that is not shuffled, such as a
    time series. Validating between training examples would overstate the quality.

    Raises:
        RunError: if the data has no such column or classes, or nothing is left to train on.
    """
    _check_fractions(plan)
    rows = np.arange(dataset.count if count is None else count, dtype=np.int64)
    splitter = _Splitter(dataset, plan, len(rows))
    # A single example cannot be split.
    test, rows = splitter.hold_out(rows, plan.test, SplitStream.TEST)
    validation, rows = splitter.hold_out(rows, plan.validation, SplitStream.VALIDATION)
    notes = [] if plan.validation is None else [splitter.describe(plan.validation)]
    if plan.test is not None and plan.test != plan.validation:
        text = splitter.describe(plan.test)
        notes += [f"test: {text}" if notes else text]
    if plan.train is not None:
        notes.append(f"training: {splitter.describe(plan.train)}, of {len(rows):,}")
        rows = splitter.take_training(rows, plan.train)
    is_split = validation is not None or test is not None or plan.train is not None
    return Split(rows, validation, test, f" ({'; '.join(notes)})" if is_split else "")


def _check_fractions(plan: SplitPlan) -> None:
    """Check that the fractions of a plan leave examples to train on.

    Raises:
        RunError: if they do not.
    """
    held_out = [each.last or each.fraction or 0 for each in (plan.test, plan.validation) if each]
    if sum(held_out) >= 1:
        raise RunError(
            f"'validation_split' and 'test_split' hold out {sum(held_out):.3g} of the examples:"
            " write fractions whose sum is less than 1"
        )
    fraction = 0 if plan.train is None else plan.train.last or plan.train.fraction or 0
    # Decimal fractions such as 0.7, 0.2 and 0.1 do not add up to 1 in binary.
    if sum(held_out) + fraction > 1 + _ROUNDING:
        raise RunError(
            f"'train_split' takes {fraction:.3g} of the examples, and the other sets leave"
            f" {1 - sum(held_out):.3g}"
        )


@dataclass(frozen=True, slots=True, eq=False)
class _Splitter:
    """Chooses the rows of the sets of one dataset."""

    dataset: SourceDataset
    plan: SplitPlan
    count: int
    """Number of rows, of which fractions are meant."""

    def hold_out(
        self, rows: RowIndices, config: SplitConfig | None, stream: SplitStream
    ) -> tuple[RowIndices | None, RowIndices]:
        """Return the rows that are held out, or None, and the remaining ones.

        Raises:
            RunError: if the data has no such column or classes, or no rows remain.
        """
        if config is None or self.count <= 1:
            return None, rows
        is_held_out = self._choose(rows, config, stream)
        if is_held_out.all():
            raise RunError(
                f"{self.dataset.source_name} has no training examples left after the split"
            )
        return rows[is_held_out], rows[~is_held_out]

    def take_training(self, rows: RowIndices, config: SplitConfig) -> RowIndices:
        """Return the rows that are trained on, of those that no other set has.

        Raises:
            RunError: if the data has no such column or classes, or no row is chosen.
        """
        fraction = config.last or config.fraction or 0
        if config.by is None and round(self.count * fraction) >= len(rows):
            return rows
        is_chosen = self._choose(rows, config, SplitStream.TRAIN)
        if not is_chosen.any():
            raise RunError(f"'train_split' leaves no examples of {self.dataset.source_name}")
        return rows[is_chosen]

    def _choose(
        self, rows: RowIndices, config: SplitConfig, stream: SplitStream
    ) -> NDArray[np.bool_]:
        """Return which rows a set has.

        Raises:
            RunError: if the data has no such column or classes.
        """
        if config.column is not None:
            return self._has_value(config.column, config.value)[rows]
        if config.by is not None:
            return self._in_groups(config, config.by, rows, stream)
        if config.stratify:
            return self._by_class(config, rows, stream)
        order = np.arange(len(rows))[::-1]
        if not self._takes_last(config):
            order = split_order(len(rows), self.plan.seed, stream)
        is_chosen = np.zeros(len(rows), bool)
        is_chosen[self._take(config, order, self.count)] = True
        return is_chosen

    def describe(self, config: SplitConfig) -> str:
        """Return how rows are held out, in words."""
        if config.column is not None:
            return f"{config.column} = {config.value}"
        text = "random split"
        if config.by is not None:
            text += f" by {quote(config.by)}"
        elif config.stratify:
            text = f"stratified {text}"
        elif self._takes_last(config):
            text = "last examples" if config.folds is None else "consecutive examples"
        return text if config.folds is None else f"fold {config.fold} of {config.folds}, {text}"

    def _take(self, config: SplitConfig, order: RowIndices, total: int) -> RowIndices:
        """Return the part of some rows or groups in `order` that is held out.

        Raises:
            RunError: if there are fewer of them than folds.
        """
        if config.folds is None:
            size = held_out_count(total, config.last or config.fraction or 0, len(order))
            return order[:size]
        if len(order) < config.folds:
            unit = "examples" if config.by is None else f"groups by {quote(config.by)}"
            raise RunError(
                f"{self.dataset.source_name} has {len(order):,} {unit}, fewer than the"
                f" {config.folds:,} folds"
            )
        # The first fold of rows in the order of the data is the first part of them.
        is_ordered = config.by is None and self._takes_last(config)
        parts = np.array_split(order[::-1] if is_ordered else order, config.folds)
        return parts[(config.fold or 1) - 1]

    def _takes_last(self, config: SplitConfig) -> bool:
        is_ordered = self.dataset.token_array is not None or not self.plan.shuffle
        return config.last is not None or is_ordered

    def _has_value(self, column: str, value: str | int | None) -> NDArray[np.bool_]:
        key = self.dataset.key_columns[column]
        if str(value) not in key.categories:
            raise RunError(
                f"{key.title} of {self.dataset.source_name} has no value {quote(str(value))}; it"
                f" has {quote_list(key.categories, 8)}"
            )
        return key.read() == key.categories.index(str(value))

    def _in_groups(
        self, config: SplitConfig, column: str, rows: RowIndices, stream: SplitStream
    ) -> NDArray[np.bool_]:
        """Return which rows are in a part of the groups, as `GroupShuffleSplit` of sklearn."""
        key = self.dataset.key_columns[column]
        groups = key.read_groups()
        remaining_groups = np.unique(groups[rows])
        if len(remaining_groups) < _MIN_GROUPS:
            raise RunError(
                f"{key.title} of {self.dataset.source_name} has one group, which cannot be split"
            )
        order = split_order(len(remaining_groups), self.plan.seed, stream)
        indices = self._take(config, order, len(key.categories))
        return np.isin(groups[rows], remaining_groups[indices])

    def _by_class(
        self, config: SplitConfig, rows: RowIndices, stream: SplitStream
    ) -> NDArray[np.bool_]:
        """Return which rows are chosen, with the same fraction of each class.

        What the rounded parts of the classes lack goes to those that were rounded down most, as in
        `StratifiedShuffleSplit` of sklearn. The training set has an example of each class, except
        with folds, of which each example is in one.
        """
        labels = self._labels(config.stratify)[rows]
        _, classes, counts = np.unique(labels, return_inverse=True, return_counts=True)
        order = split_order(len(rows), self.plan.seed, stream)
        # Grouped by class, each in random order; the number of a row within its class.
        by_class = order[np.argsort(classes[order], kind="stable")]
        is_chosen = np.zeros(len(rows), bool)
        if config.folds is not None:
            # The rows of a class are dealt to the folds in turn.
            by_fold = np.argsort(np.arange(len(rows)) % config.folds, kind="stable")
            is_chosen[self._take(config, by_class[by_fold], self.count)] = True
            return is_chosen
        size = held_out_count(self.count, config.fraction or 0, len(rows))
        shares = counts * (size / len(rows))
        sizes = np.floor(shares).astype(np.int64)
        most_lacking = np.argsort(sizes - shares, kind="stable")
        sizes[most_lacking[: size - int(sizes.sum())]] += 1
        if stream is SplitStream.TRAIN:
            sizes = np.maximum(sizes, 1)
        else:
            sizes = np.minimum(sizes, counts - 1)
        numbers = np.arange(len(rows)) - np.repeat(np.cumsum(counts) - counts, counts)
        is_chosen[by_class] = numbers < sizes[classes[by_class]]
        return is_chosen

    def _labels(self, stratify: Literal[True] | str | None) -> NDArray[np.int64]:
        name, targets = self.dataset.source_name, self.dataset.targets
        if stratify is True and len(targets) > 1:
            raise RunError(
                f"{name} has targets for {quote_list(targets)}; write which of them counts, as in"
                f" 'stratify: {next(iter(targets))}'"
            )
        output = next(iter(targets), "") if stratify is True else str(stratify)
        column = targets.get(output)
        # A count of distinct numbers would tell classes from quantities no better than the dtype.
        if column is None or column.dtype.kind not in "bui" or column.shape not in ((), (1,)):
            target = f"target for {quote(output)}" if output else "target"
            raise RunError(f"{name} has no {target} with one class per example to stratify by")
        return column.numpy(np.arange(column.count)).astype(np.int64).reshape(-1)
