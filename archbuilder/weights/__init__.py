"""Weight files of several formats: read them, match them with a model, and load them."""

from __future__ import annotations

from archbuilder.weights.load import (
    compare_weights,
    load_selected_weights,
    load_weights,
    restore_weights,
)
from archbuilder.weights.match import LayerSelection, Match, MatchMode

__all__ = [
    "LayerSelection",
    "Match",
    "MatchMode",
    "compare_weights",
    "load_selected_weights",
    "load_weights",
    "restore_weights",
]
