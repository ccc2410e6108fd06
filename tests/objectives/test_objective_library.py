"""Every objective of the library: one step has the gradient of the equations of its paper.

The references are written from the papers with TensorFlow alone, on the same batch, views and
random numbers, and with the same initial weights. Steps of SGD with a rate of 1 show the gradients.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.objective_library import (
    AUGMENT,
    EXAMPLES,
    LETTERS,
    ROWS,
    TEXT_LENGTH,
    make_arrays,
    make_pairs,
    make_text,
    write_arrays,
)

import archbuilder
from archbuilder import zoo
from archbuilder.cli import main
from archbuilder.compiler.keras_object import KerasObject
from archbuilder.data.augmentation import Augmentation
from archbuilder.data.batch_share import BatchShare
from archbuilder.keras_backend import build
from archbuilder.objectives.random_draws import draw_seed
from archbuilder.objectives.token_masking import MaskRates, mask_tokens, segment_pair
from archbuilder.yaml.reader import parse_yaml

ARRAYS = make_arrays(ROWS)


@dataclass(frozen=True, slots=True)
class Batch:
    """The batch of the only step of a run, with what the objective draws for it."""

    images: tf.Tensor = field(default_factory=lambda: tf.constant(ARRAYS.images))
    others: tf.Tensor = field(default_factory=lambda: tf.constant(ARRAYS.others))
    texts: tf.Tensor = field(default_factory=lambda: tf.constant(ARRAYS.texts))
    labels: tf.Tensor = field(default_factory=lambda: tf.constant(ARRAYS.labels, tf.int32))

    def tokens(self) -> tf.Tensor:
        """Return the tokens of the text, which ends with the token 3."""
        return tf.constant([*token_ids(make_text(ROWS)), 3])

    def pairs(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Return sources, and targets from the token 2 to the token 3, with padding of 0."""
        sources, targets = zip(*make_pairs(ROWS), strict=True)
        padded = [token_ids(each) + [0] * (TEXT_LENGTH - len(each)) for each in sources]
        framed = [[2, *token_ids(each), 3] + [0] * (TEXT_LENGTH - len(each)) for each in targets]
        return tf.constant(padded), tf.constant(framed)

    def view(self, number: int) -> tf.Tensor:
        """Return a view of the images."""
        layer = parse_yaml(AUGMENT.encode(), "augment", archbuilder.Limits())
        augmentation = Augmentation([KerasObject.from_tree("layer", layer)], 0, None)
        rows = tf.range(ROWS, dtype=tf.int64)
        return augmentation(self.images, BatchShare(tf.constant(0, tf.int64), rows), number)

    def normal(self, name: str, *shape: int) -> tf.Tensor:
        """Return the normally distributed numbers of a step, as `UPDATE/STEP`."""
        seed = draw_seed(0, tf.constant(0), name)
        return tf.random.stateless_normal([ROWS, *shape], seed)

    def uniform(self, name: str, *shape: int, bound: float | None = None) -> tf.Tensor:
        """Return the uniformly distributed numbers of a step, from 0 to 1 or within a bound."""
        seed, (low, high) = draw_seed(0, tf.constant(0), name), (-bound, bound) if bound else (0, 1)
        return tf.random.stateless_uniform([ROWS, *shape], seed, low, high)

    def memory(self, length: int, width: int) -> tf.Tensor:
        """Return the vectors that the only memory begins with."""
        return unit(tf.random.stateless_normal([length, width], [0, 0]))


def token_ids(text: str) -> list[int]:
    return [5 + LETTERS.index(each) for each in text]


def unit(vectors: tf.Tensor) -> tf.Tensor:
    return vectors / tf.norm(vectors, axis=-1, keepdims=True)


