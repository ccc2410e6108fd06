"""Metrics that archbuilder adds to Keras."""

from __future__ import annotations

from typing import Final

import keras
from keras import ops

from archbuilder.keras_ext.average_precision import MeanAveragePrecision
from archbuilder.keras_ext.box_overlap import BoxIoU
from archbuilder.keras_ext.constructor_config import ConstructorConfig
from archbuilder.keras_ext.image_quality import peak_signal_to_noise_ratio, structural_similarity
from archbuilder.keras_ext.layers._typing import Config, Tensor

__all__ = [
    "PSNR",
    "SSIM",
    "BoxIoU",
    "EditDistance",
    "MeanAveragePrecision",
    "Perplexity",
    "WordErrorRate",
]


_HASH_BASE: Final = 1_000_003
"""A prime, whose powers tell the symbols of a word apart."""
_INVERSE_BASE: Final = pow(_HASH_BASE, -1, 2**64) - 2**64
"""Its inverse modulo 2**64, as a signed integer."""


@keras.saving.register_keras_serializable(package="archbuilder")
class PSNR(ConstructorConfig, keras.metrics.Mean):
    """Mean over the images of the peak signal-to-noise ratio in decibel.

    `10 * log10(max_val ** 2 / mse)` for each image, infinite for equal images, as in
    `tf.image.psnr`.

    Source: ITU-T J.340; Huynh-Thu and Ghanbari 2008, doi:10.1049/el:20080522.

    Args:
        max_val: Number, the difference between the largest and the smallest possible value.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "up"

    def __init__(self, max_val: float = 1.0, name: str = "psnr", dtype: str | None = None) -> None:
        super().__init__(name=name, dtype=dtype)
        self.max_val = max_val

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of images."""
        values = peak_signal_to_noise_ratio(y_true, y_pred, self.max_val)
        super().update_state(values, sample_weight)


@keras.saving.register_keras_serializable(package="archbuilder")
class SSIM(keras.metrics.Mean):
    """Mean over the images of the structural similarity index, from -1 to 1 for equal images.

    Source: Wang et al. 2004, doi:10.1109/TIP.2003.819861, as in `tf.image.ssim`.

    Args:
        max_val: Number, the difference between the largest and the smallest possible value.
        filter_size: Integer, the size of the Gaussian window in pixels.
        filter_sigma: Number, the standard deviation of the window in pixels.
        k1: Number, the constant of the comparison of luminance.
        k2: Number, the constant of the comparison of contrast.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "up"

    def __init__(
        self,
        max_val: float = 1.0,
        filter_size: int = 11,
        filter_sigma: float = 1.5,
        k1: float = 0.01,
        k2: float = 0.03,
        name: str = "ssim",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.arguments: Config = {
            "max_val": max_val,
            "filter_size": filter_size,
            "filter_sigma": filter_sigma,
            "k1": k1,
            "k2": k2,
        }

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of images."""
        super().update_state(structural_similarity(y_true, y_pred, **self.arguments), sample_weight)

    def get_config(self) -> Config:
        """Return the arguments of the constructor."""
        return {**super().get_config(), **self.arguments}


@keras.saving.register_keras_serializable(package="archbuilder")
class Perplexity(ConstructorConfig, keras.metrics.Metric):
    """Exponential of the mean crossentropy of class indices, in nats per position.

    Masked positions and those with `ignore_class` do not count.

    Source: Jelinek et al. 1977, doi:10.1121/1.2016299.

    Args:
        from_logits: Boolean, whether outputs are logits rather than probabilities.
        ignore_class: Integer, the class index of positions that do not count, such as padding.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "down"

    def __init__(
        self,
        from_logits: bool = False,  # noqa: FBT001, FBT002 - as in Keras
        ignore_class: int | None = None,
        name: str = "perplexity",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.from_logits = from_logits
        self.ignore_class = ignore_class
        # Counts of positions exceed 2**24, from where on float32 cannot add 1.
        self.total, self.count = (
            self.add_weight(shape=(), initializer="zeros", dtype="float64", name=each)
            for each in ("total", "count")
        )

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of positions."""
        mask = getattr(y_pred, "_keras_mask", None)
        y_pred = ops.convert_to_tensor(y_pred)
        labels = ops.cast(y_true, "int32")
        if len(labels.shape) == len(y_pred.shape):
            labels = ops.squeeze(labels, -1)
        weights = ops.ones_like(labels, "float32")
        if self.ignore_class is not None:
            weights *= ops.cast(labels != self.ignore_class, "float32")
            labels = ops.where(labels == self.ignore_class, 0, labels)
        for factor in (mask, sample_weight):
            if factor is not None:
                missing_axes = len(weights.shape) - len(factor.shape)
                shape = (*ops.shape(factor), *[1] * missing_axes)
                weights *= ops.reshape(ops.cast(factor, "float32"), shape)
        losses = ops.sparse_categorical_crossentropy(
            labels, ops.cast(y_pred, "float32"), from_logits=self.from_logits
        )
        self.total.assign_add(ops.cast(ops.sum(losses * weights), "float64"))
        self.count.assign_add(ops.cast(ops.sum(weights), "float64"))

    def result(self) -> Tensor:
        """Return the perplexity of all positions so far."""
        return ops.cast(ops.exp(ops.divide_no_nan(self.total, self.count)), self.dtype)


