"""Parsers of `objective: causal_lm`, `masked_lm` and `sequence_to_sequence`."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.objectives.syntax import GRADIENT_KEYS, ObjectiveSyntax
from archbuilder.config.training import CausalLMConfig, MaskedLMConfig, SequenceToSequenceConfig
from archbuilder.plain_data import PlainData

_KEYS: Final = ("optimizer", *GRADIENT_KEYS)
_MASKED_LM_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    "mask_rate": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_SEQUENCE_TO_SEQUENCE_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    "label_smoothing": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
}


def _parse_causal_lm(reader: ObjectiveReader, section: TrainingSection) -> CausalLMConfig:
    reader.options("causal_lm", {}, section.options)
    return CausalLMConfig(reader.optimizer(section))


def _parse_masked_lm(reader: ObjectiveReader, section: TrainingSection) -> MaskedLMConfig:
    options = reader.options("masked_lm", _MASKED_LM_OPTIONS, section.options)
    defaults = MaskedLMConfig(reader.optimizer(section))
    mask_rate = float(cast(float, options.get("mask_rate", defaults.mask_rate)))
    return MaskedLMConfig(defaults.optimizer, mask_rate)


def _parse_sequence_to_sequence(
    reader: ObjectiveReader, section: TrainingSection
) -> SequenceToSequenceConfig:
    options = reader.options("sequence_to_sequence", _SEQUENCE_TO_SEQUENCE_OPTIONS, section.options)
    defaults = SequenceToSequenceConfig(reader.optimizer(section))
    smoothing = float(cast(float, options.get("label_smoothing", defaults.label_smoothing)))
    return SequenceToSequenceConfig(defaults.optimizer, smoothing)


CAUSAL_LM: Final = ObjectiveSyntax(CausalLMConfig, _KEYS, _parse_causal_lm)
MASKED_LM: Final = ObjectiveSyntax(MaskedLMConfig, _KEYS, _parse_masked_lm)
SEQUENCE_TO_SEQUENCE: Final = ObjectiveSyntax(
    SequenceToSequenceConfig, _KEYS, _parse_sequence_to_sequence
)
