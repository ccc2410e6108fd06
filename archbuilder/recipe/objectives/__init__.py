"""How objectives are written in `training`: one file each, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.recipe.objectives.adversarial import ADVERSARIAL
from archbuilder.recipe.objectives.contrast import MOCO, SIMCLR
from archbuilder.recipe.objectives.form import GRADIENT_KEYS, ObjectiveSyntax
from archbuilder.recipe.objectives.language import CAUSAL_LM, MASKED_LM, SEQUENCE_TO_SEQUENCE
from archbuilder.recipe.objectives.reader import ObjectiveReader, TrainingSection, keras_class_name
from archbuilder.recipe.objectives.ridge import RIDGE
from archbuilder.recipe.objectives.supervised import SUPERVISED

__all__ = [
    "GRADIENT_KEYS",
    "OBJECTIVE_SYNTAX",
    "ObjectiveReader",
    "ObjectiveSyntax",
    "TrainingSection",
    "keras_class_name",
]

OBJECTIVE_SYNTAX: Final[Mapping[str, ObjectiveSyntax]] = {
    "supervised": SUPERVISED,
    "ridge": RIDGE,
    "adversarial": ADVERSARIAL,
    "simclr": SIMCLR,
    "moco": MOCO,
    "causal_lm": CAUSAL_LM,
    "masked_lm": MASKED_LM,
    "sequence_to_sequence": SEQUENCE_TO_SEQUENCE,
}
"""By name; the first is that of a recipe which names none."""
