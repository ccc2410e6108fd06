"""Schedules in a recipe: one of ours, and numbers of steps relative to the length of a run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.keras_objects import keras_object
from helpers.objectives import STEPWISE, write_data
from safetensors.numpy import load_file
from trainer.test_execution import assert_same, trained, with_key

import archbuilder
from archbuilder.cli import main
from archbuilder.compiler.relative_steps import has_relative_steps, resolve_relative_steps
from archbuilder.keras_backend.instantiate import build_object

TEXT = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers: [Flatten, {Dense: {units: 10, activation: softmax}}]
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {Adam: {learning_rate: {Noam: {model_size: 64, warmup_steps: 30}}}}
  batch_size: 96
"""


def test_noam_after_resume(tmp_path: Path):
    """A run that is taken up again comes to the weights of one that was left alone."""
    path = tmp_path / "net.yaml"
    path.write_text(TEXT)
    runs = [tmp_path / name for name in ("whole", "parts")]
    assert main(["train", str(path), "--run-dir", str(runs[0]), "--epochs", "3"]) == 0
    assert main(["train", str(path), "--run-dir", str(runs[1]), "--epochs", "1"]) == 0
    assert main(["train", "--resume", str(runs[1]), "--epochs", "3"]) == 0
    uninterrupted, parts = (
        load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors") for run in runs
    )
    for name, array in uninterrupted.items():
        np.testing.assert_array_equal(parts[name], array, err_msg=name)
    rate = keras.saving.load_model(runs[1] / "net.keras").optimizer.learning_rate
    # Three epochs of 15 batches, and the rate of the step behind them.
    assert float(keras.ops.convert_to_tensor(rate)) == pytest.approx(64**-0.5 * 46**-0.5, rel=1e-6)


def test_integer_schedule_arguments():
    """A rate that begins at 0 rises to one that is less than 1."""
    arguments = {
        "initial_learning_rate": 0,
        "decay_steps": 9,
        "warmup_target": 1,
        "warmup_steps": 4,
    }
    schedule: Callable[[int], float] = build_object(
        keras_object("schedule", {"CosineDecay": arguments})
    )
    assert [float(schedule(step)) for step in (0, 1, 4)] == [0, 0.25, 1]


SCHEDULES = {
    "CosineDecay": {
        "initial_learning_rate": 0.0,
        "warmup_target": 0.1,
        "warmup_steps": "10%",
        "decay_steps": "90%",
    },
    "CosineDecayRestarts": {"initial_learning_rate": 0.1, "first_decay_steps": "25%"},
    "ExponentialDecay": {"initial_learning_rate": 0.1, "decay_steps": "50.5%", "decay_rate": 0.5},
    "InverseTimeDecay": {"initial_learning_rate": 0.1, "decay_steps": "100%", "decay_rate": 0.5},
    "PolynomialDecay": {"initial_learning_rate": 0.1, "decay_steps": "100%"},
    "PiecewiseConstantDecay": {"boundaries": ["50%", 75, "90%"], "values": [1.0, 0.5, 0.2, 0.1]},
    "GaussianRampUp": {"final_value": 0.1, "ramp_steps": "10%"},
    "Noam": {"model_size": 64, "warmup_steps": "10%"},
}
STEPS = {"10%": 8, "25%": 20, "50%": 40, "50.5%": 40, "90%": 72, "100%": 80}
"""Steps of a run with 80 of them."""


def absolute(value: object) -> object:
    """Return an argument with numbers of steps in place of percentages."""
    if isinstance(value, list):
        return [absolute(item) for item in value]
    return STEPS.get(value, value) if isinstance(value, str) else value


def test_whole_numbers_among_rates():
    """Keras does not multiply rates of which one is an integer."""
    schedule = {"PiecewiseConstantDecay": {"boundaries": [2], "values": [1, 0.5]}}
    optimizer = build_object(keras_object("optimizer", {"SGD": {"learning_rate": schedule}}))
    rates = []
    for step in (2, 3):
        optimizer.iterations.assign(step)
        rates.append(float(optimizer.learning_rate))
    assert rates == [1, 0.5]


@pytest.mark.parametrize("name", SCHEDULES)
def test_percentages_of_every_schedule(name: str):
    """At every step the rate is that of Keras's schedule with numbers of steps."""
    relative = keras_object("optimizer", {"SGD": {"learning_rate": {name: SCHEDULES[name]}}})
    assert has_relative_steps(relative)
    resolved = resolve_relative_steps(relative, 80)
    assert not has_relative_steps(resolved)
    optimizer = build_object(resolved)
    assert isinstance(optimizer, keras.optimizers.SGD)
    arguments = {key: absolute(value) for key, value in SCHEDULES[name].items()}
    module = keras.optimizers.schedules
    if name in ("GaussianRampUp", "Noam"):
        from archbuilder.keras_ext import schedules as module
    expected = getattr(module, name)(**arguments)
    for step in range(81):
        optimizer.iterations.assign(step)
        assert float(optimizer.learning_rate) == pytest.approx(float(expected(step)), rel=1e-6)


@pytest.mark.parametrize(("percentage", "steps"), [("0%", 0), ("1%", 1), ("99.9%", 10)])
def test_rounding(percentage: str, steps: int):
    """Percentages are rounded to whole steps, but not to none."""
    arguments = {"initial_learning_rate": 0, "decay_steps": 5, "warmup_steps": percentage}
    relative = keras_object("optimizer", {"SGD": {"learning_rate": {"CosineDecay": arguments}}})
    optimizer = build_object(resolve_relative_steps(relative, 10))
    assert isinstance(optimizer, keras.optimizers.SGD)
    config = keras.optimizers.serialize(optimizer)["config"]["learning_rate"]["config"]
    assert config["warmup_steps"] == steps