def crossentropy(label: tf.Tensor, logits: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(
        tf.nn.sparse_softmax_cross_entropy_with_logits(labels=label, logits=logits)
    )


def causal_lm(batch: Batch, model: keras.Model) -> tf.Tensor:
    tokens = batch.tokens()
    logits = model(tf.reshape(tokens[:-1], [ROWS, TEXT_LENGTH]))
    return crossentropy(tf.reshape(tokens[1:], [ROWS, TEXT_LENGTH]), logits)


def masked_lm(batch: Batch, model: keras.Model) -> tf.Tensor:
    """Return the mean crossentropies of the selected tokens, and of the next sentence."""
    text = tf.reshape(batch.tokens()[:-1], [ROWS, TEXT_LENGTH])
    pieces = segment_pair(text, draw_seed(0, tf.constant(0), "/whole"))
    share = BatchShare(tf.constant(0, tf.int64), tf.range(ROWS, dtype=tf.int64))
    seed = draw_seed(0, tf.constant(0), "/shown")
    shown = mask_tokens(pieces.tokens, MaskRates(0.3), 8, seed, share)
    outputs = model({"tokens": shown.tokens, "segments": pieces.segments})
    losses = tf.nn.sparse_softmax_cross_entropy_with_logits(pieces.tokens, outputs["masked_lm"])
    is_next = tf.one_hot(pieces.next_sentence_label, 2) * tf.math.log(outputs["next_sentence"])
    mean = tf.reduce_mean(tf.boolean_mask(losses, shown.predict_mask == 1))
    return mean - tf.reduce_mean(tf.reduce_sum(is_next, axis=-1))


def sequence_to_sequence(batch: Batch, model: keras.Model) -> tf.Tensor:
    """Return the mean crossentropy with labels of 0.9 + 0.1 / 8 and 0.1 / 8, without padding."""
    source, target = batch.pairs()
    inputs = {"source": source, "mask": tf.cast(source > 0, tf.int32), "target": target[:, :-1]}
    labels = 0.9 * tf.one_hot(target[:, 1:], 8) + 0.1 / 8
    losses = -tf.reduce_sum(labels * tf.math.log(model(inputs)), axis=-1)
    return tf.reduce_mean(losses[target[:, 1:] > 0])


def vae(batch: Batch, encoder: keras.Model, decoder: keras.Model) -> tf.Tensor:
    latent = encoder(batch.images)
    mean, log_variance = latent["mean"], latent["log_variance"]
    code = mean + tf.exp(0.5 * log_variance) * batch.normal("/noise", 2)
    x, p = tf.reshape(batch.images, [ROWS, -1]), tf.reshape(decoder(code), [ROWS, -1])
    likelihood = tf.reduce_sum(x * tf.math.log(p) + (1 - x) * tf.math.log(1 - p), axis=1)
    divergence = -0.5 * tf.reduce_sum(1 + log_variance - mean**2 - tf.exp(log_variance), axis=1)
    return tf.reduce_mean(4 * divergence - likelihood)


def gan_discriminator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.normal("discriminator/noise", 3))
    real_loss = tf.math.softplus(-network(batch.images))
    return tf.reduce_mean(real_loss + tf.math.softplus(network(fake)))


def gan_generator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.normal("generator/noise", 3))
    return tf.reduce_mean(tf.math.softplus(-network(fake)))


def lsgan_discriminator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.uniform("discriminator/noise", 3, bound=3**0.5))
    return tf.reduce_mean((network(2 * batch.images - 1) - 1) ** 2 + network(fake) ** 2) / 2


def lsgan_generator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.uniform("generator/noise", 3, bound=3**0.5))
    return tf.reduce_mean((network(fake) - 1) ** 2) / 2


def wgan_discriminator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.normal("discriminator/noise", 3))
    t = batch.uniform("discriminator/t")[:, None, None, None]
    mixed = t * batch.images + (1 - t) * fake
    with tf.GradientTape() as tape:
        tape.watch(mixed)
        scores = network(mixed)
    slope = tf.norm(tf.reshape(tape.gradient(scores, mixed), [ROWS, -1]), axis=1)
    difference = tf.reduce_mean(network(fake)) - tf.reduce_mean(network(batch.images))
    return difference + 10 * tf.reduce_mean((slope - 1) ** 2)


