"""Arguments that functions of the Python API share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeAlias

from archbuilder.argument_types import (
    LIMITS,
    PATH,
    STRING,
    ArgumentClasses,
    check_params,
    path_list,
)
from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.diagnostics.errors import UsageError
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.trainer.log_format import LogFn

FilePath: TypeAlias = str | PathLike[str]
BLUEPRINT: Final = ArgumentClasses(
    "a file, the name of a blueprint in the library, or a Blueprint", (str, PathLike, Blueprint)
)


def blueprint_request(
    blueprint: FilePath | Blueprint | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    *,
    limits: Limits | None,
    allow_dirs: Iterable[FilePath] = (),
) -> BlueprintRequest:
    """Return how to load a blueprint; a loaded one passes its limits on.

    Raises:
        UsageError: if an argument has another type.
    """
    BLUEPRINT.check("blueprint", blueprint, optional=True)
    STRING.check("variant", variant, optional=True)
    LIMITS.check("limits", limits, optional=True)
    check_params(params)
    if limits is None:
        limits = blueprint.limits if isinstance(blueprint, Blueprint) else Limits()
    directories = path_list("allow_dirs", allow_dirs, "directories")
    return BlueprintRequest(variant, params or {}, limits, tuple(directories))


def required_path(name: str, file: FilePath) -> Path:
    """Return the path of an argument.

    Raises:
        UsageError: if it has another type.
    """
    PATH.check(name, file)
    return Path(file)


def optional_path(name: str, file: FilePath | None) -> Path | None:
    """Return the path of an argument, or None for None.

    Raises:
        UsageError: if it has another type.
    """
    return None if file is None else required_path(name, file)


def data_argument(data: FilePath | None) -> str | None:
    """Return the argument `data` as the command line has it, or None for None.

    Raises:
        UsageError: if it has another type.
    """
    if isinstance(data, Mapping):
        raise UsageError(
            "'data' must be a path or the name of a dataset, as of --data, not a dictionary: write"
            " the settings of a source under 'data' in the blueprint or in a recipe, and arrays to"
            " a .npz file"
        )
    PATH.check("data", data, optional=True)
    return None if data is None else str(data)


def chief_log(log: LogFn | None, *, is_chief: bool) -> LogFn:
    """Return the function that shows a line; on other workers than the chief, it does nothing."""
    return log if log is not None and is_chief else lambda _line: None
