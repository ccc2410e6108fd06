"""Examples as a source of data gives them, before a network is known."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeVar

import numpy as np

from archbuilder.config.data_schema import DatasetSchema
from archbuilder.data.columns import Column, check_non_negative, load_into_memory, make_finite_check
from archbuilder.data.dtypes import Mask
from archbuilder.data.file_access import check_fits_in_memory
from archbuilder.data.provenance import ColumnOrigin
from archbuilder.data.text.token_file import TokenArray
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError, quote, quote_list
from archbuilder.diagnostics.span import Span

UNNAMED: Final = ""
"""The name of an array that is for the one input, or the one output, of a network."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """A column of inputs. Its numbers are divided by `scale`; an `image` may be resized."""

    column: Column
    scale: float | None = None
    image: bool = False
    max_value: int = 255
    """The largest number that its scale makes sense for."""
    origin: ColumnOrigin | None = None
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
        max_value = float(self.max_value)
        return 0.0, max_value / (self.scale or 1) if "float" in dtype else max_value


@dataclass(frozen=True, slots=True)
class FittedPreprocessing:
    """What examples that were trained on tell of others: how their words become numbers."""

    schema: DatasetSchema = field(default_factory=DatasetSchema)
    """What columns and classes mean, by the names of targets."""
    tokenizer: TextTokenizer | None = None
    """What tokens mean."""


def preprocessing_from_schema(schema: DatasetSchema) -> FittedPreprocessing | None:
    """What a legend tells; None where it tells nothing."""
    return None if schema == DatasetSchema() else FittedPreprocessing(schema)


@dataclass(frozen=True, slots=True)
class SourceKeys:
    """How a recipe names the parts of a file: the keys of its source, and what they leave out."""

    inputs: str = "inputs"
    targets: str = "targets"
    unused: tuple[str, ...] = ()
    """Columns or arrays of the file that are neither input, target nor weight, if known."""

    def key(self, role: str) -> str:
        """Return the key for every `input` or `output` of a network."""
        return self.inputs if role == "input" else self.targets


@dataclass(frozen=True, slots=True, eq=False)
class Dataset:
    """Inputs and targets by the names of the network's inputs and outputs, or under `ONLY`."""

    source_name: str
    """What messages call them."""
    inputs: Mapping[str, Feature]
    targets: Mapping[str, Column]
    notes: tuple[str, ...] = field(default=())
    """What was done to them that a user would want to know."""
    token_array: TokenArray | None = None
    """The text that they are pieces of."""
    sample_weights: Mapping[str, Column] = field(default_factory=dict)
    """What an example counts in the loss of an output, or under `ONLY` in all of them."""
    preprocessing: FittedPreprocessing = field(default_factory=FittedPreprocessing)
    """What their numbers mean."""
    source_keys: SourceKeys | None = None
    """None if the source gives one input and one target, which it does not name."""
    target_description: str = ""
    """What the one target of such a source is, as in `the class of an image`."""
    span: Span | None = None
    """Where a blueprint names them, for errors about them."""

    @property
    def count(self) -> int:
        """How many examples there are."""
        return next(iter(self.inputs.values())).column.count

    def validated(self) -> Dataset:
        """Themselves, with one entry of every column for every example, and finite numbers alone.

        Raises:
            RunError: if the columns differ in length, there are no examples, or a number in memory
                is infinite or none at all.
        """
        features = (feature.column for feature in self.inputs.values())
        columns = [*features, *self.targets.values(), *self.sample_weights.values()]
        check_lengths((column.count for column in columns), self.source_name)
        if self.count == 0:
            raise RunError(f"{self.source_name} has no examples")
        inputs = {
            name: replace(feature, column=self._with_finite_check(feature.column, "input", name))
            for name, feature in self.inputs.items()
        }
        targets = {
            name: self._with_finite_check(column, "target", name)
            for name, column in self.targets.items()
        }
        weights = {
            name: self._with_finite_check(column, "weight", name).with_check(check_non_negative)
            for name, column in self.sample_weights.items()
        }
        return replace(self, inputs=inputs, targets=targets, sample_weights=weights)

    def in_memory(self) -> Dataset:
        """The same with every column in memory.

        Raises:
            RunError: if there is no room for them, or an example cannot be read.
        """
        columns = [feature.column for feature in self.inputs.values()]
        columns += [*self.targets.values(), *self.sample_weights.values()]
        example_bytes = sum(math.prod(each.shape) * each.dtype.itemsize for each in columns)
        check_fits_in_memory(self.count * example_bytes, self.source_name)
        inputs = {
            name: replace(feature, column=load_into_memory(feature.column))
            for name, feature in self.inputs.items()
        }
        return replace(
            self,
            inputs=inputs,
            targets={name: load_into_memory(column) for name, column in self.targets.items()},
            sample_weights={
                name: load_into_memory(column) for name, column in self.sample_weights.items()
            },
        )

    def _with_finite_check(self, column: Column, role: str, name: str) -> Column:
        description = f"the {role} {quote(name)}" if name else f"the {role}"
        # Inputs have a dtype of their own; everything else is computed with as float32.
        dtype = None if role == "input" else np.float32
        return column.with_check(
            make_finite_check(f"{description} of {column.name or self.source_name}", dtype)
        )

    def select_for(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Dataset:
        """The examples under the names of a network, without what it does not use.

        Raises:
            RunError: if something that it needs is not there.
        """
        if outputs and not self.targets and self.source_keys is None:
            raise self._no_targets_error(inputs, outputs)
        return replace(
            self,
            inputs=self._select(self.inputs, inputs, "input"),
            targets=self._select(self.targets, outputs, "output"),
        )

    def _select(
        self, arrays: Mapping[str, _T], names: tuple[str, ...], role: str
    ) -> Mapping[str, _T]:
        """Return arrays by the names of a network's inputs or outputs."""
        if len(names) == 1 and UNNAMED in arrays:
            return {names[0]: arrays[UNNAMED]}
        missing = [name for name in names if name not in arrays]
        if not missing:
            return {name: arrays[name] for name in names}
        if UNNAMED in arrays:
            is_target = role == "output" and self.target_description
            provided_text = (
                f"one target ({self.target_description})"
                if is_target
                else f"one array for the {role}s"
            )
            message = (
                f"{self.source_name} has {provided_text}, but the network has {len(names)}"
                f"{' outputs with a loss or metrics' if is_target else ''}: {', '.join(names)}"
            )
        elif self.source_keys is None or not arrays:
            message = f"{self.source_name} has nothing for the {role} '{missing[0]}'"
        else:
            message = (
                f"'{self.source_keys.key(role)}' of {self.source_name} has no entry for the {role}"
                f" '{missing[0]}' of the network, but for {quote_list(arrays)}"
            )
        raise RunError(message + self._hint(names, role))

    def _hint(self, names: tuple[str, ...], role: str) -> str:
        """Return how a recipe gives every input or output of a network its array."""
        if self.source_keys is None:
            optional_hint = "; an output without loss and metrics needs no target"
            return "; sources such as 'npz' and 'csv' can name several" + (
                optional_hint if role == "output" else ""
            )
        example = ", ".join(f"{name}: ..." for name in names)
        unused = self.source_keys.unused
        return f"; write '{self.source_keys.key(role)}: {{{example}}}'" + (
            f"; not used so far: {quote_list(unused)}" if unused else ""
        )

    def _no_targets_error(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> RunError:
        """Describe missing targets, as of a folder of images without folders of classes."""
        folder_hint = (
            "put the images of each class into a folder of its own, as in FOLDER/cat/1.png"
        )
        hints = [folder_hint] if self.target_description else []
        if inputs:
            hints.append(
                f"'targets: {{{outputs[0]}: {inputs[0]}}}' under 'training' compares the output"
                " with its input"
            )
        return RunError(
            f"{self.source_name} has no targets, but the output '{outputs[0]}' has a loss or"
            " metrics" + "".join(f"; {hint}" for hint in hints)
        )


def check_lengths(lengths: Iterable[int], source_name: str) -> None:
    """Check that arrays have the same number of examples.

    Raises:
        RunError: if they have not.
    """
    distinct = sorted({*lengths})
    if len(distinct) > 1:
        text = ", ".join(map(str, distinct))
        raise RunError(f"{source_name} has arrays of different lengths: {text} examples")
