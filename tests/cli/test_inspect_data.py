"""`archbuilder inspect-data`: what a network will be given."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image
from training.objectives import BLUEPRINTS, write_data

if TYPE_CHECKING:
    from tests.cli.conftest import Run


def test_the_digits(run: Run, tmp_path: Path):
    """How many, how large, of which classes; and a picture of 64 of them."""
    picture = tmp_path / "digits.png"
    result = run("inspect-data", "digits_cnn", "--picture", picture, "--json")
    assert result.code == 0
    found = json.loads(result.out)
    assert (found["train"], found["held_out"]) == (1438, 359)
    assert (found["inputs"][0]["shape"], found["inputs"][0]["most"]) == ([8, 8], 16)
    classes = found["targets"][0]["classes"]
    assert (len(classes), sum(classes.values()), classes["0"]) == (10, 1797, 178)
    assert "image: divided by 16" in found["remarks"]
    image = np.asarray(Image.open(picture))
    assert image.shape == (64, 64)
    assert (image.min(), image.max()) == (0, 255)


@pytest.mark.parametrize("objective", BLUEPRINTS)
def test_every_objective(run: Run, tmp_path: Path, objective: str):
    """Its own data can be looked at."""
    write_data(tmp_path)
    (tmp_path / "net.yaml").write_text(BLUEPRINTS[objective])
    result = run("inspect-data", tmp_path / "net.yaml")
    assert result.code == 0, result.err
    assert "to train on" in result.out


def test_a_text(run: Run, tmp_path: Path):
    """Its first piece is shown as it was read."""
    write_data(tmp_path)
    (tmp_path / "net.yaml").write_text(BLUEPRINTS["causal"])
    first = (tmp_path / "text.txt").read_text()[:15]
    assert first in run("inspect-data", tmp_path / "net.yaml").out


def test_names_of_classes(run: Run, tmp_path: Path):
    """Those of the folders."""
    for name in ("cat", "dog"):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("L", (8, 8), 9).save(tmp_path / "pets" / name / "one.png")
    out = run("inspect-data", "digits_cnn", "--data", tmp_path / "pets").out
    assert "  cat  1\n  dog  1" in out


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("digits_cnn", "--picture", "x.jpg"), "a picture is a .png file"),
        (("digits_cnn", "--picture", "no/where/x.png"), "no"),
        (("digits_cnn", "--data", "nowhere"), "neither 'digits'"),
        (("lenet5",), "does not say what to train on"),
        (("mlp", "--data", "digits"), "has the shape [8, 8]"),
    ],
)
def test_mistakes(run: Run, arguments: tuple[str, ...], message: str):
    """Each is told."""
    result = run("inspect-data", *arguments)
    assert result.code != 0
    assert message in result.err
