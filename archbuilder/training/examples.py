"""Examples in memory, as a source of data gives them and before a network is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import RunError, shown

Numbers: TypeAlias = NDArray[np.generic]
"""An array of numbers whose first axis is the examples."""

ONLY: Final = ""
"""The name of an array that is for the one input, or the one output, of a network."""

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """An array of inputs. Its numbers are divided by `scale`; an `image` may be resized."""

    values: Numbers
    scale: float | None = None
    image: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one example."""
        return self.values.shape[1:]


@dataclass(frozen=True, slots=True, eq=False)
class Examples:
    """Inputs and targets by the names of the network's inputs and outputs, or under `ONLY`."""

    origin: str
    """What messages call them."""
    inputs: Mapping[str, Feature]
    targets: Mapping[str, Numbers]
    remarks: tuple[str, ...] = field(default=())
    """What was done to them that a user would want to know."""

    @property
    def count(self) -> int:
        """How many examples there are."""
        return len(next(iter(self.inputs.values())).values)

    def check(self) -> Examples:
        """Themselves, if every array has one entry for every example, all of them finite.

        Raises:
            RunError: if the arrays differ in length, there are no examples, or a number is
                infinite or none at all.
        """
        arrays = [feature.values for feature in self.inputs.values()] + list(self.targets.values())
        lengths = {len(array) for array in arrays}
        if len(lengths) > 1:
            raise RunError(
                f"{self.origin} has arrays of different lengths:"
                f" {', '.join(str(length) for length in sorted(lengths))} examples"
            )
        if self.count == 0:
            raise RunError(f"{self.origin} has no examples")
        for name, feature in self.inputs.items():
            self._check_finite(feature.values, f"the input {shown(name)}" if name else "the input")
        for name, values in self.targets.items():
            self._check_finite(values, f"the target {shown(name)}" if name else "the target")
        return self

    def _check_finite(self, values: Numbers, what: str) -> None:
        if not np.issubdtype(values.dtype, np.floating):
            return
        odd = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        if odd.any():
            raise RunError(
                f"{what} of {self.origin} is no finite number in {odd.sum():,} of"
                f" {len(values):,} examples; the first of them is number {odd.argmax() + 1}"
            )

    def for_network(self, inputs: tuple[str, ...], outputs: tuple[str, ...]) -> Examples:
        """The examples under the names of a network, without what it does not use.

        Raises:
            RunError: if something that it needs is not there.
        """
        return Examples(
            self.origin,
            _pick(self.inputs, inputs, "input", self.origin),
            _pick(self.targets, outputs, "output", self.origin),
            self.remarks,
        )


def _pick(
    arrays: Mapping[str, _T], names: tuple[str, ...], what: str, origin: str
) -> Mapping[str, _T]:
    if not names:
        return {}
    if ONLY in arrays:
        if len(names) == 1:
            return {names[0]: arrays[ONLY]}
        raise RunError(
            f"{origin} has one array for the {what}s, but the network has {len(names)}:"
            f" {', '.join(names)}; name an array for each of them"
        )
    missing = [name for name in names if name not in arrays]
    if missing:
        known = ", ".join(shown(name) for name in arrays)
        raise RunError(f"{origin} has nothing for the {what} '{missing[0]}'; it has {known}")
    return {name: arrays[name] for name in names}
