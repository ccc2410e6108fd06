"""`archbuilder sample`: what a generator makes of noise."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import GAN, RIDGE

from archbuilder.cli import main
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.objectives.random_draws import draw_seed


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    for name, text, options in (("gan", GAN, ["--epochs", "1"]), ("ridge", RIDGE, [])):
        path = folder / f"{name}.yaml"
        path.write_text(text)
        assert main(["train", str(path), *options, "--run-dir", str(folder / name)]) == 0
    return folder


def samples(run: Path, path: Path, *options: str) -> np.ndarray:
    assert main(["sample", str(run), "--output", str(path), *options]) == 0
    return np.asarray(np.load(path)["samples"])


def test_sample_images(runs: Path, tmp_path: Path):
    """They are what plain Keras makes of the same noise, and follow from the seed."""
    images = samples(runs / "gan", tmp_path / "a.npz", "--num-samples", "300", "--seed", "3")
    model = keras.saving.load_model(runs / "gan" / "generator.keras")
    noise = tf.random.stateless_normal((256, 8), draw_seed(3, tf.constant(0), "sample/noise"))
    expected = model.predict(noise, verbose=0)
    np.testing.assert_allclose(images[:256], expected, rtol=1e-5, atol=1e-6)
    again = samples(runs / "gan", tmp_path / "b.npz", "--num-samples", "300", "--seed", "3")
    np.testing.assert_array_equal(again, images)
    unseeded = samples(runs / "gan", tmp_path / "c.npz", "--num-samples", "300")
    assert np.abs(unseeded - images).max() > 0.01


def test_preview_grid(runs: Path, tmp_path: Path):
    """Seven images of 8 by 8 are in three rows of three."""
    path = tmp_path / "grid.png"
    assert main(["sample", str(runs / "gan"), "--num-samples", "7", "--output", str(path)]) == 0
    assert tf.io.decode_png(path.read_bytes()).shape == (24, 24, 1)


@pytest.mark.parametrize(
    ("run", "output", "message"),
    [
        ("ridge", "a.png", "with the objective 'ridge'; use 'archbuilder predict'"),
        ("gan", "a.jpg", "must end in .png or .npz"),
        ("gan", "nowhere/a.png", "there is no directory"),
        ("nothing", "a.png", "there is no such file or directory"),
    ],
)
def test_invalid_options(
    runs: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    run: str,
    output: str,
    message: str,
):
    """Every mistake is one sentence, and no file is written."""
    capsys.readouterr()
    assert main(["sample", str(runs / run), "--output", str(tmp_path / output)]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / output).exists()


def test_image_grid():
    """Samples side by side, black where the last row is not full."""
    images = to_uint8_images(np.ones((3, 4), np.float32))
    assert images is not None
    picture = image_grid(images)
    assert picture.shape == (4, 4, 1)
    assert picture[:2].min() == 255
    assert picture[2:, 2:].max() == 0
    assert to_uint8_images(np.ones((3, 5), np.float32)) is None
