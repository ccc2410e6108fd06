"""The loss is a mean over what counts in the global batch, however the batch is cut.

The reference is Keras itself, which takes each global batch in one piece on one device.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.subprocesses import in_devices
from hypothesis import example, given, settings
from hypothesis import strategies as st

from archbuilder.cli import main
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import BatchPipeline
from archbuilder.distribution.strategy import DeviceSetup
from archbuilder.keras_ext.losses import Value
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.single_model import SingleNetworkModel
from archbuilder.trainer.train_loop import evaluate

ACCURACY = "sparse_categorical_accuracy"
STEPS = 5
CLASSES = 3
IGNORED = 255
RECURRENT = ("whole", "own")
"""Outputs of `several` with one loss per example; the second is itself a loss."""

Named = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Cut:
    """A network, how its losses are reduced, what examples weigh, and how batches are cut."""

    network: str = "sequence"
    reduction: str = "sum_over_batch_size"
    weights: str = "none"
    accumulate: int = 1
    distributed: bool = False
    """Whether a batch is shared by all virtual devices, or by none."""
    count: int = 11
    batch: int = 6
    judged: int = 4
    """The size of the batches of the validation set."""


CUTS = st.builds(
    Cut,
    st.sampled_from(["dense", "sequence", "pixels", "several"]),
    st.sampled_from(["sum_over_batch_size", "mean_with_sample_weight", "sum"]),
    st.sampled_from(["none", "example", "position"]),
    accumulate=st.integers(1, 4),
    distributed=st.booleans(),
    count=st.integers(4, 14),
    batch=st.integers(4, 8),
    judged=st.integers(1, 14),
)


def crossentropy(cut: Cut, **arguments: Any) -> keras.losses.Loss:
    return keras.losses.SparseCategoricalCrossentropy(reduction=cut.reduction, **arguments)


def network(cut: Cut) -> keras.Model:
    """A small network, whose weights are always the same ones at first."""
    keras.utils.set_random_seed(1)
    layers = keras.layers
    if cut.network == "dense":
        x = keras.Input((2,), name="x")
        hidden = layers.Dense(
            4, "tanh", kernel_regularizer="l2", activity_regularizer=keras.regularizers.L1(0.1)
        )(x)
        return keras.Model(x, layers.Dense(CLASSES, "softmax")(hidden))
    if cut.network == "dice":
        x = keras.Input((STEPS, STEPS, 2), name="x")
        return keras.Model(x, layers.Conv2D(1, 3, padding="same", activation="sigmoid")(x))
    if cut.network == "pixels":
        x = keras.Input((STEPS, STEPS, 2), name="x")
        return keras.Model(x, layers.Conv2D(CLASSES, 3, padding="same", activation="softmax")(x))
    x = keras.Input((STEPS,), dtype="int32", name="x")
    hidden = layers.Embedding(5, 3, mask_zero=True)(x)
    steps = layers.Dense(CLASSES, "softmax", name="steps")(
        layers.SimpleRNN(4, return_sequences=True)(hidden)
    )
    if cut.network == "sequence":
        return keras.Model(x, steps)
    last = layers.Dense(2, kernel_regularizer="l2")(layers.SimpleRNN(3)(hidden))
    size = keras.ops.mean(keras.ops.square(layers.SimpleRNN(3)(hidden)), axis=1)
    return keras.Model(x, {"steps": steps, "whole": last, "own": size})


def losses(cut: Cut) -> Any:
    if cut.network == "several":
        return {
            "steps": crossentropy(cut),
            "whole": keras.losses.MeanSquaredError(reduction=cut.reduction),
            "own": Value(reduction=cut.reduction),
        }
    if cut.network == "dice":
        return keras.losses.Dice()
    return crossentropy(cut, ignore_class=IGNORED if cut.network == "pixels" else None)


def data(cut: Cut) -> tuple[Any, Any, Any]:
    """Inputs, targets and weights of all examples. What is masked differs much among them."""
    numbers = np.random.default_rng(cut.count)
    n = cut.count
    tokens = numbers.integers(1, 5, (n, STEPS))
    tokens[np.arange(STEPS) >= numbers.integers(1, STEPS + 1, (n, 1))] = 0
    classes = numbers.integers(0, CLASSES, (n, STEPS, STEPS))
    classes[numbers.random(classes.shape) < np.linspace(0, 1, n)[:, None, None]] = IGNORED
    labels = numbers.integers(0, CLASSES, (n, STEPS))
    x: Any
    y: Any
    x, y, positions = {
        "dense": (numbers.normal(size=(n, 2)), labels[:, 0], ()),
        "pixels": (numbers.normal(size=(n, STEPS, STEPS, 2)), classes, (STEPS, STEPS)),
        "dice": (numbers.normal(size=(n, STEPS, STEPS, 2)), classes[..., np.newaxis] % 2, ()),
        "sequence": (tokens, labels, (STEPS,)),
        "several": (
            tokens,
            {"steps": labels, "whole": numbers.normal(size=(n, 2)), "own": np.zeros(n)},
            (STEPS,),
        ),
    }[cut.network]
    if cut.weights == "none":
        return x, y, None
    weights = numbers.uniform(0, 3, (n, *positions) if cut.weights == "position" else n)
    if cut.network == "several":
        return x, y, {"steps": weights, **{name: numbers.uniform(0, 3, n) for name in RECURRENT}}
    return x, y, weights


def weights_by_position(cut: Cut, weights: Any) -> Any:
    """Weights as Keras takes them: it would take those of examples for those of steps."""
    if cut.weights != "example" or cut.network == "dense":
        return weights
    axes = 2 if cut.network == "pixels" else 1
    if cut.network == "several":
        return {**weights, "steps": repeated(weights["steps"], axes)}
    return repeated(weights, axes)


def repeated(weights: np.ndarray, axes: int) -> np.ndarray:
    column = weights.reshape(-1, *[1] * axes)
    return np.broadcast_to(column, (len(weights), *[STEPS] * axes))


def batches(triple: tuple[Any, Any, Any], size: int) -> tf.data.Dataset:
    x, y, weights = triple
    return tf.data.Dataset.from_tensor_slices((x, y) if weights is None else (x, y, weights)).batch(
        size
    )


def pipeline(triple: tuple[Any, Any, Any], size: int) -> BatchPipeline:
    """The same batches, of which several replicas read parts."""
    rows = tf.data.Dataset.range(len(tf.nest.flatten(triple)[0])).batch(size).enumerate()
    values = triple if triple[2] is not None else triple[:2]

    def prepare(share: BatchShare) -> object:
        return tf.nest.map_structure(lambda array: tf.gather(array, share.rows), values)

    return BatchPipeline(rows, prepare)


@cache
def strategy() -> tf.distribute.Strategy:
    # TensorFlow cannot have strategies of different sizes in a process.
    return tf.distribute.MirroredStrategy(
        [each.name for each in tf.config.list_logical_devices("CPU")]
    )


LOSS_WEIGHTS = {"steps": 1.0, "whole": 0.5, "own": 0.2}


def by_keras(cut: Cut) -> tuple[list[np.ndarray], dict[str, float]]:
    """The weights after an epoch, and the losses of all examples as one batch."""
    model = network(cut)
    several = cut.network == "several"
    model.compile(
        keras.optimizers.SGD(0.1),
        losses(cut),
        loss_weights=LOSS_WEIGHTS if several else None,
        metrics={"steps": [ACCURACY]} if several else [ACCURACY],
        jit_compile=False,
    )
    x, y, weights = data(cut)
    triple = (x, y, weights_by_position(cut, weights))
    model.fit(batches(triple, cut.batch), verbose=0)
    numbers = model.evaluate(batches(triple, cut.count), return_dict=True, verbose=0)
    return model.get_weights(), numbers


def by_learner(cut: Cut) -> tuple[list[np.ndarray], dict[str, float]]:
    """The same, with batches that are cut."""
    devices = DeviceSetup(strategy() if cut.distributed else None, "")
    several = cut.network == "several"
    with devices.scope():
        learner = SingleNetworkModel(
            network(cut), ExecutionConfig(gradient_accumulation_steps=cut.accumulate)
        )
        learner.compile(
            keras.optimizers.SGD(0.1),
            losses(cut),
            LOSS_WEIGHTS if several else 1.0,
            metrics={"steps": [ACCURACY]} if several else [ACCURACY],
            jit_compile=False,
        )
        learner.build_optimizers()
    dataset = data(cut)
    steps = -(-cut.count // cut.batch)
    learner.fit(
        devices.distribute_batches(pipeline(dataset, cut.batch)), steps_per_epoch=steps, verbose=0
    )
    numbers = evaluate(learner, pipeline(dataset, cut.judged), devices)
    return learner.network.get_weights(), dict(numbers)


def check(cut: Cut) -> None:
    (weights, numbers), (expected, losses_of_keras) = by_learner(cut), by_keras(cut)
    for weight, expected_weight in zip(weights, expected, strict=True):
        np.testing.assert_allclose(weight, expected_weight, rtol=1e-6, atol=1e-7, err_msg=str(cut))
    if cut.reduction == "sum" and cut.judged < cut.count:
        # The number of a sum depends on the size of the batches by its definition.
        return
    if cut.network in ("pixels", "dice"):
        # Keras counts what its loss ignores as wrong: see the test below.
        del numbers[ACCURACY], losses_of_keras[ACCURACY]
    assert numbers == pytest.approx(losses_of_keras, rel=1e-5), cut


def cuts(examples: int) -> None:
    keras.config.set_floatx("float64")

    @settings(max_examples=examples, deadline=None, database=None, derandomize=True)
    @example(Cut(accumulate=3))
    @example(Cut("dice", distributed=True, batch=5, judged=11))
    @example(Cut("several", weights="position", distributed=True, batch=5))
    @example(Cut("pixels", "mean_with_sample_weight", "example", 2, distributed=True, batch=8))
    @given(CUTS)
    def equal(cut: Cut) -> None:
        check(cut)

    equal()


@pytest.mark.parametrize(
    ("devices", "examples"),
    [
        pytest.param(3, 1, marks=pytest.mark.thorough),
        pytest.param(2, 60, marks=pytest.mark.thorough),
        pytest.param(4, 60, marks=pytest.mark.thorough),
    ],
)
def test_batch_splits_agree_with_keras(devices: int, examples: int):
    """Masks, weights and reductions give Keras's weights and losses, however a batch is cut."""
    in_devices(devices, partial(cuts, examples))


