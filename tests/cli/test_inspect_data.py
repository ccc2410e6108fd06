"""`archbuilder inspect-data`: what a network will be given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from helpers.objectives import BLUEPRINTS, write_data
from PIL import Image

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_inspect_digits(run: Run, tmp_path: Path):
    """How many, how large, of which classes; and a picture of 64 of them."""
    picture = tmp_path / "digits.png"
    result = run("inspect-data", "digits_cnn", "--preview", picture, "--format", "json")
    assert result.code == 0
    report = json.loads(result.out)
    assert (report["training_examples"], report["validation_examples"]) == (1438, 359)
    assert (report["inputs"][0]["shape"], report["inputs"][0]["max"]) == ([8, 8], 16)
    target = report["targets"][0]
    assert (report["source"], report["inputs"][0]["name"], target["name"]) == (
        "digits",
        "image",
        "output",
    )
    training, validation = target["training_class_counts"], target["validation_class_counts"]
    assert (sum(training.values()), sum(validation.values())) == (1438, 359)
    assert (len(training), training["0"] + validation["0"]) == (10, 178)
    assert "Input 'image': rescaled by 1/16" in report["notes"]
    image = np.asarray(Image.open(picture))
    assert image.shape == (64, 64)
    assert (image.min(), image.max()) == (0, 255)


@pytest.mark.parametrize("objective", BLUEPRINTS)
def test_inspect_data_of_every_objective(run: Run, tmp_path: Path, objective: str):
    """Its own data can be looked at."""
    write_data(tmp_path)
    (tmp_path / "net.yaml").write_text(BLUEPRINTS[objective])
    result = run("inspect-data", tmp_path / "net.yaml")
    assert result.code == 0, result.err
    assert "training examples" in result.out


def test_inspect_text(run: Run, tmp_path: Path):
    """Its first piece is shown as it was read."""
    write_data(tmp_path)
    (tmp_path / "net.yaml").write_text(BLUEPRINTS["causal"])
    first = (tmp_path / "text.txt").read_text()[:15]
    assert first in run("inspect-data", tmp_path / "net.yaml").out


def test_class_names_and_counts(run: Run, tmp_path: Path):
    """Those of the folders, with how many examples each part of the data has of them."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for number in range(5):
            Image.new("L", (8, 8), 9).save(tmp_path / "pets" / name / f"{number}.png")
    out = run("inspect-data", "digits_cnn", "--data", tmp_path / "pets").out
    assert "CLASS (output)  TRAINING  VALIDATION\n" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("cat", "dog"))]
    assert [row[0] for row in rows] == ["cat", "dog"]
    assert [sum(map(int, row[1:])) for row in rows] == [5, 5]
    assert [sum(int(row[split_column]) for row in rows) for split_column in (1, 2)] == [8, 2]


def test_statistics_are_of_the_training_set(run: Run, tmp_path: Path):
    """They leave out the validation set; classes are counted in both sets."""
    np.savez(tmp_path / "train.npz", x=np.ones((6, 2), np.float32), y=[0, 0, 0, 1, 1, 1])
    np.savez(tmp_path / "held.npz", x=np.full((3, 2), 9, np.float32), y=[2, 2, 0])
    split = "{train: {npz: train.npz}, validation: {npz: held.npz}}"
    for name, data, options in (
        ("sets", split, ""),
        ("share", "{npz: both.npz}", ", validation_split: 0.3333, shuffle: false"),
    ):
        both = [np.load(tmp_path / f"{each}.npz") for each in ("train", "held")]
        arrays = {key: np.concatenate([each[key] for each in both]) for key in "xy"}
        np.savez(tmp_path / "both.npz", **arrays)
        (tmp_path / f"{name}.yaml").write_text(
            "archbuilder: 1\ninputs: {x: [2]}\nlayers: [{Dense: 3}]\n"
            f"data: {data}\ntraining: {{loss: SparseCategoricalCrossentropy{options}}}\n"
        )
        result = run("inspect-data", tmp_path / f"{name}.yaml")
        assert "Statistics of 6 training examples:" in result.out, result.err
        report = json.loads(run("inspect-data", tmp_path / f"{name}.yaml", "--format", "json").out)
        assert (
            report["training_examples"],
            report["validation_examples"],
            report["sampled_examples"],
        ) == (6, 3, 6)
        assert (report["inputs"][0]["min"], report["inputs"][0]["max"]) == (1, 1)
        (target,) = report["targets"]
        assert target["training_class_counts"] == {"0": 3, "1": 3, "2": 0}
        assert target["validation_class_counts"] == {"0": 1, "1": 0, "2": 2}


def test_data_without_a_recipe_is_split_as_by_default(run: Run):
    """A blueprint without 'training' would be trained with the defaults of a recipe."""
    assert (
        "validation examples  359 (random split)"
        in run("inspect-data", "lenet5", "--data", "digits").out
    )


def test_labels_beyond_the_classes_of_the_network(run: Run, tmp_path: Path):
    """The report shows them, and the error is that of training."""
    np.savez(tmp_path / "data.npz", x=np.ones((6, 2), np.float32), y=[3, 3, 4, 3, 4, 4])
    (tmp_path / "net.yaml").write_text(
        "archbuilder: 1\ninputs: {x: [2]}\nlayers: [{Dense: 3}]\n"
        "data: {npz: data.npz}\ntraining: {loss: SparseCategoricalCrossentropy}\n"
    )
    result = run("inspect-data", tmp_path / "net.yaml")
    assert result.code == 1
    assert "CLASS (output)" in result.out
    assert "range from 3 to 4, but the network has 3 classes (0 to 2)" in result.err
    assert "net.yaml:4:13" in result.err


def test_weights_that_training_refuses(run: Run, tmp_path: Path):
    """They are the same error."""
    np.savez(tmp_path / "data.npz", x=np.ones((6, 2), np.float32), y=[0, 1, 1, 0, 1, 1])
    (tmp_path / "net.yaml").write_text(
        "archbuilder: 1\ninputs: {x: [2]}\nlayers: [{Dense: 3}]\ndata: {npz: data.npz}\n"
        "training: {loss: SparseCategoricalCrossentropy, class_weight: {1: 2, 7: 1}}\n"
    )
    result = run("inspect-data", tmp_path / "net.yaml")
    assert result.code == 1
    assert "there is a weight for class '7' of the output 'output'" in result.err
    assert "net.yaml:5:" in result.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digits_cnn", "--preview", "x.jpg"), "--preview 'x.jpg' must end in .png"),
        (("digits_cnn", "--preview", "no/where/x.png"), "no"),
        (("digits_cnn", "--data", "nowhere"), "must be 'digits'"),
        (("lenet5",), "there is no section 'data'"),
        (("mlp", "--data", "digits"), "has the shape [8, 8]"),
    ],
)
def test_invalid_arguments(run: Run, arguments: tuple[str, ...], message: str):
    """Each is told."""
    result = run("inspect-data", *arguments)
    assert result.code != 0
    assert message in result.err
