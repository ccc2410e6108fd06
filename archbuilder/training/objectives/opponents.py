"""A generator and a discriminator as one model, whose step Keras's `fit` can take."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from archbuilder.recipe.spec import Adversarial
from archbuilder.training.learner import Learner, Numbers
from archbuilder.training.pace import PLAIN, Pace
from archbuilder.training.slices import Slice

_Mixed: TypeAlias = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Real examples, noise, and how much of a mixture of them is real."""


class Opponents(Learner):
    """Trains both networks; `logits` says that the discriminator gives no probability.

    A batch is a dictionary of

    - `real`: `(examples, ...)`, what the discriminator takes;
    - `noise`: `(examples, 2, ...)`, for the steps of the discriminator, and of the generator;
    - `mix`: `(examples,)`, between 0 and 1, how much of a mixture is real.

    Its examples are shared by the steps that the discriminator takes.
    """

    loss_names = ("generator_loss", "discriminator_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        spec: Adversarial,
        optimizers: Sequence[keras.optimizers.Optimizer],
        pace: Pace = PLAIN,
        *,
        logits: bool,
    ) -> None:
        super().__init__(pace)
        self.generator = generator
        self.discriminator = discriminator
        self.noise = tuple(generator.input.shape[1:])
        self._spec = spec
        self._logits = logits
        self._losses_of = {
            network: keras.metrics.Mean(name=f"{network}_loss")
            for network in ("generator", "discriminator")
        }
        networks = (generator, discriminator)
        self.optimizers = [
            (optimizer, network.trainable_variables)
            for optimizer, network in zip(optimizers, networks, strict=True)
        ]
        for optimizer, variables in self.optimizers:
            optimizer.build(variables)
        self.built = True
        self.compile(optimizer=optimizers[0], jit_compile=pace.xla, steps_per_execution=pace.steps)

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """The mean losses of an epoch."""
        return list(self._losses_of.values())

    def train_step(self, data: dict[str, tf.Tensor], counted: tf.Tensor | None = None) -> Numbers:
        """Some steps of the discriminator, then one of the generator."""
        steps = self._spec.discriminator_steps
        parts = (tf.split(data[name], steps) for name in ("real", "noise", "mix"))
        for real, noise, mix in zip(*parts, strict=True):
            self._train_discriminator((real, noise[:, 0], mix), counted)
        self._train_generator(noise[:, 1], counted)
        return self.numbers()

    def test_step(self, data: dict[str, tf.Tensor], counted: tf.Tensor | None = None) -> Numbers:
        """Both losses, without training."""
        del counted  # whoever calls it undoes what does not count
        noise = data["noise"]
        real = self.discriminator(data["real"], training=False)
        fake = self.discriminator(self.generator(noise[:, 0], training=False), training=False)
        self._count("discriminator", self._wrong(real, fake))
        self._count("generator", self._fooled(fake))
        return self.numbers()

    def _train_discriminator(self, batch: _Mixed, counted: tf.Tensor | None) -> None:
        def loss_of(part: Slice[_Mixed]) -> tf.Tensor:
            real, noise, mix = part.examples
            made = tf.stop_gradient(self.generator(noise, training=True))
            losses = self._wrong(
                self.discriminator(real, training=True), self.discriminator(made, training=True)
            )
            if self._spec.loss == "wasserstein" and self._spec.gradient_penalty:
                losses += self._spec.gradient_penalty * self._penalty(real, made, mix)
            return self._mean("discriminator", losses, part.share)

        self.descend(batch, loss_of, 1, counted)

    def _train_generator(self, noise: tf.Tensor, counted: tf.Tensor | None) -> None:
        def loss_of(part: Slice[tf.Tensor]) -> tf.Tensor:
            made = self.generator(part.examples, training=True)
            losses = self._fooled(self.discriminator(made, training=True))
            return self._mean("generator", losses, part.share)

        self.descend(noise, loss_of, counted=counted)

    def _count(self, network: str, losses: tf.Tensor) -> None:
        self._losses_of[network].update_state(losses)

    def _mean(self, network: str, losses: tf.Tensor, share: tf.Tensor) -> tf.Tensor:
        """What a slice adds to the mean of the losses of examples, which are counted too."""
        self._count(network, losses)
        return tf.reduce_mean(losses) * share

    def _wrong(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """The discriminator's loss of each example."""
        if self._spec.loss == "wasserstein":
            return _flat(fake) - _flat(real)
        return self._distance(real, 1) + self._distance(fake, 0)

    def _fooled(self, fake: tf.Tensor) -> tf.Tensor:
        """The generator's loss of each sample."""
        return -_flat(fake) if self._spec.loss == "wasserstein" else self._distance(fake, 1)

    def _distance(self, scores: tf.Tensor, wanted: int) -> tf.Tensor:
        scores = tf.cast(scores, tf.float32)
        targets = tf.fill(tf.shape(scores), tf.cast(wanted, scores.dtype))
        if self._spec.loss == "least_squares":
            return keras.losses.mean_squared_error(targets, scores) / 2
        return keras.losses.binary_crossentropy(targets, scores, from_logits=self._logits)

    def _penalty(self, real: tf.Tensor, made: tf.Tensor, mix: tf.Tensor) -> tf.Tensor:
        share = tf.reshape(mix, [-1] + [1] * (real.shape.rank - 1))
        mixed = share * real + (1 - share) * tf.cast(made, real.dtype)
        with tf.GradientTape() as tape:
            tape.watch(mixed)
            scores = self.discriminator(mixed, training=True)
        slopes = tf.reshape(tape.gradient(scores, mixed), [tf.shape(real)[0], -1])
        return (tf.sqrt(tf.reduce_sum(slopes**2, axis=1) + 1e-12) - 1) ** 2


def _flat(scores: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(tf.cast(scores, tf.float32), [tf.shape(scores)[0], -1])
    return tf.reduce_mean(rows, axis=1)
