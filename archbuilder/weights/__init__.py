"""Weights from files into models: what a file holds, what fits, and what does not."""

from __future__ import annotations

from archbuilder.weights.load import compare_weights, load_weights, restore_weights
from archbuilder.weights.match import Match, MatchMode

__all__ = ["Match", "MatchMode", "compare_weights", "load_weights", "restore_weights"]
