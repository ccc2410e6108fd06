"""Regularizers that would fail in training are refused where the network is compiled."""

from __future__ import annotations

import pytest
from helpers.graphs import chain

from archbuilder.diagnostics.errors import BlueprintError
from archbuilder.keras_backend import analyze

ORTHOGONAL = {"OrthogonalRegularizer": 0.01}


@pytest.mark.parametrize(
    ("layer", "options", "message"),
    [
        (
            "Dense",
            {"units": 4, "activity_regularizer": ORTHOGONAL},
            "'step0' cannot have an OrthogonalRegularizer as activity_regularizer",
        ),
        (
            "TimeDistributed",
            {"layer": {"Dense": {"units": 4, "activity_regularizer": ORTHOGONAL}}},
            "'step0' cannot have an OrthogonalRegularizer as activity_regularizer",
        ),
        (
            "Conv1D",
            {"filters": 4, "kernel_size": 3, "kernel_regularizer": ORTHOGONAL},
            "of 'step0' needs a matrix, but kernel has the shape [3, 6, 4]",
        ),
        (
            "Dense",
            {"units": 4, "bias_regularizer": ORTHOGONAL},
            "of 'step0' needs a matrix, but bias has the shape [4]",
        ),
    ],
)
def test_orthogonal_regularizer_needs_a_matrix(layer: str, options: dict, message: str):
    """The message names the step and says what to do."""
    with pytest.raises(BlueprintError) as caught:
        analyze(chain((5, 6), (layer, options)))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.code == "keras-rejected"
    assert message in diagnostic.message
    assert diagnostic.span is not None
    assert "L1 or L2" in diagnostic.notes[-1]


def test_regularizers_of_matrices():
    """A matrix may be orthogonal, and L1 and L2 take values of any shape."""
    dense = {"units": 4, "kernel_regularizer": ORTHOGONAL, "activity_regularizer": {"L2": 0.1}}
    conv = {"filters": 4, "kernel_size": 3, "kernel_regularizer": {"L1": 0.1}}
    assert analyze(chain((5, 6), ("Dense", dense), ("Conv1D", conv))).is_static
