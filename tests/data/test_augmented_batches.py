"""Targets that have a value for every pixel move as their images do; others are not made wrong."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.graphs import SPAN
from helpers.keras_objects import keras_object
from helpers.subprocesses import in_replicas, in_workers

from archbuilder.cli import main
from archbuilder.compiler.ir import Graph, GraphInput, TensorRef
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.training import TrainingConfig
from archbuilder.data.augmented_batches import BatchAugmenter
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.input_adapter import InputAdapter
from archbuilder.data.pipeline import AdaptedColumn, AdaptedDataset, BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.data.sample_weights import CombinedWeights, SampleWeights
from archbuilder.data.targets import Target
from archbuilder.diagnostics.errors import BlueprintError, UsageError
from archbuilder.plain_data import PlainData

SIDE, COUNT, CLASSES = 12, 16, 8
CHOSEN = np.random.default_rng(0)
MASKS = CHOSEN.integers(0, CLASSES, (COUNT, SIDE, SIDE))
"""A class for every pixel, without neighbors that tell it."""
SHADES = (MASKS[..., np.newaxis] / CLASSES).astype(np.float32)
"""Images from which the class of every pixel can be read."""
NEAREST: dict[str, PlainData] = {"interpolation": "nearest"}
GEOMETRIC: dict[str, PlainData] = {
    "RandomCrop": {"height": 8, "width": 10},
    "RandomElasticTransform": {"scale": [0.9, 1.0], **NEAREST},
    "RandomFlip": {"mode": "horizontal_and_vertical"},
    "RandomPerspective": NEAREST,
    "RandomRotation": {"factor": 0.4, "fill_mode": "wrap", **NEAREST},
    "RandomShear": {"x_factor": 0.5, "y_factor": 0.2, "fill_mode": "constant", **NEAREST},
    "RandomTranslation": {"height_factor": 0.4, "width_factor": 0.4, **NEAREST},
    "RandomZoom": {"height_factor": 0.4, **NEAREST},
}
COLORS: PlainData = {"GaussianNoise": 0.3}


def as_input(values: np.ndarray) -> AdaptedColumn:
    return AdaptedColumn(ArrayColumn(values), InputAdapter((), ()), (0.0, 1.0))


def target(values: np.ndarray) -> Target:
    return Target(ArrayColumn(values), values.dtype)


def batches(
    layers: list[PlainData],
    columns: Mapping[str, Target | AdaptedColumn],
    losses: Mapping[str, str],
    images: np.ndarray = SHADES,
    position: TrainingPosition = TrainingPosition(),  # noqa: B008 - it is frozen
    weights: Mapping[str, CombinedWeights] | None = None,
    **objective: Any,
) -> tf.data.Dataset:
    """The batches of two epochs from a position on; sizes of the network are open."""
    configs = tuple(keras_object("layer", each) for each in layers)
    supervised = SupervisedConfig(
        {name: keras_object("loss", each) for name, each in losses.items()}, **objective
    )
    table = AdaptedDataset(
        {"image": as_input(images)}, columns, np.arange(COUNT), False, True, weights or {}
    )
    shape = tuple(None if size == SIDE else size for size in images.shape[1:])
    ends = tuple((name, TensorRef(name)) for name in columns)
    graph = Graph("net", (GraphInput("image", shape, "float32", SPAN),), (), ends, SPAN)

    def plain(start: TrainingPosition) -> BatchPipeline:
        return train_batches(table, start, batch_size=5, seed=0, epochs=2)

    spec = TrainingConfig(supervised, augment=configs, seed=1)
    augmented = BatchAugmenter.from_config(
        spec, supervised, graph, table, plain(TrainingPosition())
    )
    return plain(position).map(augmented, augmented.needs_batch).dataset()


@pytest.mark.parametrize("name", GEOMETRIC)
def test_masks_are_augmented_with_images(name: str):
    """Pixel by pixel, whatever is done to the colors of the image before or after."""
    masks = {"mask": target(MASKS), "hot": target(np.eye(CLASSES, dtype=np.float32)[MASKS])}
    losses = {"mask": "SparseCategoricalCrossentropy", "hot": "CategoricalCrossentropy"}
    changed = False
    for x, y in batches([{name: GEOMETRIC[name]}], masks, losses).as_numpy_iterator():
        shades = np.rint(x[..., 0] * CLASSES).astype(np.int64)
        np.testing.assert_array_equal(y["mask"], shades)
        assert y["mask"].dtype == np.int64
        # Where nothing of the image is left, a class is 0, and no class has its one.
        hot = y["hot"].argmax(axis=-1)
        np.testing.assert_array_equal(np.where(y["hot"].any(axis=-1), hot, 0), shades)
        changed |= not all(any(np.array_equal(each, mask) for mask in MASKS) for each in shades)
    assert changed


def test_pixel_weights_are_augmented_with_images():
    """Those of examples have nothing to move."""
    masks = {"mask": target(MASKS), "a": target(MASKS), "b": target(MASKS)}
    losses = dict.fromkeys(masks, "SparseCategoricalCrossentropy")
    pixels, examples = (ArrayColumn(each.astype(np.float32)) for each in (MASKS, MASKS[:, 0, 0]))
    weights = {
        "mask": CombinedWeights((SampleWeights(pixels),), 2),
        "a": CombinedWeights((SampleWeights(examples),), 2),
    }
    layers: list[PlainData] = [{"RandomRotation": {"factor": 0.4, "fill_mode": "wrap", **NEAREST}}]
    for _, y, w in batches(layers, masks, losses, weights=weights).as_numpy_iterator():
        np.testing.assert_array_equal(w["mask"], y["mask"])
        assert w["a"].shape == w["b"].shape == y["a"].shape[:1]


def test_masks_use_nearest_interpolation():
    """Although the image is interpolated, and colors are changed between two movements."""
    layers = [{"RandomRotation": 0.3}, COLORS, {"RandomZoom": 0.3}]
    values = np.where(MASKS % 2, 200, 3)
    losses = {"mask": "SparseCategoricalCrossentropy"}
    for x, y in batches(layers, {"mask": target(values)}, losses).as_numpy_iterator():
        assert set(np.unique(y["mask"])) == {3, 200}
        assert len(np.unique(x)) > CLASSES


@pytest.mark.parametrize("flat", [False, True])
def test_autoencoder_target_is_augmented(flat: bool):
    """What it is compared with moves as its input does, and is without its noise."""
    values = SHADES.reshape(COUNT, -1) if flat else SHADES
    copy = {"again": as_input(values)}
    losses, targets = {"again": "BinaryCrossentropy"}, {"again": "image"}
    layers: list[PlainData] = [
        {"RandomRotation": 0.3},
        {"RandomTranslation": GEOMETRIC["RandomTranslation"]},
    ]
    for x, y in batches(layers, copy, losses, target_from_input=targets).as_numpy_iterator():
        np.testing.assert_array_equal(y["again"].reshape(x.shape), x)
    noisy = batches([*layers, COLORS], copy, losses, target_from_input=targets)
    clean = batches(layers, copy, losses, target_from_input=targets)
    for (x, y), (_, expected) in zip(noisy, clean, strict=True):
        np.testing.assert_array_equal(y["again"], expected["again"])
        assert np.std(np.reshape(y["again"], x.shape) - x) > 0.2


def test_depth_maps_are_augmented_with_images():
    """With the interpolation of the image, as there is something between two depths."""
    layers: list[PlainData] = [{"RandomRotation": 0.3}]
    depth = {"depth": target(SHADES[..., 0] * 7)}
    for x, y in batches(layers, depth, {"depth": "MeanSquaredError"}).as_numpy_iterator():
        np.testing.assert_allclose(y["depth"], x[..., 0] * 7, rtol=1e-5)


def test_augmentation_after_resume():
    """From the middle of an epoch on, they are bit by bit what they would have been."""
    layers: list[PlainData] = [{"RandomRotation": 0.3}, COLORS, {"RandomElasticTransform": {}}]
    masks, losses = {"mask": target(MASKS)}, {"mask": "SparseCategoricalCrossentropy"}
    uninterrupted = [*batches(layers, masks, losses)]
    rest = [*batches(layers, masks, losses, position=TrainingPosition(1, 2))]
    assert len(rest) == 2
    for (x, y), (again, mask) in zip(uninterrupted[6:], rest, strict=True):
        np.testing.assert_array_equal(x, again)
        np.testing.assert_array_equal(y["mask"], mask["mask"])


PLACES = {
    "boxes": (np.zeros((COUNT, 3, 4), np.float32), "MeanSquaredError"),
    "keypoints": (np.zeros((COUNT, 10), np.float32), "Huber"),
    "boxes in shares": (CHOSEN.random((COUNT, 4), np.float32), "BinaryCrossentropy"),
    "boxes as a distribution": (CHOSEN.random((COUNT, 4), np.float32), "KLDivergence"),
    "a flat mask": (MASKS.reshape(COUNT, -1), "SparseCategoricalCrossentropy"),
    "a flat foreground": ((MASKS.reshape(COUNT, -1) % 2).astype(np.float32), "BinaryCrossentropy"),
    "a flat mask, one-hot": (
        np.eye(CLASSES, dtype=np.float32)[MASKS.reshape(COUNT, -1)],
        "CategoricalCrossentropy",
    ),
    "half a mask": (np.zeros((COUNT, 6, 6), np.int64), "SparseCategoricalCrossentropy"),
}
NO_PLACES = {
    "class": (np.zeros(COUNT, np.int64), "SparseCategoricalCrossentropy"),
    "one-hot": (np.eye(COUNT, 4, dtype=np.float32), "CategoricalCrossentropy"),
    "probabilities": (np.full((COUNT, 4), 0.25, np.float32), "KLDivergence"),
    "signs": (np.eye(COUNT, 4, dtype=np.float32) * 2 - 1, "Hinge"),
    "letters, one-hot": (np.eye(COUNT * 5, 4).reshape(COUNT, 5, 4), "CategoricalCrossentropy"),
    "tags": (np.eye(COUNT, 4, dtype=np.float32), "BinaryCrossentropy"),
    "age": (np.zeros((COUNT, 1), np.float32), "MeanSquaredError"),
    "letters": (np.zeros((COUNT, 5), np.int64), "SparseCategoricalCrossentropy"),
}


@pytest.mark.parametrize("name", PLACES)
def test_targets_that_may_be_coordinates(name: str):
    """They stay where they are, so that layers that move an image are refused, and no others."""
    values, loss = PLACES[name]
    targets, losses = {"y": target(values)}, {"y": loss}
    with pytest.raises(BlueprintError) as error:
        batches([COLORS, {"RandomFlip": "horizontal"}], targets, losses)
    (diagnostic,) = error.value.diagnostics
    assert diagnostic.message.startswith("RandomFlip moves pixels, but the targets of")
    assert diagnostic.span == SPAN
    assert len([*batches([COLORS], targets, losses)]) == 8


def test_accuracy_does_not_make_coordinates_classes():
    """Keras computes an accuracy of boxes, too."""
    boxes = {"y": target(CHOSEN.random((COUNT, 4), np.float32))}
    metrics = {"y": (keras_object("metric", "CategoricalAccuracy"),)}
    with pytest.raises(BlueprintError, match="would not move"):
        batches([{"RandomFlip": "horizontal"}], boxes, {"y": "MeanSquaredError"}, metrics=metrics)


@pytest.mark.parametrize("name", NO_PLACES)
def test_targets_without_coordinates_are_unchanged(name: str):
    """They are what they were, in whichever way images are changed."""
    values, loss = NO_PLACES[name]
    layers = [{"RandAugment": {}}, {"RandomFlip": "horizontal"}]
    images = np.repeat(SHADES, 3, axis=-1)
    for batch in [*batches(layers, {"y": target(values)}, {"y": loss}, images)][:1]:
        assert batch[1]["y"].shape == (5, *values.shape[1:])


def test_random_choice_layers_reject_masks():
    """A mask cannot follow RandAugment; the error says which layers it can follow."""
    with pytest.raises(BlueprintError) as error:
        batches([{"RandAugment": {}}], {"m": target(MASKS)}, {"m": "SparseCategoricalCrossentropy"})
    (diagnostic,) = error.value.diagnostics
    assert "RandomFlip" in diagnostic.notes[0]


def test_augmentation_changes_image_size():
    """A crop changes the size of images, and only a network of open size takes it."""
    images = np.zeros((COUNT, 16, 16, 1), np.float32)
    labels, losses = (
        {"y": target(np.zeros(COUNT, np.int64))},
        {"y": "SparseCategoricalCrossentropy"},
    )
    with pytest.raises(UsageError, match=r"images of \[8, 10, 1\], but the input 'image'.*16, 16"):
        batches([{"RandomCrop": GEOMETRIC["RandomCrop"]}], labels, losses, images)


POINTS = """
archbuilder: 1
name: net
inputs: {points: [16, 3]}
layers: [Flatten, {Dense: {units: 2, activation: softmax}}]
data: {npz: {file: points.npz}}
training: {loss: SparseCategoricalCrossentropy, epochs: 1, augment: [LAYER]}
"""


def test_augmentation_without_an_image_input(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Otherwise nothing would be changed: the error says which inputs there are, and no run is."""
    x = CHOSEN.random((20, 16, 3)).astype(np.float32)
    np.savez(tmp_path / "points.npz", x=x, y=CHOSEN.integers(0, 2, 20))
    (tmp_path / "net.yaml").write_text(POINTS.replace("LAYER", "RandomFlip"))
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(tmp_path / "run")]) == 2
    assert "no input of the network is an image: points [16, 3]" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


