"""Loads a file of weights into a model."""

from __future__ import annotations

from os import PathLike
from pathlib import Path
from typing import Final

import keras

from archbuilder.diagnostics.errors import RunError, UsageError, quote
from archbuilder.files.sandbox import SandboxPath
from archbuilder.formatting import plural
from archbuilder.weights.dtypes import convert
from archbuilder.weights.match import LIST_ALL_HINT, Match, MatchMode, match_weights
from archbuilder.weights.model_weights import list_model_weights
from archbuilder.weights.readers import WeightsFile, open_weights

_MAX_LINES: Final = 20
_NO_ORDER: Final = (
    "a .safetensors file stores its tensors sorted by dtype and name,"
    " so that their order says nothing about the network"
)
_NAMING_HINT: Final = (
    "name each tensor LAYER/VARIABLE, as in dense0/kernel"
    " ('archbuilder show BLUEPRINT --unfold' lists the layers),"
    " or use a .keras or .weights.h5 file, which records the order"
)


def load_weights(
    model: keras.Model,
    path: str | PathLike[str],
    *,
    match: MatchMode | None = None,
    skip_mismatch: bool = False,
) -> Match:
    """Give a model the weights of a file, and tell how they fit.

    Takes `.weights.h5` and `.keras` files of Keras 3, `.h5` files of Keras 2 (those that
    `keras.applications` downloads are such files) and `.safetensors`. Nothing but numbers is read
    from them.

    Args:
        model: A model that is built, such as a compiled blueprint.
        path: The file.
        match: `"path"` pairs weights of the same name, `"order"` those at the same place; in files
            of Keras 3 that is the order within each class of layer, and `.safetensors` files have
            none. Without it, the way that fits more weights.
        skip_mismatch: Whether to take what fits and leave the other weights as they are.

    Raises:
        RunError: when a weight does not fit (unless `skip_mismatch`), and nothing was loaded; or
            when the file is damaged.
        UsageError: when there is no such file, it is of another kind, or it has no order and
            `match` is `"order"`.
    """
    file_path = Path(path)
    with open_weights(file_path) as file:
        result = _match_or_raise(model, file_path, file, match, skip_mismatch=skip_mismatch)
        _assign(result, file_path)
    return result


def restore_weights(model: keras.Model, path: Path | SandboxPath) -> None:
    """Give a model all weights of a file that was saved of the same network, by their names.

    Raises:
        RunError: when a weight does not fit, and nothing was loaded; or when the file is damaged.
        UsageError: when there is no such file, or it is of another kind.
    """
    file_path = path.path if isinstance(path, SandboxPath) else path
    with open_weights(path) as file:
        result = match_weights(list_model_weights(model, file.file_format), file.weights, "path")
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
    """What `load_weights` would do with a model whose weights need no values yet.

    Raises:
        RunError: as `load_weights` does, with every weight that does not fit.
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
    if mode == "order" and not file.file_format.has_order:
        raise UsageError(
            f"{quote(path.name)} cannot be matched by order: {_NO_ORDER}\n"
            f"  ({_NAMING_HINT};\n"
            "  --match path, or match='path', lists the weights that have no tensor)"
        )
    result = match_weights(list_model_weights(model, file.file_format), file.weights, mode)
    if result.is_complete or skip_mismatch:
        return result
    lines = [_mismatch_error(model, path, result, list_all=list_all)]
    if result.missing and not file.file_format.has_order:
        lines.append(f"  ({_NO_ORDER}:\n  {_NAMING_HINT})")
    lines.append(
        "  (--partial, or skip_mismatch=True, takes what fits and leaves the rest as it is)"
    )
    raise RunError("\n".join(lines))


def _mismatch_error(
    model: keras.Model, path: Path, result: Match, *, list_all: bool = False
) -> str:
    return (
        f"the weights in {quote(path.name)} do not fit {model.name}: by {result.matched_by},"
        f" {len(result.pairs)} of its {result.size} weights have a partner\n"
        f"{result.problems(list_all=list_all)}"
    )


def _assign(result: Match, path: Path) -> None:
    """Load all pairs, or none: each is read twice, so that one at a time is in memory."""
    _check_values(result, path)
    for model_weight, file_weight in result.pairs:
        values, _ = convert(file_weight.read(), model_weight.dtype)
        model_weight.variable.assign(values)


def _check_values(result: Match, path: Path, *, list_all: bool = False) -> None:
    """Refuse values that a variable cannot hold.

    Raises:
        RunError: with the names of the variables.
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