@keras.saving.register_keras_serializable(package="archbuilder")
class EditDistance(ConstructorConfig, keras.metrics.Mean):
    """Mean edit distance between labels and the greedy decoding of outputs that `CTC` trains.

    It is the least number of insertions, deletions and substitutions that turn the decoded sequence
    into the labels, divided by the length of the labels: the character or label error rate. Outputs
    are `(batch, time, classes)`, of which class 0 is the blank; labels are `(batch, length)`, with
    0 after their end. Greedy decoding takes the best class of each step, merges repetitions and
    drops blanks.

    Source: Graves et al. 2006, "Connectionist Temporal Classification: Labelling Unsegmented
    Sequence Data with Recurrent Neural Networks", doi:10.1145/1143844.1143891, with the distance of
    Levenshtein 1966.

    Args:
        normalize: Boolean, whether to divide by the length of the labels, at least 1.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "down"

    def __init__(
        self,
        normalize: bool = True,  # noqa: FBT001, FBT002 - as in Keras
        name: str = "edit_distance",
        dtype: str | None = None,
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.normalize = normalize

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of sequences."""
        labels = ops.cast(y_true, "int32")
        classes, is_symbol = _greedy_symbols(y_pred)
        lengths = ops.sum(ops.cast(labels != 0, "int32"), axis=-1)
        distances = _edit_distances(classes, is_symbol, labels, lengths)
        if self.normalize:
            distances /= ops.cast(ops.maximum(lengths, 1), "float32")
        super().update_state(distances, sample_weight)


@keras.saving.register_keras_serializable(package="archbuilder")
class WordErrorRate(ConstructorConfig, keras.metrics.Mean):
    """Edit distance in words between labels and the greedy decoding of outputs that `CTC` trains.

    It is the sum of the distances of all sequences, divided by the number of their words. Words are
    the labels between those of a class, such as that of the space; outputs and labels are those of
    `EditDistance`.

    Source: Graves and Jaitly 2014, "Towards End-to-End Speech Recognition with Recurrent Neural
    Networks", section 3, with the distance of Levenshtein 1966.

    Args:
        separator: Integer, the class between words.
        name: Name of the metric.
        dtype: The dtype of the result.
    """

    _direction = "down"

    def __init__(
        self, separator: int, name: str = "word_error_rate", dtype: str | None = None
    ) -> None:
        super().__init__(name=name, dtype=dtype)
        self.separator = separator

    def update_state(
        self, y_true: Tensor, y_pred: Tensor, sample_weight: Tensor | None = None
    ) -> None:
        """Add a batch of sequences."""
        words, counts = _words(decode_ctc(y_pred), self.separator)
        labels, lengths = _words(ops.cast(y_true, "int32"), self.separator)
        is_word = ops.arange(ops.shape(words)[1]) < counts[:, None]
        distances = _edit_distances(words, is_word, labels, lengths)
        # A sequence without words counts as one.
        sizes = ops.cast(ops.maximum(lengths, 1), "float32")
        weights = 1.0 if sample_weight is None else ops.cast(sample_weight, "float32")
        super().update_state(distances / sizes, sizes * weights)