MIXED = CHOSEN.random((COUNT, SIDE, SIDE, 1)).astype(np.float32)
LABELS = CHOSEN.integers(0, CLASSES, COUNT)
HOT = np.eye(CLASSES, dtype=np.float32)[LABELS]


def partner_and_share(image: np.ndarray) -> tuple[int, int, float]:
    """The two images that one is mixed of by CutMix, and the part of the first one."""
    equal = np.isclose(MIXED, image).reshape(COUNT, -1).mean(axis=1)
    first, second = np.argsort(equal)[::-1][:2]
    return int(first), int(second), float(equal[first])


@pytest.mark.parametrize("geometric", [[], ["RandomFlip"]])
def test_mix_up_mixes_labels_with_images(geometric: list[PlainData]):
    """Each image is a blend of two, and its label the same blend; as Keras's layer does it."""
    columns = {
        "hot": target(HOT),
        "indices": Target(ArrayColumn(LABELS), LABELS.dtype, CLASSES),
        "binary": target(HOT[:, 0]),
    }
    losses = dict.fromkeys(columns, "CategoricalCrossentropy") | {"binary": "BinaryCrossentropy"}
    layers: list[PlainData] = [*geometric, {"MixUp": {"alpha": 1.0}}]
    # All pixels of an image have one value, which its class decides and no flip changes.
    flat = np.ones_like(MIXED) * (10.0 ** (-LABELS % 5)).reshape(-1, 1, 1, 1)
    is_mixed = False
    for x, y in batches(layers, columns, losses, flat).as_numpy_iterator():
        np.testing.assert_allclose(y["hot"].sum(axis=1), 1, rtol=1e-5)
        values = y["hot"] @ np.array([10.0 ** (-label % 5) for label in range(CLASSES)])
        np.testing.assert_allclose(x[:, 0, 0, 0], values, rtol=1e-4)
        np.testing.assert_array_equal(y["hot"], y["indices"])
        np.testing.assert_array_equal(y["binary"], y["hot"][:, 0])
        is_mixed |= bool(((y["hot"] > 0.01) & (y["hot"] < 0.99)).any())
    assert is_mixed


