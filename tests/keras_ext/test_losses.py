"""The margin loss of capsule networks."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from archbuilder.keras_ext.losses import CapsuleMargin

LENGTHS = np.array([[0.95, 0.05, 0.6], [0.4, 0.1, 0.2]], np.float32)
CLASSES = np.array([[1, 0, 0], [0, 1, 1]], np.float32)


def test_capsule_margin_formula():
    """Term by term, for a class that is there, one that is not, and two at once."""
    expected = [0.5 * 0.5**2, 0.5 * 0.3**2 + 0.8**2 + 0.7**2]
    losses = CapsuleMargin(reduction="none")(CLASSES, LENGTHS)
    np.testing.assert_allclose(losses, expected, rtol=1e-6)
    assert float(CapsuleMargin()(CLASSES, LENGTHS)) == pytest.approx(np.mean(expected))


def test_capsule_margin_roundtrip():
    """With its values."""
    loss = CapsuleMargin(present=0.8, absent=0.2, absent_weight=0.3)
    again = keras.losses.deserialize(keras.losses.serialize(loss))
    assert again.get_config() == loss.get_config()
    assert float(again(CLASSES, LENGTHS)) == float(loss(CLASSES, LENGTHS))
