"""`objective: simclr` and `moco`: features from pairs of views of an image."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.recipe.objectives.form import STEPWISE, ObjectiveForm
from archbuilder.recipe.objectives.reader import ObjectiveReader, Written
from archbuilder.recipe.spec import MoCo, SimCLR
from archbuilder.tree import Plain

_KEYS: Final = ("optimizer", "augment", *STEPWISE)
_TEMPERATURE: Final[dict[str, dict[str, Plain]]] = {
    "temperature": {"type": "number", "exclusiveMinimum": 0}
}
_QUEUE: Final[dict[str, dict[str, Plain]]] = {
    **_TEMPERATURE,
    "momentum": {"type": "number", "minimum": 0, "exclusiveMaximum": 1},
    "queue": {"type": "integer", "minimum": 1, "maximum": 10_000_000},
}


def _read_simclr(reader: ObjectiveReader, written: Written) -> SimCLR:
    given = reader.options("simclr", _TEMPERATURE, written.options)
    _check_augmented(reader, written, "simclr")
    defaults = SimCLR(reader.optimizer(written))
    temperature = cast(float, given.get("temperature", defaults.temperature))
    return SimCLR(defaults.optimizer, float(temperature))


def _read_moco(reader: ObjectiveReader, written: Written) -> MoCo:
    given = reader.options("moco", _QUEUE, written.options)
    _check_augmented(reader, written, "moco")
    defaults = MoCo(reader.optimizer(written))
    return MoCo(
        defaults.optimizer,
        temperature=float(cast(float, given.get("temperature", defaults.temperature))),
        momentum=float(cast(float, given.get("momentum", defaults.momentum))),
        queue=cast(int, given.get("queue", defaults.queue)),
    )


def _check_augmented(reader: ObjectiveReader, written: Written, name: str) -> None:
    if "augment" not in written.trees:
        reader.form.diagnostics.error(
            "missing-key",
            f"the objective '{name}' compares two views of an image, and 'training' has no"
            " 'augment' to make them",
            written.place,
            notes=("as in 'augment: [{RandomZoom: 0.2}, {RandomRotation: 0.1}]'",),
        )


# All images of a batch are compared with each other, which the parts of one cannot be.
SIMCLR: Final = ObjectiveForm(
    SimCLR, tuple(key for key in _KEYS if key != "accumulate"), _read_simclr
)
MOCO: Final = ObjectiveForm(MoCo, _KEYS, _read_moco)
