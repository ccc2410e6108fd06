"""Examples as a source of data gives them, before a network is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from archbuilder.errors import RunError, listed, shown
from archbuilder.recipe.legend import Legend
from archbuilder.training.columns import Column, finite, hold, not_negative
from archbuilder.training.dtypes import Mask
from archbuilder.training.opening import check_size
from archbuilder.training.provenance import Origin
from archbuilder.training.text.tokens import Texts
from archbuilder.training.text.vocabulary import Vocabulary
from archbuilder.tree import Span

ONLY: Final = ""
"""The name of an array that is for the one input, or the one output, of a network."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A column of inputs. Its numbers are divided by `scale`; an `image` may be resized."""

    column: Column
    scale: float | None = None
    image: bool = False
    largest: int = 255
    """The largest number that its scale makes sense for."""
    origin: Origin | None = None
    """Where its values stand; None where they have the numbers of examples alone."""
    integers: Mask | None = None
    """At which positions of an example values are integers, where the column is of floats."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.column.shape

    def value_range(self, dtype: str) -> tuple[float, float] | None:
        """Return the least and the greatest value of an image as an input of a type.

        None where it is unknown: for floats, and for what is not an image.
        """
        if not self.image or self.column.dtype.kind != "u":
            return None
        white = float(self.largest)
        return 0.0, white / (self.scale or 1) if "float" in dtype else white


@dataclass(frozen=True, slots=True)
class Known:
    """What examples that were trained on tell of others: how their words become numbers."""

    legend: Legend = field(default_factory=Legend)
    """What columns and classes mean, by the names of targets."""
    vocabulary: Vocabulary | None = None
    """What tokens mean."""


def known_of(legend: Legend) -> Known | None:
    """What a legend tells; None where it tells nothing."""
    return None if legend == Legend() else Known(legend)


@dataclass(frozen=True, slots=True)
class Naming:
    """How a recipe names the parts of a file: the keys of its source, and what they leave out."""

    inputs: str = "inputs"
    targets: str = "targets"
    unused: tuple[str, ...] = ()
    """Columns or arrays of the file that are neither input, target nor weight, if known."""

    def key(self, what: str) -> str:
        """Return the key for every `input` or `output` of a network."""
        return self.inputs if what == "input" else self.targets


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs and targets by the names of the network's inputs and outputs, or under `ONLY`."""

    origin: str
    """What messages call them."""
    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    remarks: tuple[str, ...] = field(default=())
    """What was done to them that a user would want to know."""
    texts: Texts | None = None
    """The text that they are pieces of."""
    weights: Mapping[str, Column] = field(default_factory=dict)
    """What an example counts in the loss of an output, or under `ONLY` in all of them."""
    known: Known = field(default_factory=Known)
    """What their numbers mean."""
    naming: Naming | None = None
    """None if the source gives one input and one target, which it does not name."""
    target: str = ""
    """What the one target of such a source is, as in `the class of an image`."""
    place: Span | None = None
    """Where a blueprint names them, for errors about them."""

    @property
    def count(self) -> int:
        """How many examples there are."""
        return next(iter(self.inputs.values())).column.count

    def check(self) -> Examples:
        """Themselves, with one entry of every column for every example, and finite numbers alone.

        Raises:
            RunError: if the columns differ in length, there are no examples, or a number in memory
                is infinite or none at all.
        """
        features = (feature.column for feature in self.inputs.values())
        columns = [*features, *self.targets.values(), *self.weights.values()]
        check_lengths((column.count for column in columns), self.origin)
        if self.count == 0:
            raise RunError(f"{self.origin} has no examples")
        inputs = {
            name: replace(feature, column=self._finite(feature.column, "input", name))
            for name, feature in self.inputs.items()
        }
        targets = {
            name: self._finite(column, "target", name) for name, column in self.targets.items()
        }
        weights = {
            name: self._finite(column, "weight", name).held_to(not_negative)
            for name, column in self.weights.items()
        }
        return replace(self, inputs=inputs, targets=targets, weights=weights)

    def cached(self) -> Examples:
        """The same with every column in memory.

        Raises:
            RunError: if there is no room for them, or an example cannot be read.
        """
        columns = [feature.column for feature in self.inputs.values()]
        columns += [*self.targets.values(), *self.weights.values()]
        bytes_each = sum(math.prod(each.shape) * each.dtype.itemsize for each in columns)
        check_size(self.count * bytes_each, self.origin)
        inputs = {
            name: replace(feature, column=hold(feature.column))
            for name, feature in self.inputs.items()
        }
        return replace(
            self,
            inputs=inputs,
            targets={name: hold(column) for name, column in self.targets.items()},
            weights={name: hold(column) for name, column in self.weights.items()},
        )

    def _finite(self, column: Column, what: str, name: str) -> Column:
        named = f"the {what} {shown(name)}" if name else f"the {what}"
        # Inputs have a dtype of their own; everything else is computed with as float32.
        dtype = None if what == "input" else np.float32
        return column.held_to(finite(f"{named} of {column.name or self.origin}", dtype))

    def for_network(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Examples:
        """The examples under the names of a network, without what it does not use.

        Raises:
            RunError: if something that it needs is not there.
        """
        if outputs and not self.targets and self.naming is None:
            raise self._no_targets(inputs, outputs)
        return replace(
            self,
            inputs=self._pick(self.inputs, inputs, "input"),
            targets=self._pick(self.targets, outputs, "output"),
        )

    def _pick(
        self, arrays: Mapping[str, _T], names: tuple[str, ...], what: str
    ) -> Mapping[str, _T]:
        """Return arrays by the names of a network's inputs or outputs."""
        if len(names) == 1 and ONLY in arrays:
            return {names[0]: arrays[ONLY]}
        missing = [name for name in names if name not in arrays]
        if not missing:
            return {name: arrays[name] for name in names}
        if ONLY in arrays:
            is_target = what == "output" and self.target
            one = f"one target ({self.target})" if is_target else f"one array for the {what}s"
            message = (
                f"{self.origin} has {one}, but the network has {len(names)}"
                f"{' outputs with a loss or metrics' if is_target else ''}: {', '.join(names)}"
            )
        elif self.naming is None or not arrays:
            message = f"{self.origin} has nothing for the {what} '{missing[0]}'"
        else:
            message = (
                f"'{self.naming.key(what)}' of {self.origin} has no entry for the {what}"
                f" '{missing[0]}' of the network, but for {listed(arrays)}"
            )
        raise RunError(message + self._advice(names, what))

    def _advice(self, names: tuple[str, ...], what: str) -> str:
        """Return how a recipe gives every input or output of a network its array."""
        if self.naming is None:
            spared = "; an output without loss and metrics needs no target"
            return "; sources such as 'npz' and 'csv' can name several" + (
                spared if what == "output" else ""
            )
        example = ", ".join(f"{name}: ..." for name in names)
        unused = self.naming.unused
        return f"; write '{self.naming.key(what)}: {{{example}}}'" + (
            f"; not used so far: {listed(unused)}" if unused else ""
        )

    def _no_targets(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> RunError:
        """Describe missing targets, as of a folder of images without folders of classes."""
        folders = "put the images of each class into a folder of its own, as in FOLDER/cat/1.png"
        ways = [folders] if self.target else []
        if inputs:
            ways.append(
                f"'targets: {{{outputs[0]}: {inputs[0]}}}' under 'training' compares the output"
                " with its input"
            )
        return RunError(
            f"{self.origin} has no targets, but the output '{outputs[0]}' has a loss or"
            " metrics" + "".join(f"; {way}" for way in ways)
        )


def check_lengths(lengths: Iterable[int], origin: str) -> None:
    """Check that arrays have the same number of examples.

    Raises:
        RunError: if they have not.
    """
    different = sorted({*lengths})
    if len(different) > 1:
        told = ", ".join(map(str, different))
        raise RunError(f"{origin} has arrays of different lengths: {told} examples")
