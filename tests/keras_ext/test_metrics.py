"""Metrics and losses that archbuilder adds: values from TensorFlow and from plain Python."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from archbuilder.keras_ext.losses import Charbonnier, PSNRLoss, SSIMLoss
from archbuilder.keras_ext.metrics import PSNR, SSIM, EditDistance, Perplexity, WordErrorRate

RANDOM = np.random.default_rng(4)
IMAGES = RANDOM.random((6, 16, 18, 3), "float32")
NOISY = (IMAGES + RANDOM.normal(0, 0.1, IMAGES.shape)).astype(np.float32)


@pytest.mark.parametrize(
    "arguments",
    [{}, {"max_val": 2.0, "filter_size": 7, "filter_sigma": 1.0, "k1": 0.02, "k2": 0.1}],
)
def test_ssim(arguments: dict[str, float]):
    """The index is that of TensorFlow for each image, and the metric their mean over batches."""
    expected = tf.image.ssim(IMAGES, NOISY, **{"max_val": 1.0, **arguments}).numpy()
    losses = SSIMLoss(reduction="none", **arguments)(IMAGES, NOISY)
    np.testing.assert_allclose(losses, 1 - expected, atol=2e-6)
    metric = SSIM(**arguments)
    for images, noisy in ((IMAGES[:4], NOISY[:4]), (IMAGES[4:], NOISY[4:])):
        metric.update_state(images, noisy)
    assert float(metric.result()) == pytest.approx(expected.mean(), abs=2e-6)
    assert float(SSIMLoss(**arguments)(IMAGES, IMAGES)) == pytest.approx(0, abs=1e-6)


def test_ssim_of_other_shapes():
    """Images that are smaller than the window, or no images, are an error."""
    with pytest.raises(ValueError, match="at least 11 x 11 pixels, not 8 x 16"):
        SSIM().update_state(IMAGES[:, :8, :16], NOISY[:, :8, :16])
    with pytest.raises(ValueError, match="compares images"):
        SSIMLoss()(IMAGES[..., 0], NOISY[..., 0])


def test_psnr():
    """The ratio is that of TensorFlow; of equal images it is infinite, and their loss is not."""
    expected = tf.image.psnr(IMAGES, NOISY, max_val=2.0).numpy()
    losses = PSNRLoss(max_val=2.0, epsilon=0, reduction="none")(IMAGES, NOISY)
    np.testing.assert_allclose(losses, -expected, rtol=1e-5)
    metric = PSNR(max_val=2.0)
    metric.update_state(IMAGES, NOISY)
    assert float(metric.result()) == pytest.approx(expected.mean(), rel=1e-5)
    metric.update_state(IMAGES, IMAGES)
    assert np.isinf(float(metric.result()))
    assert float(PSNRLoss()(IMAGES, IMAGES)) == pytest.approx(-80, rel=1e-5)


def test_charbonnier():
    """The formula of the paper, for each position."""
    losses = Charbonnier(epsilon=0.1, reduction="none")(IMAGES, NOISY)
    expected = np.sqrt((IMAGES - NOISY) ** 2 + 0.01).mean(-1)
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


def test_perplexity():
    """The exponential of the mean over the positions that count, also over unequal batches."""
    logits = RANDOM.normal(size=(5, 7, 9)).astype(np.float32)
    labels = RANDOM.integers(0, 9, (5, 7))
    log_probabilities = np.log(np.exp(logits) / np.exp(logits).sum(-1, keepdims=True))
    losses = -np.take_along_axis(log_probabilities, labels[..., None], -1)[..., 0]
    metric = Perplexity(from_logits=True, ignore_class=3)
    metric.update_state(labels[:1], logits[:1])
    metric.update_state(labels[1:], logits[1:])
    assert float(metric.result()) == pytest.approx(np.exp(losses[labels != 3].mean()), rel=1e-5)
    metric = Perplexity()
    weights = RANDOM.random(5)
    metric.update_state(labels[..., None], np.exp(log_probabilities), weights)
    mean = (losses * weights[:, None]).sum() / (7 * weights.sum())
    assert float(metric.result()) == pytest.approx(np.exp(mean), rel=1e-5)
    masked = tf.constant(logits)
    masked._keras_mask = tf.constant(labels > 4)
    metric = Perplexity(from_logits=True)
    metric.update_state(labels, masked)
    assert float(metric.result()) == pytest.approx(np.exp(losses[labels > 4].mean()), rel=1e-5)


def levenshtein(first: list[int], second: list[int]) -> int:
    """Return the edit distance, by its recursive definition."""
    if not first or not second:
        return len(first) + len(second)
    changed = levenshtein(first[:-1], second[:-1]) + (first[-1] != second[-1])
    return min(changed, levenshtein(first[:-1], second) + 1, levenshtein(first, second[:-1]) + 1)


def decoded(classes: list[int]) -> list[int]:
    """Return the greedy decoding of a sequence of classes."""
    pairs = zip([0, *classes], classes, strict=False)
    return [symbol for previous, symbol in pairs if symbol not in (0, previous)]


@pytest.mark.parametrize("normalize", [True, False])
def test_edit_distance(normalize: bool):
    """Decoding and distance are those of their definitions."""
    classes = RANDOM.integers(0, 4, (40, 7))
    labels = RANDOM.integers(1, 4, (40, 5))
    lengths = RANDOM.integers(0, 6, 40)
    labels[np.arange(5) >= lengths[:, None]] = 0
    expected = [
        levenshtein(decoded(each.tolist()), row[:length].tolist())
        / (max(length, 1) if normalize else 1)
        for each, row, length in zip(classes, labels, lengths, strict=True)
    ]
    metric = EditDistance(normalize)
    outputs = np.eye(4, dtype=np.float32)[classes]
    for rows in (slice(0, 30), slice(30, 40)):
        metric.update_state(labels[rows], outputs[rows])
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-6)
    metric.reset_state()
    specs = [tf.TensorSpec([None, 5], tf.int64), tf.TensorSpec([None, 7, 4], tf.float32)]
    tf.function(metric.update_state, input_signature=specs, jit_compile=True)(labels, outputs)
    assert float(metric.result()) == pytest.approx(np.mean(expected), rel=1e-6)
    masked = tf.constant(outputs)
    masked._keras_mask = tf.sequence_mask([4] * 40, 7)
    metric.reset_state()
    metric.update_state(labels, masked)
    distances = [
        levenshtein(decoded(each.tolist()), row[:length].tolist())
        / (max(length, 1) if normalize else 1)
        for each, row, length in zip(classes[:, :4], labels, lengths, strict=True)
    ]
    assert float(metric.result()) == pytest.approx(np.mean(distances), rel=1e-6)


def words(symbols: list[int]) -> list[tuple[int, ...]]:
    """Return what stands between symbols of the class 2."""
    text = " ".join(map(str, symbols)).split("2")
    return [tuple(map(int, each.split())) for each in text if each.split()]


def test_word_error_rate():
    """Edits of all words, divided by the number of words; also in a compiled function."""
    classes = RANDOM.integers(0, 5, (40, 14))
    labels = RANDOM.integers(1, 5, (40, 9))
    lengths = RANDOM.integers(0, 10, 40)
    labels[np.arange(9) >= lengths[:, None]] = 0
    distances, counts = [], []
    for symbols, row, length in zip(classes, labels, lengths, strict=True):
        label_words = words(row[:length].tolist())
        distances.append(levenshtein(words(decoded(symbols.tolist())), label_words))
        counts.append(max(len(label_words), 1))
    metric = WordErrorRate(separator=2)
    outputs = np.eye(5, dtype=np.float32)[classes]
    for rows in (slice(0, 30), slice(30, 40)):
        metric.update_state(labels[rows], outputs[rows])
    assert float(metric.result()) == pytest.approx(sum(distances) / sum(counts), rel=1e-6)
    metric.reset_state()
    # On a GPU, training is compiled by XLA, for a batch of any size.
    specs = [tf.TensorSpec([None, 9], tf.int64), tf.TensorSpec([None, 14, 5], tf.float32)]
    compiled = tf.function(metric.update_state, input_signature=specs, jit_compile=True)
    compiled(labels[:5], outputs[:5])
    expected = sum(distances[:5]) / sum(counts[:5])
    assert float(metric.result()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize(
    "value",
    [
        *(Charbonnier(0.2), PSNRLoss(2.0, 0.1), SSIMLoss(2.0, 7, 1.0, 0.1, 0.2)),
        *(
            PSNR(2.0),
            SSIM(2.0, 7, 1.0, 0.1, 0.2),
            EditDistance(False),
            Perplexity(True, 3),
            WordErrorRate(2),
        ),
    ],
    ids=lambda value: type(value).__name__,
)
def test_roundtrip(value: keras.losses.Loss | keras.metrics.Metric):
    """Keras saves and loads them with their arguments."""
    restored = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(value))
    assert type(restored) is type(value)
    assert restored.get_config() == value.get_config()