def wgan_generator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    return -tf.reduce_mean(network(generator(batch.normal("generator/noise", 3))))


def conditional_discriminator(
    batch: Batch, generator: keras.Model, network: keras.Model
) -> tf.Tensor:
    noise = batch.normal("discriminator/noise", 3)
    fake = generator({"noise": noise, "label": batch.labels})
    real_logit = network({"image": batch.images, "label": batch.labels})
    fake_logit = network({"image": fake, "label": batch.labels})
    return tf.reduce_mean(tf.math.softplus(-real_logit) + tf.math.softplus(fake_logit))


def conditional_generator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator({"noise": batch.normal("generator/noise", 3), "label": batch.labels})
    logit = network({"image": fake, "label": batch.labels})
    return tf.reduce_mean(tf.math.softplus(-logit))


def pix2pix_discriminator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    real = tf.nn.sigmoid(network({"image": batch.images, "target": batch.others}))
    fake = tf.nn.sigmoid(network({"image": batch.images, "target": generator(batch.images)}))
    return -tf.reduce_mean(tf.math.log(real) + tf.math.log(1 - fake)) / 2


def pix2pix_generator(batch: Batch, generator: keras.Model, network: keras.Model) -> tf.Tensor:
    fake = generator(batch.images)
    score = tf.nn.sigmoid(network({"image": batch.images, "target": fake}))
    distance = tf.reduce_mean(tf.abs(batch.others - fake))
    return 10 * distance - tf.reduce_mean(tf.math.log(score))


def cyclegan_generator(
    batch: Batch, g: keras.Model, f: keras.Model, d_x: keras.Model, d_y: keras.Model
) -> tf.Tensor:
    """Return equation 3 for the generators, with the identity of section 5.2."""
    x, y = batch.images, batch.others
    fooling = tf.reduce_mean((d_y(g(x)) - 1) ** 2) + tf.reduce_mean((d_x(f(y)) - 1) ** 2)
    cycle = tf.reduce_mean(tf.abs(f(g(x)) - x)) + tf.reduce_mean(tf.abs(g(f(y)) - y))
    identity = tf.reduce_mean(tf.abs(g(y) - y)) + tf.reduce_mean(tf.abs(f(x) - x))
    return fooling + 10 * cycle + 5 * identity


def cyclegan_discriminator(
    batch: Batch, g: keras.Model, f: keras.Model, d_x: keras.Model, d_y: keras.Model
) -> tf.Tensor:
    x, y = batch.images, batch.others
    loss_x = tf.reduce_mean((d_x(x) - 1) ** 2) + tf.reduce_mean(d_x(f(y)) ** 2)
    loss_y = tf.reduce_mean((d_y(y) - 1) ** 2) + tf.reduce_mean(d_y(g(x)) ** 2)
    return (loss_x + loss_y) / 2


def vq_vae(
    batch: Batch, encoder: keras.Model, codebook: keras.Model, decoder: keras.Model
) -> tf.Tensor:
    (codes,) = codebook.trainable_variables
    vectors = encoder(batch.images)
    distances = tf.reduce_sum((vectors[:, :, None] - codes) ** 2, axis=-1)
    nearest = tf.gather(tf.convert_to_tensor(codes), tf.argmin(distances, axis=-1))
    decoded = decoder(vectors + tf.stop_gradient(nearest - vectors))
    loss = tf.reduce_mean((batch.images - decoded) ** 2) / 0.5
    loss += tf.reduce_mean((tf.stop_gradient(vectors) - nearest) ** 2)
    return loss + 0.25 * tf.reduce_mean((vectors - tf.stop_gradient(nearest)) ** 2)


