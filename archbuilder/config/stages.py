"""The setting `stages`: parts of a run that differ in some settings of `training`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from archbuilder.config.value_types import SectionContext, ValueType
from archbuilder.yaml.nodes import MappingNode, SequenceNode, Tree

if TYPE_CHECKING:
    from archbuilder.config.training import TrainingConfig

STAGE_KEYS: Final = (
    *("epochs", "optimizer", "trainable", "frozen", "lora", "batch_size", "image_size"),
    *("callbacks", "augment", "loss_weights", "class_weight"),
)
"""The settings that a stage may have."""
_MAX_STAGES: Final = 64
_EXAMPLE: Final = "for example 'stages: [{epochs: 5, frozen: backbone}, {epochs: 10}]'"


@dataclass(frozen=True, slots=True)
class StageConfig:
    """A stage of a run: the settings that it changes, by name."""

    settings: Mapping[str, Any]
    """Settings of the training loop, with `epochs`."""
    objective_settings: Mapping[str, Any]

    @property
    def epochs(self) -> int:
        """Number of epochs of the stage."""
        epochs: int = self.settings["epochs"]
        return epochs

    def apply(self, training: TrainingConfig, end_epoch: int) -> TrainingConfig:
        """Return the settings of the stage, which ends with an epoch of the run."""
        objective = replace(training.objective, **self.objective_settings)
        settings = {**self.settings, "epochs": end_epoch, "stages": None}
        return replace(training, objective=objective, **settings)


def stages() -> ValueType[Any]:
    """Return the type of lists of stages; `training_parser` parses what is in them."""

    def parse(tree: Tree, title: str, context: SectionContext) -> tuple[MappingNode, ...]:
        if not isinstance(tree, SequenceNode) or not 1 <= len(tree.items) <= _MAX_STAGES:
            expected = f"a list of 1 to {_MAX_STAGES} mappings"
            context.fields.report_unexpected(tree, title, expected, note=_EXAMPLE)
            return ()
        mappings = []
        for item in tree.items:
            mapping = context.fields.expect_mapping(item, "a stage")
            if mapping is None:
                continue
            keys = context.fields.fields(mapping, STAGE_KEYS, "a stage")
            if "epochs" not in keys:
                context.diagnostics.error("missing-key", "a stage has no 'epochs'", item.span)
            mappings.append(mapping)
        return tuple(mappings)

    schema = {"type": "array", "items": {"type": "object"}, "minItems": 1, "maxItems": _MAX_STAGES}
    names = ", ".join(f"`{each}`" for each in STAGE_KEYS)
    return ValueType(schema, parse, f"list of mappings with {names}")
