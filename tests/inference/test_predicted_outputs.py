"""Predictions in the units of the columns that outputs were compared with, and raw outputs."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from numpy.typing import NDArray

import archbuilder
from archbuilder.cli import main
from archbuilder.config.data_schema import FittedFeature
from archbuilder.config.sources import FeatureConfig
from archbuilder.data.number_features import restore_numbers
from archbuilder.inference.predict import Prediction
from archbuilder.inference.prediction_writer import format_predictions

NET = """
archbuilder: 1
name: net
inputs: {x: [2], area: []}
layers:
  - {Dense: {units: 2, kernel_initializer: identity}, from: x, name: same}
  - {Dense: 1, from: x, name: price}
  - {Dense: 3, from: x, name: kind}
outputs: {same: same, price: price, kind: kind}
data:
  csv:
    file: t.csv
    inputs:
      x: {columns: [a, b], normalize: true}
      area: b
    target:
      price: {column: price, transform: log1p, clip: [0, 8], normalize: true}
      kind: kind
training:
  loss:
    same: MeanSquaredError
    price: MeanSquaredError
    kind: {SparseCategoricalCrossentropy: {from_logits: true}}
  target_from_input: {same: x}
  epochs: 1
  validation_split: 0
"""
COUNT = 30


def write_table(folder: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Write a table, and return two columns of inputs, and the one of prices."""
    random = np.random.default_rng(3)
    x = random.normal([100, -3], [20, 0.5], (COUNT, 2)).round(3)
    price = random.uniform(10, 5000, COUNT).round(2)
    kinds = random.choice(["house", "flat", "hut"], COUNT)
    lines = [
        f"{a},{b},{cost},{kind}"
        for (a, b), cost, kind in zip(x.tolist(), price.tolist(), kinds, strict=True)
    ]
    (folder / "t.csv").write_text("\n".join(["a,b,price,kind", *lines]))
    return x, price


def test_predictions_have_the_units_of_columns(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """What a network of Keras predicts is scaled back; `--raw` writes it as it is."""
    x, price = write_table(tmp_path)
    (tmp_path / "net.yaml").write_text(NET)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    model = keras.saving.load_model(run / "net.keras")
    scaled = ((x - x.mean(axis=0)) / x.std(axis=0)).astype(np.float32)
    expected = model.predict({"x": scaled, "area": x[:, 1].astype(np.float32)}, verbose=0)
    logs = np.clip(np.log1p(price), 0, 8)
    prices = np.expm1(expected["price"] * logs.std() + logs.mean())
    # Elsewhere, the table of the training set is not there.
    shutil.move(tmp_path / "t.csv", tmp_path / "other.csv")
    capsys.readouterr()
    assert main(["predict", str(run), str(tmp_path / "other.csv")]) == 0
    printed = capsys.readouterr()
    assert "Output 'price': in the units of price (log1p, normalize undone;" in printed.err
    assert "the targets were clipped between 0 and 8); --raw writes" in printed.err
    table = list(csv.DictReader(io.StringIO(printed.out)))
    predicted = np.array([float(row["price.0"]) for row in table])
    np.testing.assert_allclose(predicted, prices[:, 0], rtol=1e-5)
    same = np.array([[float(row[f"same.{column}"]) for column in (0, 1)] for row in table])
    np.testing.assert_allclose(
        same, expected["same"] * x.std(axis=0) + x.mean(axis=0), rtol=1e-5, atol=1e-5
    )
    assert {row["kind.class"] for row in table} <= {"house", "flat", "hut"}
    raw = [*archbuilder.predict(run, tmp_path / "other.csv", raw=True)]
    for name, values in expected.items():
        outputs = np.array([each.outputs[name] for each in raw])
        np.testing.assert_allclose(outputs, values, rtol=1e-5, atol=1e-6)
    assert not raw[0].class_names


@pytest.mark.parametrize("transform", ["log", "log1p", "sqrt"])
def test_restore_numbers(transform: str):
    """The inverse gives the numbers before the transform, and finite roots of negative values."""
    numbers = np.array([[0.5], [2.0], [900.0]])
    prepared = {"log": np.log, "log1p": np.log1p, "sqrt": np.sqrt}[transform](numbers)
    fitted = FittedFeature(("price",), mean=(4.0,), std=(0.5,))
    config = FeatureConfig("price", transform=transform, normalize=True)  # type: ignore[arg-type]
    np.testing.assert_allclose(restore_numbers((prepared - 4) / 0.5, config, fitted), numbers)
    low = restore_numbers(np.array([-1000.0]), config, fitted)
    assert low == pytest.approx(-1 if transform == "log1p" else 0)
    assert np.isinf(restore_numbers(np.array([5000.0]), config, fitted)) == (transform != "sqrt")


def test_names_of_class_numbers(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """An output of integers that is no loss and has targets of classes gets their names in JSON."""
    (tmp_path / "net.yaml").write_text("""
archbuilder: 1
name: net
inputs: {x: [2]}
layers:
  - {Dense: {units: 3, activation: softmax}, name: scores}
  - {ops.argmax: {axis: -1}, name: kinds}
outputs: {scores: scores, kinds: kinds}
data: {jsonl: {file: t.jsonl, targets: {scores: kind, kinds: kind}}}
training: {loss: {scores: SparseCategoricalCrossentropy}, epochs: 1, validation_split: 0}
""")
    rows = [{"x": [row, 1], "kind": "abc"[row % 3]} for row in range(6)]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    capsys.readouterr()
    assert main(["predict", str(run), str(tmp_path / "t.jsonl"), "--format", "jsonl"]) == 0
    for line in capsys.readouterr().out.splitlines():
        kinds = json.loads(line)["kinds"]
        assert kinds["class"] == "abc"[int(kinds["values"])] == json.loads(line)["scores"]["class"]


def test_padding_has_no_class():
    """Nor has any other number that is not one of a class."""
    prediction = Prediction(
        "0", {"kinds": np.array([[1, -1], [0, 9]], np.float32)}, {}, {"kinds": ("a", "b")}
    )
    (line,) = format_predictions([prediction], "jsonl")
    assert json.loads(line)["class"] == [["b", None], ["a", None]]
