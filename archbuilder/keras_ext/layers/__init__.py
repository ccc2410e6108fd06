"""Layers that Keras lacks, one per file, registered with Keras under the package `archbuilder`."""

from __future__ import annotations

from archbuilder.keras_ext.layers.bias import Bias
from archbuilder.keras_ext.layers.capsule_length import CapsuleLength
from archbuilder.keras_ext.layers.capsule_mask import CapsuleMask
from archbuilder.keras_ext.layers.class_token import ClassToken
from archbuilder.keras_ext.layers.learned_positions import LearnedPositions
from archbuilder.keras_ext.layers.local_response_normalization import LocalResponseNormalization
from archbuilder.keras_ext.layers.max_pooling_with_switches import MaxPoolingWithSwitches2D
from archbuilder.keras_ext.layers.max_unpooling import MaxUnpooling2D
from archbuilder.keras_ext.layers.maxout import Maxout
from archbuilder.keras_ext.layers.reservoir_cell import ReservoirCell
from archbuilder.keras_ext.layers.routed_capsules import RoutedCapsules
from archbuilder.keras_ext.layers.sinusoidal_positions import SinusoidalPositions
from archbuilder.keras_ext.layers.squash import Squash

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
