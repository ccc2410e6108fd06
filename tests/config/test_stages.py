"""The setting `stages`: what a stage may change, and errors in it."""

from __future__ import annotations

from pathlib import Path

import pytest
from config.test_callbacks import GAN, error, parse
from config.test_initial_weights import NET

from archbuilder.config.objectives import SupervisedConfig

SCHEDULED = "{SGD: {learning_rate: {Noam: {model_size: 4}}}}"


def test_settings_of_a_stage(tmp_path: Path):
    """A stage has the settings of the run, except for what it changes; epochs add up."""
    stages = "[{epochs: 2, frozen: backbone}, {epochs: 3, optimizer: sgd, callbacks: []}]"
    training = parse(tmp_path, f"{NET}  frozen: head\n  stages: {stages}\n")
    assert training.epochs == 5
    assert training.stages is not None
    first, second = (each.apply(training, 5) for each in training.stages)
    assert (first.frozen, second.frozen) == (("backbone",), ("head",))
    assert isinstance(first.objective, SupervisedConfig)
    names = [next(iter(each.objective.optimizers.values())).class_name for each in (first, second)]
    assert names == ["Adam", "SGD"]
    assert first.stages is None
    assert parse(tmp_path, f"{GAN}  stages: [{{epochs: 2, frozen: generator}}]\n").epochs == 2


@pytest.mark.parametrize(
    ("setting", "code", "message"),
    [
        ("stages: {epochs: 2}", "invalid-structure", "a list of 1 to 64 mappings"),
        ("stages: [2]", "invalid-structure", "a stage"),
        ("stages: [{epochs: 2, seed: 1}]", "unknown-key", "a stage has no key 'seed'"),
        ("stages: [{epochs: 2, frozen: heads}]", "unknown-name", "matches 'heads'"),
        ("stages: [{epochs: 0}]", "out-of-range", "'epochs' must be"),
        (
            f"stages: [{{epochs: 3, optimizer: {SCHEDULED}, callbacks: [ReduceLROnPlateau]}}]",
            "invalid-choice",
            "it follows a schedule",
        ),
    ],
)
def test_invalid_stages(tmp_path: Path, setting: str, code: str, message: str):
    """Each error has the location of the value, and is reported once."""
    diagnostic = error(tmp_path, f"{NET}  {setting}\n")
    assert diagnostic.code == code
    assert message in diagnostic.message
    assert diagnostic.span.line == 13


def test_epochs_beside_stages(tmp_path: Path):
    """Epochs of the whole run would silently be another number for the last stage."""
    diagnostic = error(tmp_path, f"{NET}  stages: [{{epochs: 2}}, {{epochs: 3}}]\n  epochs: 9\n")
    assert diagnostic.code == "invalid-structure"
    assert "'epochs' stands beside 'stages'" in diagnostic.message
    assert diagnostic.span.line == 14


def test_objective_without_stages(tmp_path: Path):
    """Ridge regression takes no steps."""
    text = NET.replace("loss: MeanSquaredError", "objective: ridge")
    assert error(tmp_path, f"{text}  stages: [{{epochs: 2}}]\n").code == "unknown-key"
