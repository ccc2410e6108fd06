"""Weight files of several formats: read them, match them with a model, and load them."""

from __future__ import annotations

from archbuilder.weights.load import compare_weights, load_weights, restore_weights
from archbuilder.weights.match import Match, MatchMode

__all__ = ["Match", "MatchMode", "compare_weights", "load_weights", "restore_weights"]
