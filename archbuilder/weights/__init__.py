"""Weights from files into models: what a file holds, what fits, and what does not."""

from __future__ import annotations

from archbuilder.weights.loading import compare_weights, load_weights, restore_weights
from archbuilder.weights.matching import Match, MatchMode

__all__ = ["Match", "MatchMode", "compare_weights", "load_weights", "restore_weights"]
