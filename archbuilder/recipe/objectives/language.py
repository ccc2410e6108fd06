"""`objective: causal_lm`, `masked_lm` and `sequence_to_sequence`: models of language."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.recipe.objectives.form import STEPWISE, ObjectiveForm
from archbuilder.recipe.objectives.reader import ObjectiveReader, Written
from archbuilder.recipe.spec import CausalLanguageModel, MaskedLanguageModel, SequenceToSequence
from archbuilder.tree import Plain

_KEYS: Final = ("optimizer", *STEPWISE)
_MASKED: Final[dict[str, dict[str, Plain]]] = {
    "masked": {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
}
_SEQUENCES: Final[dict[str, dict[str, Plain]]] = {
    "label_smoothing": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
}


def _read_causal(reader: ObjectiveReader, written: Written) -> CausalLanguageModel:
    reader.options("causal_lm", {}, written.options)
    return CausalLanguageModel(reader.optimizer(written))


def _read_masked(reader: ObjectiveReader, written: Written) -> MaskedLanguageModel:
    given = reader.options("masked_lm", _MASKED, written.options)
    defaults = MaskedLanguageModel(reader.optimizer(written))
    masked = float(cast(float, given.get("masked", defaults.masked)))
    return MaskedLanguageModel(defaults.optimizer, masked)


def _read_sequences(reader: ObjectiveReader, written: Written) -> SequenceToSequence:
    given = reader.options("sequence_to_sequence", _SEQUENCES, written.options)
    defaults = SequenceToSequence(reader.optimizer(written))
    smoothing = float(cast(float, given.get("label_smoothing", defaults.label_smoothing)))
    return SequenceToSequence(defaults.optimizer, smoothing)


CAUSAL: Final = ObjectiveForm(CausalLanguageModel, _KEYS, _read_causal)
MASKED: Final = ObjectiveForm(MaskedLanguageModel, _KEYS, _read_masked)
SEQUENCES: Final = ObjectiveForm(SequenceToSequence, _KEYS, _read_sequences)
