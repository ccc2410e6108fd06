"""Keras model that trains a generator and a discriminator in one step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import keras
import tensorflow as tf

from archbuilder.config.objectives import AdversarialConfig
from archbuilder.distribution.slices import BatchSlice
from archbuilder.trainer.distributed_model import DistributedModel
from archbuilder.trainer.execution import DEFAULT_EXECUTION, ExecutionConfig
from archbuilder.trainer.step_function import Logs

_DiscriminatorBatch: TypeAlias = tuple[tf.Tensor, tf.Tensor, tf.Tensor]
"""Real examples, noise, and the fraction of the real example in an interpolation."""


class GANModel(DistributedModel):
    """Trains both networks; `logits` says that the discriminator returns no probabilities.

    A batch is a dictionary of

    - `real`: `(examples, ...)`, inputs of the discriminator;
    - `noise`: `(examples, 2, ...)`, one for the discriminator's step and one for the generator's;
    - `mix`: `(examples,)`, from 0 to 1, fraction of the real example in an interpolation.

    The steps of the discriminator split the examples of a batch among themselves.
    """

    loss_names = ("generator_loss", "discriminator_loss")

    def __init__(
        self,
        generator: keras.Model,
        discriminator: keras.Model,
        config: AdversarialConfig,
        optimizers: Sequence[keras.optimizers.Optimizer],
        execution: ExecutionConfig = DEFAULT_EXECUTION,
        *,
        logits: bool,
    ) -> None:
        super().__init__(execution)
        self.generator = generator
        self.discriminator = discriminator
        self.noise = tuple(generator.input.shape[1:])
        self._config = config
        self._logits = logits
        self._loss_metrics = {
            network: keras.metrics.Mean(name=f"{network}_loss")
            for network in ("generator", "discriminator")
        }
        networks = (generator, discriminator)
        self.optimizers = [
            (optimizer, network.trainable_variables)
            for optimizer, network in zip(optimizers, networks, strict=True)
        ]
        self.built = True
        self.compile(
            optimizer=optimizers[0],
            jit_compile=execution.jit_compile,
            steps_per_execution=execution.steps_per_execution,
        )

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean losses of an epoch."""
        return list(self._loss_metrics.values())

    def train_step(self, data: dict[str, tf.Tensor], is_duplicate: tf.Tensor | None = None) -> Logs:
        """Take the steps of the discriminator, then one of the generator."""

        def discriminator_loss(microbatch: BatchSlice[_DiscriminatorBatch]) -> tf.Tensor:
            real, noise, interpolation = microbatch.data
            # Only the discriminator learns in this step.
            fake = tf.stop_gradient(self.generator(noise, training=True))
            losses = self._discriminator_loss(
                self.discriminator(real, training=True), self.discriminator(fake, training=True)
            )
            if self._config.loss == "wasserstein" and self._config.gradient_penalty:
                # (norm of the gradient - 1) ** 2 for each example (arXiv:1704.00028, equation 3).
                real_fraction = tf.reshape(interpolation, [-1] + [1] * (real.shape.rank - 1))
                fake_part = (1 - real_fraction) * tf.cast(fake, real.dtype)
                interpolates = real_fraction * real + fake_part
                with tf.GradientTape() as tape:
                    tape.watch(interpolates)
                    scores = self.discriminator(interpolates, training=True)
                gradients = tape.gradient(scores, interpolates)
                gradients = tf.reshape(gradients, [tf.shape(real)[0], -1])
                # The gradient of a square root is infinite at 0.
                norms = tf.sqrt(tf.reduce_sum(gradients**2, axis=1) + 1e-12)
                losses += self._config.gradient_penalty * (norms - 1) ** 2
            return self._microbatch_loss("discriminator", losses, microbatch.fraction)

        def generator_loss(microbatch: BatchSlice[tf.Tensor]) -> tf.Tensor:
            fake = self.generator(microbatch.data, training=True)
            losses = self._generator_loss(self.discriminator(fake, training=True))
            return self._microbatch_loss("generator", losses, microbatch.fraction)

        steps = self._config.discriminator_steps
        splits = (tf.split(data[name], steps) for name in ("real", "noise", "mix"))
        for real, noise, interpolation in zip(*splits, strict=True):
            batch = (real, noise[:, 0], interpolation)
            self.minimize(batch, discriminator_loss, 1, is_duplicate)
        self.minimize(noise[:, 1], generator_loss, is_duplicate=is_duplicate)
        return self.epoch_logs()

    def test_step(self, data: dict[str, tf.Tensor], is_duplicate: tf.Tensor | None = None) -> Logs:
        """Update both losses with a batch, without training."""
        del is_duplicate  # `DistributedModel` discards the metrics of a duplicate
        noise = data["noise"]
        real = self.discriminator(data["real"], training=False)
        fake = self.discriminator(self.generator(noise[:, 0], training=False), training=False)
        self._update_loss_metric("discriminator", self._discriminator_loss(real, fake))
        self._update_loss_metric("generator", self._generator_loss(fake))
        return self.epoch_logs()

    def _update_loss_metric(self, network: str, losses: tf.Tensor) -> None:
        self._loss_metrics[network].update_state(losses)

    def _microbatch_loss(self, network: str, losses: tf.Tensor, fraction: tf.Tensor) -> tf.Tensor:
        """Return what a microbatch adds to the loss of the global batch, and update the metric."""
        self._update_loss_metric(network, losses)
        return tf.reduce_mean(losses) * fraction

    def _discriminator_loss(self, real: tf.Tensor, fake: tf.Tensor) -> tf.Tensor:
        """Return the discriminator's loss of each example."""
        if self._config.loss == "wasserstein":
            return _mean_per_example(fake) - _mean_per_example(real)
        return self._score_loss(real, 1) + self._score_loss(fake, 0)

    def _generator_loss(self, fake: tf.Tensor) -> tf.Tensor:
        """Return the generator's loss of each sample."""
        return (
            -_mean_per_example(fake)
            if self._config.loss == "wasserstein"
            else self._score_loss(fake, 1)
        )

    def _score_loss(self, scores: tf.Tensor, label: int) -> tf.Tensor:
        scores = tf.cast(scores, tf.float32)
        targets = tf.fill(tf.shape(scores), tf.cast(label, scores.dtype))
        if self._config.loss == "least_squares":
            return keras.losses.mean_squared_error(targets, scores) / 2
        return keras.losses.binary_crossentropy(targets, scores, from_logits=self._logits)


def _mean_per_example(scores: tf.Tensor) -> tf.Tensor:
    rows = tf.reshape(tf.cast(scores, tf.float32), [tf.shape(scores)[0], -1])
    return tf.reduce_mean(rows, axis=1)
