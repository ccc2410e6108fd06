"""Syntax of the objectives in `training`, and a table of them by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from archbuilder.config.objectives.adversarial import ADVERSARIAL
from archbuilder.config.objectives.contrastive import MOCO, SIMCLR
from archbuilder.config.objectives.language import CAUSAL_LM, MASKED_LM, SEQUENCE_TO_SEQUENCE
from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection, keras_class_name
from archbuilder.config.objectives.ridge import RIDGE
from archbuilder.config.objectives.supervised import SUPERVISED
from archbuilder.config.objectives.syntax import GRADIENT_KEYS, ObjectiveSyntax

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
"""Objectives by name. The first is the default."""
