"""Parsers of `objective: simclr` and `moco`: contrastive learning of image features."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.config.objectives.reader import ObjectiveReader, TrainingSection
from archbuilder.config.objectives.syntax import GRADIENT_KEYS, ObjectiveSyntax
from archbuilder.config.training import MoCoConfig, SimCLRConfig
from archbuilder.plain_data import PlainData

_KEYS: Final = ("optimizer", "augment", *GRADIENT_KEYS)
_SIMCLR_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    "temperature": {"type": "number", "exclusiveMinimum": 0}
}
_MOCO_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    **_SIMCLR_OPTIONS,
    "momentum": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "queue_size": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
}


def _parse_simclr(reader: ObjectiveReader, section: TrainingSection) -> SimCLRConfig:
    options = reader.options("simclr", _SIMCLR_OPTIONS, section.options)
    _check_has_augment(reader, section, "simclr")
    defaults = SimCLRConfig(reader.optimizer(section))
    temperature = cast(float, options.get("temperature", defaults.temperature))
    return SimCLRConfig(defaults.optimizer, float(temperature))


def _parse_moco(reader: ObjectiveReader, section: TrainingSection) -> MoCoConfig:
    options = reader.options("moco", _MOCO_OPTIONS, section.options)
    _check_has_augment(reader, section, "moco")
    defaults = MoCoConfig(reader.optimizer(section))
    return MoCoConfig(
        defaults.optimizer,
        temperature=float(cast(float, options.get("temperature", defaults.temperature))),
        momentum=float(cast(float, options.get("momentum", defaults.momentum))),
        queue_size=cast(int, options.get("queue_size", defaults.queue_size)),
    )


def _check_has_augment(reader: ObjectiveReader, section: TrainingSection, name: str) -> None:
    if "augment" not in section.trees:
        reader.fields.diagnostics.error(
            "missing-key",
            f"the objective '{name}' needs 'augment' under 'training', to make two views of each"
            " image",
            section.span,
            notes=("for example 'augment: [{RandomZoom: 0.2}, {RandomRotation: 0.1}]'",),
        )


# SimCLR contrasts each image with all others of the batch, so a batch cannot be processed in parts.
# MoCo contrasts with its queue instead.
SIMCLR: Final = ObjectiveSyntax(
    SimCLRConfig, tuple(key for key in _KEYS if key != "gradient_accumulation_steps"), _parse_simclr
)
MOCO: Final = ObjectiveSyntax(MoCoConfig, _KEYS, _parse_moco)
