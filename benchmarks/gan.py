"""Two networks trained by an objective of the library, compared with a Keras `train_step`."""

from __future__ import annotations

import statistics
import tempfile
from pathlib import Path

import keras
import tensorflow as tf

import archbuilder
from benchmarks.timing import medians, seconds
from benchmarks.train import EPOCHS, Workload, epoch_seconds

DCGAN = Workload("dcgan:torch", (32, 32, 3), 1024, 32, params={"levels": 3, "filters": 16})
RECIPE = f"""
archbuilder: 1
training:
  objective: {{gan: {{lowest: -1}}}}
  optimizer: {{Adam: {{learning_rate: 2e-4, beta_1: 0.5}}}}
  epochs: {EPOCHS}
  batch_size: {DCGAN.batch_size}
  validation_split: 0
"""


class PlainGAN(keras.Model):
    """The same networks and losses, written as in the guides of Keras."""

    def __init__(self, generator: keras.Model, discriminator: keras.Model) -> None:
        super().__init__()
        self.generator, self.discriminator = generator, discriminator
        self.crossentropy = keras.losses.BinaryCrossentropy()
        self.generator_loss = keras.metrics.Mean(name="generator_loss")
        self.discriminator_loss = keras.metrics.Mean(name="discriminator_loss")
        self.adams = [keras.optimizers.Adam(2e-4, beta_1=0.5) for _ in range(2)]
        self.built = True

    @property
    def metrics(self) -> list[keras.metrics.Metric]:
        """Mean losses of an epoch."""
        return [self.generator_loss, self.discriminator_loss]

    def train_step(self, images: tf.Tensor) -> dict[str, tf.Tensor]:
        """Take a step of the discriminator, and one of the generator."""
        ones = tf.ones([tf.shape(images)[0], 1])
        shape = [tf.shape(images)[0], *self.generator.input.shape[1:]]
        with tf.GradientTape() as tape:
            fake = self.generator(tf.random.normal(shape), training=True)
            real_loss = self.crossentropy(ones, self.discriminator(2 * images - 1, training=True))
            fake_loss = self.crossentropy(0 * ones, self.discriminator(fake, training=True))
            loss = real_loss + fake_loss
        weights = self.discriminator.trainable_variables
        self.adams[0].apply(tape.gradient(loss, weights), weights)
        self.discriminator_loss.update_state(loss)
        with tf.GradientTape() as tape:
            fake = self.generator(tf.random.normal(shape), training=True)
            loss = self.crossentropy(ones, self.discriminator(fake, training=True))
        weights = self.generator.trainable_variables
        self.adams[1].apply(tape.gradient(loss, weights), weights)
        self.generator_loss.update_state(loss)
        return {each.name: each.result() for each in self.metrics}


def main(rounds: int) -> None:
    """Print median examples per second of both sides."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder)
        DCGAN.prepare(path)
        (path / "recipe.yaml").write_text(RECIPE)
        pairs = [(epoch_seconds(DCGAN, path, f"run-{n}"), _keras_seconds()) for n in range(rounds)]
    result = medians(pairs)
    archbuilder_rate, keras_rate = (
        DCGAN.examples / side for side in (result.archbuilder, result.baseline)
    )
    print("| model | batch | archbuilder, examples/s | Keras train_step, examples/s | ratio |")
    print("|---|---:|---:|---:|---:|")
    print(
        f"| {DCGAN.blueprint} | {DCGAN.batch_size} | {archbuilder_rate:,.0f} |"
        f" {keras_rate:,.0f} | {archbuilder_rate / keras_rate:.2f} |"
    )


def _keras_seconds() -> float:
    models = archbuilder.load(DCGAN.blueprint).compile(**DCGAN.params)
    gan = PlainGAN(models["generator"], models["discriminator"])
    gan.compile(jit_compile=bool(tf.config.list_physical_devices("GPU")))
    examples = tf.data.Dataset.from_tensor_slices(DCGAN.arrays()[0])
    batches = examples.shuffle(DCGAN.examples, seed=0).batch(DCGAN.batch_size)
    batches = batches.prefetch(tf.data.AUTOTUNE)
    return statistics.median(
        [seconds(lambda: gan.fit(batches, verbose=0)) for _ in range(EPOCHS)][1:]
    )
