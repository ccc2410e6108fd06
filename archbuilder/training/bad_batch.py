"""Keeps the batch at which a loss became no number, for a person to look at."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from archbuilder.errors import RunError
from archbuilder.training.run import RunFolder

FILE: Final = "bad-batch.npz"
_PARTS: Final = ("inputs", "targets", "weights")


def keep_bad_batch(run: RunFolder, batch: object) -> None:
    """Write a batch as arrays by name: `inputs`, `targets`, or `inputs/NAME` where it has several.

    Raises:
        RunError: if it cannot be written.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = dict(_named(batch))
    np.savez_compressed(content, **arrays)
    run.write_bytes(FILE, content.getvalue())


def _named(batch: object, name: str = "") -> Iterator[tuple[str, NDArray[np.generic]]]:
    if isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from _named(value, f"{name}/{key}" if name else str(key))
    elif isinstance(batch, tuple):
        for part, value in zip(_PARTS, batch, strict=False):
            yield from _named(value, part)
    elif hasattr(batch, "numpy"):
        yield name or _PARTS[0], np.asarray(batch.numpy())
    elif batch is not None:
        raise RunError(f"a batch has a part of the kind {type(batch).__name__}")
