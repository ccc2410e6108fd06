"""Parts of batches, clipped gradients, averaged weights and fewer bits, for every objective."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import DROPOUT_OFF, STEPWISE, SUPERVISED, write_data
from helpers.subprocesses import in_replicas
from trainer.test_execution import assert_same, rows, trained, weights, with_key

from archbuilder.cli import main
from archbuilder.runs.state_dict import load_state_dict, optimizer_parts, state_dict
from archbuilder.trainer.execution import ExecutionConfig
from archbuilder.trainer.optimizer import EMAConfig, extract_ema
from archbuilder.trainer.single_model import SingleNetworkModel

PLAIN = {
    "supervised": SUPERVISED.replace(
        "BatchNormalization: {synchronized: true}", "Activation: relu"
    ),
    **{name: text for name, text in STEPWISE.items() if name not in ("supervised", "simclr")},
}
"""The objectives whose batches can be cut in parts, without statistics of a batch."""
QUEUE = (256, 8)
"""The shape of the memory of MoCo."""
BATCH = {"supervised": "90", "gan": "33", "moco": "70", "causal": "26", "masked": "18"}


def settings(objective: str) -> list[str]:
    arguments = [
        argument for each in DROPOUT_OFF.get(objective, ()) for argument in ("--set", each)
    ]
    return [*arguments, "--batch-size", BATCH.get(objective, "30"), "--epochs", "1"]


@pytest.mark.parametrize(
    "objective",
    [
        "supervised",
        "moco",
        *(
            pytest.param(each, marks=pytest.mark.thorough)
            for each in PLAIN
            if each not in ("supervised", "moco")
        ),
    ],
)
def test_gradient_accumulation(tmp_path: Path, objective: str):
    """Gone through in three parts, of unequal sizes at times, a batch gives the same weights.

    A memory gets the rows of the whole batch, in its order. `test_loss_reduction.py` has masks.
    """
    write_data(tmp_path)
    # Adam makes much of gradients that are nearly zero, which rounding changes.
    undivided = trained(tmp_path, PLAIN[objective], "whole", *settings(objective))
    text = with_key(PLAIN[objective], "gradient_accumulation_steps: 3")
    parts = trained(tmp_path, text, "parts", *settings(objective))
    arrays, others = weights(parts), weights(undivided)
    for name, array in others.items():
        if name.startswith("network") and array.dtype.kind == "f":
            bound = 1e-4 * max(np.abs(array).max(), 0.1)
            assert np.abs(arrays[name] - array).max() <= bound, name
        elif array.shape == QUEUE:
            np.testing.assert_allclose(arrays[name], array, atol=1e-4)
    assert any(array.shape == QUEUE for array in others.values()) == (objective == "moco")
    (row,), (undivided_row,) = rows(parts), rows(undivided)
    assert row["loss" if "loss" in row else "generator_loss"] == pytest.approx(
        undivided_row["loss" if "loss" in undivided_row else "generator_loss"], rel=1e-3
    )


def with_optimizer(text: str, arguments: str) -> str:
    """A blueprint each of whose optimizers has more arguments."""
    return re.sub(r"\{(SGD|Adam): \{", rf"{{\1: {{{arguments}, ", text)


CLIPS = {"clipnorm": 0.1, "global_clipnorm": 0.1, "clipvalue": 0.01}


@pytest.fixture(scope="module")
def clipped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs with every kind of clipping, on one device and on two, and one without."""
    folder = tmp_path_factory.mktemp("clipped")
    arguments = ("--epochs", "1", "--distribute", "none")
    trained(folder, SUPERVISED, "free", *arguments)
    commands = []
    for kind, bound in CLIPS.items():
        trained(folder, with_optimizer(SUPERVISED, f"{kind}: {bound}"), kind, *arguments)
        run = [
            "--run-dir",
            str(folder / f"{kind}-two"),
            "--epochs",
            "1",
            "--distribute",
            "mirrored",
        ]
        commands.append(["train", str(folder / f"{kind}.yaml"), *run])
    in_replicas(2, commands)
    return folder


@pytest.mark.thorough
@pytest.mark.parametrize("kind", CLIPS)
def test_clipping_with_replicas_and_accumulation(clipped: Path, kind: str):
    """What is clipped is the gradient of the whole batch, whatever number of replicas it has."""
    clipped_once, two, free = (weights(clipped / name) for name in (kind, f"{kind}-two", "free"))
    for name, array in clipped_once.items():
        if name.startswith("network") and array.dtype.kind == "f":
            bound = 1e-5 * max(np.abs(array).max(), 0.1)
            assert np.abs(two[name] - array).max() <= bound, name
    assert any(np.abs(free[name] - array).max() > 1e-3 for name, array in clipped_once.items())


def test_clipping_agrees_with_keras():
    """A step with one example: the weights move by no more than the norm."""
    network = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1, use_bias=False)])
    learner = SingleNetworkModel(network, ExecutionConfig(gradient_accumulation_steps=1))
    loss = keras.losses.MeanSquaredError()
    learner.compile(keras.optimizers.SGD(1.0, clipnorm=0.5), loss, jit_compile=False)
    initial = network.get_weights()[0]
    learner.fit(np.full((1, 2), 100.0), np.zeros((1, 1)), verbose=0)
    assert np.linalg.norm(network.get_weights()[0] - initial) == pytest.approx(0.5, rel=1e-5)


