"""Lists of varying length as targets: padding counts neither in losses nor in metrics."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.feature_tables import KINDS, write_table

import archbuilder
from archbuilder.cli import main
from archbuilder.diagnostics.errors import RunError

LENGTH = 4
STEPS = [[0.5, 1, -1], [2], [], [1, 2, 3, 4], [-1, 0.25], [3, 1, 2], [1], [0, -1.0]]
TAGS = [
    ["b", "a", "c"],
    ["a"],
    [],
    ["c", "c", "a", "b"],
    ["b", "b"],
    ["a", "b", "c"],
    ["c"],
    ["a", "a"],
]
TRAIN, HELD_OUT = slice(0, 4), slice(4, 8)
NET = """
archbuilder: 1
name: net
inputs: {x: [4]}
layers:
  - {Dense: 4, name: steps}
  - {Dense: 12, from: x}
  - Reshape: [4, 3]
  - {Softmax: , name: tags}
outputs: {steps: steps, tags: tags}
data:
  KIND:
    file: table.KIND
    inputs: {x: {column: x, length: 4, separator: ";"}}
    TARGETS:
      steps: {column: steps, length: 4, separator: ";"}
      tags: {column: tags, length: 4, vocabulary: true, separator: ";"}
training:
  loss: {steps: MeanSquaredError, tags: {SparseCategoricalCrossentropy: {ignore_class: -1}}}
  metrics: {steps: [MeanAbsoluteError, RootMeanSquaredError], tags: [accuracy]}
  epochs: 1
  batch_size: 4
  validation_split: {last: 0.5}
  shuffle: false
  distribute: none
"""


def blueprint(folder: Path, kind: str, changes: Sequence[tuple[str, str]] = ()) -> Path:
    """Write a table and a blueprint of two outputs with lists."""
    folder.mkdir(exist_ok=True)
    columns: dict[str, Sequence[Sequence[object]]] = {"x": STEPS, "steps": STEPS, "tags": TAGS}
    write_table(
        folder,
        kind,
        {
            name: [";".join(map(str, each)) for each in lists] if kind == "csv" else lists
            for name, lists in columns.items()
        },
    )
    text = NET.replace("KIND", kind).replace("TARGETS", "targets" if kind == "jsonl" else "target")
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    (folder / "net.yaml").write_text(text)
    return folder / "net.yaml"


def expected_metrics(model: keras.Model, rows: slice) -> dict[str, float]:
    """Return the losses and metrics over the values of some lists, one by one."""
    inputs = np.array([each + [0] * (LENGTH - len(each)) for each in STEPS[rows]], np.float32)
    outputs = {name: np.asarray(each) for name, each in model(inputs).items()}
    errors, losses, correct = [], [], []
    for row, (numbers, tags) in enumerate(zip(STEPS[rows], TAGS[rows], strict=True)):
        for step, (number, tag) in enumerate(zip(numbers, tags, strict=True)):
            errors.append(outputs["steps"][row, step] - number)
            probabilities = outputs["tags"][row, step]
            losses.append(-np.log(probabilities["abc".index(tag)]))
            correct.append(probabilities.argmax() == "abc".index(tag))
    return {
        "steps_loss": np.square(errors).mean(),
        "steps_mean_absolute_error": np.abs(errors).mean(),
        "steps_root_mean_squared_error": np.sqrt(np.square(errors).mean()),
        "tags_loss": np.mean(losses),
        "tags_accuracy": np.mean(correct),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_metrics_leave_out_padding(tmp_path: Path, kind: str):
    """They are means over the values of all lists; `evaluate` and `predict` agree."""
    run = archbuilder.train(blueprint(tmp_path, kind), run_dir=tmp_path / "run")
    model = keras.saving.load_model(tmp_path / "run/net.keras")
    for name, value in expected_metrics(model, HELD_OUT).items():
        assert run.history[-1][f"val_{name}"] == pytest.approx(value, rel=1e-4), name
    if kind == "jsonl":
        metrics = archbuilder.evaluate(tmp_path / "run", data=tmp_path / f"table.{kind}")
        for name, value in expected_metrics(model, slice(0, 8)).items():
            assert metrics[name] == pytest.approx(value, rel=1e-4), name
        predictions = list(archbuilder.predict(tmp_path / "run"))
        assert len(predictions) == 4
        assert predictions[0].outputs["steps"].shape == (LENGTH,)


@pytest.mark.thorough
def test_parts_of_a_batch(tmp_path: Path):
    """The loss of a step is that of the batch, also in parts with lists of other lengths."""
    parts = ("training:\n", "training:\n  gradient_accumulation_steps: 2\n")
    runs = [
        archbuilder.train(
            blueprint(tmp_path / name, "jsonl", changes), run_dir=tmp_path / name / "run"
        )
        for name, changes in (("single", ()), ("parts", (parts,)))
    ]
    for name, value in runs[0].history[0].items():
        if name.endswith("loss"):
            assert runs[1].history[0][name] == pytest.approx(value, rel=1e-5), name


def test_probabilities_and_vectors(tmp_path: Path):
    """Binary losses take lists of 0 and 1, and outputs may have an axis for a single number."""
    changes = [
        (
            "{Dense: 4, name: steps}",
            "{Dense: {units: 4, activation: sigmoid}}\n  - {Reshape: [4, 1], name: steps}",
        ),
        ("steps: MeanSquaredError", "steps: BinaryCrossentropy"),
        ("steps: [MeanAbsoluteError, RootMeanSquaredError]", "steps: [BinaryAccuracy]"),
        ("{column: steps, length: 4,", "{column: steps, length: 4, clip: [0, 1],"),
    ]
    run = archbuilder.train(blueprint(tmp_path, "jsonl", changes), run_dir=tmp_path / "run")
    model = keras.saving.load_model(tmp_path / "run/net.keras")
    inputs = np.array([each + [0] * (LENGTH - len(each)) for each in STEPS[HELD_OUT]], np.float32)
    outputs = np.asarray(model(inputs)["steps"])[..., 0]
    losses = [
        -number * np.log(outputs[row, step]) - (1 - number) * np.log(1 - outputs[row, step])
        for row, numbers in enumerate(STEPS[HELD_OUT])
        for step, number in enumerate(np.clip(numbers, 0, 1))
    ]
    assert run.history[0]["val_steps_loss"] == pytest.approx(np.mean(losses), rel=1e-4)


def test_invalid_lists(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Lists that are too long, classes without a vocabulary, and settings of inputs are errors."""
    path = blueprint(
        tmp_path, "jsonl", [("tags: {column: tags, length: 4", "tags: {column: tags, length: 3")]
    )
    with pytest.raises(RunError, match=r"'tags' of .*table.jsonl':4 has 4 values, more than its"):
        archbuilder.train(path, run_dir=tmp_path / "run")
    path = blueprint(
        tmp_path,
        "jsonl",
        [("tags: {column: tags, length: 4, vocabulary: true", "tags: {column: steps, length: 4")],
    )
    with pytest.raises(RunError, match=r"lists of numbers, and its loss .* add 'vocabulary: true'"):
        archbuilder.train(path, run_dir=tmp_path / "run")
    for old, new, message in (
        ("vocabulary: true", "vocabulary: true, min_count: 2", "has 'min_count', but the classes"),
        ("{column: steps, length: 4,", "{column: steps, length: 4, positions_of: x,", "positions"),
    ):
        assert main(["validate", str(blueprint(tmp_path, "jsonl", [(old, new)]))]) == 2
        assert message in capsys.readouterr().err
