"""Writes the steps of training as XLA programs: `python -m benchmarks.programs.writing FOLDER`.

With XLA, a GPU is given one program a step, which TensorFlow makes of the model before it meets the
device. Here it is written into a file instead. Of each model there are two: the step of
archbuilder's learner, and that of plain Keras for a model that is written by hand.

`--check` writes small models in float32, with the losses that TensorFlow has on this machine.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import re
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
import tensorflow as tf
from tensorflow.compiler.xla.service import hlo_pb2

import archbuilder
from archbuilder.keras_backend.dtype_policy import dtype_policy_scope
from archbuilder.plain_data import PlainData
from archbuilder.trainer.single_model import SingleNetworkModel
from benchmarks.plain_models import gpt2, resnet

CHECKED_STEPS = 5


@dataclass(frozen=True)
class Example:
    """A model, and the batch that it is trained on."""

    blueprint: str
    batch_size: int
    params: dict[str, PlainData]
    by_hand: Callable[[], keras.Model] | None = None
    length: int | None = None
    """The tokens of an example; None of images."""

    def batch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Images and classes, or tokens and those behind them, drawn by chance."""
        numbers = np.random.default_rng(0)
        if self.length is not None:
            tokens = numbers.integers(5, 31, (self.batch_size, self.length + 1), np.int32)
            return tf.constant(tokens[:, :-1]), tf.constant(tokens[:, 1:])
        (network,) = archbuilder.load(self.blueprint).graphs(**self.params).values()
        shape = network.inputs[0].shape
        images = numbers.random((self.batch_size, *map(int, shape)), np.float32)
        return tf.constant(images), tf.constant(numbers.integers(0, 10, self.batch_size))

    def compiled(self, model: keras.Model) -> keras.Model:
        """A model that is ready to be trained."""
        text = self.length is not None
        optimizer = keras.optimizers.AdamW(3e-4) if text else keras.optimizers.SGD(0.1, 0.9)
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=text),
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )
        return model

    def operations(self) -> int:
        """Those of a step: two for a multiply-add, and twice as many for the gradients."""
        (analysis,) = archbuilder.load(self.blueprint).analyze(**self.params).values()
        return 6 * analysis.multiply_adds * (self.length or 1) * self.batch_size


TIMED = {
    "resnet50": Example("resnet:50", 256, {}, lambda: resnet((3, 4, 6, 3))),
    "gpt2": Example("gpt2:124M", 16, {}, gpt2, length=1024),
}
SMALL = {"depth": 2, "width": 32, "heads": 2, "vocabulary": 40, "dropout": 0}
CHECKED = {
    "digits_cnn": Example("digits_cnn", 16, {}),
    "squeezenet": Example("squeezenet", 8, {"image_size": 67, "classes": 10}),
    "gpt2": Example("gpt2", 4, SMALL, length=24),
}


@dataclass(frozen=True)
class Parameter:
    """What a program is given at first, in numbers that are spread alike."""

    shape: tuple[int, ...]
    dtype: str
    mean: float
    deviation: float
    becomes: int | None
    """Which result of a step it is at the next one; None where it stays."""


def write(folder: Path, name: str, example: Example, model: keras.Model) -> list[tf.Tensor]:
    """Write a step of a compiled model with what it is given, and tell that."""
    batch = example.batch()
    model._symbolic_build(data_batch=batch)  # noqa: SLF001 - otherwise it has to be trained here
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=True)
    program = step.experimental_get_compiler_ir(batch)
    module = hlo_pb2.HloModuleProto.FromString(program(stage="hlo_serialized"))
    for instruction in (each for part in module.computations for each in part.instructions):
        if instruction.opcode == "copy":  # StableHLO has none; this one copies as well
            instruction.opcode = "reshape"
    (folder / f"{name}.hlo.gz").write_bytes(gzip.compress(module.SerializeToString()))
    head = program(stage="hlo").partition("\n")[0]
    becomes = {int(into): int(out) for out, into in re.findall(r"\{(\d+)\}: \((\d+)", head)}
    captured = step.get_concrete_function(batch).captured_inputs
    values = [*batch, *map(_value, captured)]
    about = {
        "operations": example.operations(),
        "examples": example.batch_size,
        "parameters": [
            asdict(_parameter(each, becomes.get(place))) for place, each in enumerate(values)
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(about))
    return values


def _value(captured: tf.Tensor) -> tf.Tensor:
    """What a variable holds that a program was made with."""
    kind = captured._handle_data.shape_and_type[0]  # noqa: SLF001 - a handle alone tells no more
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=tf.dtypes.as_dtype(kind.dtype))


def _parameter(value: tf.Tensor, becomes: int | None) -> Parameter:
    numbers = value.numpy().astype(np.float64)
    return Parameter(
        tuple(value.shape), value.dtype.name, float(numbers.mean()), float(numbers.std()), becomes
    )


def _ours(example: Example, policy: str) -> keras.Model:
    with dtype_policy_scope(policy):
        network = archbuilder.load(example.blueprint).compile(**example.params)
    return example.compiled(SingleNetworkModel(network))


def _theirs(example: Example, policy: str) -> keras.Model | None:
    if example.by_hand is None:
        return None
    with dtype_policy_scope(policy):
        return example.compiled(example.by_hand())


def write_timed(folder: Path) -> None:
    """Write what is timed, in mixed bfloat16."""
    for name, example in TIMED.items():
        for side, make in (("archbuilder", _ours), ("keras", _theirs)):
            model = make(example, "mixed_bfloat16")
            if model is not None:
                write(folder, f"{name}-{side}", example, model)


def write_checked(folder: Path) -> None:
    """Write what is compared, with its first values and the losses of the first steps."""
    for name, example in CHECKED.items():
        model = _ours(example, "float32")
        values = write(folder, f"{name}-check", example, model)
        named = {str(place): each.numpy() for place, each in enumerate(values)}
        step = tf.function(model.train_step, jit_compile=True)
        losses = [float(step(example.batch())["loss"]) for _ in range(CHECKED_STEPS)]
        np.savez(folder / f"{name}-check.npz", losses=losses, **named)


def main() -> None:
    """Write the programs into a folder."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--check", action="store_true", help="small ones, to compare")
    arguments = parser.parse_args()
    arguments.folder.mkdir(parents=True, exist_ok=True)
    (write_checked if arguments.check else write_timed)(arguments.folder)


if __name__ == "__main__":
    main()
