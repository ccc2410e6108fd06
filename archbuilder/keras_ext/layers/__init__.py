"""Layers that Keras lacks, one per file, registered with Keras under the package `archbuilder`."""

from __future__ import annotations

from archbuilder.keras_ext.layers.add_bias import AddBias
from archbuilder.keras_ext.layers.broadcast_to_batch import BroadcastToBatch
from archbuilder.keras_ext.layers.capsule_mask import CapsuleMask
from archbuilder.keras_ext.layers.capsule_norm import CapsuleNorm
from archbuilder.keras_ext.layers.capsule_routing import CapsuleRouting
from archbuilder.keras_ext.layers.class_token import ClassToken
from archbuilder.keras_ext.layers.constant import Constant
from archbuilder.keras_ext.layers.local_response_normalization import LocalResponseNormalization
from archbuilder.keras_ext.layers.max_pooling_with_argmax import MaxPoolingWithArgmax2D
from archbuilder.keras_ext.layers.max_unpooling import MaxUnpooling2D
from archbuilder.keras_ext.layers.maxout import Maxout
from archbuilder.keras_ext.layers.parameter import Parameter
from archbuilder.keras_ext.layers.position_embedding import PositionEmbedding
from archbuilder.keras_ext.layers.random_gain import RandomGain
from archbuilder.keras_ext.layers.random_masking import RandomMasking
from archbuilder.keras_ext.layers.random_noise import RandomNoise
from archbuilder.keras_ext.layers.random_permutation import RandomPermutation
from archbuilder.keras_ext.layers.random_point_rotation import RandomPointRotation
from archbuilder.keras_ext.layers.random_time_shift import RandomTimeShift
from archbuilder.keras_ext.layers.reservoir_cell import ReservoirCell
from archbuilder.keras_ext.layers.segment_sum import SegmentSum
from archbuilder.keras_ext.layers.sine_position_encoding import SinePositionEncoding
from archbuilder.keras_ext.layers.squash import Squash
from archbuilder.keras_ext.layers.standardized_conv import StandardizedConv2D

__all__ = [
    "AddBias",
    "BroadcastToBatch",
    "CapsuleMask",
    "CapsuleNorm",
    "CapsuleRouting",
    "ClassToken",
    "Constant",
    "LocalResponseNormalization",
    "MaxPoolingWithArgmax2D",
    "MaxUnpooling2D",
    "Maxout",
    "Parameter",
    "PositionEmbedding",
    "RandomGain",
    "RandomMasking",
    "RandomNoise",
    "RandomPermutation",
    "RandomPointRotation",
    "RandomTimeShift",
    "ReservoirCell",
    "SegmentSum",
    "SinePositionEncoding",
    "Squash",
    "StandardizedConv2D",
]