def _words(symbols: Tensor, separator: int) -> tuple[Tensor, Tensor]:
    """Return a number for each word of sequences, from the first column on, and their counts.

    Words are the same if their numbers are: these are polynomials of the symbols, modulo 2**64.
    They follow from sums over all symbols before, since XLA has no scan of unknown batch size.
    """
    is_letter = ops.logical_and(symbols != 0, symbols != separator)
    starts = ops.logical_and(is_letter, ops.logical_not(_shifted(is_letter, 1)))
    ends = ops.logical_and(is_letter, ops.logical_not(_shifted(is_letter, -1)))
    powers, inverses = (
        ops.cumprod(ops.full((ops.shape(symbols)[1],), base, "int64"), axis=0)
        for base in (_HASH_BASE, _INVERSE_BASE)
    )
    letters = ops.where(is_letter, ops.cast(symbols, "int64"), 0)
    sums = _in_front(ops.cumsum(letters * inverses, axis=1), ends)
    first_powers = _in_front(ops.broadcast_to(powers, ops.shape(symbols)), starts)
    counts = ops.sum(ops.cast(ends, "int32"), axis=1)
    return (sums - _shifted(sums, 1)) * first_powers, counts


def _shifted(values: Tensor, steps: int) -> Tensor:
    """Return values one step later, or earlier with -1; 0 or False takes the free step."""
    free = ops.zeros_like(values[:, :1])
    pair = (free, values[:, :-1]) if steps > 0 else (values[:, 1:], free)
    return ops.concatenate(pair, axis=1)


def _in_front(values: Tensor, is_chosen: Tensor) -> Tensor:
    """Return the chosen values of each row from its first column on, and 0 after them."""
    # A stable sort keeps their order.
    order = ops.argsort(ops.cast(ops.logical_not(is_chosen), "int32"), axis=1)
    return ops.take_along_axis(ops.where(is_chosen, values, ops.zeros_like(values)), order, axis=1)


def decode_ctc(y_pred: Tensor) -> Tensor:
    """Return the labels in outputs that `CTC` trains, decoded greedily, as for `EditDistance`.

    They are integers of the shape `(batch, time)`, with 0 after their end.
    """
    return _in_front(*_greedy_symbols(y_pred))


def _greedy_symbols(y_pred: Tensor) -> tuple[Tensor, Tensor]:
    """Return the best class of each step, and whether it is a symbol: a new one and no blank."""
    mask = getattr(y_pred, "_keras_mask", None)
    classes = ops.cast(ops.argmax(ops.convert_to_tensor(y_pred), axis=-1), "int32")
    if mask is not None:
        classes = ops.where(ops.cast(mask, "bool"), classes, 0)
    previous = ops.pad(classes[:, :-1], ((0, 0), (1, 0)))
    return classes, ops.logical_and(classes != 0, classes != previous)


def _edit_distances(classes: Tensor, is_symbol: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
    """Return the distances between the symbols of sequences and labels, of shape `(batch,)`.

    Row by row of the matrix of Wagner and Fischer 1974, which has a row for each symbol, and a
    column for each beginning of the labels.
    """
    columns = ops.arange(ops.shape(labels)[1] + 1, dtype="float32")
    # The insertions from column k on that lead to column j.
    steps = columns[:, None] - columns[None, :]
    insertions = ops.where(steps >= 0, steps, float("inf"))
    first_row = ops.broadcast_to(columns, (ops.shape(labels)[0], ops.shape(labels)[1] + 1))

    def next_row(step: Tensor, row: Tensor) -> Tensor:
        symbol, is_counted = (ops.take(each, step, axis=1) for each in (classes, is_symbol))
        substituted = row[:, :-1] + ops.cast(labels != symbol[:, None], "float32")
        best = ops.minimum(row + 1, ops.pad(substituted, ((0, 0), (1, 0)), constant_values=1e9))
        changed = ops.min(best[:, None, :] + insertions[None], axis=-1)
        return ops.where(is_counted[:, None], changed, row)

    # Not a scan, which XLA cannot compile for a batch of unknown size (TensorFlow 2.21).
    last_row = ops.fori_loop(0, ops.shape(classes)[1], next_row, first_row)
    return ops.take_along_axis(last_row, lengths[:, None], axis=1)[:, 0]
