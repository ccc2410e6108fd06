"""The types of a recipe: where examples come from, and how a network is trained on them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal, TypeAlias

from archbuilder.tree import Span, Tree

Distribution: TypeAlias = Literal["auto", "none", "mirrored", "multi_worker", "tpu"]
Auto: TypeAlias = Literal["auto"]
"""What the device decides."""


@dataclass(frozen=True, slots=True)
class DataFile:
    """A file of examples. Without a `span` the person at the command line named it.

    A file that a blueprint names stays in the blueprint's folder; a person may name any.
    """

    path: str
    span: Span | None = None


Arrays: TypeAlias = str | Mapping[str, str]
"""The array for the one input (or output) of a network, or arrays by the names of the inputs."""


Targets: TypeAlias = str | int | Mapping[str, str | int]
"""The column of a table for the one output of a network, or columns by the names of the outputs."""


Files: TypeAlias = DataFile | Mapping[str, DataFile]
"""The file for the one input (or output) of a network, or files by the names of the inputs."""


OnError: TypeAlias = Literal["stop", "skip"]
Columns: TypeAlias = str | tuple[str, ...]
"""A column of a table, or several that are one input side by side."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What every source of examples has."""

    cache: bool | None = None
    """Whether all examples are held in memory; where nothing is said, they are if they are few."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Lenient(Source):
    """A source whose wrong lines, records or pictures may be left out."""

    on_error: OnError = "stop"


@dataclass(frozen=True, slots=True)
class Digits(Source):
    """The 1,797 handwritten digits of 8 by 8 pixels that ship with archbuilder."""


@dataclass(frozen=True, slots=True)
class Npz(Source):
    """Arrays of a numpy archive. Inputs of whole numbers are divided by `scale`, if it is given."""

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    scale: float | None = None
    weights: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Npy(Source):
    """Arrays in files of their own (`.npy`), which are never in memory as a whole.

    Inputs of whole numbers are divided by `scale`, if it is given.
    """

    inputs: Files
    targets: Files
    scale: float | None = None
    weights: Files | None = None


@dataclass(frozen=True, slots=True)
class Idx(Source):
    """Images and labels in the IDX format, as MNIST has it; the files may be compressed (.gz)."""

    images: DataFile
    labels: DataFile
    scale: float | None = None


IMAGE_ENDINGS: Final = (".png", ".jpg", ".jpeg", ".bmp", ".gif")
"""How the names of pictures end, in small or capital letters."""


@dataclass(frozen=True, slots=True)
class Images(Lenient):
    """Pictures of a folder: one folder for every class in it, or no classes.

    They get the `size` (height, width) and `channels` of the first, if none are given.
    """

    folder: DataFile
    size: tuple[int, int] | None = None
    channels: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Csv(Lenient):
    """A table whose columns are numbers, but for the target, which may be words.

    Columns have names in the first line, or are counted from 0 where there is no `header`. Without
    a `target` it is the last column, and without `inputs` all that have no other part are one.
    """

    file: DataFile
    target: Targets | None = None
    header: bool = True
    inputs: Columns | Mapping[str, Columns] | None = None
    weights: Arrays | None = None


@dataclass(frozen=True, slots=True)
class Parquet(Lenient):
    """A table in the format of Apache Parquet: as `Csv`, where columns may hold lists too.

    Inputs are divided by `scale`, if it is given.
    """

    file: DataFile
    target: Targets | None = None
    inputs: Columns | Mapping[str, Columns] | None = None
    weights: Arrays | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Tfrecord(Lenient):
    """Records of `tf.train.Example` in TFRecord files, compressed or not.

    Lists of numbers get the `shape` that is given for their input. Bytes are encoded images, which
    get a `size` (height, width) and `channels` as in `Images`, or else numbers from 0 to 255.
    """

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    shape: tuple[int, ...] | Mapping[str, tuple[int, ...]] | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    scale: float | None = None
    weights: Arrays | None = None


DATA_SET: Final = r"[a-z][a-z0-9_]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)?(:[0-9.]+)?"
"""A name of `tensorflow-datasets`: a data set, one of its configurations, a version."""


@dataclass(frozen=True, slots=True)
class Tfds(Lenient):
    """A data set that `tensorflow-datasets` has prepared on this machine, by its name.

    It lies where a blueprint may not read unless a person allows it. Without `inputs` and `targets`
    they are what the data set says itself.
    """

    name: DataFile
    split: str = "train"
    inputs: Arrays | None = None
    targets: Arrays | None = None
    size: tuple[int, int] | None = None
    channels: int | None = None
    scale: float | None = None


@dataclass(frozen=True, slots=True)
class Jsonl(Lenient):
    """JSON lines with numbers: fields are what arrays are in an archive.

    Inputs are divided by `scale`, if it is given. A target may be a word.
    """

    file: DataFile
    inputs: Arrays = "x"
    targets: Arrays = "y"
    scale: float | None = None
    weights: Arrays | None = None


Tokeniser: TypeAlias = Literal["characters", "words", "bpe", "wordpiece"]


@dataclass(frozen=True, slots=True)
class Tokenising:
    """How text becomes tokens. The vocabulary is learned, and has at most that many of them."""

    tokens: Tokeniser = "characters"
    vocabulary: int = 30_000
    lowercase: bool = False


@dataclass(frozen=True, slots=True)
class Text(Lenient):
    """Plain text, or a `field` of JSON lines: an example is a piece of `length` tokens.

    Where nothing else is said, its targets are the tokens that follow each.
    """

    file: DataFile
    tokenising: Tokenising
    length: int = 128
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Pairs(Lenient):
    """Two texts a line with a tab between, of at most `length` tokens each."""

    file: DataFile
    tokenising: Tokenising
    length: int = 128


DataSource: TypeAlias = (
    Digits | Npz | Npy | Idx | Images | Csv | Parquet | Jsonl | Tfrecord | Tfds | Text | Pairs
)


@dataclass(frozen=True, slots=True)
class DataSpec:
    """Examples to train on. Without `validation`, a share of them is held out (see `training`).

    Files that a blueprint names lie in the `folder` of the blueprint. `given` is what the person at
    the command line named.
    """

    train: DataSource
    validation: DataSource | None = None
    folder: Path | None = None
    given: str | None = None


Metrics: TypeAlias = Mapping[str, tuple[Tree, ...]]
"""Metrics by output; the objects are trees that were checked against the catalogue."""


@dataclass(frozen=True, slots=True)
class Supervised:
    """Every output that has a loss is compared with its target.

    Losses, their weights and metrics stand under the name of their output. The objects are trees
    that were checked against the catalogue.
    """

    loss: Mapping[str, Tree]
    optimizer: Tree
    loss_weights: Mapping[str, float]
    metrics: Metrics
    inputs: Mapping[str, str] = field(default_factory=dict)
    """Inputs that are given the target of an output."""
    targets: Mapping[str, str] = field(default_factory=dict)
    """Outputs that are compared with an input."""
    class_weights: Mapping[str, Mapping[int, float]] = field(default_factory=dict)
    """By output, what an example of a class counts; 1 for those that are left out."""


@dataclass(frozen=True, slots=True)
class Ridge:
    """The weights of the last layer alone, as those of the least squared error.

    `penalty` times the sum of their squares is added to the error, without the bias. `washout`
    steps at the beginning of each sequence do not count.
    """

    metrics: Metrics
    penalty: float = 1e-6
    washout: int = 0


AdversarialLoss: TypeAlias = Literal["non_saturating", "least_squares", "wasserstein"]
Noise: TypeAlias = Literal["normal", "uniform"]


@dataclass(frozen=True, slots=True)
class Adversarial:
    """A `generator` learns to make what a `discriminator` takes for an example of the data.

    The optimizers stand under the names of the networks, as trees that were checked against the
    catalogue. The discriminator takes `discriminator_steps` for each of the generator's. A
    `gradient_penalty` is of the Wasserstein loss alone. The `noise` that a sample is made of has a
    variance of one.
    """

    optimizer: Mapping[str, Tree]
    loss: AdversarialLoss = "non_saturating"
    discriminator_steps: int = 1
    gradient_penalty: float = 10.0
    noise: Noise = "normal"
    samples: int = 64
    """The samples of a picture that is drawn after every epoch."""


@dataclass(frozen=True, slots=True)
class CausalLanguageModel:
    """Every token is told from those in front of it."""

    optimizer: Tree


@dataclass(frozen=True, slots=True)
class MaskedLanguageModel:
    """Tokens that were hidden are told from those around them, as in BERT.

    Of the `masked` share, four fifths are hidden, a tenth become other tokens, and a tenth stay. A
    network with an output `next_sentence` also tells whether two pieces follow each other.
    """

    optimizer: Tree
    masked: float = 0.15


@dataclass(frozen=True, slots=True)
class SequenceToSequence:
    """Every token of a text is told from those in front of it and a whole other text."""

    optimizer: Tree
    label_smoothing: float = 0.0


@dataclass(frozen=True, slots=True)
class SimCLR:
    """Two views of an image are told from the views of all others in the batch.

    A network with two outputs gives features and, from them, what is compared; one output is both.
    """

    optimizer: Tree
    temperature: float = 0.5


@dataclass(frozen=True, slots=True)
class MoCo:
    """A view of an image is told from a `queue` of views of images before.

    Those are encoded by a network whose weights follow with a `momentum`. Of the outputs see
    `SimCLR`.
    """

    optimizer: Tree
    temperature: float = 0.07
    momentum: float = 0.999
    queue: int = 65_536


Contrastive: TypeAlias = SimCLR | MoCo
Language: TypeAlias = CausalLanguageModel | MaskedLanguageModel | SequenceToSequence
Objective: TypeAlias = Supervised | Ridge | Adversarial | Contrastive | Language


Precision: TypeAlias = Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"]


@dataclass(frozen=True, slots=True)
class Clip:
    """Gradients are made smaller where they are larger than this, in one of three ways.

    By the `norm` of each weight's gradient, by the `global_norm` of all gradients together, or
    number by number to a `value`.
    """

    norm: float | None = None
    global_norm: float | None = None
    value: float | None = None


@dataclass(frozen=True, slots=True)
class MovingAverage:
    """Weights are averaged over the steps, each step counting `momentum` times the one behind it.

    The average takes the place of the weights at the end, and `every` so many steps.
    """

    momentum: float = 0.999
    every: int | None = None


@dataclass(frozen=True, slots=True)
class TrainingSpec:
    """How a network is trained."""

    objective: Objective
    epochs: int = 10
    batch_size: int = 32
    """Examples of one step, on all devices together."""
    validation: float = 0.2
    """The share of the examples that is held out where the data has no validation set."""
    seed: int = 0
    distribute: Distribution = "auto"
    augment: tuple[Tree, ...] = ()
    """Layers that change the images that are trained on by chance, one behind the other."""
    checkpoint_seconds: float = 30
    """How often the run is kept; 0 after every step."""
    xla: bool | Auto = "auto"
    """Whether steps are compiled by XLA."""
    steps_per_execution: int | Auto = "auto"
    """The steps that are taken between two looks at the run."""
    precision: Precision = "auto"
    """What layers compute in; weights are float32."""
    shuffle: bool = True
    """Whether every epoch has an order of its own, or that of the data."""
    accumulate: int = 1
    """The parts of a batch that are gone through one behind the other."""
    clip: Clip | None = None
    ema: MovingAverage | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """What to train on and how; None where the blueprint does not say."""

    data: DataSpec | None = None
    training: TrainingSpec | None = None
