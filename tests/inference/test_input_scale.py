"""What bytes are divided by: decided once, by the data that a network is trained on."""

from __future__ import annotations

import csv
import io
import json
import struct
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.cli import main
from archbuilder.config.data_schema import DatasetSchema, Scale, schema_from_dict, schema_to_dict
from archbuilder.config.sources import DataPath, Npy
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, FittedPreprocessing
from archbuilder.data.sources import load_source
from archbuilder.files.json import JsonError

NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Flatten
  - {Dense: 10, name: digit}
data: DATA
training:
  loss: {SparseCategoricalCrossentropy: {from_logits: true}}
  epochs: 1
  validation_split: 0.5
"""


def train(folder: Path, data: str = "{npz: {file: train.npz}}") -> Path:
    (folder / "net.yaml").write_text(NET.replace("DATA", data))
    run = folder / "run"
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(run), "--seed", "3"]) == 0
    return run


def save(path: Path, images: np.ndarray) -> Path:
    np.savez(path, x=images.astype(np.uint8), y=np.arange(len(images)) % 10)
    return path


def idx(path: Path, images: np.ndarray) -> Path:
    head = bytes([0, 0, 8, 3]) + struct.pack(">3I", *images.shape)
    path.write_bytes(head + images.astype(np.uint8).tobytes())
    return path


def predicted(run: Path, file: Path, capsys: pytest.CaptureFixture[str]) -> np.ndarray:
    capsys.readouterr()
    assert main(["predict", str(run), str(file)]) == 0
    rows = csv.DictReader(io.StringIO(capsys.readouterr().out))
    return np.array([[float(row[str(index)]) for index in range(10)] for row in rows])


def expected_probabilities(run: Path, images: np.ndarray) -> np.ndarray:
    model = keras.saving.load_model(run / "net.keras")
    return np.asarray(tf.nn.softmax(model(images.astype(np.float32))))


ONES = np.random.default_rng(0).integers(0, 2, (20, 8, 8))
"""One-hot rows, masks, piano rolls."""


def test_binary_bytes_are_not_rescaled(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They train as the same numbers in floats do, which is reported."""
    held_out = []
    for dtype in (np.uint8, np.float32):
        folder = tmp_path / np.dtype(dtype).name
        folder.mkdir()
        np.savez(folder / "train.npz", x=ONES.astype(dtype), y=np.arange(20) % 10)
        run = train(folder)
        held_out.append(json.loads((run / "run.json").read_text())["validation_metrics"])
        note = "Input 'image': binary (values 0 and 1), not rescaled by 1/255"
        assert (note in capsys.readouterr().out) == (dtype == np.uint8)
    assert held_out[0] == held_out[1]


def test_new_data_uses_the_training_scale(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Whatever its own largest number is, and whatever kind of file it is in."""
    save(tmp_path / "train.npz", ONES * 200)
    run = train(tmp_path)
    files = [save(tmp_path / "dark.npz", ONES), idx(tmp_path / "dark-idx3", ONES)]
    np.save(tmp_path / "dark.npy", ONES.astype(np.uint8))
    for file in (*files, tmp_path / "dark.npy"):
        probabilities = predicted(run, file, capsys)
        np.testing.assert_allclose(
            probabilities, expected_probabilities(run, ONES / 255), rtol=1e-4, atol=1e-6
        )
    capsys.readouterr()
    assert main(["evaluate", str(run), "--data", str(files[0]), "--format", "json"]) == 0
    loss = json.loads(capsys.readouterr().out)["loss"]
    picked = expected_probabilities(run, ONES / 255)[range(20), np.arange(20) % 10]
    assert loss == pytest.approx(-np.log(picked).mean(), rel=1e-4)


def test_values_beyond_the_training_range(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Nobody knows what they mean: the first is told, of validation data too."""
    save(tmp_path / "train.npz", ONES)
    bright = save(tmp_path / "bright.npz", ONES * 200)
    run = train(tmp_path)
    both = "{train: {npz: {file: train.npz}}, validation: {npz: {file: bright.npz}}}"
    (tmp_path / "both.yaml").write_text(
        NET.replace("DATA", both).replace("validation_split: 0.5", "")
    )
    for command in (
        ["predict", str(run), str(bright)],
        ["evaluate", str(run), "--data", str(bright)],
        ["train", str(tmp_path / "both.yaml"), "--run-dir", str(tmp_path / "none")],
    ):
        capsys.readouterr()
        assert main(command) == 1
        errors = capsys.readouterr().err
        assert "bright.npz' has 200, but the network was trained on 0 to 1, divided by 1" in errors


def test_divide_by_of_the_recipe(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """It counts for files of another kind too."""
    save(tmp_path / "train.npz", ONES)
    run = train(tmp_path, "{npz: {file: train.npz, divide_by: 100}}")
    probabilities = predicted(run, idx(tmp_path / "bright-idx3", ONES * 200), capsys)
    np.testing.assert_allclose(
        probabilities, expected_probabilities(run, ONES * 2.0), rtol=1e-4, atol=1e-6
    )


def test_digits_scale_for_arrays(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """They go from 0 to 16 there too."""
    run = train(tmp_path, "digits")
    probabilities = predicted(run, save(tmp_path / "d.npz", ONES * 16), capsys)
    np.testing.assert_allclose(
        probabilities, expected_probabilities(run, ONES), rtol=1e-4, atol=1e-6
    )
    assert main(["predict", str(run), str(save(tmp_path / "d.npz", ONES * 17))]) == 1
    assert "trained on 0 to 16, divided by 16" in capsys.readouterr().err


def test_scale_of_memory_mapped_files(tmp_path: Path):
    """They are looked at as far as the first number above 1."""
    scales = []
    for value in (1, 2):
        images = np.ones((5, 4, 4), np.uint8)
        images[4, 3, 3] = value
        np.save(tmp_path / f"{value}.npy", images)
        file = DataPath(str(tmp_path / f"{value}.npy"))
        dataset = load_source(Npy(file, file), DataFileOpener())
        largest = {1: 1, 2: 255}[value]
        assert dataset.preprocessing.schema.scales == {UNNAMED: Scale(largest, largest)}
        scales.append(dataset.inputs[UNNAMED].divide_by)
    assert scales == [1, 255]
    file = DataPath(str(tmp_path / "1.npy"))
    preprocessing = FittedPreprocessing(DatasetSchema(scales={"image": Scale(255)}))
    assert (
        load_source(Npy(file, file), DataFileOpener(), preprocessing).inputs[UNNAMED].divide_by
        == 255
    )


def test_scale_roundtrip_in_run_json():
    """It comes back as it was, and what is none is refused."""
    schema = DatasetSchema(scales={"image": Scale(16, 16), "": Scale(0.5)})
    assert schema_from_dict(json.loads(json.dumps(schema_to_dict(schema)))) == schema
    for wrong in ([1], [0, 1], ["1", 1], [1, 1.5], 1):
        with pytest.raises(JsonError, match=r"schema\.scales\.image"):
            schema_from_dict({**schema_to_dict(schema), "scales": {"image": wrong}})
