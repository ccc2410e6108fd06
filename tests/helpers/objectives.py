"""A small blueprint for every objective, and what it is trained on.

They take single steps, as TensorFlow needs longer to trace several at once than these runs train.
"""

from __future__ import annotations

import random
from pathlib import Path

WORDS = ("the", "cat", "dog", "sees", "hears", "a", "bird")
NET = """
archbuilder: 1
name: net
params: {size: 40, drop: 0.0, epsilon: 1e-7}
"""
SUPERVISED = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - Reshape: [8, 8, 1]
  - Conv2D: {filters: 8, kernel_size: 3, use_bias: false, kernel_regularizer: {L2: 1e-3}}
  - {BatchNormalization: {synchronized: true}}
  - ReLU
  - Flatten
  - Dense: {units: 10, activation: softmax}
data: digits
training:
  loss: SparseCategoricalCrossentropy
  optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}
  metrics: [SparseCategoricalAccuracy]
  steps_per_execution: 1
"""
RIDGE = """
archbuilder: 1
name: net
inputs: {image: [8, 8]}
layers:
  - RNN: {cell: {ReservoirCell: {units: 30, seed: 1}}}
  - Dense: 10
data: digits
training: {objective: {ridge: {alpha: 0.1}}, metrics: [CategoricalAccuracy]}
"""
GAN = """
archbuilder: 1
name: gan
params: {norm: true, drop: 0.2}
networks:
  generator:
    inputs: {noise: [8]}
    layers:
      - Dense: {units: 32, activation: relu}
      - {BatchNormalization: , when: $norm}
      - Dense: {units: 64, activation: sigmoid}
  discriminator:
    inputs: {image: [64]}
    layers:
      - Dense: {units: 32, activation: leaky_relu}
      - Dropout: $drop
      - Dense: 1
data: digits
training:
  objective: {wgan_gp: {critic_steps: 2}}
  optimizer:
    generator: {Adam: {learning_rate: 1e-3, beta_1: 0.5}}
    discriminator: {Adam: {learning_rate: 2e-3, beta_1: 0.5}}
  epochs: 4
  batch_size: 64
  seed: 2
  steps_per_execution: 1
"""
CAUSAL = (
    NET
    + """
inputs: {tokens: {shape: [null], dtype: int32}}
layers:
  - Embedding: {input_dim: $size, output_dim: 16}
  - GRU: {units: 24, return_sequences: true}
  - Dropout: $drop
  - Dense: {units: $size, activation: softmax}
data: {text: {file: text.txt, tokenizer: characters, sequence_length: 16}}
training:
  objective: causal_lm
  optimizer: {Adam: {learning_rate: 0.01, epsilon: $epsilon}}
  epochs: 3
  batch_size: 32
"""
)
MASKED = (
    NET
    + """
inputs:
  tokens: {shape: [null], dtype: int32}
  segments: {shape: [null], dtype: int32}
  mask: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: $size, output_dim: 16}, name: words, from: tokens}
  - {Embedding: {input_dim: 2, output_dim: 16}, name: kinds, from: segments}
  - {Add: , from: [words, kinds]}
  - MultiHeadAttention: {num_heads: 2, key_dim: 8}
    from: {query: previous, value: previous, value_mask: mask}
  - {Dropout: $drop, name: encoded}
  - {GlobalAveragePooling1D: , name: pooled}
  - {Dense: 2, name: next_sentence}
  - {Dense: $size, name: masked_lm, from: encoded}
outputs: {masked_lm: masked_lm, next_sentence: next_sentence}
data: {text: {file: text.txt, tokenizer: words, sequence_length: 12}}
training:
  objective: {masked_lm: {next_sentence: true}}
  optimizer: {Adam: {learning_rate: 0.01, epsilon: $epsilon}}
  epochs: 3
  batch_size: 16
"""
)
SEQUENCES = (
    NET
    + """
inputs:
  source: {shape: [null], dtype: int32}
  target: {shape: [null], dtype: int32}
layers:
  - {Embedding: {input_dim: $size, output_dim: 16}, from: source}
  - {GRU: {units: 24}, name: memory}
  - {Embedding: {input_dim: $size, output_dim: 16}, from: target}
  - {GRU: {units: 24, return_sequences: true}, from: {sequences: previous, initial_state: memory}}
  - Dropout: $drop
  - Dense: $size
data: {pairs: {file: pairs.tsv, tokenizer: characters, sequence_length: 6}}
training:
  objective: {sequence_to_sequence: {label_smoothing: 0.1}}
  optimizer: {Adam: {learning_rate: 0.01, epsilon: $epsilon}}
  epochs: 3
  batch_size: 16
"""
)
CONTRAST = """
archbuilder: 1
name: net
params: {drop: 0.0, norm: false}
inputs: {image: [8, 8, 1]}
layers:
  - Conv2D: {filters: 8, kernel_size: 3, strides: 2, use_bias: false}
  - {BatchNormalization: , when: $norm}
  - ReLU
  - Flatten
  - Dropout: $drop
  - {Dense: {units: 16, activation: relu}, name: features}
  - {Dense: 8, name: projection}
outputs: {features: features, projection: projection}
data: digits
training:
  objective: OBJECTIVE
  augment:
    - RandomTranslation: {height_factor: 0.1, width_factor: 0.1}
    - RandomRotation: 0.05
  optimizer: {SGD: {learning_rate: 0.1, momentum: 0.9}}
  epochs: 2
  batch_size: 70
  steps_per_execution: 1
"""
SIMCLR = CONTRAST.replace("OBJECTIVE", "{simclr: {output: projection, projection: []}}")
"""SimCLR: rows of all replicas."""
MOCO = CONTRAST.replace(
    "OBJECTIVE", "{moco: {momentum: 0.9, queue_size: 256, output: projection}}"
).replace("0.1,", "0.02,", 1)
"""MoCo: a copy, a memory, and rows that the replicas shuffle."""
LANGUAGE = {"causal": CAUSAL, "masked": MASKED, "sequences": SEQUENCES}
STEPWISE = {
    "supervised": SUPERVISED,
    "gan": GAN,
    "simclr": SIMCLR,
    "moco": MOCO,
    **LANGUAGE,
}
"""Those that are trained step by step."""
BLUEPRINTS = {"ridge": RIDGE, **STEPWISE}
DROPOUT_OFF = {
    "gan": ("norm=false", "drop=0"),
    **dict.fromkeys(LANGUAGE, ("epsilon=1e-3",)),
}
"""Parameters with which a network has no dropout, and no statistics of a single replica.

Nor has it an optimizer that makes much of gradients of nearly zero, which is what the rounding of
float32 makes of the biases of keys: those of a softmax that all rise together change nothing.
"""


def write_data(folder: Path) -> None:
    """Write the texts that the language models are trained on."""
    chosen = random.Random(0)  # noqa: S311
    sentences = (" ".join(chosen.choices(WORDS, k=4)) + ".\n" for _ in range(200))
    (folder / "text.txt").write_text("".join(sentences))
    (folder / "pairs.tsv").write_text(sequences())


def sequences() -> str:
    """Words with what they are backwards."""
    chosen = random.Random(1)  # noqa: S311
    words = ("".join(chosen.choices("abcd", k=chosen.randint(1, 6))) for _ in range(200))
    return "".join(f"{word}\t{word[::-1]}\n" for word in words)
