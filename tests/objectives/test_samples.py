"""`sample` of an objective: what its steps draw, and the images of each epoch."""

from __future__ import annotations

import json
import math
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.cli import main
from archbuilder.objectives.random_draws import draw_seed

BLUEPRINT = """archbuilder: 1
name: net
networks:
  denoiser:
    inputs: {image: [8, 8, 1], time: [1]}
    layers:
      - {Flatten: , from: image, name: pixels}
      - {Concatenate: , from: [pixels, time]}
      - Dense: 64
      - Reshape: [8, 8, 1]
data: digits
training:
  objective: {ddpm: {steps: 100, sampling_steps: 4}}
  optimizer: {Adam: {learning_rate: 1e-2, use_ema: true, ema_momentum: 0.5}}
  save_best: {monitor: loss, mode: max}
  epochs: 2
  batch_size: 512
"""


@pytest.fixture(scope="module")
def diffusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diffusion")
    (folder / "net.yaml").write_text(BLUEPRINT)
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(folder / "run")]) == 0
    return folder / "run"


def samples(run: Path, count: int, *options: str) -> np.ndarray:
    path = run / "samples.npz"
    arguments = ["--num-samples", str(count), "--output", str(path)]
    assert main(["sample", str(run), *arguments, *options]) == 0
    return np.asarray(np.load(path)["samples"])


def normal(name: str, seed: int, *shape: int) -> np.ndarray:
    """Return what a step draws for the first 256 samples."""
    key = draw_seed(seed, tf.constant(0), f"sample/{name}")
    return np.asarray(tf.random.stateless_normal([256, *shape], key))


def denoised(model: keras.Model, x: np.ndarray) -> np.ndarray:
    """Return the images after equation 12 of DDIM without noise, at steps 75, 50, 25 and 0."""
    signals = [math.cos((n / 100 + 0.008) / 1.008 * math.pi / 2) ** 2 for n in range(101)]
    for now, after in ((76, signals[51]), (51, signals[26]), (26, signals[1]), (1, 1.0)):
        time = np.full((len(x), 1), now / 100, np.float32)
        noise = model.predict({"image": x, "time": time}, verbose=0)
        clean = (x - math.sqrt(1 - signals[now]) * noise) / math.sqrt(signals[now])
        clean = clean.clip(-1, 1)
        x = math.sqrt(after) * clean + math.sqrt(1 - after) * noise
    return ((x + 1) / 2).clip(0, 1)


@pytest.mark.parametrize(("weights", "file"), [("last", "denoiser"), ("best", "denoiser.best")])
def test_ddim_removes_noise_in_steps(diffusion: Path, weights: str, file: str):
    """The samples are those of a loop in NumPy with the saved network."""
    model = keras.saving.load_model(diffusion / f"{file}.keras")
    expected = denoised(model, normal("start", 3, 8, 8, 1)[:20])
    images = samples(diffusion, 20, "--seed", "3", "--weights", weights)
    np.testing.assert_allclose(images, expected, atol=1e-4)


def test_samples_without_data(diffusion: Path, capsys: pytest.CaptureFixture[str]):
    """Data that changes nothing is an error."""
    path = diffusion / "samples.npz"
    assert main(["sample", str(diffusion), "--data", "digits", "--output", str(path)]) == 2
    assert "the samples of this run do not depend on data" in capsys.readouterr().err


def test_more_samples_do_not_change_the_first(diffusion: Path):
    """Samples beyond the first batch have noise of their own."""
    first, all_images = samples(diffusion, 20), samples(diffusion, 300)
    np.testing.assert_allclose(all_images[:20], first, atol=1e-5)
    assert np.abs(all_images[256:] - all_images[:44]).mean() > 0.01


def test_images_of_epochs_have_averaged_weights(diffusion: Path, tmp_path: Path):
    """That of the last epoch is what the saved network draws."""
    path = tmp_path / "grid.png"
    assert main(["sample", str(diffusion), "--output", str(path)]) == 0
    image = tf.io.decode_png((diffusion / "samples" / "epoch-0002.png").read_bytes())
    np.testing.assert_allclose(
        np.asarray(image, np.int32), tf.io.decode_png(path.read_bytes()), atol=1
    )
    assert image.shape == (64, 64, 1)


