from __future__ import annotations

import keras
import numpy as np
import pytest
from helpers.keras_objects import keras_object

from archbuilder.compiler.ir import Shape
from archbuilder.config.loss_traits import LOSS_TRAITS
from archbuilder.data.columns import ArrayColumn
from archbuilder.data.targets import Target, adapt_target
from archbuilder.diagnostics.errors import RunError
from archbuilder.plain_data import PlainData
from archbuilder.registry import registry

LABELS = np.array([0, 2, 1], np.uint8)
MASKS = np.array([[0, 255], [255, 0]], np.uint8)


def fit(values: np.ndarray, shape: Shape, loss: PlainData):
    return adapt_target(ArrayColumn(values), "digit", shape, keras_object("loss", loss))


def taken(target: Target) -> list:
    return target.gather(np.arange(target.column.count)).numpy().tolist()


def test_sparse_losses_take_class_indices():
    """A class by its number stays a number."""
    target = fit(LABELS, (3,), "SparseCategoricalCrossentropy")
    assert (target.num_classes, taken(target)) == (None, [0, 2, 1])


def test_metrics_decide_without_a_loss():
    """Numbers for a metric of numbers, and one value a class for the others."""
    for metric, classes in {"SparseCategoricalAccuracy": None, "CategoricalAccuracy": 3}.items():
        config = keras_object("metric", metric)
        assert (
            adapt_target(ArrayColumn(LABELS), "digit", (3,), None, [config]).num_classes == classes
        )


def test_dense_losses_take_one_hot_targets():
    """A class by its number becomes one value a class where the loss wants it, and that is said."""
    target = fit(LABELS, (3,), {"CategoricalCrossentropy": {"label_smoothing": 0.1}})
    assert (target.num_classes, target.note) == (3, "Output 'digit': integer labels of 3 classes")


def test_scalar_targets():
    """A number an example fits an output of one value."""
    assert taken(fit(np.array([0.5, 1]), (1,), "MeanSquaredError")) == [[0.5], [1]]


def test_matching_shapes_are_unchanged():
    """Targets that have the shape of the output are left alone."""
    assert fit(np.ones((3, 4, 5)), (None, 5), "MeanSquaredError").column.shape == (4, 5)


def test_missing_last_axis_is_added():
    """A mask of zeros and ones stays what it is for a network with one value a position."""
    masks = np.arange(8).reshape(2, 2, 2).astype(np.uint8) % 3 == 1
    target = fit(masks.astype(np.uint8), (2, 2, 1), "BinaryCrossentropy")
    assert taken(target) == masks[..., np.newaxis].astype(float).tolist()
    assert target.note == "Output 'digit': target reshaped from [2, 2] to [2, 2, 1]"
    depth = np.linspace(0, 9, 6).reshape(2, 3)
    assert taken(fit(depth, (None, 1), "MeanSquaredError")) == pytest.approx(depth[..., np.newaxis])


@pytest.mark.parametrize(("ignored", "dtype"), [(255, np.uint8), (-1, np.int64)])
def test_ignore_class(ignored: int, dtype: type):
    """The class that a loss ignores may lie outside of those of the network."""
    labels = np.array([[0, ignored], [2, 1]], dtype)
    loss = {"SparseCategoricalCrossentropy": {"ignore_class": ignored}}
    assert taken(fit(labels, (2, 3), loss)) == [[0, ignored], [2, 1]]
    with pytest.raises(RunError, match=f"2 classes .0 to 1, and {ignored} to ignore.; .* 2"):
        fit(labels, (2, 2), loss)


def test_labels_with_a_channel_axis():
    """As in images of labels, which have a channel."""
    labels = np.array([[[0], [1]]])
    assert taken(fit(labels, (2, 3), "SparseCategoricalCrossentropy")) == [[[0], [1]]]


