"""A small blueprint for every objective of the library, and what it is trained on."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

ROWS = 12
"""Examples of the batch that the equations of the papers are computed for."""
AUGMENT = "{RandomRotation: 0.1}"
_VECTORS = "encoder: {inputs: {image: [6, 6, 1]}, layers: [Flatten, {Dense: 5}]}"
_GAN = """
  generator: {inputs: {noise: [3]}, layers: [{Dense: 36}, {Reshape: [6, 6, 1]}]}
  discriminator:
    inputs: {image: [6, 6, 1]}
    layers: [Flatten, {Dense: {units: 4, activation: tanh}}, {Dense: 1}]
"""
"""Networks as text, of which the last layer of the discriminator returns logits."""


@dataclass(frozen=True, slots=True)
class LibraryExample:
    """An objective: the networks, its arguments, and the columns of `write_arrays`."""

    networks: str
    arguments: str = "{}"
    inputs: str = "{image: images}"
    targets: str = "{}"
    augment: bool = False
    data: str = ""
    """The data, if it is not a part of the arrays."""

    def blueprint(self, name: str, training: str) -> str:
        """Return the text of a blueprint with more settings under `training`."""
        augment = f"  augment: [{AUGMENT}]\n" if self.augment else ""
        arrays = f"{{npz: {{file: data.npz, inputs: {self.inputs}, targets: {self.targets}}}}}"
        return (
            f"archbuilder: 1\nname: net\nnetworks:\n  {self.networks.strip()}\n"
            f"data: {self.data or arrays}\n"
            f"training:\n  objective: {{{name}: {self.arguments}}}\n{augment}{training}"
        )


LETTERS = "abc"
"""The characters of the texts, whose tokens are 5, 6 and 7."""
TEXT_LENGTH = 4
EXAMPLES = {
    "causal_lm": LibraryExample(
        """
  model:
    inputs: {tokens: {shape: [4], dtype: int32}}
    layers: [{Embedding: {input_dim: 8, output_dim: 5}}, {Dense: 8}]
""",
        data="{text: {file: text.txt, tokenizer: characters, sequence_length: 4}}",
    ),
    "masked_lm": LibraryExample(
        """
  model:
    inputs:
      segments: {shape: [null], dtype: int32}
      tokens: {shape: [7], dtype: int32}
    layers:
      - {Embedding: {input_dim: 8, output_dim: 5}, from: tokens}
      - {Embedding: {input_dim: 2, output_dim: 5}, from: segments}
      - {Add: , from: [embedding0, embedding1], name: sum}
      - {Dense: 8, name: masked_lm}
      - {GlobalAveragePooling1D: , from: sum}
      - {Dense: {units: 2, activation: softmax}, name: next_sentence}
    outputs: [masked_lm, next_sentence]
""",
        "{mask_rate: 0.3, next_sentence: true}",
        data="{text: {file: text.txt, tokenizer: characters, sequence_length: 7}}",
    ),
    "sequence_to_sequence": LibraryExample(
        """
  model:
    inputs:
      target: {shape: [null], dtype: int32}
      source: {shape: [4], dtype: int32}
      mask: {shape: [4], dtype: int32}
    layers:
      - {Embedding: {input_dim: 8, output_dim: 5}, from: source}
      - {Embedding: {input_dim: 2, output_dim: 5}, from: mask, name: present}
      - {ZeroPadding1D: [0, 1], from: present}
      - {Embedding: {input_dim: 8, output_dim: 5}, from: target}
      - {Add: , from: [previous, zero_padding1d0]}
      - {ops.mean: {axis: 1, keepdims: true}, from: embedding0}
      - {Add: , from: [previous, add0]}
      - Dense: {units: 8, activation: softmax}
""",
        "{label_smoothing: 0.1}",
        data="{pairs: {file: pairs.tsv, tokenizer: characters, sequence_length: 4}}",
    ),
    "vae": LibraryExample(
        """
  encoder:
    inputs: {image: [6, 6, 1]}
    layers:
      - Flatten
      - {Dense: 4, name: hidden}
      - {Dense: 2, name: mean}
      - {Dense: 2, from: hidden, name: log_variance}
    outputs: [mean, log_variance]
  decoder:
    inputs: {code: [2]}
    layers: [{Dense: {units: 36, activation: sigmoid}}, {Reshape: [6, 6, 1]}]
""",
        "{beta: 4}",
    ),
    "gan": LibraryExample(_GAN),
    "lsgan": LibraryExample(_GAN, "{noise: uniform, lowest: -1}"),
    "wgan_gp": LibraryExample(_GAN, "{critic_steps: 1}"),
    "conditional_gan": LibraryExample(
        """
  generator:
    inputs: {noise: [3], label: {shape: [], dtype: int32}}
    layers:
      - {Embedding: {input_dim: 4, output_dim: 2}, from: label}
      - {Concatenate: , from: [noise, previous]}
      - Dense: 36
      - Reshape: [6, 6, 1]
  discriminator:
    inputs: {image: [6, 6, 1], label: {shape: [], dtype: int32}}
    layers:
      - {Embedding: {input_dim: 4, output_dim: 2}, from: label}
      - {Flatten: , from: image, name: pixels}
      - {Concatenate: , from: [pixels, embedding0]}
      - Dense: {units: 4, activation: tanh}
      - Dense: 1
""",
        targets="{label: labels}",
    ),
    "pix2pix": LibraryExample(
        """
  generator:
    inputs: {image: [6, 6, 1]}
    layers: [{Conv2D: {filters: 1, kernel_size: 3, padding: same}}]
  discriminator:
    inputs: {image: [6, 6, 1], target: [6, 6, 1]}
    layers:
      - {Concatenate: , from: [image, target]}
      - Conv2D: {filters: 4, kernel_size: 3, activation: tanh}
      - Conv2D: {filters: 1, kernel_size: 1}