CLASSES = """archbuilder: 1
name: net
params: {classes: 3}
networks:
  generator:
    inputs: {noise: [2], label: [1]}
    layers: [{Concatenate: , from: [noise, label]}, {Dense: 4}]
  other: {inputs: {x: [64]}, layers: [{Dense: 2}]}
data: digits
training:
  objective:
    inputs: [x]
    layers:
      - {Normal: {shape: [2]}, name: noise}
      - {formula: "0 * noise[:, :1]", name: label}
      - {generator: , from: [noise, label], name: fake}
      - {other: , from: x}
      - {formula: fake ** 2 + sum(previous), name: loss}
    minimize: loss
    sample:
      layers:
        - {Normal: {input_of: generator.noise}, name: noise}
        - {rows: , from: noise, name: row}
        - {formula: "cast(row % $classes, 'float32')[:, None]", name: label}
        - {generator: , from: [noise, label], name: faked}
        - {formula: "stack([faked, -faked], axis=1)", name: pairs}
        - {formula: "split(pairs, 2, axis=1)", name: parts}
      output: parts.1
      count: $(2 * classes)
  epochs: 1
  batch_size: 512
"""


def test_positions_choose_the_conditions(tmp_path: Path):
    """`rows` are the positions of the samples, in all batches; `output` is a part of a step."""
    (tmp_path / "net.yaml").write_text(CLASSES)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    model = keras.saving.load_model(run / "generator.keras")
    label = (np.arange(300) % 3).astype(np.float32)[:, np.newaxis]
    faked = model.predict({"noise": normal("noise", 0, 2), "label": label[:256]}, verbose=0)
    values = samples(run, 300)
    np.testing.assert_allclose(values[:256, 0], -faked, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(values[256:, 0, 0].shape, (44,))
    # They are not images.
    assert not (run / "samples").exists()


DENSE = "{Dense: 4, from: noise, name: faked}"
OUTPUT = """{formula: "split(pairs, 2, axis=1)", name: parts}
      output: parts.1"""


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("{input_of: generator.noise}", "[3]", "'faked' (generator) cannot take [3] and [1]"),
        (
            "{generator: , from: [noise, label], name: faked}",
            DENSE,
            "has a Dense, whose weights no",
        ),
        (OUTPUT, '{formula: "sum(faked)"}', "returns [] for 1 samples"),
        (OUTPUT, '{formula: "split(pairs, 2, axis=1)"}', "ends in 2 outputs; select one"),
    ],
)
def test_wrong_samples_stop_the_run_before_training(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
):
    """What only Keras knows is reported before the first step."""
    assert old in CLASSES
    (tmp_path / "net.yaml").write_text(CLASSES.replace(old, new))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 2
    assert message in capsys.readouterr().err
    assert not (tmp_path / "run" / "history.jsonl").exists()


TRANSLATION = """archbuilder: 1
name: net
inputs: {x: [3]}
layers: [{Dense: 2}]
data: {npz: {file: data.npz, inputs: {x: x}, targets: {}}}
training:
  objective:
    inputs: [x]
    layers: [{net: , from: x, name: translated}]
    minimize: translated
    sample:
      inputs: [x]
      layers: [{Normal: [3], name: noise}, {formula: x + 0 * noise}, net]
  epochs: 1
  batch_size: 4
  shuffle: false
  validation_split: 0.25
"""


def test_samples_depend_on_examples(tmp_path: Path):
    """They are of the first examples of the validation set, or of other data."""
    values = np.random.default_rng(0).normal(size=(20, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=values)
    np.savez(tmp_path / "other.npz", x=values[:3])
    (tmp_path / "net.yaml").write_text(TRANSLATION)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    model = keras.saving.load_model(run / "net.keras")
    rows = [15, 16, 17, 18, 19, 15, 16]
    expected = model.predict(values[rows], verbose=0)
    np.testing.assert_allclose(samples(run, 7), expected, rtol=1e-5, atol=1e-6)
    others = samples(run, 2, "--data", str(tmp_path / "other.npz"))
    np.testing.assert_allclose(others, model.predict(values[:2], verbose=0), rtol=1e-5, atol=1e-6)


def test_run_without_samples(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message says what the objective lacks."""
    text = CLASSES[: CLASSES.index("    sample:")] + CLASSES[CLASSES.index("  epochs:") :]
    (tmp_path / "net.yaml").write_text(text.replace("params: {classes: 3}\n", ""))
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    assert json.loads((run / "run.json").read_text())["status"] == "finished"
    capsys.readouterr()
    assert main(["sample", str(run), "--output", str(tmp_path / "a.png")]) == 2
    assert "the objective of this run has no 'sample'" in capsys.readouterr().err