@pytest.mark.parametrize("loss", ["CategoricalCrossentropy", "CategoricalFocalCrossentropy"])
def test_one_hot_of_labels_in_a_column(loss: str):
    """As those of CIFAR, `(examples, 1)`, and those of masks with a channel."""
    labels = np.array([[2], [0], [1]], np.uint8)
    assert taken(fit(labels, (3,), loss)) == np.eye(3)[[2, 0, 1]].tolist()
    masks = np.array([[[0], [2]]])
    assert taken(fit(masks, (2, 3), loss)) == np.eye(3)[[[0, 2]]].tolist()
    with pytest.raises(RunError, match=r"from 0 to 2, .* 2 classes"):
        fit(labels, (2,), loss)


@pytest.mark.parametrize(
    ("values", "shape", "loss", "message"),
    [
        (LABELS, (2,), "SparseCategoricalCrossentropy", "from 0 to 2, .* 2 classes .0 to 1."),
        (-LABELS.astype(int), (3,), "SparseCategoricalCrossentropy", "from -2 to 0"),
        (LABELS % 2, (1,), "SparseCategoricalCrossentropy", "or a sigmoid"),
        (LABELS.astype(int) - 1, (3,), "SparseCategoricalCrossentropy", "'ignore_class: -1'"),
        (MASKS, (2, 2), "SparseCategoricalCrossentropy", "divide a mask of 0 and 255 by 255"),
        (MASKS // 2 * 2 + 1, (2, 2), "SparseCategoricalCrossentropy", "'ignore_class: 255'"),
        (LABELS, (2,), "CategoricalCrossentropy", "from 0 to 2, .* 2 classes"),
        (LABELS + 0.5, (3,), "SparseCategoricalCrossentropy", "are not integers"),
        (np.array([0, np.nan]), (3,), "SparseCategoricalCrossentropy", "are not integers"),
        (
            LABELS,
            (1,),
            "BinaryCrossentropy",
            "range from 0 to 2, but a binary loss expects 0 to 1; .* 2$",
        ),
        (np.eye(3) * 3, (3,), "BinaryFocalCrossentropy", "range from 0 to 3"),
        (np.ones((3, 4)), (5,), "MeanSquaredError", r"the shape \[4\], .* gives \[5\]"),
        (np.ones((3, 4)), (5,), "SparseCategoricalCrossentropy", r"have the shape \[4\]"),
        (
            np.eye(3),
            (3,),
            "SparseCategoricalCrossentropy",
            "per class; use CategoricalCrossentropy",
        ),
        (np.ones((2, 4, 5)), (None, 5), "SparseCategoricalCrossentropy", "one value per class"),
    ],
)
def test_invalid_targets(values, shape, loss, message):
    """Labels out of range and shapes that differ are found before training."""
    with pytest.raises(RunError, match=message):
        fit(values, shape, loss)


def test_every_loss_has_traits():
    """A loss that Keras adds fails here until its targets are known."""
    assert LOSS_TRAITS.keys() == {*registry.load().objects["loss"]}


def test_generalized_crossentropy_takes_class_indices():
    """Despite its name, which begins as those of losses of one-hot targets do."""
    loss = "CategoricalGeneralizedCrossEntropy"
    target = fit(LABELS, (3,), loss)
    assert taken(target) == [0, 2, 1]
    outputs = np.array([[0.5, 0.25, 0.25]] * 3, np.float32)
    losses = keras.losses.CategoricalGeneralizedCrossEntropy(reduction="none")
    np.testing.assert_allclose(
        losses(target.gather(np.arange(3)), outputs),
        (1 - outputs[0, [0, 2, 1]] ** losses.q) / losses.q,
        rtol=1e-6,
    )


def test_circle_takes_any_integers():
    """An embedding has no value per class, so there are no bounds."""
    target = fit(np.array([7, 99, -1]), (3,), "Circle")
    assert taken(target) == [7, 99, -1]
    with pytest.raises(RunError, match="the labels of the output 'digit' are not integers"):
        fit(np.array([0.5, 1, 2]), (3,), "Circle")
    with pytest.raises(RunError, match=r"have the shape \[2\] per example: expected one integer"):
        fit(np.ones((3, 2), np.int64), (3,), "Circle")
