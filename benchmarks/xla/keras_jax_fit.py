"""Time Keras's `fit` with JAX: `KERAS_BACKEND=jax python -m benchmarks.xla.keras_jax_fit`."""

from __future__ import annotations

import statistics
import sys
from collections.abc import Iterator
from typing import Any

import jax
import keras
import numpy as np

from benchmarks.plain_models import gpt2, resnet
from benchmarks.timing import seconds

STEPS = 20
EPOCHS = 6
"""The first one warms up."""


def _batches(*arrays: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the same batch, which is already on the device, without end."""
    batch = tuple(jax.device_put(each) for each in arrays)
    while True:  # the only iterators that Keras takes are generators
        yield batch


def main() -> None:
    """Print a line for each model."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    rng = np.random.default_rng(0)
    images = rng.random((256, 224, 224, 3), np.float32)
    tokens = rng.integers(5, 31, (16, 1025), np.int32)
    loss = keras.losses.SparseCategoricalCrossentropy
    accuracy = keras.metrics.SparseCategoricalAccuracy
    for name, model, optimizer, batch in (
        (
            "resnet50",
            resnet((3, 4, 6, 3)),
            keras.optimizers.SGD(0.1, 0.9),
            (images, rng.integers(0, 1000, 256)),
        ),
        ("gpt2", gpt2(), keras.optimizers.AdamW(3e-4), (tokens[:, :-1], tokens[:, 1:])),
    ):
        model.compile(optimizer, loss(from_logits=name == "gpt2"), metrics=[accuracy()])
        batches = _batches(*batch)
        durations = [
            seconds(lambda: model.fit(batches, steps_per_epoch=STEPS, verbose=0))  # noqa: B023
            for _ in range(EPOCHS)
        ]
        step = statistics.median(durations[1:]) / STEPS
        rate = len(batch[0]) / step
        print(f"{name}-fit: {step * 1e3:.1f} ms a step, {rate:,.1f} examples/s", flush=True)


if __name__ == "__main__":
    sys.exit(main())
