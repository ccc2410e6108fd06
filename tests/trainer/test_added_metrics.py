"""Losses and metrics of archbuilder in a run: in training, in the saved model, and as monitors."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from config.test_callbacks import HEAD, error
from trainer.test_execution import rows, trained

from archbuilder.keras_ext.metrics import EditDistance

NET = """
archbuilder: 1
name: net
inputs: {x: [%s]}
layers: [%s]
data: {npz: data.npz}
training:
  loss: %s
  metrics: [%s]
  epochs: 2
  batch_size: 8
  validation_split: 0.5
  shuffle: false
  distribute: none
  steps_per_execution: 1
"""
RANDOM = np.random.default_rng(8)


def test_images(tmp_path: Path):
    """The index and the ratio rise with the loss; parts of a batch and a saved model agree."""
    images = RANDOM.random((48, 12, 12, 1)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=images, y=images)
    layers = "Conv2D: {filters: 1, kernel_size: 3, padding: same}"
    text = NET % (
        "12, 12, 1",
        layers,
        "{SSIMLoss: {filter_size: 5}}",
        "SSIM: {filter_size: 5}, PSNR",
    )
    text = text.replace("[SSIM: {filter_size: 5}, PSNR]", "[{SSIM: {filter_size: 5}}, PSNR]")
    run = trained(tmp_path, text.replace("epochs: 2", "epochs: 2\n  save_best: val_psnr"), "run")
    history = rows(run)
    assert history[1]["ssim"] > history[0]["ssim"]
    assert history[0]["val_loss"] == pytest.approx(1 - history[0]["val_ssim"], rel=1e-5)
    best = max(history, key=lambda row: row["val_psnr"])
    assert json.loads((run / "run.json").read_text())["best_epoch"]["epoch"] == best["epoch"]
    model = keras.saving.load_model(run / "net.keras")
    logs = model.evaluate(images[24:], images[24:], batch_size=24, verbose=0, return_dict=True)
    assert logs["ssim"] == pytest.approx(history[1]["val_ssim"], rel=1e-4)
    expected = tf.image.psnr(images[24:], model(images[24:]), 1.0).numpy().mean()
    assert history[1]["val_psnr"] == pytest.approx(expected, rel=1e-5)
    parts = trained(
        tmp_path,
        text.replace("training:\n", "training:\n  gradient_accumulation_steps: 3\n"),
        "parts",
    )
    assert rows(parts)[1]["loss"] == pytest.approx(history[1]["loss"], rel=1e-5)


def test_tokens_and_labels(tmp_path: Path):
    """Perplexity and edit distance of the validation set are those of the saved model."""
    x = RANDOM.normal(size=(48, 6, 3)).astype(np.float32)
    np.savez(tmp_path / "data.npz", x=x, y=RANDOM.integers(0, 4, (48, 6)))
    loss = "{SparseCategoricalCrossentropy: {from_logits: true, ignore_class: 2}}"
    run = trained(
        tmp_path, NET % ("6, 3", "Dense: 4", loss, "{Perplexity: {from_logits: true}}"), "p"
    )
    row = rows(run)[-1]
    assert row["val_perplexity"] == pytest.approx(np.exp(row["val_loss"]), rel=1e-5)
    labels = np.concatenate([RANDOM.integers(1, 4, (48, 2)), np.zeros((48, 1), int)], axis=1)
    np.savez(tmp_path / "data.npz", x=x, y=labels)
    run = trained(tmp_path, NET % ("6, 3", "Dense: 4", "CTC", "EditDistance"), "ctc")
    distance = EditDistance()
    distance.update_state(labels[24:], keras.saving.load_model(run / "net.keras")(x[24:]))
    assert rows(run)[-1]["val_edit_distance"] == pytest.approx(float(distance.result()), rel=1e-6)


@pytest.mark.parametrize(
    ("loss", "metric", "message"),
    [
        ("MeanSquaredError", "EditDistance", "decodes outputs that the loss 'CTC' trains"),
        ("MeanSquaredError", "Perplexity", "needs one value per class"),
        (
            "{SparseCategoricalCrossentropy: {from_logits: true}}",
            "Perplexity",
            "does not match the outputs of the loss",
        ),
        ("SparseCategoricalCrossentropy", "PSNR", "needs class indices"),
        ("SparseCategoricalCrossentropy", "EditDistance", "needs class indices"),
        ("{SSIMLoss: {filter_size: 0}}", "SSIM", "'filter_size' of SSIMLoss must be"),
    ],
)
def test_metrics_that_do_not_fit(tmp_path: Path, loss: str, metric: str, message: str):
    """A metric that reads outputs in another way than the loss is an error with a location."""
    text = HEAD.replace("MeanSquaredError", loss) + f"  metrics: [{metric}]\n"
    assert message in error(tmp_path, text).message


def test_boxes(tmp_path: Path):
    """A class and boxes are trained together; padding counts in no part of a batch."""
    x = RANDOM.random((48, 12)).astype(np.float32)
    boxes = np.sort(RANDOM.random((48, 2, 2, 2)), axis=2).reshape(48, 2, 4)
    boxes[::3, 1] = -1
    np.savez(tmp_path / "data.npz", x=x, label=RANDOM.integers(0, 3, 48), box=boxes)
    text = NET % ("12", "", "", "")
    text = text.replace(
        "layers: []",
        """layers:
  - {Dense: {units: 3, activation: softmax}, name: label}
  - {Dense: 8, from: x}
  - {Reshape: [2, 4], name: box}
outputs: {label: label, box: box}""",
    )
    text = text.replace("npz: data.npz", "npz: {file: data.npz, targets: {label: label, box: box}}")
    text = text.replace(
        "loss: \n", "loss: {label: SparseCategoricalCrossentropy, box: GIoU}\n"
    ).replace("metrics: []", "metrics: {label: [accuracy], box: [BoxIoU]}")
    run = trained(tmp_path, text, "run")
    row = rows(run)[-1]
    model = keras.saving.load_model(run / "net.keras")
    is_box = boxes[24:, :, 0] >= 0
    first, second = (each[is_box] for each in (boxes[24:], model(x[24:])["box"].numpy()))
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    both = sides.clip(0).prod(-1)
    areas = [(each[:, 2:] - each[:, :2]).clip(0).prod(-1) for each in (first, second)]
    ious = both / (areas[0] + areas[1] - both)
    assert row["val_box_box_iou"] == pytest.approx(ious.mean(), rel=1e-4)
    parts = trained(
        tmp_path,
        text.replace("training:\n", "training:\n  gradient_accumulation_steps: 3\n"),
        "parts",
    )
    assert rows(parts)[1]["loss"] == pytest.approx(rows(run)[1]["loss"], rel=1e-5)
