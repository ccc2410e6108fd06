"""Objective `adversarial`: a generator against a discriminator.

Sources: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1 and the non-saturating loss of section
3; Mao et al. 2016, arXiv:1611.04076, equation 9 (least squares); Gulrajani et al. 2017,
arXiv:1704.00028, algorithm 1 (Wasserstein with a gradient penalty).
"""

from __future__ import annotations

from functools import partial

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.config.objectives import GAN_NETWORKS, AdversarialConfig
from archbuilder.data.batch_share import BatchShare
from archbuilder.data.pipeline import BatchPipeline, train_batches
from archbuilder.data.position import TrainingPosition
from archbuilder.diagnostics.errors import UsageError
from archbuilder.formatting import plural
from archbuilder.objectives.gan_model import GANModel
from archbuilder.objectives.output_activation import has_final_activation
from archbuilder.trainer.callbacks.sample_images import SAMPLE_STEP, SampleImages, sample_noise
from archbuilder.trainer.context import TrainableTask, TrainingContext
from archbuilder.trainer.datasets import AdaptedDatasets, adapt_datasets, log_datasets
from archbuilder.trainer.train_loop import FitSetup, make_trainable_task


def make_adversarial_task(context: TrainingContext, config: AdversarialConfig) -> TrainableTask:
    """Build the generator and discriminator, and return the task that trains them.

    Raises:
        UsageError: if the blueprint has other networks, or the loss does not fit them.
        BlueprintError: if they do not fit the machine.
        RunError: if the examples do not fit the discriminator.
    """
    if set(context.graphs) != set(GAN_NETWORKS):
        raise UsageError(
            "the objective 'adversarial' trains the networks 'generator' and 'discriminator', and"
            f" this blueprint has: {', '.join(context.graphs)}"
        )
    with context.devices.scope():
        generator, discriminator = (context.build(context.graphs[n]) for n in GAN_NETWORKS)
        for name, model in (("generator", generator), ("discriminator", discriminator)):
            if len(model.inputs) != 1 or len(model.outputs) != 1:
                raise UsageError(f"the {name} must have one input and one output")
        output_shape, input_shape = generator.output.shape, discriminator.input.shape
        # Batch axes are None in both.
        if tuple(output_shape) != tuple(input_shape):
            raise UsageError(
                f"the output of the generator has the shape {list(output_shape[1:])}, and the input"
                f" of the discriminator {list(input_shape[1:])}"
            )
        ends_in_sigmoid = _has_final_activation(context, "discriminator", discriminator, "sigmoid")
        # Least squares and Wasserstein losses take unbounded scores, not probabilities.
        if ends_in_sigmoid and config.loss != "non_saturating":
            raise UsageError(
                f"the loss '{config.loss}' needs unbounded scores: remove the sigmoid at the end of"
                " the discriminator"
            )
    # The data has to fit the discriminator: the generator's input is noise.
    datasets = adapt_datasets(context, context.graphs["discriminator"], discriminator)
    log_datasets(context, datasets)
    size = context.config.batch_size * config.discriminator_steps
    steps_per_epoch = datasets.train.steps_per_epoch(size, drop_remainder=True)
    # After the data, whose size decides the steps of a schedule.
    steps = {"generator": 1, "discriminator": config.discriminator_steps}
    models = {"generator": generator, "discriminator": discriminator}
    with context.devices.scope():
        optimizers = [
            context.make_optimizer(config.optimizer[name], model, steps_per_epoch * steps[name])
            for name, model in models.items()
        ]
        training_model = GANModel(
            generator,
            discriminator,
            config,
            optimizers,
            context.execution,
            logits=not ends_in_sigmoid,
        )
    fit_setup = _make_fit_setup(context, training_model, datasets, config)
    return make_trainable_task(fit_setup, context, models)


def _has_final_activation(
    context: TrainingContext, name: str, model: keras.Model, activation: str
) -> bool:
    graph = context.graphs[name]
    return has_final_activation(graph, model, graph.outputs[0][0], activation)


def _make_fit_setup(
    context: TrainingContext,
    training_model: GANModel,
    datasets: AdaptedDatasets,
    config: AdversarialConfig,
) -> FitSetup:
    # Each step of the generator follows several of the discriminator, with a batch for each.
    size = context.config.batch_size * config.discriminator_steps
    steps_per_epoch = datasets.train.steps_per_epoch(size, drop_remainder=True)
    if not steps_per_epoch:
        raise UsageError(
            f"a step needs {plural(size, 'example')}, and the training set has"
            f" {len(datasets.train.rows):,}; decrease 'batch_size'"
        )
    if _has_final_activation(context, "generator", training_model.generator, "tanh"):
        context.log("Images: rescaled from [0, 1] to [-1, 1], the range of the generator's tanh")
    add_noise = partial(_add_noise, context, training_model, config)

    def batches(start: TrainingPosition) -> BatchPipeline:
        pipeline = train_batches(
            datasets.train,
            start,
            batch_size=size,
            seed=context.config.seed,
            epochs=context.config.epochs,
            shuffle=context.config.shuffle,
            drop_remainder=True,
        )
        return pipeline.map(add_noise)

    # The same noise in every epoch, so that the images of two epochs can be compared.
    def draw_samples(count: int) -> NDArray[np.float32]:
        shape = (count, *training_model.noise)
        noise = sample_noise(config.noise, shape, context.config.seed, SAMPLE_STEP)
        return np.asarray(training_model.generator(noise, training=False), np.float32)

    held_out = datasets.eval_batches(size, lambda images: images.map(add_noise))
    writer = SampleImages(context.run_dir, draw_samples, config.num_samples)
    return FitSetup(training_model, batches, steps_per_epoch, *held_out, (writer,))


def _add_noise(
    context: TrainingContext,
    training_model: GANModel,
    config: AdversarialConfig,
    share: BatchShare,
    batch: tuple[tf.Tensor, object],
) -> dict[str, tf.Tensor]:
    """Return the inputs of the model, with the noise of their step.

    It is a function of the seed and the step. Steps are counted over the whole run: a resumed run
    draws the same noise.
    """
    real, seed = batch[0], context.config.seed
    step, count = tf.cast(share.step, tf.int32), share.batch_size
    # One noise vector for the discriminator's step, and one for the generator's.
    noise = sample_noise(config.noise, (count, 2, *training_model.noise), seed, step)
    # Another seed: the same one would correlate these numbers with the noise.
    interpolation = tf.random.stateless_uniform([count], seed=[seed + 1, step])
    ends_in_tanh = _has_final_activation(context, "generator", training_model.generator, "tanh")
    return {
        # Images are scaled to 0..1, and a tanh outputs -1..1.
        "real": real * 2 - 1 if ends_in_tanh else real,
        "noise": share.select(noise),
        "mix": share.select(interpolation),
    }