def test_cut_mix_mixes_labels_by_area():
    """A box of each image comes from another one, and the label has its part of the area."""
    columns = {"hot": target(HOT)}
    is_mixed = False
    stream = batches(["CutMix"], columns, {"hot": "CategoricalCrossentropy"}, MIXED)
    for x, y in stream.as_numpy_iterator():
        for image, label in zip(x, y["hot"], strict=True):
            first, second, share = partner_and_share(image)
            expected = share * HOT[first] + (1 - share) * HOT[second]
            # Keras takes the area of the box before it is rounded to pixels.
            np.testing.assert_allclose(label, expected, atol=0.2)
            is_mixed |= 0.05 < share < 0.95 and LABELS[first] != LABELS[second]
    assert is_mixed


def test_cut_mix_moves_masks_with_images():
    """Pixel by pixel, also class indices; and one-hot masks are blended by MixUp."""
    hot = np.eye(CLASSES, dtype=np.float32)[MASKS]
    masks = {"mask": target(MASKS), "hot": target(hot)}
    losses = {"mask": "SparseCategoricalCrossentropy", "hot": "CategoricalCrossentropy"}
    for x, y in batches(["CutMix"], masks, losses).as_numpy_iterator():
        np.testing.assert_array_equal(y["mask"], np.rint(x[..., 0] * CLASSES))
        np.testing.assert_array_equal(y["hot"].argmax(axis=-1), y["mask"])
    shades = np.arange(CLASSES) / CLASSES
    blended = {"hot": target(hot)}
    for x, y in batches([{"MixUp": 1.0}], blended, {"hot": losses["hot"]}).as_numpy_iterator():
        np.testing.assert_allclose(y["hot"] @ shades, x[..., 0], atol=1e-5)


