"""The layers that Keras lacks, one file each, saved under the package name `archbuilder`."""

from __future__ import annotations

from archbuilder.layers.bias import Bias
from archbuilder.layers.capsule_length import CapsuleLength
from archbuilder.layers.capsule_mask import CapsuleMask
from archbuilder.layers.class_token import ClassToken
from archbuilder.layers.learned_positions import LearnedPositions
from archbuilder.layers.local_response_normalization import LocalResponseNormalization
from archbuilder.layers.max_pooling_with_switches import MaxPoolingWithSwitches2D
from archbuilder.layers.max_unpooling import MaxUnpooling2D
from archbuilder.layers.maxout import Maxout
from archbuilder.layers.reservoir_cell import ReservoirCell
from archbuilder.layers.routed_capsules import RoutedCapsules
from archbuilder.layers.sinusoidal_positions import SinusoidalPositions
from archbuilder.layers.squash import Squash

__all__ = [
    "Bias",
    "CapsuleLength",
    "CapsuleMask",
    "ClassToken",
    "LearnedPositions",
    "LocalResponseNormalization",
    "MaxPoolingWithSwitches2D",
    "MaxUnpooling2D",
    "Maxout",
    "ReservoirCell",
    "RoutedCapsules",
    "SinusoidalPositions",
    "Squash",
]