AVERAGED = with_optimizer(SUPERVISED, "use_ema: true, ema_momentum: 0.9")


@pytest.mark.parametrize(
    ("objective", "frequency"),
    [
        ("supervised", ""),
        pytest.param("gan", ", ema_overwrite_frequency: 7", marks=pytest.mark.thorough),
    ],
)
def test_ema_after_resume(tmp_path: Path, objective: str, frequency: str):
    """A run that is taken up again comes to the same weights and averages, bit by bit."""
    text = with_optimizer(STEPWISE[objective], f"use_ema: true, ema_momentum: 0.9{frequency}")
    uninterrupted = trained(tmp_path, text, "whole", "--epochs", "2")
    parts = trained(tmp_path, text, "parts", "--epochs", "1")
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_same(uninterrupted, parts)
    for path in uninterrupted.glob("*.keras"):
        saved, resumed = (
            keras.saving.load_model(each / path.name) for each in (uninterrupted, parts)
        )
        for expected, two in zip(saved.get_weights(), resumed.get_weights(), strict=True):
            np.testing.assert_array_equal(expected, two)


def test_ema_is_validated_and_saved(tmp_path: Path):
    """What is held out is judged by what is saved, which is the average and not the weights."""
    text = AVERAGED.replace("BatchNormalization: {synchronized: true}", "Activation: relu")
    run = trained(tmp_path, text, "run", "--epochs", "1")
    saved = keras.saving.load_model(run / "net.keras").get_weights()
    arrays = weights(run)
    network = [array for name, array in sorted(arrays.items()) if name.startswith("network")]
    count = len(saved)
    assert len(network) == 2 * count
    for value, average, weight in zip(saved, network[:count], network[count:], strict=True):
        np.testing.assert_array_equal(value, average)
        assert np.abs(value - weight).max() > 0


@pytest.mark.thorough
def test_ema_of_a_single_gan_network(tmp_path: Path):
    """An optimizer averages the weights that it updates, and no others."""
    text = STEPWISE["gan"].replace("generator: {Adam: {", "generator: {Adam: {use_ema: true, ", 1)
    run = trained(tmp_path, text, "run", "--epochs", "1")
    plain = trained(tmp_path, STEPWISE["gan"], "plain", "--epochs", "1")
    generator, discriminator = (
        [keras.saving.load_model(each / f"{name}.keras").get_weights() for each in (run, plain)]
        for name in ("generator", "discriminator")
    )
    for averaged, unaveraged in zip(*discriminator, strict=True):
        np.testing.assert_array_equal(averaged, unaveraged)
    assert any(
        np.abs(averaged - unaveraged).max() > 0
        for averaged, unaveraged in zip(*generator, strict=True)
    )


def test_ema_with_loss_scaling():
    """With mixed_float16, the averages are those of the optimizer that the loss scale wraps."""
    inner = keras.optimizers.Adam(use_ema=True, ema_momentum=0.9, ema_overwrite_frequency=3)
    (adam,) = optimizer_parts(keras.optimizers.LossScaleOptimizer(inner))
    assert extract_ema(adam) == EMAConfig(0.9, 3)
    assert not inner.use_ema
    assert extract_ema(inner) is None


@pytest.mark.parametrize("frequency", [None, 2])
def test_ema_agrees_with_keras(frequency: int | None):
    """The same as Keras's own optimizers compute."""
    x, y = np.random.default_rng(0).normal(size=(2, 24, 3)).astype("float32")

    def network() -> keras.Sequential:
        keras.utils.set_random_seed(0)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])

    theirs = network()

    def optimizer() -> keras.optimizers.Optimizer:
        return keras.optimizers.SGD(
            0.1, use_ema=True, ema_momentum=0.8, ema_overwrite_frequency=frequency
        )

    theirs.compile(optimizer(), "mse", jit_compile=False)
    theirs.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    learner = SingleNetworkModel(network())
    learner.compile(optimizer(), keras.losses.MeanSquaredError(), jit_compile=False)
    learner.build_optimizers()
    learner.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    learner.swap_ema_weights()
    for weight, expected in zip(learner.network.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    "optimizer",
    [
        lambda: keras.optimizers.ScheduleFreeAdamW(0.1, warmup_steps=3, weight_decay=0.01),
        lambda: keras.optimizers.Adam(0.1, use_ema=True, ema_momentum=0.8),
        lambda: keras.optimizers.SGD(0.1, use_ema=True, ema_overwrite_frequency=4),
    ],
    ids=["schedule_free", "ema", "ema_overwrite"],
)
def test_calls_of_fit_agree_with_one_of_keras(optimizer: Callable[[], keras.optimizers.Optimizer]):
    """The end of a call changes no weights: neither for the next one nor for a resumed run."""
    x, y = np.random.default_rng(0).normal(size=(2, 24, 3)).astype("float32")

    def network() -> keras.Sequential:
        keras.utils.set_random_seed(0)
        return keras.Sequential([keras.Input((3,)), keras.layers.Dense(3)])

    def learner() -> SingleNetworkModel:
        model = SingleNetworkModel(network())
        model.compile(optimizer(), keras.losses.MeanSquaredError(), jit_compile=False)
        model.build_optimizers()
        return model

    uninterrupted = network()
    uninterrupted.compile(optimizer(), "mse", jit_compile=False)
    # Keras 3.15 builds the optimizer in `fit` where it discards assignments: ScheduleFreeAdamW
    # would then start at zeros in place of the initial weights.
    uninterrupted.optimizer.build(uninterrupted.trainable_variables)
    uninterrupted.fit(x, y, batch_size=4, epochs=3, shuffle=False, verbose=0)
    first = learner()
    for _ in range(2):
        first.fit(x, y, batch_size=4, shuffle=False, verbose=0)
    resumed = learner()
    load_state_dict(resumed, state_dict(first))
    for model in (first, resumed):
        model.fit(x, y, batch_size=4, shuffle=False, verbose=0)
        if model.ema_variables:
            model.swap_ema_weights()
        pairs = zip(model.network.get_weights(), uninterrupted.get_weights(), strict=True)
        for weight, expected in pairs:
            np.testing.assert_allclose(weight, expected, rtol=1e-5, atol=1e-6)


