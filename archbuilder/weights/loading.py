"""Loads a file of weights into a model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

import keras

from archbuilder.errors import RunError, UsageError, shown
from archbuilder.places import Place
from archbuilder.tables import plural
from archbuilder.weights.dtypes import convert
from archbuilder.weights.holding import held
from archbuilder.weights.matching import HOW_TO_LIST_ALL, Match, Way, match
from archbuilder.weights.reading import WeightsFile, open_weights

_MOST_LINES: Final = 20
_NO_ORDER: Final = (
    "a .safetensors file stores its tensors sorted by dtype and name,"
    " so that their order says nothing about the network"
)
_WHAT_TO_DO: Final = (
    "name each tensor LAYER/VARIABLE, as in dense0/kernel"
    " ('archbuilder show BLUEPRINT --unfold' lists the layers),"
    " or use a .keras or .weights.h5 file, which records the order"
)


def load_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    way: Way | None = None,
    partial: bool = False,
) -> Match:
    """Give a model the weights of a file, and tell how they fit.

    Takes `.weights.h5` and `.keras` files of Keras 3, `.h5` files of Keras 2 (those that
    `keras.applications` downloads are such files) and `.safetensors`. Nothing but numbers is read
    from them.

    Args:
        model: A model that is built, such as a compiled blueprint.
        path: The file.
        way: `"path"` pairs weights of the same name, `"order"` those at the same place; in files of
            Keras 3 that is the order within each class of layer, and `.safetensors` files have
            none. Without it, the way that fits more weights.
        partial: Whether to take what fits and leave the other weights as they are.

    Raises:
        RunError: when a weight does not fit (unless `partial`), and nothing was loaded; or when the
            file is damaged.
        UsageError: when there is no such file, it is of another kind, or it has no order and `way`
            is `"order"`.
    """
    file_path = Path(path)
    with open_weights(file_path) as file:
        found = _match(model, file_path, file, way, partial=partial)
        _assign(found, file_path)
    return found


def restore_weights(model: keras.Model, path: Path | Place) -> None:
    """Give a model all weights of a file that was saved of the same network, by their names.

    Raises:
        RunError: when a weight does not fit, and nothing was loaded; or when the file is damaged.
        UsageError: when there is no such file, or it is of another kind.
    """
    file_path = path.path if isinstance(path, Place) else path
    with open_weights(path) as file:
        found = match(held(model, file.kind), file.weights, "path")
        if not found.complete:
            raise RunError(_misfit(model, file_path, found))
        _assign(found, file_path)


def compare_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    way: Way | None = None,
    partial: bool = False,
) -> Match:
    """What `load_weights` would do with a model whose weights need no values yet.

    Raises:
        RunError: as `load_weights` does, with every weight that does not fit.
        UsageError: as `load_weights` does.
    """
    file_path = Path(path)
    with open_weights(file_path) as file:
        found = _match(model, file_path, file, way, partial=partial, every=True)
        _check_values(found, file_path, every=True)
    return found


def _match(
    model: keras.Model,
    path: Path,
    file: WeightsFile,
    way: Way | None,
    *,
    partial: bool,
    every: bool = False,
) -> Match:
    if way == "order" and not file.kind.has_order:
        raise UsageError(
            f"{shown(path.name)} cannot be matched by order: {_NO_ORDER}\n"
            f"  ({_WHAT_TO_DO};\n"
            "  --match path, or way='path', lists the weights that have no tensor)"
        )
    found = match(held(model, file.kind), file.weights, way)
    if found.complete or partial:
        return found
    lines = [_misfit(model, path, found, every=every)]
    if found.missing and not file.kind.has_order:
        lines.append(f"  ({_NO_ORDER}:\n  {_WHAT_TO_DO})")
    lines.append("  (--partial, or partial=True, takes what fits and leaves the rest as it is)")
    raise RunError("\n".join(lines))


def _misfit(model: keras.Model, path: Path, found: Match, *, every: bool = False) -> str:
    return (
        f"the weights in {shown(path.name)} do not fit {model.name}: by {found.way},"
        f" {len(found.pairs)} of its {found.size} weights have a partner\n"
        f"{found.problems(every=every)}"
    )


def _assign(found: Match, path: Path) -> None:
    """Load all pairs, or none: each is read twice, so that one at a time is in memory."""
    _check_values(found, path)
    for mine, stored in found.pairs:
        values, _ = convert(stored.read(), mine.dtype)
        mine.variable.assign(values)


def _check_values(found: Match, path: Path, *, every: bool = False) -> None:
    """Refuse values that a variable cannot hold.

    Raises:
        RunError: with the names of the variables.
    """
    lines = []
    for mine, stored in found.pairs:
        values, wrong = convert(stored.read(), mine.dtype)
        if wrong:
            lines.append(f"  {mine.name}: {wrong:,} of {plural(values.size, 'value')}")
    more = 0 if every else len(lines) - _MOST_LINES
    if more > 0:
        lines = [*lines[:_MOST_LINES], f"  and {plural(more, 'weight')} more; {HOW_TO_LIST_ALL}"]
    if lines:
        head = f"weights in {shown(path.name)} are NaN, infinite, or too large for their type"
        raise RunError("\n".join((f"{head} in the model:", *lines)))