@pytest.mark.parametrize("layer", ["CutMix", "MixUp"])
def test_mixing_after_resume(layer: str):
    """From any position, a batch is what it would have been."""
    columns, losses = {"hot": target(HOT)}, {"hot": "CategoricalCrossentropy"}
    uninterrupted = list(batches([layer], columns, losses, MIXED).as_numpy_iterator())
    position = TrainingPosition(1, 2)
    resumed = batches([layer], columns, losses, MIXED, position).as_numpy_iterator()
    for (x, y), (expected_x, expected_y) in zip(resumed, uninterrupted[6:], strict=True):
        np.testing.assert_array_equal(x, expected_x)
        np.testing.assert_array_equal(y["hot"], expected_y["hot"])
    assert not np.array_equal(uninterrupted[0][0], uninterrupted[4][0])


@pytest.mark.parametrize(
    ("layer", "values", "loss", "message"),
    [
        ("MixUp", LABELS, "SparseCategoricalCrossentropy", "'y' cannot be mixed"),
        ("CutMix", LABELS, "SparseCategoricalCrossentropy", "'y' cannot be mixed"),
        ("MixUp", LABELS / 7, "MeanSquaredError", "'y' cannot be mixed"),
        ("MixUp", MASKS, "SparseCategoricalCrossentropy", "indices of the output 'y' cannot be"),
    ],
)
def test_labels_that_cannot_be_mixed(layer: str, values: np.ndarray, loss: str, message: str):
    """Numbers of classes have no mean."""
    with pytest.raises(BlueprintError, match=f"{layer} mixes the examples of a batch, .*{message}"):
        batches([layer], {"y": target(values)}, {"y": loss})