@pytest.mark.thorough
def test_schedule_free_optimizer_after_resume(tmp_path: Path):
    """A run comes to the same weights with many checkpoints and a resume, bit by bit."""
    text = re.sub(r"\{SGD: .*\}\}", "{ScheduleFreeAdamW: {warmup_steps: 9}}", SUPERVISED)
    uninterrupted = trained(tmp_path, text, "whole", "--epochs", "2")
    often = with_key(text, "checkpoint_every_seconds: 0")
    parts = trained(tmp_path, often, "parts", "--epochs", "1")
    assert main(["train", "--resume", str(parts), "--epochs", "2"]) == 0
    assert_same(uninterrupted, parts)


@pytest.mark.parametrize(
    ("objective", "precision"),
    [
        ("supervised", "mixed_bfloat16"),
        pytest.param("gan", "mixed_float16", marks=pytest.mark.thorough),
        *(
            pytest.param(objective, "mixed_bfloat16", marks=pytest.mark.thorough)
            for objective in STEPWISE
            if objective != "supervised"
        ),
        pytest.param("supervised", "mixed_float16", marks=pytest.mark.thorough),
    ],
)
def test_mixed_precision(
    tmp_path: Path, objective: str, precision: str, capfd: pytest.CaptureFixture[str]
):
    """Every objective learns in them, and a run goes on; nothing is left of the setting."""
    write_data(tmp_path)
    text = with_key(STEPWISE[objective], f"dtype_policy: {precision}")
    run = trained(tmp_path, text, "net", "--epochs", "1")
    assert f"Execution: {precision}, " in capfd.readouterr().out
    assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
    first, second = rows(run)
    name = next(name for name in first if "loss" in name and not name.startswith("val_"))
    assert np.isfinite(first[name])
    # The negatives of MoCo are numbers without meaning at first.
    if objective not in ("gan", "moco"):
        assert second[name] < first[name]
    assert keras.config.dtype_policy().name == "float32"
    model = keras.saving.load_model(next(run.glob("*.keras")))
    assert {weight.dtype for weight in model.trainable_weights} == {"float32"}
    assert any(layer.dtype_policy.name == precision for layer in model.layers)


def test_final_softmax_is_float32(tmp_path: Path):
    """The softmax that a network ends in computes in float32."""
    run = trained(
        tmp_path, with_key(SUPERVISED, "dtype_policy: mixed_bfloat16"), "n", "--epochs", "1"
    )
    model = keras.saving.load_model(
        run / "n.keras" if (run / "n.keras").exists() else run / "net.keras"
    )
    assert model(tf.zeros((1, 8, 8))).dtype == tf.float32
    assert model.layers[-1].dtype_policy.name == "float32"


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("training:", "training:\n  clip: {norm: 1}", "optimizer: {Adam: {clipnorm: 1}}"),
        ("training:", "training:\n  ema: {momentum: 0.9}", "optimizer: {Adam: {use_ema: true"),
        ("{SGD: {", "{SGD: {clipnorm: 1, clipvalue: 1, ", "'clipnorm' or 'clipvalue'"),
        (
            "training:",
            "training:\n  gradient_accumulation_steps: 64",
            "into 64 microbatches on 1 device",
        ),
    ],
)
def test_invalid_optimization_options(
    tmp_path: Path, old: str, new: str, message: str, capfd: pytest.CaptureFixture[str]
):
    """What is said twice, or at another place, is told."""
    path = tmp_path / "net.yaml"
    path.write_text(SUPERVISED.replace(old, new))
    assert main(["train", str(path), "--run-dir", str(tmp_path / "run")]) == 2
    assert message in capfd.readouterr().err
