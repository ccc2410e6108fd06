"""The models of the benchmarks, written by hand in Keras."""

from __future__ import annotations

from collections.abc import Callable

import keras
from keras import layers

from archbuilder.keras_ext.layers import LocalResponseNormalization


def vgg16() -> keras.Model:
    """VGG, configuration D."""
    inputs = keras.Input((224, 224, 3))
    x = inputs
    for filters, depth in ((64, 2), (128, 2), (256, 3), (512, 3), (512, 3)):
        for _ in range(depth):
            x = layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
        x = layers.MaxPooling2D(2)(x)
    x = layers.Flatten()(x)
    for _ in range(2):
        x = layers.Dense(4096, activation="relu")(x)
        x = layers.Dropout(0.5)(x)
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))


def _convolution(x: keras.KerasTensor, filters: int, size: int, strides: int) -> keras.KerasTensor:
    x = layers.Conv2D(filters, size, strides=strides, padding="same", use_bias=False)(x)
    return layers.BatchNormalization()(x)


def _bottleneck(x: keras.KerasTensor, filters: int, strides: int, *, project: bool) -> object:
    shortcut = _convolution(x, 4 * filters, 1, strides) if project else x
    x = layers.ReLU()(_convolution(x, filters, 1, strides))
    x = layers.ReLU()(_convolution(x, filters, 3, 1))
    x = _convolution(x, 4 * filters, 1, 1)
    return layers.ReLU()(layers.Add()([x, shortcut]))


def resnet(depths: tuple[int, ...]) -> keras.Model:
    """ResNet with bottlenecks."""
    inputs = keras.Input((224, 224, 3))
    x = layers.ReLU()(_convolution(inputs, 64, 7, 2))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for stage, depth in enumerate(depths):
        for unit in range(depth):
            strides = 2 if stage > 0 and unit == 0 else 1
            x = _bottleneck(x, 64 * 2**stage, strides, project=unit == 0)
    x = layers.GlobalAveragePooling2D()(x)
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))


def _relu(x: keras.KerasTensor, filters: int, size: int, strides: int = 1) -> keras.KerasTensor:
    return layers.Conv2D(filters, size, strides=strides, padding="same", activation="relu")(x)


INCEPTIONS = (
    (64, 96, 128, 16, 32, 32),
    (128, 128, 192, 32, 96, 64),
    None,
    (192, 96, 208, 16, 48, 64),
    (160, 112, 224, 24, 64, 64),
    (128, 128, 256, 24, 64, 64),
    (112, 144, 288, 32, 64, 64),
    (256, 160, 320, 32, 128, 128),
    None,
    (256, 160, 320, 32, 128, 128),
    (384, 192, 384, 48, 128, 128),
)


def googlenet() -> keras.Model:
    """GoogLeNet without its auxiliary heads."""
    inputs = keras.Input((224, 224, 3))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(_relu(inputs, 64, 7, 2))
    x = LocalResponseNormalization()(x)
    x = LocalResponseNormalization()(_relu(_relu(x, 64, 1), 192, 3))
    x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
    for widths in INCEPTIONS:
        if widths is None:
            x = layers.MaxPooling2D(3, strides=2, padding="same")(x)
            continue
        width1, reduce3, width3, reduce5, width5, pool = widths
        x = layers.Concatenate()(
            [
                _relu(x, width1, 1),
                _relu(_relu(x, reduce3, 1), width3, 3),
                _relu(_relu(x, reduce5, 1), width5, 5),
                _relu(layers.MaxPooling2D(3, strides=1, padding="same")(x), pool, 1),
            ]
        )
    x = layers.Dropout(0.4)(layers.GlobalAveragePooling2D()(x))
    return keras.Model(inputs, layers.Dense(1000, activation="softmax")(x))


class _PositionEmbedding(layers.Layer):
    """Adds a learned vector to each position."""

    def build(self, shape: tuple[int | None, ...]) -> None:
        self.table = self.add_weight(shape=shape[1:], initializer="normal")

    def call(self, x: keras.KerasTensor) -> keras.KerasTensor:
        return x + keras.ops.cast(self.table, x.dtype)


def gpt2(*, depth: int = 12, width: int = 768, heads: int = 12) -> keras.Model:
    """GPT-2 for texts of its full length, with logits in float32."""
    inputs = keras.Input((1024,), dtype="int32")
    tokens = layers.ReversibleEmbedding(50257, width, dtype="float32")
    x = layers.Dropout(0.1)(_PositionEmbedding()(tokens(inputs)))
    for _ in range(depth):
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        y = layers.MultiHeadAttention(heads, width // heads, dropout=0.1)(
            y, y, use_causal_mask=True
        )
        x = layers.Add()([x, layers.Dropout(0.1)(y)])
        y = layers.LayerNormalization(epsilon=1e-5)(x)
        y = keras.ops.gelu(layers.Dense(4 * width)(y), approximate=True)
        x = layers.Add()([x, layers.Dropout(0.1)(layers.Dense(width)(y))])
    x = layers.LayerNormalization(epsilon=1e-5)(x)
    return keras.Model(inputs, tokens(x, reverse=True))


def chain(steps: int) -> keras.Model:
    """Small dense layers, one behind the other."""
    inputs = keras.Input((8,))
    x = inputs
    for _ in range(steps):
        x = layers.Dense(8)(x)
    return keras.Model(inputs, x)


MODELS: dict[str, Callable[[], keras.Model]] = {
    "vgg:16": vgg16,
    "resnet:50": lambda: resnet((3, 4, 6, 3)),
    "resnet:152": lambda: resnet((3, 8, 36, 3)),
    "googlenet": googlenet,
}
"""The blueprint of the library that each is written beside."""