def test_weights_are_not_mixed():
    """A weight belongs to an example."""
    weights = {"y": CombinedWeights((SampleWeights(ArrayColumn(np.ones(COUNT, np.float32))),), 0)}
    with pytest.raises(BlueprintError, match="weights of examples or classes belong to one"):
        batches(["MixUp"], {"y": target(HOT)}, {"y": "CategoricalCrossentropy"}, weights=weights)


@pytest.mark.parametrize("layer", ["AutoContrast", "Equalization", "AugMix"])
def test_unsuitable_augmentation_layers(
    layer: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """The error says why."""
    (tmp_path / "net.yaml").write_text(POINTS.replace("LAYER", layer))
    assert main(["validate", str(tmp_path / "net.yaml")]) == 2
    assert f"'augment' does not support the layer '{layer}': it " in capsys.readouterr().err


MIXING_NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers: [Flatten, {Dense: {units: 10, activation: softmax}}]
data: digits
training:
  loss: CategoricalCrossentropy
  metrics: [accuracy]
  optimizer: {SGD: 0.1}
  epochs: 2
  batch_size: 300
  augment: [MixUp, CutMix]
"""


def trained(folder: Path, *arguments: str) -> list[np.ndarray]:
    assert main(["train", *arguments]) == 0
    return keras.saving.load_model(folder / "net.keras").get_weights()


@pytest.fixture
def mixing(tmp_path: Path) -> Path:
    """A network whose images and labels are mixed."""
    path = tmp_path / "net.yaml"
    path.write_text(MIXING_NET)
    return path


@pytest.mark.thorough
def test_run_with_mixing(mixing: Path):
    """A resumed run learns the same as an uninterrupted one."""
    folder = mixing.parent
    uninterrupted = trained(folder / "whole", str(mixing), "--run-dir", str(folder / "whole"))
    trained(folder / "run", str(mixing), "--run-dir", str(folder / "run"), "--epochs", "1")
    resumed = trained(folder / "run", "--resume", str(folder / "run"), "--epochs", "2")
    for weights, expected in zip(resumed, uninterrupted, strict=True):
        np.testing.assert_array_equal(weights, expected)


@pytest.mark.thorough
@pytest.mark.parametrize("in_parallel", [partial(in_replicas, 3), partial(in_workers, 2)])
def test_mixing_in_parallel(mixing: Path, in_parallel: Callable[[list[list[str]]], str]):
    """Images of different replicas are mixed, as the batch is mixed before it is divided."""
    folder = mixing.parent
    alone = trained(folder / "alone", str(mixing), "--run-dir", str(folder / "alone"))
    in_parallel([["train", str(mixing), "--run-dir", str(folder / "parallel")]])
    together = keras.saving.load_model(folder / "parallel" / "net.keras").get_weights()
    for weights, expected in zip(together, alone, strict=True):
        np.testing.assert_allclose(weights, expected, rtol=1e-5, atol=1e-6)