RELATIVE = "{CosineDecay: {initial_learning_rate: 0.0, warmup_target: 0.01, warmup_steps: 25%,"
SCHEDULE = f"{RELATIVE} decay_steps: 75%}}}}"


def with_optimizer(text: str, optimizer: str) -> str:
    """A blueprint whose `training` has another optimizer."""
    without = re.sub(r"  optimizer:.*\n(    .*\n)*", "", text)
    return with_key(without, f"optimizer: {optimizer}")


def cosine_decay(warmup_steps: int, decay_steps: int) -> str:
    """The optimizer with numbers of steps."""
    schedule = SCHEDULE.replace("25%", str(warmup_steps)).replace("75%", str(decay_steps))
    return f"{{SGD: {{learning_rate: {schedule}}}}}"


@pytest.mark.parametrize(
    "objective",
    [
        "supervised",
        *(pytest.param(each, marks=pytest.mark.thorough) for each in ("simclr", "causal")),
    ],
)
def test_steps_of_a_run(tmp_path: Path, objective: str):
    """The steps of a run are its batches, also with gradient accumulation."""
    write_data(tmp_path)
    relative_optimizer = f"{{SGD: {{learning_rate: {SCHEDULE}}}}}"
    text = STEPWISE[objective]
    if objective != "simclr":
        text = with_key(text, "gradient_accumulation_steps: 2")
    options = ["--epochs", "2"]
    relative = trained(tmp_path, with_optimizer(text, relative_optimizer), "relative", *options)
    steps = 2 * steps_per_epoch(relative)
    optimizer = cosine_decay(round(steps * 0.25), round(steps * 0.75))
    assert_same(relative, trained(tmp_path, with_optimizer(text, optimizer), "absolute", *options))


def steps_per_epoch(run: Path) -> int:
    """The steps of an epoch in a run of two, from the iterations of its optimizer."""
    arrays = load_file(max((run / "checkpoints").iterdir()) / "variables.safetensors")
    return int(arrays["optimizer.00000"]) // 2


@pytest.mark.thorough
def test_steps_of_a_gan(tmp_path: Path):
    """The discriminator takes more steps than the generator, and has a schedule over all."""
    write_data(tmp_path)
    text = STEPWISE["gan"]
    both = f"{{SGD: {{learning_rate: {SCHEDULE}}}}}"
    relative = trained(tmp_path, with_optimizer(text, both), "relative", "--epochs", "2")
    # Those of the first update, the discriminator's, are twice as many as the generator's.
    steps = steps_per_epoch(relative)
    optimizers = [
        cosine_decay(round(count * 0.25), round(count * 0.75)) for count in (steps, 2 * steps)
    ]
    by_network = f"{{generator: {optimizers[0]}, discriminator: {optimizers[1]}}}"
    absolute_run = trained(tmp_path, with_optimizer(text, by_network), "absolute", "--epochs", "2")
    assert_same(relative, absolute_run)


def test_relative_schedule_after_resume(tmp_path: Path, capfd: pytest.CaptureFixture[str]):
    """An interrupted run reaches the same weights; with more epochs, the schedule is longer."""
    path = tmp_path / "net.yaml"
    optimizer = f"{{Adam: {{learning_rate: {SCHEDULE}}}}}"
    path.write_text(with_optimizer(TEXT, optimizer))
    uninterrupted = archbuilder.train(path, run_dir=tmp_path / "uninterrupted", epochs=4)

    def interrupt(line: str) -> None:
        if line.startswith("Epoch 2/4"):
            raise KeyboardInterrupt

    run = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        archbuilder.train(path, run_dir=run, epochs=4, log=interrupt)
    lines: list[str] = []
    archbuilder.resume(run, log=lines.append)
    assert not [line for line in lines if "schedule of" in line]
    assert_same(run, uninterrupted.run_dir)

    result = archbuilder.resume(run, epochs=8, log=lines.append)
    assert any("now spans 8 epochs instead of 4" in line for line in lines)
    rate = result.models["net"].optimizer.learning_rate
    # The last of 8 epochs of 15 batches: at the end of the decay.
    assert float(keras.ops.convert_to_tensor(rate)) == pytest.approx(0, abs=1e-9)
    config = keras.saving.load_model(run / "net.keras").optimizer.get_config()["learning_rate"]
    assert (config["config"]["warmup_steps"], config["config"]["decay_steps"]) == (30, 90)


@pytest.mark.parametrize("value", ["0.1", "-10%", "10 %", "1e1%", "1000%", "tenth", "1.0"])
def test_invalid_percentage(tmp_path: Path, value: str, capfd: pytest.CaptureFixture[str]):
    """The error shows how to write one, with its location."""
    path = tmp_path / "net.yaml"
    schedule = f"{{CosineDecay: {{initial_learning_rate: 0.1, decay_steps: {value}}}}}"
    path.write_text(with_optimizer(TEXT, f"{{SGD: {{learning_rate: {schedule}}}}}"))
    assert main(["validate", str(path)]) == 2
    errors = capfd.readouterr().err
    assert "net.yaml:8:" in errors
    assert "'decay_steps' of CosineDecay must be an integer of at least 1 or a percentage" in errors
