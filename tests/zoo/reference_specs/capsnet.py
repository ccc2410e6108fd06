"""CapsNet against its equations."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
from zoo.numpy_layers import Array, convolve, sigmoid, softmax
from zoo.parity import Equations, Family

ITERATIONS: Final = 3


def capsnet(image: Array, weights: Iterator[Array]) -> list[Array]:
    """The network of the paper, which reconstructs from the longest capsule."""
    digits = _digits(image, weights)
    lengths = np.linalg.norm(digits, axis=-1)
    return [lengths, _reconstruct(digits, lengths.argmax(axis=-1), image, weights)]


def training(image: Array, label: Array, weights: Iterator[Array]) -> list[Array]:
    """The same, reconstructing from the capsule of the label."""
    digits = _digits(image, weights)
    reconstruction = _reconstruct(digits, label.astype(int), image, weights)
    return [np.linalg.norm(digits, axis=-1), reconstruction]


def encoder(image: Array, weights: Iterator[Array]) -> Array:
    """The capsules alone."""
    return np.linalg.norm(_digits(image, weights), axis=-1)


def authors(image: Array, weights: Iterator[Array]) -> list[Array]:
    """With the biases of the authors' program, and its one pass of routing to primary capsules."""
    x = np.maximum(convolve(image, next(weights), next(weights)), 0)
    kernel, bias = next(weights), next(weights)
    x = convolve(x, kernel, np.zeros_like(bias))[:, ::2, ::2]
    transformations = next(weights)
    # A single capsule sees all places; it divides its vote equally among the types.
    couplings = softmax(np.zeros(kernel.shape[-1] // transformations.shape[1]))
    x = x * couplings[0] + bias
    digits = _route(_squash(_vectors(x, transformations.shape[1])), transformations, next(weights))
    lengths = np.linalg.norm(digits, axis=-1)
    return [lengths, _reconstruct(digits, lengths.argmax(axis=-1), image, weights)]


def _digits(image: Array, weights: Iterator[Array]) -> Array:
    x = np.maximum(convolve(image, next(weights), next(weights)), 0)
    x = convolve(x, next(weights), next(weights))[:, ::2, ::2]
    transformations = next(weights)
    return _route(_squash(_vectors(x, transformations.shape[1])), transformations, np.zeros(1))


def _vectors(maps: Array, dimension: int) -> Array:
    return maps.reshape(len(maps), -1, dimension)


def _squash(vectors: Array) -> Array:
    """Equation 1."""
    squares = np.square(vectors).sum(axis=-1, keepdims=True)
    return squares / (1 + squares) * vectors / np.sqrt(squares)


def _route(lower: Array, transformations: Array, bias: Array) -> Array:
    """Equations 2 and 3 and procedure 1."""
    predictions = np.einsum("bik,ikjd->bijd", lower, transformations)
    logits = np.zeros(predictions.shape[:3])
    capsules = predictions[:, 0]
    for _ in range(ITERATIONS):
        couplings = softmax(logits)
        capsules = _squash(np.einsum("bij,bijd->bjd", couplings, predictions) + bias)
        logits = logits + np.einsum("bijd,bjd->bij", predictions, capsules)
    return capsules


def _reconstruct(digits: Array, capsules: Array, image: Array, weights: Iterator[Array]) -> Array:
    """Figure 2: what is left when all but one capsule are masked."""
    masked = np.zeros_like(digits)
    for example, capsule in enumerate(capsules):
        masked[example, capsule] = digits[example, capsule]
    x = masked.reshape(len(digits), -1)
    for _ in range(2):
        x = np.maximum(x @ next(weights) + next(weights), 0)
    return sigmoid(x @ next(weights) + next(weights)).reshape(image.shape)


_SMALL: Final = {"image_size": 20, "filters": 4, "types": 3, "primary": 4, "dimension": 5}

FAMILY: Final = Family(
    form=_SMALL,
    reference="numpy, written by hand",
    small={
        "default": Equations("capsnet", _SMALL, equations=capsnet),
        "training": Equations("capsnet:training", _SMALL, equations=training, tokens=10),
        "encoder": Equations("capsnet:encoder", _SMALL, equations=encoder),
        "authors": Equations("capsnet:authors", _SMALL, equations=authors),
    },
    full={
        "mnist": Equations("capsnet:mnist", equations=capsnet),
        "training": Equations("capsnet:training", equations=training, tokens=10),
        "encoder": Equations("capsnet:encoder", equations=encoder),
        "authors": Equations("capsnet:authors", equations=authors),
    },
    follows="Gradients flow through all iterations of routing, as in the authors' program. Its"
    " biases of digits and its division of primary capsules by 32 are the variant `authors`.",
)