def simclr(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    """Return equation 1: the pairs 2k-1 and 2k among 2N vectors, in the order of algorithm 1."""
    views = tf.stack([batch.view(0), batch.view(1)], axis=1)
    vectors = unit(encoder(tf.reshape(views, [2 * ROWS, 6, 6, 1])))
    similarity = vectors @ tf.transpose(vectors) / 0.5
    similarity -= 1e9 * tf.eye(2 * ROWS)
    partner = tf.constant([i + 1 if i % 2 == 0 else i - 1 for i in range(2 * ROWS)])
    return crossentropy(partner, similarity)


def moco(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    query = unit(encoder(batch.view(0)))
    # The key encoder begins as the encoder.
    key = tf.stop_gradient(unit(encoder(batch.view(1))))
    queue = unit(tf.random.stateless_normal([16, 5], [0, 0]))
    positive = tf.reduce_sum(query * key, axis=1, keepdims=True)
    logits = tf.concat([positive, query @ tf.transpose(queue)], axis=1) / 0.07
    return crossentropy(tf.zeros([ROWS], tf.int32), logits)


def byol(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    a, b = (unit(encoder(batch.view(number))) for number in range(2))
    first = tf.reduce_sum((a - tf.stop_gradient(b)) ** 2, axis=1)
    second = tf.reduce_sum((b - tf.stop_gradient(a)) ** 2, axis=1)
    return tf.reduce_mean(first + second)


def simsiam(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    a, b = (unit(encoder(batch.view(number))) for number in range(2))
    first = -tf.reduce_sum(a * tf.stop_gradient(b), axis=1)
    second = -tf.reduce_sum(b * tf.stop_gradient(a), axis=1)
    return tf.reduce_mean(first / 2 + second / 2)


def mean_teacher(batch: Batch, student: keras.Model) -> tf.Tensor:
    """Return equation 1 and the loss of labels before the teacher differs from the student.

    Its weight of the first step is that of section 2.1 of arXiv:1610.02242.
    """
    logits, target = (student(batch.view(number)) for number in range(2))
    losses = [
        crossentropy(tf.constant([label]), logits[row : row + 1])
        for row, label in enumerate(ARRAYS.some_labels)
        if label >= 0
    ]
    difference = tf.nn.softmax(logits) - tf.stop_gradient(tf.nn.softmax(target))
    consistency = 100 * np.exp(-5) * tf.reduce_mean(difference**2)
    return tf.add_n(losses) / ROWS + consistency


def nnclr(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    """Return equation 3 for both views, with the identity as the predictor."""
    support, losses = batch.memory(7, 5), []
    for number in range(2):
        z, p = unit(encoder(batch.view(number))), unit(encoder(batch.view(1 - number)))
        distances = tf.norm(z[:, None] - support, axis=-1)
        nearest = tf.gather(support, tf.argmin(distances, axis=1))
        losses.append(crossentropy(tf.range(ROWS), nearest @ tf.transpose(p) / 0.1))
    return tf.reduce_mean(tf.stack(losses))


def triplet(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    """Return the mean of equation 2 over all pairs, with the negatives of section 3.2."""
    vectors = unit(encoder(batch.images))
    distances = tf.reduce_sum((vectors[:, None] - vectors) ** 2, axis=-1)
    losses = []
    for a, label in enumerate(ARRAYS.labels):
        negatives = [distances[a, n] for n in range(ROWS) if ARRAYS.labels[n] != label]
        for positive in (
            distances[a, p] for p in range(ROWS) if ARRAYS.labels[p] == label and p != a
        ):
            semi_hard = [each for each in negatives if each > positive]
            negative = min(semi_hard) if semi_hard else max(negatives)
            losses.append(tf.maximum(positive - negative + 0.2, 0))
    return tf.reduce_mean(tf.stack(losses))


def barlow_twins(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    def standardized(z: tf.Tensor) -> tf.Tensor:
        mean, variance = tf.nn.moments(z, axes=[0])
        return (z - mean) / tf.sqrt(variance + 1e-5)

    a, b = (standardized(encoder(batch.view(number))) for number in range(2))
    correlation = tf.einsum("bi,bj->ij", a, b) / ROWS
    invariance = tf.reduce_sum((1 - tf.linalg.diag_part(correlation)) ** 2)
    redundancy = tf.reduce_sum(tf.linalg.set_diag(correlation, tf.zeros(5)) ** 2)
    return invariance + 5e-3 * redundancy


def supervised_contrastive(batch: Batch, encoder: keras.Model) -> tf.Tensor:
    """Return equation 2 with its sums over each anchor i, positive p and all others a."""
    vectors = unit(encoder(tf.concat([batch.view(0), batch.view(1)], axis=0)))
    labels = [*ARRAYS.labels, *ARRAYS.labels]
    losses = []
    for i in range(2 * ROWS):
        others = [a for a in range(2 * ROWS) if a != i]
        products = {a: tf.tensordot(vectors[i], vectors[a], 1) / 0.1 for a in others}
        total = tf.reduce_logsumexp(tf.stack([*products.values()]))
        positive = [products[p] - total for p in others if labels[p] == labels[i]]
        losses.append(-tf.reduce_mean(tf.stack(positive)))
    return tf.reduce_mean(tf.stack(losses))


def masked_autoencoder(batch: Batch, encoder: keras.Model, decoder: keras.Model) -> tf.Tensor:
    """Return the error of hidden patches, each with mean 0 and variance 1.

    The vector in the place of hidden patches is 0 before the first step.
    """
    seed = draw_seed(0, tf.constant(0), "/order")
    order = np.argsort(tf.random.stateless_uniform([ROWS, 9], seed), axis=1)
    losses = []
    for image, row in zip(batch.images, order, strict=True):
        visible, hidden = row[:2], row[2:]
        codes = encoder({"image": image[None], "visible": tf.constant(visible[None])})[0]
        vectors = tf.tensor_scatter_nd_update(tf.zeros([9, 3]), visible[:, None], codes)
        patches = [image[y : y + 2, x : x + 2, 0] for y in range(0, 6, 2) for x in range(0, 6, 2)]
        decoded = decoder(vectors[None])[0]
        for index in hidden:
            pixels = tf.reshape(patches[index], [-1])
            mean, variance = tf.nn.moments(pixels, axes=[0])
            target = (pixels - mean) / tf.sqrt(variance + 1e-6)
            losses.append(tf.reduce_mean((decoded[index] - target) ** 2))
    return tf.reduce_mean(tf.stack(losses))


def clip(batch: Batch, images: keras.Model, texts: keras.Model) -> tf.Tensor:
    logits = unit(images(batch.images)) @ tf.transpose(unit(texts(batch.texts))) / 0.07
    rows = tf.range(ROWS)
    return (crossentropy(rows, logits) + crossentropy(rows, tf.transpose(logits))) / 2


def distillation(batch: Batch, student: keras.Model, teacher: keras.Model) -> tf.Tensor:
    logits, taught = student(batch.images), teacher(batch.images)
    soft = tf.nn.softmax_cross_entropy_with_logits(tf.nn.softmax(taught / 3), logits / 3)
    return 0.1 * crossentropy(batch.labels, logits) + 0.9 * 9 * tf.reduce_mean(soft)


def ddpm(batch: Batch, denoiser: keras.Model) -> tf.Tensor:
    seed = draw_seed(0, tf.constant(0), "/step")
    step = tf.random.stateless_uniform([ROWS], seed, 0, 1000, tf.int32)
    time = (tf.cast(step, tf.float32) + 1) / 1000
    signal = tf.cos((time + 0.008) / 1.008 * np.pi / 2)[:, None, None, None] ** 2
    noise = batch.normal("/noise", 6, 6, 1)
    noisy = tf.sqrt(signal) * (2 * batch.images - 1) + tf.sqrt(1 - signal) * noise
    predicted = denoiser({"image": noisy, "time": time[:, None]})
    return tf.reduce_mean((noise - predicted) ** 2)


Reference = Callable[..., tf.Tensor]


UPDATES: Mapping[str, Sequence[tuple[Reference, tuple[int, ...]]]] = {
    "vae": [(vae, (0, 1))],
    "gan": [(gan_discriminator, (1,)), (gan_generator, (0,))],
    "lsgan": [(lsgan_discriminator, (1,)), (lsgan_generator, (0,))],
    "wgan_gp": [(wgan_discriminator, (1,)), (wgan_generator, (0,))],
    "conditional_gan": [(conditional_discriminator, (1,)), (conditional_generator, (0,))],
    "pix2pix": [(pix2pix_discriminator, (1,)), (pix2pix_generator, (0,))],
    "cyclegan": [(cyclegan_generator, (0, 1)), (cyclegan_discriminator, (2, 3))],
    "causal_lm": [(causal_lm, (0,))],
    "masked_lm": [(masked_lm, (0,))],
    "sequence_to_sequence": [(sequence_to_sequence, (0,))],
    "vq_vae": [(vq_vae, (0, 1, 2))],
    "simclr": [(simclr, (0,))],
    "moco": [(moco, (0,))],
    "byol": [(byol, (0,))],
    "simsiam": [(simsiam, (0,))],
    "mean_teacher": [(mean_teacher, (0,))],
    "nnclr": [(nnclr, (0,))],
    "triplet": [(triplet, (0,))],
    "barlow_twins": [(barlow_twins, (0,))],
    "supervised_contrastive": [(supervised_contrastive, (0,))],
    "masked_autoencoder": [(masked_autoencoder, (0, 1))],
    "clip": [(clip, (0, 1))],
    "distillation": [(distillation, (0,))],
    "ddpm": [(ddpm, (0,))],
}
"""The loss of each update, and the positions of the networks that it trains."""


def test_every_objective_has_a_reference():
    """None is in the library without its equations here."""
    assert {*UPDATES} == {*zoo.objective_names()}


@pytest.mark.parametrize("name", UPDATES)
def test_step_equals_the_equations_of_the_paper(name: str, tmp_path: Path):
    """The loss, and the change of every weight in a step of each update."""
    write_arrays(tmp_path, ROWS)
    settings = (
        f"  optimizer: {{SGD: 1.0}}\n  epochs: 1\n  batch_size: {ROWS}\n  shuffle: false\n"
        "  validation_split: 0\n"
    )
    (tmp_path / "net.yaml").write_text(EXAMPLES[name].blueprint(name, settings))
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    graphs = archbuilder.load(run / "blueprint.yaml").graphs()
    keras.utils.set_random_seed(0)
    networks = [build(graph) for graph in graphs.values()]
    losses = []
    for loss_fn, trained in UPDATES[name]:
        variables = [v for index in trained for v in networks[index].trainable_variables]
        with tf.GradientTape() as tape:
            loss = loss_fn(Batch(), *networks)
        for variable, gradient in zip(variables, tape.gradient(loss, variables), strict=True):
            variable.assign_sub(gradient)
        losses.append(float(loss))
    row = json.loads((run / "history.jsonl").read_text())
    logged = [row[key] for key in ("loss", "generator_loss", "discriminator_loss") if key in row]
    assert sorted(logged) == pytest.approx(sorted(losses), rel=1e-4)
    for network_name, network in zip(graphs, networks, strict=True):
        trained_model = keras.saving.load_model(run / f"{network_name}.keras")
        for value, expected in zip(trained_model.get_weights(), network.get_weights(), strict=True):
            np.testing.assert_allclose(value, expected, rtol=1e-4, atol=1e-5)


def test_docs_list_the_library():
    """The page names each objective."""
    page = (Path(__file__).parents[2] / "docs" / "objectives.md").read_text(encoding="utf-8")
    table = page[page.index("## The library") :]
    assert sorted(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == [*zoo.objective_names()]
