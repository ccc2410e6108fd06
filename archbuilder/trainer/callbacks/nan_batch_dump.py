"""Save the batch at which the loss became NaN or infinite, for inspection."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from typing import Any, Final

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.diagnostics.errors import RunError
from archbuilder.runs.run_dir import RunDir

NAN_BATCH_FILE: Final = "nan_batch.npz"
_ARRAY_NAMES: Final = ("inputs", "targets", "weights")


def dump_nan_batch(run_dir: RunDir, batch: object) -> None:
    """Write a batch to `nan_batch.npz`.

    The arrays are `inputs`, `targets` and `weights`, or `inputs/NAME` where there are several.

    Raises:
        RunError: if it cannot be written.
    """
    content = io.BytesIO()
    arrays: dict[str, Any] = dict(_flatten_batch(batch))
    np.savez_compressed(content, **arrays)
    run_dir.write_bytes(NAN_BATCH_FILE, content.getvalue())


def _flatten_batch(batch: object, name: str = "") -> Iterator[tuple[str, NDArray[np.generic]]]:
    if isinstance(batch, Mapping):
        for key, value in batch.items():
            yield from _flatten_batch(value, f"{name}/{key}" if name else str(key))
    elif isinstance(batch, tuple) and name:
        # What a step draws: one array, or several.
        for number, value in enumerate(batch):
            yield from _flatten_batch(value, name if len(batch) == 1 else f"{name}/{number}")
    elif isinstance(batch, tuple):
        for array_name, value in zip(_ARRAY_NAMES, batch, strict=False):
            yield from _flatten_batch(value, array_name)
    elif hasattr(batch, "numpy"):
        array = np.asarray(batch.numpy())
        # numpy would save bfloat16, which is not a dtype of its own, as bytes without a meaning.
        # float32 represents all of its values.
        is_bfloat16 = array.dtype == tf.bfloat16.as_numpy_dtype
        yield name or _ARRAY_NAMES[0], array.astype(np.float32) if is_bfloat16 else array
    elif batch is not None:
        raise RunError(f"cannot save a batch with a value of type {type(batch).__name__}")
