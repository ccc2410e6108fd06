"""How objectives are written in `training`: one file each, and a table of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.recipe.objectives.adversarial import ADVERSARIAL
from archbuilder.recipe.objectives.contrast import MOCO, SIMCLR
from archbuilder.recipe.objectives.form import STEPWISE, ObjectiveForm
from archbuilder.recipe.objectives.language import CAUSAL, MASKED, SEQUENCES
from archbuilder.recipe.objectives.reader import ObjectiveReader, Written, class_name
from archbuilder.recipe.objectives.ridge import RIDGE
from archbuilder.recipe.objectives.supervised import SUPERVISED

__all__ = ["FORMS", "STEPWISE", "ObjectiveForm", "ObjectiveReader", "Written", "class_name"]

FORMS: Final[Mapping[str, ObjectiveForm]] = {
    "supervised": SUPERVISED,
    "ridge": RIDGE,
    "adversarial": ADVERSARIAL,
    "simclr": SIMCLR,
    "moco": MOCO,
    "causal_lm": CAUSAL,
    "masked_lm": MASKED,
    "sequence_to_sequence": SEQUENCES,
}
"""By name; the first is that of a recipe which names none."""
