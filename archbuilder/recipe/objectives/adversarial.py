"""`objective: adversarial`: a generator against a discriminator, each with its optimizer."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.recipe.objectives.form import STEPWISE, ObjectiveForm
from archbuilder.recipe.objectives.reader import DEFAULT_OPTIMIZER, ObjectiveReader, Written
from archbuilder.recipe.spec import Adversarial, AdversarialLoss, Noise
from archbuilder.tree import Mapping, Plain, Scalar, Tree

_OPTIONS: Final[dict[str, dict[str, Plain]]] = {
    "loss": {"enum": ["non_saturating", "least_squares", "wasserstein"]},
    "discriminator_steps": {"type": "integer", "minimum": 1, "maximum": 100},
    "gradient_penalty": {"type": "number", "minimum": 0},
    "noise": {"enum": ["normal", "uniform"]},
    "samples": {"type": "integer", "minimum": 1, "maximum": 1024},
}
OPPONENTS: Final = ("generator", "discriminator")
"""The networks of a blueprint that it trains."""


def _read(reader: ObjectiveReader, written: Written) -> Adversarial:
    given = reader.options("adversarial", _OPTIONS, written.options)
    optimizers = _optimizers(reader, written)
    defaults = Adversarial(optimizers)
    return Adversarial(
        optimizers,
        loss=cast(AdversarialLoss, given.get("loss", defaults.loss)),
        discriminator_steps=cast(
            int, given.get("discriminator_steps", defaults.discriminator_steps)
        ),
        gradient_penalty=float(
            cast(float, given.get("gradient_penalty", defaults.gradient_penalty))
        ),
        noise=cast(Noise, given.get("noise", defaults.noise)),
        samples=cast(int, given.get("samples", defaults.samples)),
    )


def _optimizers(reader: ObjectiveReader, written: Written) -> dict[str, Tree]:
    optimizer = written.optimizer()
    optimizers: dict[str, Tree] = dict.fromkeys(OPPONENTS, optimizer)
    if isinstance(optimizer, Mapping) and any(optimizer.get(each) for each in OPPONENTS):
        entries = reader.form.known(optimizer, OPPONENTS, "'optimizer'")
        optimizers = dict.fromkeys(OPPONENTS, Scalar(DEFAULT_OPTIMIZER, written.place))
        optimizers |= {entry.key: entry.value for entry in entries}
    for tree in optimizers.values():
        reader.keras_object("optimizer", tree)
    return optimizers


ADVERSARIAL: Final = ObjectiveForm(Adversarial, ("optimizer", *STEPWISE), _read, OPPONENTS)
