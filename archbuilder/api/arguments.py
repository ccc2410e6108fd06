"""Arguments that functions of the Python API share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from archbuilder.blueprint import Blueprint, BlueprintRequest
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData

if TYPE_CHECKING:
    from archbuilder.trainer.log_format import LogFn

FilePath: TypeAlias = str | PathLike[str]


def blueprint_request(
    blueprint: FilePath | Blueprint | None = None,
    variant: str | None = None,
    params: Mapping[str, PlainData] | None = None,
    *,
    limits: Limits | None,
    allow_dirs: Iterable[FilePath] = (),
) -> BlueprintRequest:
    """Return how to load a blueprint; a loaded one passes its limits on."""
    if limits is None:
        limits = blueprint.limits if isinstance(blueprint, Blueprint) else Limits()
    return BlueprintRequest(variant, params or {}, limits, tuple(map(Path, allow_dirs)))


def optional_path(file: FilePath | None) -> Path | None:
    """Return a path, or None for None."""
    return None if file is None else Path(file)


def chief_log(log: LogFn | None, *, is_chief: bool) -> LogFn:
    """Return the function that shows a line; on other workers than the chief, it does nothing."""
    return log if log is not None and is_chief else lambda _line: None
