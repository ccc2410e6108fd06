"""A generator and a discriminator that train against each other."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objectives import GAN
from safetensors.numpy import load_file

from archbuilder.cli import main
from archbuilder.config.objectives import AdversarialConfig
from archbuilder.data.image_grid import image_grid, to_uint8_images
from archbuilder.objectives.gan_model import GANModel


@pytest.fixture
def blueprint(tmp_path: Path) -> Path:
    path = tmp_path / "gan.yaml"
    path.write_text(GAN)
    return path


def history(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(
    ("loss", "last"),
    [
        ("non_saturating", "sigmoid"),
        pytest.param("least_squares", "linear", marks=pytest.mark.thorough),
        ("wasserstein", "linear"),
    ],
)
def test_every_gan_loss_trains(blueprint: Path, tmp_path: Path, loss: str, last: str):
    """The samples come nearer to the data: their mean image is like that of the digits."""
    run = tmp_path / "run"
    values = ["--set", f"loss={loss}", "--set", f"last={last}", "--set", "steps=2"]
    assert main(["train", str(blueprint), *values, "--epochs", "12", "--run-dir", str(run)]) == 0
    images = keras.saving.load_model(run / "generator.keras")(tf.random.normal([200, 8], seed=1))
    columns = np.asarray(images).reshape(-1, 8, 8).mean(axis=(0, 1))
    # The outermost columns of the digits are all but white.
    assert columns[[0, 7]].max() < columns[2:6].min()


def test_files_of_a_gan_run(blueprint: Path, tmp_path: Path):
    """Both networks, a picture for every epoch, and the losses of both sides."""
    run = tmp_path / "run"
    assert main(["train", str(blueprint), "--epochs", "2", "--run-dir", str(run)]) == 0
    assert {path.name for path in run.glob("*.keras")} == {
        "generator.keras",
        "discriminator.keras",
    }
    pictures = sorted(path.name for path in (run / "samples").iterdir())
    assert pictures == ["epoch-0001.png", "epoch-0002.png"]
    picture = tf.io.decode_png((run / "samples" / pictures[0]).read_bytes())
    assert picture.shape == (24, 24, 1)
    assert set(history(run)[0]) == {
        "epoch",
        "seconds",
        "generator_loss",
        "discriminator_loss",
        "val_generator_loss",
        "val_discriminator_loss",
    }


def test_resume_gan(blueprint: Path, tmp_path: Path):
    """A run that goes on comes to the weights of one that was not stopped."""
    uninterrupted, broken = tmp_path / "whole", tmp_path / "broken"
    assert main(["train", str(blueprint), "--run-dir", str(uninterrupted)]) == 0
    assert main(["train", str(blueprint), "--run-dir", str(broken), "--epochs", "2"]) == 0
    assert main(["train", "--resume", str(broken), "--epochs", "4"]) == 0
    files = [max((run / "checkpoints").iterdir()) for run in (uninterrupted, broken)]
    arrays, others = (load_file(path / "variables.safetensors") for path in files)
    assert arrays.keys() == others.keys()
    for name, array in arrays.items():
        np.testing.assert_array_equal(array, others[name], err_msg=name)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (["loss=wasserstein"], "remove the sigmoid"),
        (["made=63"], "generator has the shape [63], and the input of the discriminator [64]"),
    ],
)
def test_unsuitable_gan_networks(
    blueprint: Path, settings: list[str], message: str, capsys: pytest.CaptureFixture[str]
):
    """What is wrong with them is said before anything is trained."""
    values = [argument for each in settings for argument in ("--set", each)]
    run = blueprint.parent / "run"
    assert main(["train", str(blueprint), *values, "--run-dir", str(run)]) == 2
    assert message in capsys.readouterr().err


def test_gan_network_names(blueprint: Path, capsys: pytest.CaptureFixture[str]):
    """The objective names the networks that it trains, and those that are there."""
    blueprint.write_text(GAN.replace("  generator:", "  maker:", 1))
    run = blueprint.parent / "run"
    assert main(["train", str(blueprint), "--run-dir", str(run)]) == 2
    assert "this blueprint has 2 networks: 'maker', 'discriminator'" in capsys.readouterr().err


class Losses:
    """The losses of a discriminator that gives the first number of what it is shown."""

    def __init__(self, loss: str, *, logits: bool = True) -> None:
        noise, image = keras.Input([1]), keras.Input([1])
        generator = keras.Model(noise, keras.layers.Dense(1, kernel_initializer="ones")(noise))
        scores = keras.layers.Dense(1, kernel_initializer="ones")(image)
        scores = scores if logits else keras.layers.Activation("sigmoid")(scores)
        optimizers = [keras.optimizers.SGD(0.0), keras.optimizers.SGD(0.0)]
        spec = AdversarialConfig({}, loss=loss)  # type: ignore[arg-type]
        self.model = GANModel(
            generator, keras.Model(image, scores), spec, optimizers, logits=logits
        )

    def of(self, real: list[float], fake: list[float]) -> tuple[float, float]:
        """The generator's and the discriminator's, where samples are these numbers."""
        noise = np.array([fake, fake], np.float32).T[..., np.newaxis]
        batch = {
            "real": np.array(real, np.float32)[:, np.newaxis],
            "noise": noise,
            "mix": np.full(len(real), 0.5, np.float32),
        }
        metrics = self.model.evaluate(
            tf.data.Dataset.from_tensors(batch), verbose=0, return_dict=True
        )
        return metrics["generator_loss"], metrics["discriminator_loss"]


REAL, FAKE = [1.5, -0.5, 2.0], [0.3, -1.0, 0.7]


def softplus(numbers: list[float], sign: int) -> float:
    return float(np.log1p(np.exp(sign * np.array(numbers))).mean())


@pytest.mark.parametrize("logits", [True, False])
def test_non_saturating_loss(logits: bool):
    """-log D(G(z)), and -log D(x) - log(1 - D(G(z))): section 3 of Goodfellow et al. 2014."""
    generator, discriminator = Losses("non_saturating", logits=logits).of(REAL, FAKE)
    assert generator == pytest.approx(softplus(FAKE, -1), rel=1e-5)
    assert discriminator == pytest.approx(softplus(REAL, -1) + softplus(FAKE, 1), rel=1e-5)


def test_least_squares_loss():
    """Equation 9 of Mao et al. 2016."""
    generator, discriminator = Losses("least_squares").of(REAL, FAKE)
    real, fake = np.array(REAL), np.array(FAKE)
    assert generator == pytest.approx(((fake - 1) ** 2).mean() / 2, rel=1e-5)
    assert discriminator == pytest.approx(
        ((real - 1) ** 2).mean() / 2 + (fake**2).mean() / 2, rel=1e-5
    )


def test_wasserstein_loss():
    """The difference of the scores; the penalty belongs to training alone."""
    generator, discriminator = Losses("wasserstein").of(REAL, FAKE)
    assert generator == pytest.approx(-np.mean(FAKE), rel=1e-5)
    assert discriminator == pytest.approx(np.mean(FAKE) - np.mean(REAL), rel=1e-5)


def test_gradient_penalty():
    """(|slope| - 1)^2, ten times: a discriminator of slope 3 pays 40."""
    losses = Losses("wasserstein")
    losses.model.discriminator.layers[-1].set_weights([np.array([[3.0]]), np.zeros(1)])
    batch = {
        "real": np.array([[1.0], [2.0]], np.float32),
        "noise": np.zeros((2, 2, 1), np.float32),
        "mix": np.array([0.2, 0.9], np.float32),
    }
    history = losses.model.fit(tf.data.Dataset.from_tensors(batch), shuffle=False, verbose=0)
    assert history.history["discriminator_loss"][-1] == pytest.approx(0 - 4.5 + 40, rel=1e-5)


def test_image_grid():
    """Samples side by side, black where the last row is not full."""
    images = to_uint8_images(np.ones((3, 4), np.float32))
    assert images is not None
    picture = image_grid(images)
    assert picture.shape == (4, 4, 1)
    assert picture[:2].min() == 255
    assert picture[2:, 2:].max() == 0
    assert to_uint8_images(np.ones((3, 5), np.float32)) is None
