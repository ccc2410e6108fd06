"""Load the weights of a file into a model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import IO, Final

import keras

from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.formatting import plural
from archbuilder.weights.dtypes import convert
from archbuilder.weights.match import (
    LIST_ALL_HINT,
    LayerSelection,
    Match,
    MatchMode,
    match_selected,
    match_weights,
)
from archbuilder.weights.model_weights import list_model_weights
from archbuilder.weights.readers import WeightsFile, open_weights, read_weights

_MAX_LINES: Final = 20
_NO_ORDER: Final = (
    "a .safetensors file stores its tensors sorted by dtype and name,"
    " so that their order says nothing about the network"
)
_NAMING_HINT: Final = (
    "name each tensor LAYER/VARIABLE, as in dense0/kernel"
    " ('archbuilder show BLUEPRINT --depth all' lists the layers),"
    " or use a .keras or .weights.h5 file, which records the order"
)


def load_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    match: MatchMode | None = None,
    skip_mismatch: bool = False,
) -> Match:
    """Load the weights of a file into a model, and return how they match.

    `archbuilder.load_weights` is the same without importing Keras; it describes the arguments.

    Raises:
        RunError: if a weight does not match and `skip_mismatch` is False, or if the file is
            damaged. Nothing is loaded then.
        UsageError: if there is no such file, its format is unknown, or `match` is `"order"` and it
            records no order.
    """
    file_path = Path(path)
    with open_weights(file_path) as file:
        result = _match_or_raise(model, file_path, file, match, skip_mismatch=skip_mismatch)
        _assign(result, file_path)
    return result


def load_selected_weights(
    model: keras.Model,
    content: IO[bytes],
    file_name: str,
    selection: LayerSelection | None,
    mode: MatchMode | None,
    *,
    skip_mismatch: bool,
) -> Match:
    """Load the weights of an open file into the selected layers of a model; None selects all.

    Raises:
        RunError: if no weight matches, or one does not match and `skip_mismatch` is False, or if
            the file is damaged. Nothing is loaded then.
        UsageError: if the format is unknown, or `mode` is `"order"` and the file records no order.
    """
    path = Path(file_name)
    with read_weights(content, file_name) as file:
        _check_order(path, file, mode)
        model_weights = list_model_weights(model, file.file_format)
        if selection is None:
            result = match_weights(model_weights, file.weights, mode)
        else:
            result = match_selected(model_weights, file.weights, mode, selection)
        if not result.pairs or not (result.is_complete or skip_mismatch):
            hint = (
                "\n  ('skip_mismatch: true' loads the weights that match)" if result.pairs else ""
            )
            raise RunError(f"{_mismatch_error(model, path, result)}{hint}")
        _assign(result, path)
    return result


def restore_weights(model: keras.Model, path: Path | SandboxPath) -> None:
    """Load all weights of a file that was saved from the same network, matched by name.

    Raises:
        RunError: if a weight does not match or the file is damaged. Nothing is loaded then.
        UsageError: if there is no such file or its format is unknown.
    """
    file_path = path.path if isinstance(path, SandboxPath) else path
    with open_weights(path) as file:
        result = match_weights(list_model_weights(model, file.file_format), file.weights, "name")
        if not result.is_complete:
            raise RunError(_mismatch_error(model, file_path, result))
        _assign(result, file_path)


def compare_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    match: MatchMode | None = None,
    skip_mismatch: bool = False,
) -> Match:
    """Return how the weights of a file match a model, without loading them.

    The weights of the model need not be initialized.

    Raises:
        RunError: as `load_weights` does, but with all weights that do not match.
        UsageError: as `load_weights` does.
    """
    file_path = Path(path)
    with open_weights(file_path) as file:
        result = _match_or_raise(
            model, file_path, file, match, skip_mismatch=skip_mismatch, list_all=True
        )
        _check_values(result, file_path, list_all=True)
    return result


def _match_or_raise(
    model: keras.Model,
    path: Path,
    file: WeightsFile,
    mode: MatchMode | None,
    *,
    skip_mismatch: bool,
    list_all: bool = False,
) -> Match:
    """Match the weights of a file with a model, and raise if they do not match completely."""
    _check_order(path, file, mode)
    result = match_weights(list_model_weights(model, file.file_format), file.weights, mode)
    if result.is_complete or skip_mismatch:
        return result
    lines = [_mismatch_error(model, path, result, list_all=list_all)]
    if result.missing and not file.file_format.has_order:
        lines.append(f"  ({_NO_ORDER}:\n  {_NAMING_HINT})")
    lines.append(
        "  (--skip-mismatch, or skip_mismatch=True, loads the weights that fit and leaves the"
        " others unchanged)"
    )
    raise RunError("\n".join(lines))


def _check_order(path: Path, file: WeightsFile, mode: MatchMode | None) -> None:
    """Raise an error if weights shall be matched by order, and the file records none."""
    if mode == "order" and not file.file_format.has_order:
        raise UsageError(
            f"{quote(path.name)} cannot be matched by order: {_NO_ORDER}\n"
            f"  ({_NAMING_HINT};\n"
            "  --match name, or match='name', lists the weights that have no tensor)"
        )


def _mismatch_error(
    model: keras.Model, path: Path, result: Match, *, list_all: bool = False
) -> str:
    return (
        f"the weights in {quote(path.name)} do not fit {model.name}: by {result.matched_by},"
        f" {len(result.pairs)} of its {result.size} weights match\n"
        f"{result.problems(list_all=list_all)}"
    )


def _assign(result: Match, path: Path) -> None:
    """Assign all pairs to the model, or none if a value is invalid."""
    # Each weight is read twice, to check it and to assign it, so that only one is in memory at a
    # time and the model stays unchanged if a later one is invalid.
    _check_values(result, path)
    for model_weight, file_weight in result.pairs:
        values, _ = convert(file_weight.read(), model_weight.dtype)
        model_weight.variable.assign(values)


def _check_values(result: Match, path: Path, *, list_all: bool = False) -> None:
    """Check that the variables can hold all values of their pairs.

    Raises:
        RunError: with the names of the variables and the number of invalid values.
    """
    lines = []
    for model_weight, file_weight in result.pairs:
        values, invalid_count = convert(file_weight.read(), model_weight.dtype)
        if invalid_count:
            lines.append(
                f"  {model_weight.name}: {invalid_count:,} of {plural(values.size, 'value')}"
            )
    hidden_count = 0 if list_all else len(lines) - _MAX_LINES
    if hidden_count > 0:
        lines = [
            *lines[:_MAX_LINES],
            f"  and {plural(hidden_count, 'weight')} more; {LIST_ALL_HINT}",
        ]
    if lines:
        head = f"weights in {quote(path.name)} are NaN, infinite, or too large for their type"
        raise RunError("\n".join((f"{head} in the model:", *lines)))