def test_metrics_ignore_what_the_loss_ignores():
    """An accuracy is that of what is labelled."""
    cut = Cut("pixels")
    learner = SingleNetworkModel(network(cut))
    learner.compile(keras.optimizers.SGD(0.1), losses(cut), metrics=[ACCURACY], jit_compile=False)
    x, y, _ = data(cut)
    metrics = learner.evaluate(batches((x, y, None), 4), return_dict=True, verbose=0)
    right = np.argmax(learner.network.predict(x, verbose=0), axis=-1) == y
    assert metrics[ACCURACY] == pytest.approx(right[y != IGNORED].mean(), rel=1e-6)


@pytest.mark.parametrize(("loss", "refused"), [("Dice", True), ("{Dice: {axis: [1]}}", False)])
def test_gradient_accumulation_rejects_batch_losses(
    tmp_path: Path, loss: str, refused: bool, capsys: pytest.CaptureFixture[str]
):
    """Gradient accumulation rejects a loss that is not a mean over examples, with a hint."""
    (tmp_path / "net.yaml").write_text(f"""
archbuilder: 1
name: net
inputs: {{image: [8, 8]}}
layers: [Flatten, {{Dense: {{units: 10, activation: softmax}}}}]
data: digits
training: {{loss: {loss}, gradient_accumulation_steps: 2, epochs: 1, batch_size: 512}}
""")
    code = main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")])
    assert (code == 0) != refused
    assert ("'Dice' of the output" in capsys.readouterr().err) == refused
