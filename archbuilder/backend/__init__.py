"""Everything that Keras does for a blueprint: builds its models, analyses and saves them."""

from __future__ import annotations

from archbuilder.backend.analysis import Analysis, NodeAnalysis, TensorSpec
from archbuilder.backend.build import Draft, analyse, build, draft
from archbuilder.backend.objects import build_object

__all__ = [
    "Analysis",
    "Draft",
    "NodeAnalysis",
    "TensorSpec",
    "analyse",
    "build",
    "build_object",
    "draft",
]
