"""Adversarial training: a generator against a discriminator.

Source: Goodfellow et al. 2014, arXiv:1406.2661, algorithm 1 and the non-saturating loss of section
3; Mao et al. 2016, arXiv:1611.04076, equation 9 (least squares); Gulrajani et al. 2017,
arXiv:1704.00028, algorithm 1 (Wasserstein with a gradient penalty).
"""

from __future__ import annotations

from functools import partial

import keras
import tensorflow as tf

from archbuilder.errors import UsageError
from archbuilder.recipe.objectives.adversarial import OPPONENTS
from archbuilder.recipe.spec import Adversarial
from archbuilder.tables import plural
from archbuilder.training.activations import ends_in
from archbuilder.training.batches import Table, plain_batches, training_batches
from archbuilder.training.checkpoints import Position
from archbuilder.training.fit import Task, prepared
from archbuilder.training.objectives.opponents import Opponents
from archbuilder.training.samples import SAMPLES, SampleWriter, noise_of
from archbuilder.training.session import Prepared, Session
from archbuilder.training.tables import make_tables, tell


def prepare_adversarial(session: Session) -> Prepared:
    """The generator and discriminator of a session, ready to be trained and judged.

    Raises:
        UsageError: if the blueprint has other networks, or the loss does not suit them.
        BlueprintError: if they do not fit the machine.
        RunError: if the examples do not fit the discriminator.
    """
    spec = session.objective(Adversarial)
    if set(session.graphs) != set(OPPONENTS):
        raise UsageError(
            "the objective 'adversarial' trains the networks 'generator' and 'discriminator', and"
            f" this blueprint has: {', '.join(session.graphs)}"
        )
    with session.placement.scope():
        generator, discriminator = (session.build(session.graphs[n]) for n in OPPONENTS)
        _check(generator, discriminator)
        sigmoid = _ends_in(session, "discriminator", discriminator, "sigmoid")
        if sigmoid and spec.loss != "non_saturating":
            raise UsageError(
                f"with the loss '{spec.loss}' the discriminator gives a score: leave its sigmoid"
                " out"
            )
        optimizers = [session.optimizer(spec.optimizer[name]) for name in OPPONENTS]
        learner = Opponents(
            generator, discriminator, spec, optimizers, session.pace, logits=not sigmoid
        )
    models = {"generator": generator, "discriminator": discriminator}
    return prepared(_task(session, learner, spec), session, models)


def _check(generator: keras.Model, discriminator: keras.Model) -> None:
    for name, model in (("generator", generator), ("discriminator", discriminator)):
        if len(model.inputs) != 1 or len(model.outputs) != 1:
            raise UsageError(f"the {name} has to have one input and one output")
    made, taken = generator.output.shape, discriminator.input.shape
    if tuple(made) != tuple(taken):
        raise UsageError(
            f"the generator makes {list(made[1:])}, and the discriminator takes {list(taken[1:])}"
        )


def _ends_in(session: Session, name: str, model: keras.Model, activation: str) -> bool:
    graph = session.graphs[name]
    return ends_in(graph, model, graph.outputs[0][0], activation)


def _task(session: Session, learner: Opponents, spec: Adversarial) -> Task:
    name = "discriminator"
    tables = make_tables(session, session.graphs[name], learner.discriminator)
    tell(session, tables)
    size = session.spec.batch_size * spec.discriminator_steps
    steps = tables.train.steps(size, whole=True)
    if not steps:
        raise UsageError(
            f"{plural(len(tables.train.rows), 'example')} for a step of {size:,}: too few"
        )
    if _ends_in(session, "generator", learner.generator, "tanh"):
        session.report("images are stretched from 0..1 to -1..1, which a tanh gives")
    dress = partial(_dress, session, learner, spec)

    def batches(start: Position) -> tf.data.Dataset:
        found = training_batches(
            tables.train,
            start,
            batch_size=size,
            seed=session.spec.seed,
            epochs=session.spec.epochs,
            shuffle=session.spec.shuffle,
            whole=True,
        )
        return dress(found, start.epoch * steps + start.batch)

    noise = noise_of(spec.noise, (spec.samples, *learner.noise), session.spec.seed, SAMPLES)
    writer = SampleWriter(session.run, learner.generator, noise)
    return Task(learner, batches, steps, _held_out(tables.held_out, size, dress), (writer,))


def _held_out(
    table: Table | None, size: int, dress: partial[tf.data.Dataset]
) -> tf.data.Dataset | None:
    return None if table is None else dress(plain_batches(table, batch_size=size), 0)


def _dress(
    session: Session, learner: Opponents, spec: Adversarial, batches: tf.data.Dataset, first: int
) -> tf.data.Dataset:
    """Batches with the noise of their step, which follows from the seed alone."""
    tanh = _ends_in(session, "generator", learner.generator, "tanh")

    def add(step: tf.Tensor, batch: tuple[tf.Tensor, object]) -> dict[str, tf.Tensor]:
        real = batch[0]
        count = tf.shape(real)[0]
        seed = session.spec.seed
        noise = noise_of(spec.noise, (count, 2, *learner.noise), seed, step)
        mix = tf.random.stateless_uniform([count], seed=[seed + 1, step])
        return {"real": real * 2 - 1 if tanh else real, "noise": noise, "mix": mix}

    numbered = batches.enumerate(tf.constant(first, tf.int64))
    return numbered.map(
        lambda step, batch: add(tf.cast(step, tf.int32), batch),
        num_parallel_calls=tf.data.AUTOTUNE,
        deterministic=True,
    ).prefetch(tf.data.AUTOTUNE)
