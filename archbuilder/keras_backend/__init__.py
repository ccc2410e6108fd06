"""Keras models from graphs: build, analyze and save them."""

from __future__ import annotations

from archbuilder.keras_backend.analysis import Analysis, NodeAnalysis, TensorSpec
from archbuilder.keras_backend.build import UninitializedModel, analyze, build, build_symbolic
from archbuilder.keras_backend.instantiate import build_object

__all__ = [
    "Analysis",
    "NodeAnalysis",
    "TensorSpec",
    "UninitializedModel",
    "analyze",
    "build",
    "build_object",
    "build_symbolic",
]
