"""How often an epoch has the examples of each class."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from archbuilder.cli import main
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.config.data_schema import DatasetSchema
from archbuilder.config.objectives import TargetSpec
from archbuilder.config.output_types import ClassNumbers
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sampling import ClassSampling, make_class_sampling
from archbuilder.data.source_dataset import Feature, FittedPreprocessing, SourceDataset
from archbuilder.data.targets import adapt_target

LABELS = np.array([0] * 12 + [1] * 5 + [2] * 3)
ROWS = np.arange(1, 20)
"""The training set, without the first example."""
NAMES = ("cat", "dog", "emu")


def sampling(setting: ClassNumbers, labels: np.ndarray = LABELS, loss: str = "") -> ClassSampling:
    """How a setting draws from the training set."""
    column = ArrayColumn(labels)
    classes = DatasetSchema(classes={"": NAMES})
    dataset = SourceDataset(
        "data", {"": Feature(column)}, {"": column}, preprocessing=FittedPreprocessing(classes)
    )
    objective = KerasObject.from_name("loss", loss or "SparseCategoricalCrossentropy")
    target = adapt_target(column, "y", (3,), objective)
    spec = TargetSpec(losses={"y": objective}, sampling={"y": setting})
    drawing = make_class_sampling(dataset, {"y": target}, spec, {"y": (3,)}, ROWS)
    assert drawing is not None
    return drawing


def batches(setting: ClassNumbers, start: TrainingPosition) -> BatchPipeline:
    """The batches of three epochs, whose inputs are the numbers of the examples."""
    table = AdaptedDataset(
        {"x": AdaptedColumn(ArrayColumn(np.arange(20)), InputAdapter((), ()))},
        {"y": adapt_target(ArrayColumn(LABELS), "y", (3,), None)},
        ROWS,
        named_inputs=False,
        named_outputs=False,
        sampling=sampling(setting),
    )
    return train_batches(table, start, batch_size=4, seed=7, epochs=3)


def drawn(pipeline: BatchPipeline) -> list[list[int]]:
    return [x.tolist() for x, _ in pipeline.dataset().as_numpy_iterator()]


@pytest.mark.parametrize(
    ("setting", "counts"),
    [
        ("balanced", [6, 6, 6]),
        ("oversample", [11, 11, 11]),
        ("undersample", [3, 3, 3]),
        ({"dog": 2, "2": 0.5}, [11, 10, 2]),
        ({"cat": 0, "emu": 0.01}, [0, 5, 1]),
    ],
)
def test_class_frequencies(setting: ClassNumbers, counts: Sequence[int]):
    """Each epoch has so many of each class; none is repeated while another is not used."""
    size = sum(counts)
    epochs = [drawn(batches(setting, TrainingPosition(each)))[: -(-size // 4)] for each in range(3)]
    for epoch in epochs:
        rows = [*chain(*epoch)]
        assert len(rows) == size
        assert 0 not in rows
        assert np.bincount(LABELS[rows], minlength=3).tolist() == counts
        for label, count in enumerate(counts):
            members = Counter(row for row in rows if LABELS[row] == label)
            repeats = [members[row] for row in ROWS[LABELS[ROWS] == label]]
            assert sum(repeats) == count
            assert max(repeats) - min(repeats) <= 1
    assert len({tuple(chain(*each)) for each in epochs}) == 3
    assert str(sampling(setting)).startswith(f"{size} examples per epoch: ")


def test_start_position_and_shares():
    """Batches behind a position are those of the complete run; a share is a part of its batch."""
    complete = drawn(batches("balanced", TrainingPosition()))
    assert drawn(batches("balanced", TrainingPosition(1, 2))) == complete[5 + 2 :]
    pipeline = batches("balanced", TrainingPosition())

    def second_half(size: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return size // 2, size

    shares = [x.tolist() for x, _ in pipeline.dataset(second_half).as_numpy_iterator()]
    assert shares == [each[len(each) // 2 :] for each in complete]


def test_one_hot_targets():
    """They have classes too."""
    one_hot = np.eye(3, dtype=np.float32)[LABELS]
    same = sampling("balanced", one_hot, "CategoricalCrossentropy")
    assert same.draw(3, 1).tolist() == sampling("balanced").draw(3, 1).tolist()


NET = """
archbuilder: 1
name: net
inputs: {x: [2]}
layers: [{Dense: {units: 1, activation: sigmoid}}]
data: {npz: d.npz}
training:
  {loss: BinaryCrossentropy, sampling: balanced, epochs: 3, batch_size: 4, validation_split: {last:
    0.2}, checkpoint_every_seconds: 0, gradient_accumulation_steps: 2}
"""


def test_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """A run draws as `inspect-data` says, validates on all examples, and resumes to the same."""
    monkeypatch.chdir(tmp_path)
    x = np.random.default_rng(0).normal(size=(20, 2)).astype(np.float32)
    np.savez("d.npz", x=x, y=(np.arange(20) % 5 == 0).astype(int))
    Path("net.yaml").write_text(NET)
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "Sampling: 16 examples per epoch: 0 8, 1 8\n" in capsys.readouterr().out
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    log = capsys.readouterr().out
    assert "Sampling: 16 examples per epoch: 0 8, 1 8\n16 training / 4 validation" in log
    assert main(["train", "net.yaml", "--run-dir", "parts", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "parts", "--epochs", "3"]) == 0
    histories = [Path(run, "history.jsonl").read_text().splitlines() for run in ("whole", "parts")]
    complete, parts = ([json.loads(line) for line in each] for each in histories)
    assert [{**each, "seconds": 0} for each in complete] == [
        {**each, "seconds": 0} for each in parts
    ]
    assert main(["evaluate", "whole", "--format", "json"]) == 0
    metrics = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert metrics["loss"] == pytest.approx(complete[-1]["val_loss"], rel=1e-5)
