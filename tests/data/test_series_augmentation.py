"""Layers for recordings, series and point clouds: what they do, and to which inputs and targets."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import SPAN
from helpers.keras_objects import keras_object

from archbuilder.cli import main
from archbuilder.compiler.ir import Graph, GraphInput, TensorRef
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.augmented_batches import BatchAugmenter
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sample_weights import CombinedWeights, SampleWeights
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_ext import layers
from archbuilder.plain_data import PlainData

COUNT, STEPS = 16, 10
CHOSEN = np.random.default_rng(0)
SERIES = CHOSEN.normal(size=(COUNT, STEPS, 3)).astype(np.float32)


def applied(layer: keras.layers.Layer, values: np.ndarray = SERIES) -> np.ndarray:
    np.testing.assert_array_equal(layer(values), values)
    return np.asarray(layer(values, training=True))


def test_gain():
    """A factor for each example, or for each of its channels, within the bounds."""
    factors = applied(layers.RandomGain([-6, 3], seed=0)) / SERIES
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1, :1], SERIES.shape), 1e-4)
    decibels = 20 * np.log10(factors[:, 0, 0])
    assert decibels.min() >= -6.001
    assert decibels.max() <= 3.001
    assert len(set(decibels)) == COUNT
    factors = applied(layers.RandomGain(6, per_channel=True, seed=0)) / SERIES
    np.testing.assert_allclose(factors, np.broadcast_to(factors[:, :1], SERIES.shape), 1e-4)
    assert len(np.unique(factors[:, 0].round(4))) > COUNT


def test_noise():
    """Its power is that of the example at the ratio, whatever that is; silence stays silence."""
    values = CHOSEN.normal(size=(4, 20_000)).astype(np.float32) * [[1.0], [0.01], [10.0], [0.0]]
    noise = applied(layers.RandomNoise(12.0, seed=0), values.astype(np.float32)) - values
    powers = np.mean(noise**2, axis=1)
    ratios = 10 * np.log10(np.mean(values[:3] ** 2, axis=1) / powers[:3])
    np.testing.assert_allclose(ratios, 12, atol=0.2)
    assert powers[3] == 0
    noise = applied(layers.RandomNoise([0, 40], seed=0), values.astype(np.float32)) - values
    ratios = 10 * np.log10(np.mean(values[:3] ** 2, axis=1) / np.mean(noise[:3] ** 2, axis=1))
    assert np.ptp(ratios) > 1
    assert 0 < ratios.min() < ratios.max() < 40


@pytest.mark.parametrize("values", [SERIES, SERIES[..., 0]])
def test_time_shift(values: np.ndarray):
    """All channels move together, to later steps by a positive factor."""
    shifts = set()
    wrapped = applied(layers.RandomTimeShift([0.0, 0.5], "wrap", seed=0), values)
    cut = applied(layers.RandomTimeShift([0.0, 0.5], seed=0), values)
    for row, rolled, moved in zip(values, wrapped, cut, strict=True):
        shift = next(n for n in range(STEPS) if np.array_equal(np.roll(row, n, axis=0), rolled))
        expected = np.roll(row, shift, axis=0)
        expected[:shift] = 0
        np.testing.assert_array_equal(moved, expected)
        shifts.add(shift)
    assert len(shifts) > 2
    assert max(shifts) <= STEPS // 2
    earlier = applied(layers.RandomTimeShift([-0.2, -0.2]), values)
    np.testing.assert_array_equal(earlier[:, :-2], values[:, 2:])
    assert not earlier[:, -2:].any()


@pytest.mark.parametrize("axis", [1, 2])
def test_masking(axis: int):
    """One range of an axis is constant, at most as wide as the factor says."""
    values = np.ones((200, STEPS, STEPS), np.float32)
    masked = applied(layers.RandomMasking(0.3, axis, fill_value=5.0, seed=0), values) == 5
    lines = masked.all(axis=3 - axis)
    np.testing.assert_array_equal(lines, masked.any(axis=3 - axis))
    widths = lines.sum(axis=1)
    assert {*widths} == {0, 1, 2, 3}
    ends = np.diff(lines.astype(int), axis=1, prepend=0, append=0)
    assert (np.abs(ends).sum(axis=1) == 2 * (widths > 0)).all()
    assert lines.any(axis=0).all()
    two = applied(layers.RandomMasking(0.3, axis, count=2, seed=0), values) == 0
    assert two.all(axis=3 - axis).sum(axis=1).max() > 3


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_point_rotation(axis: int):
    """The distance from the axis and the height along it stay, and every cloud turns rigidly."""
    points = np.concatenate([SERIES, SERIES[..., :1]], axis=-1)
    rotated = applied(layers.RandomPointRotation("xyz"[axis], [0.0, 0.25], seed=0), points)
    np.testing.assert_array_equal(rotated[..., [axis, 3]], points[..., [axis, 3]])
    first, second = (axis + 1) % 3, (axis + 2) % 3
    start, end = (each[..., first] + 1j * each[..., second] for each in (points, rotated))
    turns = np.angle(end / start)
    np.testing.assert_allclose(turns, np.broadcast_to(turns[:, :1], turns.shape), atol=1e-4)
    np.testing.assert_allclose(np.abs(end), np.abs(start), rtol=1e-4)
    assert 0 <= turns.min() < turns.max() <= math.tau / 4 + 1e-4
    quarter = applied(layers.RandomPointRotation("z", [0.25, 0.25]), SERIES)
    np.testing.assert_allclose(quarter[..., 0], -SERIES[..., 1], atol=1e-6)


def test_permutation():
    """Points stay whole, and each example has its own order."""
    shuffled = applied(layers.RandomPermutation(seed=0))
    for row, expected in zip(shuffled, SERIES, strict=True):
        order = [int(np.flatnonzero((expected == point).all(axis=1))[0]) for point in row]
        assert sorted(order) == [*range(STEPS)]
    assert not np.array_equal(shuffled[0], SERIES[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: layers.RandomGain([3, -3]), "ascending"),
        (lambda: layers.RandomTimeShift(2.0), "from -1 to 1"),
        (lambda: layers.RandomTimeShift(fill_mode="edge"), "'constant' or 'wrap'"),
        (lambda: layers.RandomMasking(1.5), "from 0 to 1"),
        (lambda: layers.RandomPointRotation("w"), "'x', 'y' or 'z'"),
        (lambda: applied(layers.RandomPointRotation(), SERIES[..., :2]), "three coordinates"),
    ],
)
def test_arguments_out_of_range(make: Any, message: str):
    """They are refused when the layer is made or called."""
    with pytest.raises(ValueError, match=message):
        make()


LAYERS: dict[str, PlainData] = {
    "RandomGain": 6.0,
    "RandomMasking": 0.3,
    "RandomNoise": {"signal_to_noise": [0, 10]},
    "RandomPermutation": None,
    "RandomPointRotation": None,
    "RandomTimeShift": 0.4,
}


@pytest.mark.parametrize("name", LAYERS)
def test_shares_and_steps(name: str):
    """A share is augmented as in its batch, each step otherwise, and again as before."""
    config = keras_object("layer", {name: LAYERS[name]})

    def augmentation() -> Augmentation:
        return Augmentation([config], seed=3)

    def share(step: int) -> BatchShare:
        return BatchShare(tf.constant(step, tf.int64), tf.range(COUNT, dtype=tf.int64))

    series, augment = tf.constant(SERIES), augmentation()
    augmented = np.asarray(augment(series, share(5)))
    assert not augment.needs_batch(tf.TensorSpec([None, STEPS, 3], tf.float32))
    bounds = [(tf.constant(a, tf.int64), tf.constant(b, tf.int64)) for a, b in ((0, 5), (5, 16))]
    parts = [replace(share(5), bounds=each) for each in bounds]
    together = tf.concat([augment(each.select(series), each) for each in parts], axis=0)
    np.testing.assert_allclose(together, augmented, rtol=1e-5, atol=1e-6)
    np.testing.assert_array_equal(augmentation()(series, share(5)), augmented)
    assert not np.array_equal(augment(series, share(6)), augmented)


LABELS = (SERIES[..., 0] > 0).astype(np.int64)


def batches(
    augment: list[PlainData],
    columns: Mapping[str, Target | AdaptedColumn],
    inputs: Mapping[str, np.ndarray] | None = None,
    loss: str = "SparseCategoricalCrossentropy",
    **options: Any,
) -> tf.data.Dataset:
    """The batches of an epoch, in the order of the data; sizes of the network are open."""
    arrays = inputs or {"x": SERIES}
    objective = SupervisedConfig({name: keras_object("loss", loss) for name in columns})
    columns_of_inputs = {
        name: AdaptedColumn(ArrayColumn(each), InputAdapter((), ()), None)
        for name, each in arrays.items()
    }
    table = AdaptedDataset(
        columns_of_inputs,
        columns,
        np.arange(COUNT),
        len(arrays) > 1,
        True,
        options.get("weights", {}),
    )
    graph_inputs = tuple(
        GraphInput(name, (None,) * (each.ndim - 1), each.dtype.name, SPAN)
        for name, each in arrays.items()
    )
    ends = tuple((name, TensorRef(name)) for name in columns)
    graph = Graph("net", graph_inputs, (), ends, SPAN)
    layer_configs = tuple(keras_object("layer", each) for each in augment)
    pipeline = train_batches(table, TrainingPosition(), batch_size=5, seed=0, epochs=1)
    augmenter = BatchAugmenter.from_config(
        TrainingConfig(objective, augment=layer_configs, seed=1), objective, graph, table, pipeline
    )
    return pipeline.map(augmenter, augmenter.needs_batch).dataset()


def target(values: np.ndarray) -> Target:
    return Target(ArrayColumn(values), values.dtype)


def test_targets_and_weights_move_with_steps():
    """A class per point follows its point, and a weight too; the class of a cloud does not."""
    classes = {"part": target(LABELS), "kind": target(LABELS[:, 0])}
    weights = {"part": CombinedWeights((SampleWeights(ArrayColumn(np.float32(LABELS))),), 2)}
    shift: PlainData = {"RandomTimeShift": {"factor": 0.5, "fill_mode": "wrap"}}
    layers_of_points: list[PlainData] = ["RandomPermutation", shift, {"RandomGain": 3.0}]
    kinds, moved = [], False
    for x, y, w in batches(layers_of_points, classes, weights=weights).as_numpy_iterator():
        np.testing.assert_array_equal(y["part"], x[..., 0] > 0)
        np.testing.assert_array_equal(w["part"], y["part"])
        assert y["part"].dtype == np.int64
        moved |= not np.array_equal(y["part"], LABELS[: len(x)])
        kinds += y["kind"].tolist()
    assert moved
    assert sorted(kinds) == sorted(LABELS[:, 0].tolist())


def test_inputs_that_are_series():
    """Of several inputs, those with channels are augmented, or the only one with an axis."""
    kind = {"kind": target(LABELS[:, 0])}
    numbers = SERIES[:, 0]
    tokens = np.repeat(np.arange(COUNT, dtype=np.int32)[:, np.newaxis], STEPS, axis=1)
    inputs = {"x": SERIES, "numbers": numbers, "tokens": tokens}
    louder: list[PlainData] = [{"RandomGain": {"decibels": [6.0, 6.0]}}]
    x, _ = next(iter(batches(louder, kind, inputs).as_numpy_iterator()))
    rows = x["tokens"][:, 0]
    np.testing.assert_array_equal(x["numbers"], numbers[rows])
    np.testing.assert_allclose(x["x"], SERIES[rows] * 10 ** (6 / 20), rtol=1e-5)
    flat = {"sound": SERIES[..., 0], "tokens": tokens}
    x, _ = next(iter(batches(louder, kind, flat).as_numpy_iterator()))
    expected = SERIES[x["tokens"][:, 0], :, 0] * 10 ** (6 / 20)
    np.testing.assert_allclose(x["sound"], expected, rtol=1e-5)
    images = {"image": np.ones((COUNT, 4, 4, 1), np.float32), "x": np.ones_like(SERIES)}
    both: list[PlainData] = [{"GaussianNoise": 0.1}, *louder]
    x, _ = next(iter(batches(both, kind, images).as_numpy_iterator()))
    np.testing.assert_allclose(x["x"], 10 ** (6 / 20), rtol=1e-5)
    assert np.ptp(x["image"]) > 0.1


@pytest.mark.parametrize(
    ("augment", "inputs", "loss", "message"),
    [
        ("RandomGain", {"a": LABELS}, None, "changes series .* is a series: a"),
        ("RandomGain", {"a": SERIES[:, 0], "b": SERIES[:, 1]}, None, "'a', 'b' have one axis"),
        ("RandomFlip", None, None, r"is an image: x \[10, 3\]"),
        ("RandomTimeShift", None, None, "fills free steps with zeros"),
        ("RandomPointRotation", None, "MeanSquaredError", "rotates points, but the targets"),
        ("RandomPointRotation", {"x": SERIES[..., :2]}, None, "does not take series of 10x2"),
    ],
)
def test_layers_that_do_not_fit(
    augment: str, inputs: dict[str, np.ndarray] | None, loss: str | None, message: str
):
    """The message says what is missing, before training."""
    with pytest.raises(BlueprintError) as caught:
        batches(
            [augment],
            {"part": target(LABELS)},
            inputs,
            loss or "SparseCategoricalCrossentropy",
        )
    assert re.search(message, str(caught.value))


NET = """
archbuilder: 1
name: net
inputs: {points: [10, 3]}
layers: [{Conv1D: {filters: 2, kernel_size: 1, activation: softmax}}]
data: {npz: points.npz}
training:
  loss: SparseCategoricalCrossentropy
  epochs: 1
  batch_size: 4
  checkpoint_every_seconds: 0
  augment: [RandomPermutation, {RandomPointRotation: {axis: y}}, {GaussianNoise: 0.01}]
"""


@pytest.mark.thorough
def test_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Resumed runs see the same series."""
    monkeypatch.chdir(tmp_path)
    np.savez("points.npz", x=SERIES, y=LABELS)
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "whole", "--epochs", "2"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "part"]) == 0
    assert main(["train", "--resume", "part", "--epochs", "2"]) == 0
    model, resumed_model = (
        keras.saving.load_model(f"{run}/net.keras") for run in ("whole", "part")
    )
    for weights, resumed in zip(model.get_weights(), resumed_model.get_weights(), strict=True):
        np.testing.assert_array_equal(weights, resumed)
