"""Fits targets to the outputs of a network and their losses, and finds those that cannot be right.

A wrong label would give a loss of NaN or none at all, so all of them are looked at before training.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from archbuilder.errors import RunError
from archbuilder.graph import Shape
from archbuilder.recipe.training import class_name
from archbuilder.training.examples import Numbers
from archbuilder.tree import Tree

_SPARSE: Final = "Sparse"
"""How the names of Keras's losses begin that take a class by its number."""


@dataclass(frozen=True, slots=True, eq=False)
class Target:
    """The values that an output is compared with. `classes` asks for one value a class."""

    values: Numbers
    classes: int | None
    remark: str = ""


def fit_target(values: Numbers, output: str, shape: Shape, loss: Tree | None) -> Target:
    """The targets of an output of that shape.

    Classes by number stay numbers for a sparse loss, and become one value a class for the others.

    Raises:
        RunError: if labels are out of range, or the shapes differ.
    """
    have = values.shape[1:]
    if loss is not None and class_name("loss", loss).startswith(_SPARSE):
        _check_labels(values, output, shape)
        return Target(values.astype(np.int64), None)
    if _same(have, shape):
        return Target(values.astype(np.float32), None)
    if math.prod(have) == 1 and shape == (1,):
        return Target(values.reshape(-1, 1).astype(np.float32), None)
    if _same(have, shape[:-1]) and values.dtype.kind in "bui" and shape[-1] is not None:
        _check_labels(values, output, shape)
        remark = f"{output}: {shape[-1]} classes, one value each"
        return Target(values.astype(np.int64), shape[-1], remark)
    raise RunError(
        f"a target of the output '{output}' has the shape {list(have)},"
        f" but the network gives {list(shape)}"
    )


def _check_labels(values: Numbers, output: str, shape: Shape) -> None:
    if not shape or shape[-1] is None:
        raise RunError(f"the output '{output}' has no last axis with one value a class")
    have = values.shape[1:]
    if have == (1,) and len(shape) == 1:
        have = ()
    if not _same(have, shape[:-1]):
        raise RunError(
            f"the labels of the output '{output}' have the shape {list(have)} an example, but the"
            f" network gives {list(shape)}: one label for every position but the last"
        )
    if values.dtype.kind == "f" and not np.array_equal(values, np.floor(values)):
        raise RunError(f"the labels of the output '{output}' are not whole numbers")
    low, high, classes = int(values.min()), int(values.max()), shape[-1]
    if low < 0 or high >= classes:
        raise RunError(
            f"the labels of the output '{output}' go from {low} to {high}, but the network has"
            f" {classes} classes (0 to {classes - 1})"
        )


def _same(have: tuple[int, ...], wanted: Shape) -> bool:
    return len(have) == len(wanted) and all(
        size in (each, None) for each, size in zip(have, wanted, strict=True)
    )