""",
        "{distance: 10}",
        targets="{target: others}",
    ),
    "cyclegan": LibraryExample(
        """
  x_to_y: &generator
    inputs: {image: [6, 6, 1]}
    layers: [{Conv2D: {filters: 1, kernel_size: 3, padding: same, activation: tanh}}]
  y_to_x: *generator
  discriminator_x: &discriminator
    inputs: {image: [6, 6, 1]}
    layers:
      - Conv2D: {filters: 2, kernel_size: 3, activation: tanh}
      - Conv2D: {filters: 1, kernel_size: 1}
  discriminator_y: *discriminator
""",
        inputs="{x: images, y: others}",
    ),
    "vq_vae": LibraryExample(
        """
  encoder: {inputs: {image: [6, 6, 1]}, layers: [Flatten, {Dense: 8}, {Reshape: [4, 2]}]}
  codebook:
    inputs: {vectors: [4, 2]}
    layers:
      - {Parameter: {shape: [5, 2], initializer: random_normal}, name: book}
      - formula: argmin(sum((vectors[:, :, None] - book) ** 2, axis=-1), axis=-1)
      - formula: take(book, previous, axis=0)
  decoder:
    inputs: {codes: [4, 2]}
    layers: [Flatten, {Dense: 36}, {Reshape: [6, 6, 1]}]
""",
        "{variance: 0.5}",
    ),
    "simclr": LibraryExample(_VECTORS, "{projection: []}", targets="{label: labels}", augment=True),
    "moco": LibraryExample(_VECTORS, "{queue_size: 16}", augment=True),
    "byol": LibraryExample(_VECTORS, "{predictor: []}", augment=True),
    "simsiam": LibraryExample(_VECTORS, "{predictor: []}", augment=True),
    "mean_teacher": LibraryExample(_VECTORS, targets="{label: some_labels}", augment=True),
    "nnclr": LibraryExample(_VECTORS, "{predictor: [], length: 7}", augment=True),
    "triplet": LibraryExample(_VECTORS, targets="{label: labels}"),
    "barlow_twins": LibraryExample(_VECTORS, "{projection: []}", augment=True),
    "supervised_contrastive": LibraryExample(
        _VECTORS, "{projection: []}", targets="{label: labels}", augment=True
    ),
    "masked_autoencoder": LibraryExample(
        """
  encoder:
    inputs: {image: [6, 6, 1], visible: {shape: [null], dtype: int32}}
    layers:
      - {Conv2D: {filters: 3, kernel_size: 2, strides: 2}, from: image}
      - {Reshape: [9, 3], name: patches}
      - formula: take_along_axis(patches, visible[:, :, None], axis=1)
  decoder: {inputs: {patches: [9, 3]}, layers: [{PositionEmbedding: 9}, {Dense: 4}]}
""",
        "{patches: 9, patch_size: 2}",
    ),
    "clip": LibraryExample(
        """
  image_encoder: {inputs: {image: [6, 6, 1]}, layers: [Flatten, {Dense: 4}]}
  text_encoder: {inputs: {text: [5]}, layers: [{Dense: 4}]}
""",
        inputs="{image: images, text: texts}",
    ),
    "distillation": LibraryExample(
        """
  student: {inputs: {image: [6, 6, 1]}, layers: [Flatten, {Dense: 4}]}
  teacher: {inputs: {image: [6, 6, 1]}, layers: [Flatten, {Dropout: 0.5}, {Dense: 4}]}
""",
        targets="{label: labels}",
    ),
    "ddpm": LibraryExample("""
  denoiser:
    inputs: {image: [6, 6, 1], time: [1]}
    layers:
      - {Flatten: , from: image, name: pixels}
      - {Concatenate: , from: [pixels, time]}
      - Dense: 36
      - Reshape: [6, 6, 1]
"""),
}


@dataclass(frozen=True, slots=True)
class Arrays:
    """Images, other images, texts as vectors, and labels from 0 to 3, of which some are -1."""

    images: np.ndarray
    others: np.ndarray
    texts: np.ndarray
    labels: np.ndarray
    some_labels: np.ndarray


def make_arrays(rows: int) -> Arrays:
    """Return as many examples."""
    rng, numbers = np.random.default_rng(1), np.arange(rows)
    return Arrays(
        rng.uniform(size=(rows, 6, 6, 1)).astype(np.float32),
        rng.uniform(size=(rows, 6, 6, 1)).astype(np.float32),
        rng.normal(size=(rows, 5)).astype(np.float32),
        numbers % 4,
        np.where(numbers % 3, numbers % 4, -1),
    )


def write_arrays(folder: Path, rows: int) -> None:
    """Write the examples that all blueprints of a folder are trained on."""
    arrays = make_arrays(rows)
    columns = {each.name: getattr(arrays, each.name) for each in fields(arrays)}
    np.savez(folder / "data.npz", **columns)
    (folder / "text.txt").write_text(make_text(rows))
    (folder / "pairs.tsv").write_text("".join(f"{a}\t{b}\n" for a, b in make_pairs(rows)))


def make_text(rows: int) -> str:
    """Return a text with so many examples of `TEXT_LENGTH` characters."""
    return "".join(np.random.default_rng(2).choice([*LETTERS], rows * TEXT_LENGTH))


def make_pairs(rows: int) -> list[tuple[str, str]]:
    """Return texts of 1 to `TEXT_LENGTH` characters, each with itself backwards."""
    text = make_text(rows)
    texts = [text[TEXT_LENGTH * row :][: 1 + row % TEXT_LENGTH] for row in range(rows)]
    return [(each, each[::-1]) for each in texts]
