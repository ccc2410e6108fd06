"""Export training steps as XLA programs: `python -m benchmarks.xla.export DIR`.

With XLA, TensorFlow compiles a training step into one program, independently of the device. This
script writes that program to a file. Each model has two: the step of archbuilder's model, and the
step of a Keras model that is written by hand.

`--check` exports small models in float32, with the losses of TensorFlow on this machine.
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
    build_plain_model: Callable[[], keras.Model] | None = None
    length: int | None = None
    """Tokens of an example; None for images."""

    def batch(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return random images and classes, or tokens and the tokens that follow them."""
        rng = np.random.default_rng(0)
        if self.length is not None:
            tokens = rng.integers(5, 31, (self.batch_size, self.length + 1), np.int32)
            return tf.constant(tokens[:, :-1]), tf.constant(tokens[:, 1:])
        (network,) = archbuilder.load(self.blueprint).graphs(**self.params).values()
        shape = network.inputs[0].shape
        images = rng.random((self.batch_size, *map(int, shape)), np.float32)
        return tf.constant(images), tf.constant(rng.integers(0, 10, self.batch_size))

    def compiled(self, model: keras.Model) -> keras.Model:
        """Return the model, compiled for training."""
        text = self.length is not None
        optimizer = keras.optimizers.AdamW(3e-4) if text else keras.optimizers.SGD(0.1, 0.9)
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=text),
            metrics=[keras.metrics.SparseCategoricalAccuracy()],
        )
        return model

    def operations(self) -> int:
        """Return the operations of a step: six per multiply-add, four of them for the gradients."""
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
    """A parameter of a program, and the distribution of its first values."""

    shape: tuple[int, ...]
    dtype: str
    mean: float
    deviation: float
    becomes: int | None
    """The result of a step that replaces it in the next one; None if it does not change."""


def write(folder: Path, name: str, example: Example, model: keras.Model) -> list[tf.Tensor]:
    """Write a step of a compiled model, and return its parameters."""
    batch = example.batch()
    model._symbolic_build(data_batch=batch)  # noqa: SLF001 - otherwise it has to be trained here
    model.optimizer.build(model.trainable_variables)
    step = tf.function(model.train_step, jit_compile=True)
    program = step.experimental_get_compiler_ir(batch)
    module = hlo_pb2.HloModuleProto.FromString(program(stage="hlo_serialized"))
    for instruction in (
        each for computation in module.computations for each in computation.instructions
    ):
        if instruction.opcode == "copy":  # StableHLO has no copy; a reshape copies as well
            instruction.opcode = "reshape"
    (folder / f"{name}.hlo.gz").write_bytes(gzip.compress(module.SerializeToString()))
    head = program(stage="hlo").partition("\n")[0]
    becomes = {int(into): int(out) for out, into in re.findall(r"\{(\d+)\}: \((\d+)", head)}
    captured = step.get_concrete_function(batch).captured_inputs
    values = [*batch, *map(_value, captured)]
    metadata = {
        "operations": example.operations(),
        "examples": example.batch_size,
        "parameters": [
            asdict(_parameter(each, becomes.get(index))) for index, each in enumerate(values)
        ],
    }
    (folder / f"{name}.json").write_text(json.dumps(metadata))
    return values


def _value(captured: tf.Tensor) -> tf.Tensor:
    """Return the value of a variable that a program captured."""
    kind = captured._handle_data.shape_and_type[0]  # noqa: SLF001 - a handle has no public dtype
    return tf.raw_ops.ReadVariableOp(resource=captured, dtype=tf.dtypes.as_dtype(kind.dtype))


def _parameter(value: tf.Tensor, becomes: int | None) -> Parameter:
    values = value.numpy().astype(np.float64)
    return Parameter(
        tuple(value.shape), value.dtype.name, float(values.mean()), float(values.std()), becomes
    )


def _archbuilder_model(example: Example, policy: str) -> keras.Model:
    with dtype_policy_scope(policy):
        network = archbuilder.load(example.blueprint).compile(**example.params)
    return example.compiled(SingleNetworkModel(network))


def _keras_model(example: Example, policy: str) -> keras.Model | None:
    if example.build_plain_model is None:
        return None
    with dtype_policy_scope(policy):
        return example.compiled(example.build_plain_model())


def write_timed(folder: Path) -> None:
    """Write the models that are timed, in mixed bfloat16."""
    for name, example in TIMED.items():
        for side, make in (("archbuilder", _archbuilder_model), ("keras", _keras_model)):
            model = make(example, "mixed_bfloat16")
            if model is not None:
                write(folder, f"{name}-{side}", example, model)


def write_checked(folder: Path) -> None:
    """Write the models that are checked, with their first values and several losses."""
    for name, example in CHECKED.items():
        model = _archbuilder_model(example, "float32")
        values = write(folder, f"{name}-check", example, model)
        named = {str(index): each.numpy() for index, each in enumerate(values)}
        step = tf.function(model.train_step, jit_compile=True)
        losses = [float(step(example.batch())["loss"]) for _ in range(CHECKED_STEPS)]
        np.savez(folder / f"{name}-check.npz", losses=losses, **named)


def main() -> None:
    """Write the programs to a directory."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--check", action="store_true", help="small models, to compare losses")
    arguments = parser.parse_args()
    arguments.directory.mkdir(parents=True, exist_ok=True)
    (write_checked if arguments.check else write_timed)(arguments.directory)


if __name__ == "__main__":
    main()
