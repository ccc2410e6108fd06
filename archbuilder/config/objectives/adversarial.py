"""Parser of `objective: adversarial`: a generator against a discriminator."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.config.objectives.reader import DEFAULT_OPTIMIZER, ObjectiveReader, TrainingSection
from archbuilder.config.objectives.syntax import GRADIENT_KEYS, ObjectiveSyntax
from archbuilder.config.training import AdversarialConfig, AdversarialLoss, Noise
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import MappingNode, ScalarNode, Tree

_OPTIONS: Final[dict[str, dict[str, PlainData]]] = {
    "loss": {"enum": ["non_saturating", "least_squares", "wasserstein"]},
    "discriminator_steps": {"type": "integer", "minimum": 1, "maximum": 100},
    "gradient_penalty": {"type": "number", "minimum": 0},
    "noise": {"enum": ["normal", "uniform"]},
    "num_samples": {"type": "integer", "minimum": 1, "maximum": 1024},
}
GAN_NETWORKS: Final = ("generator", "discriminator")
"""Names of the networks that the blueprint must have."""


def _parse(reader: ObjectiveReader, section: TrainingSection) -> AdversarialConfig:
    options = reader.options("adversarial", _OPTIONS, section.options)
    optimizer = section.optimizer()
    optimizers: dict[str, Tree] = dict.fromkeys(GAN_NETWORKS, optimizer)
    if isinstance(optimizer, MappingNode) and any(optimizer.get(each) for each in GAN_NETWORKS):
        entries = reader.fields.known_entries(optimizer, GAN_NETWORKS, "'optimizer'")
        # A network that the mapping does not name gets the default optimizer, not the other's.
        optimizers = dict.fromkeys(GAN_NETWORKS, ScalarNode(DEFAULT_OPTIMIZER, section.span))
        optimizers |= {entry.key: entry.value for entry in entries}
    for tree in optimizers.values():
        reader.check_optimizer(tree)
    defaults = AdversarialConfig(optimizers)
    return AdversarialConfig(
        optimizers,
        loss=cast(AdversarialLoss, options.get("loss", defaults.loss)),
        discriminator_steps=cast(
            int, options.get("discriminator_steps", defaults.discriminator_steps)
        ),
        gradient_penalty=float(
            cast(float, options.get("gradient_penalty", defaults.gradient_penalty))
        ),
        noise=cast(Noise, options.get("noise", defaults.noise)),
        num_samples=cast(int, options.get("num_samples", defaults.num_samples)),
    )


ADVERSARIAL: Final = ObjectiveSyntax(
    AdversarialConfig, ("optimizer", *GRADIENT_KEYS), _parse, GAN_NETWORKS
)
