"""Train the models of docs/results.md, check their metrics, and write the page.

`make results DATA=DIR` runs this script; the directory has `mnist/` with the four files of MNIST,
and `text/tinyshakespeare.txt`. Names after it select results; the others stay as they are. The
data and the baselines of `real_data/*` come from `real_data.py`, in an environment of its own.
"""

from __future__ import annotations

import argparse
import gzip
import itertools
import json
import math
import random
import shlex
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from archbuilder.data.image_grid import image_grid, to_uint8_images

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "results"
METRICS = ROOT / "docs" / "results.json"
PAGE = ROOT / "docs" / "results.md"
IMAGES = ROOT / "docs" / "images"
MNIST = "$DATA/mnist"
TEXT = "$DATA/text/tinyshakespeare.txt"
CHARACTERS = "--set vocabulary=70"
"""The 65 characters of the text and the special tokens."""
PYTHON_FOR_DATA = Path(sys.prefix) / "results" / "bin" / "python"
"""The environment with the packages that real data and baselines come from."""
HEADER = """\
# Results

Results on real data, each from one command. `make results DATA=DIR` trains all of them and writes
this page; the directory has `mnist/` with the four files of MNIST, and `text/tinyshakespeare.txt`.
Metrics are those of the validation set: the 10,000 test images of MNIST (for boxes, 6,000 of them
on the canvases of [cluttered_digits.py](../scripts/cluttered_digits.py)), the last tenth of the
text, and for tables, series, sentences and masks the set that
[real_data.py](../scripts/real_data.py) holds out. It takes their data from Python packages, and
measures the other methods beside which these results stand. Where a network starts from the weights
of another run, the same network stands beside it with its initial weights, trained with the same
settings and seed. Minutes are the duration of the commands on two cores without a GPU, under other
load.

| result | metric | required | minutes |
|---|---|---|---:|
"""


@dataclass(frozen=True)
class Metric:
    """The metric of a run, and whether it meets its requirement."""

    text: str
    passed: bool


@dataclass(frozen=True)
class Result:
    """A training command, with the metric that it must reach."""

    name: str
    title: str
    command: str
    metric: Callable[[Path], Metric]
    bound: str
    prepare: Callable[[Path], None] = lambda _data: None
    earlier_runs: Mapping[str, str] = field(default_factory=dict)
    """The commands of runs that come before, by their directories; those that exist are kept."""


def validation_metrics(run: Path) -> Mapping[str, float]:
    """Return the metrics of the validation set."""
    metrics: Mapping[str, float] = json.loads((run / "run.json").read_text())["validation_metrics"]
    return metrics


def accuracy_above(key: str, bound: float) -> Callable[[Path], Metric]:
    """Return a metric that requires an accuracy above a bound."""

    def metric(run: Path) -> Metric:
        value = validation_metrics(run)[key]
        return Metric(f"accuracy {value:.2%}", value > bound)

    return metric


def lm_vs_bigram(run: Path) -> Metric:
    """Compare the loss of a language model with the bigram entropy, in nats per character."""
    loss = validation_metrics(run)["loss"]
    entropy = bigram_entropy((run.parent / "text.txt").read_text())
    return Metric(f"loss {loss:.3f} nats, bigrams {entropy:.3f}", loss < 0.8 * entropy)


def bigram_entropy(text: str) -> float:
    """Return the entropy of a character given the previous one, in nats."""
    pairs, firsts = Counter(itertools.pairwise(text)), Counter(text[:-1])
    total = len(text) - 1
    return -sum(
        count / total * math.log(count / firsts[first]) for (first, _), count in pairs.items()
    )


def mlm_accuracy(run: Path) -> Metric:
    """Compare the accuracy on masked characters with the frequency of the most common one."""
    text = (run.parent / "text.txt").read_text()
    unigram = Counter(text).most_common(1)[0][1] / len(text)
    value = validation_metrics(run)["masked_lm_accuracy"]
    return Metric(f"masked accuracy {value:.2%}, unigrams {unigram:.2%}", value > 2 * unigram)


def loss_decreasing(run: Path) -> Metric:
    """Require that the validation loss decreases with every epoch."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    losses = [row["val_loss"] for row in rows]
    return Metric(
        f"squared error {losses[0]:.4f} to {losses[-1]:.4f}",
        all(later < earlier for earlier, later in itertools.pairwise(losses)),
    )


def autoencoder_reconstruction(run: Path) -> Metric:
    """Require the same, and save an image of digits above their reconstructions."""
    images = read_mnist(run.parent / "mnist", "t10k")[:32, ..., np.newaxis]
    model = keras.saving.load_model(run / "autoencoder.keras")  # noqa: TID251
    outputs = np.asarray(model(images))
    starts = range(0, 32, 8)
    rows = [pixels[start : start + 8] for start in starts for pixels in (images, outputs)]
    save_image("autoencoder", image_grid(to_uint8_images(np.concatenate(rows))))
    return loss_decreasing(run)


def draw_samples(run: Path, count: int) -> NDArray[np.float32]:
    """Return samples of a run as images of 32 by 32 pixels from 0 to 1; save a picture of 64."""
    file = run / "samples.npz"
    command = ["sample", str(run), "--num-samples", str(count), "--output", str(file)]
    subprocess.run([sys.executable, "-m", "archbuilder", *command], cwd=ROOT, check=True)
    (images,) = np.load(file).values()
    save_image(run.name, image_grid(to_uint8_images(images[:64])))
    low, margin = min(0.0, np.floor(images.min())), (32 - images.shape[1]) // 2
    pixels: NDArray[np.float32] = (images - low) / (1 - low)
    return np.pad(pixels, ((0, 0), (margin, margin), (margin, margin), (0, 0)))


def predictions_by_lenet(run: Path, images: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the probabilities of the classes by the LeNet-5 of these results."""
    lenet = keras.saving.load_model(run.parent / "lenet5" / "lenet5.keras")  # noqa: TID251
    probabilities: NDArray[np.float32] = lenet.predict(images, verbose=0)
    return probabilities


def confidence_by_lenet(run: Path) -> Metric:
    """Return the mean confidence of LeNet-5 on 1,000 samples, and how often it saw each class."""
    predictions = predictions_by_lenet(run, draw_samples(run, 1000))
    confidence = float(predictions.max(axis=1).mean())
    counts = np.bincount(predictions.argmax(axis=1), minlength=10) / len(predictions)
    text = f"mean confidence {confidence:.2%}, classes {counts.min():.1%} to {counts.max():.1%}"
    return Metric(text, confidence > 0.90)


def classes_by_lenet(run: Path) -> Metric:
    """Return how often LeNet-5 sees the class that a sample is of: that of a test image."""
    predictions = predictions_by_lenet(run, draw_samples(run, 1000))
    with gzip.open(run.parent / "mnist" / "t10k-labels-idx1-ubyte.gz") as file:
        labels = np.frombuffer(file.read()[8:1008], np.uint8)
    share = float(np.mean(predictions.argmax(axis=1) == labels))
    return Metric(f"LeNet-5 sees the class in {share:.2%}", share > 0.95)


def error_below_components(run: Path) -> Metric:
    """Compare the squared error of a variational autoencoder with that of principal components."""
    train, test = (read_mnist(run.parent / "mnist", name) for name in ("train", "t10k"))
    encoder, decoder = (
        keras.saving.load_model(run / f"{name}.keras")  # noqa: TID251
        for name in ("encoder", "decoder")
    )
    code = encoder.predict(test[..., np.newaxis], verbose=0)["mean"]
    error = float(np.mean((decoder.predict(code, verbose=0)[..., 0] - test) ** 2))
    flat, rows = train.reshape(-1, 784), test.reshape(-1, 784)
    mean = flat.mean(axis=0)
    _, axes = np.linalg.eigh((flat - mean).T @ (flat - mean))
    axes = axes[:, -code.shape[1] :]
    components = float(np.mean((rows - mean - (rows - mean) @ axes @ axes.T) ** 2))
    draw_samples(run, 64)
    bound = validation_metrics(run)["loss"]
    text = f"squared error {error:.4f}, {code.shape[1]} principal components {components:.4f}"
    return Metric(f"{text}; loss {bound:.1f} nats", error < components)


def read_mnist(directory: Path, name: str) -> NDArray[np.float32]:
    """Return the images of a set of MNIST, from 0 to 1."""
    with gzip.open(directory / f"{name}-images-idx3-ubyte.gz") as file:
        return np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28) / np.float32(255)


def against_baselines(
    data: str, key: str, label: str, number: str, *, higher_is_better: bool, factor: float = 1.0
) -> Callable[[Path], Metric]:
    """Return a metric next to those of other methods; it must beat the best one times a factor.

    Args:
        data: The data set of `real_data.py`.
        key: The metric in the run.
        label: What the page calls it.
        number: The format of its values.
        higher_is_better: Whether larger values are better.
        factor: What the best value of the others is multiplied by.
    """

    def metric(run: Path) -> Metric:
        value = validation_metrics(run)[key]
        baselines = json.loads((run.parent / f"{data}-data" / "baselines.json").read_text())
        others = ", ".join(f"{name} {each:{number}}" for name, each in baselines.items())
        best = (max if higher_is_better else min)(baselines.values()) * factor
        passed = value > best if higher_is_better else value < best
        return Metric(f"{label} {value:{number}}; {others}", passed)

    return metric


def class_and_box(run: Path) -> Metric:
    """Return the metrics of boxes and of classes, which must be above those of other methods."""
    metrics = validation_metrics(run)
    baselines = json.loads((run.parent / "overfeat-data" / "baselines.json").read_text())
    parts, passed = [], True
    for title, value, others in (
        ("mean IoU", metrics["box_box_iou"], baselines["iou"]),
        ("accuracy", metrics["class_accuracy"], baselines["accuracy"]),
    ):
        texts = ", ".join(f"{name} {each:.2%}" for name, each in others.items())
        parts.append(f"{title} {value:.2%} ({texts})")
        passed &= value > max(others.values())
    return Metric("; ".join(parts), passed)


def write_cluttered_digits(data: Path) -> None:
    """Write canvases with digits and boxes, and the metrics of other methods."""
    directory = RUNS / "overfeat-data"
    if not directory.exists():
        script = ROOT / "scripts" / "cluttered_digits.py"
        subprocess.run([sys.executable, script, data / "mnist", directory], check=True)


def against_scratch(
    key: str, points: float, *others: str, data: str | None = None
) -> Callable[[Path], Metric]:
    """Return an accuracy next to that of the same network from its initial weights.

    Args:
        key: The accuracy in the runs.
        points: By how much it must be better.
        others: More runs to compare with: what the page calls them is their name.
        data: The data set of `real_data.py`, for the metrics of other methods.
    """

    def metric(run: Path) -> Metric:
        value = validation_metrics(run)[key]
        scratch = validation_metrics(run.parent / f"{run.name}_scratch")[key]
        text = f"accuracy {value:.2%}; from scratch {scratch:.2%}"
        for name in others:
            directory = run.parent / f"{run.name}_{name.replace(' ', '_')}"
            text += f", {name} {validation_metrics(directory)[key]:.2%}"
        if data is not None:
            baselines = json.loads((run.parent / f"{data}-data" / "baselines.json").read_text())
            text += "".join(f", {name} {each:.2%}" for name, each in baselines.items())
        return Metric(text, value - scratch >= points)

    return metric


def student_and_teacher(run: Path) -> Metric:
    """Return the accuracy of a student next to that of the same network alone, and the teacher."""
    metric = against_scratch("accuracy", 0.01)(run)
    teacher = validation_metrics(run.parent / "distillation_teacher")["accuracy"]
    return Metric(f"{metric.text}, teacher {teacher:.2%}", metric.passed)


def write_real_data(name: str) -> Callable[[Path], None]:
    """Return a function that writes data of a Python package, and the metrics of other methods."""

    def prepare(_data: Path) -> None:
        directory = RUNS / f"{name}-data"
        if not directory.exists():
            command = [PYTHON_FOR_DATA, ROOT / "scripts" / "real_data.py", name, directory]
            subprocess.run(command, check=True)

    return prepare


def save_image(name: str, image: object) -> None:
    """Save an image for the page."""
    IMAGES.mkdir(exist_ok=True)
    (IMAGES / f"{name}.png").write_bytes(tf.io.encode_png(image).numpy())


def link_mnist(data: Path) -> None:
    """Link MNIST into the directory of the runs, where the metrics read it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    if not (RUNS / "mnist").exists():
        (RUNS / "mnist").symlink_to(data / "mnist")


def copy_text(data: Path) -> None:
    """Copy the text into the directory of the runs, where the metrics read it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / "text.txt").write_text((data / "text" / "tinyshakespeare.txt").read_text())


def write_pairs(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Return a function that writes pairs of words of 1 to 12 letters and their targets."""

    def prepare(_data: Path) -> None:
        RUNS.mkdir(parents=True, exist_ok=True)
        rng = random.Random(0)
        words = {"".join(rng.choices("abcdefghij", k=rng.randint(1, 12))) for _ in range(20_000)}
        lines = (f"{word}\t{change(word)}\n" for word in sorted(words, key=random_key))
        (RUNS / f"{name}.tsv").write_text("".join(lines))

    return prepare


def write_text_pairs(data: Path) -> None:
    """Write pairs of pieces of the text, and the metrics of other methods."""
    copy_text(data)
    directory = RUNS / "pairs-data"
    if not directory.exists():
        script = ROOT / "scripts" / "text_pairs.py"
        subprocess.run([sys.executable, script, RUNS / "text.txt", directory], check=True)


def random_key(word: str) -> str:
    """Return a sort key that does not depend on the order of the letters."""
    return str(random.Random(word).random())


FEW_LABELS = f"blueprints/recipes/few_labels.yaml --data {MNIST}"
GPT1_SENTIMENT = (
    "blueprints/recipes/gpt1_sentiment.yaml --allow-dir blueprints --allow-dir runs/results"
    " --data runs/results/reviews-data/movies.csv"
)
BERT = (
    f"bert {CHARACTERS} --set context=64 --set depth=3 --set width=128 --set heads=4"
    f" --recipe blueprints/recipes/bert.yaml --data {TEXT}"
)
BERT_PAIRS = (
    "blueprints/recipes/bert_pairs.yaml --allow-dir blueprints --allow-dir runs/results"
    " --data runs/results/pairs-data/pairs.jsonl"
)
TRANSFORMER = (
    "transformer --set vocabulary=16 --set depth=2 --set width=64 --set hidden=256 --set heads=4"
    " --set dropout=0 --recipe blueprints/recipes/transformer.yaml --data runs/results/{}.tsv"
)
MAE_PROBE = f"blueprints/recipes/masked_autoencoder_probe.yaml --data {MNIST}"
RESULTS = (
    Result(
        "mlp",
        "Multilayer perceptron on MNIST",
        f"mlp --recipe blueprints/recipes/mlp.yaml --data {MNIST}",
        accuracy_above("sparse_categorical_accuracy", 0.98),
        "98.0%",
    ),
    Result(
        "lenet5",
        "LeNet-5 on MNIST",
        f"lenet5 --recipe blueprints/recipes/lenet5.yaml --data {MNIST}",
        accuracy_above("sparse_categorical_accuracy", 0.99),
        "99.0%",
    ),
    Result(
        "capsnet",
        "CapsNet on MNIST, with a quarter of the filters",
        "capsnet:training --set filters=64 --set types=8 --recipe blueprints/recipes/capsnet.yaml"
        f" --data {MNIST}",
        accuracy_above("lengths_categorical_accuracy", 0.992),
        "99.2%",
    ),
    Result(
        "esn",
        "Echo-state network that reads MNIST row by row",
        "esn --set inputs=28 --set length=28 --set outputs=10 --set every_step=false"
        " --set units=2000 --set spectral_radius=1.5 --set leak_rate=0.2 --set input_scaling=0.2"
        f" --recipe blueprints/recipes/esn.yaml --data {MNIST}",
        accuracy_above("categorical_accuracy", 0.96),
        "96%",
    ),
    Result(
        "overfeat",
        "OverFeat, class and box of MNIST digits among pieces of others",
        "overfeat:both --set model=fast --set width=0.125 --set image_size=103 --set window=2"
        " --set classes=10 --recipe blueprints/recipes/overfeat.yaml --data"
        " runs/results/overfeat-data/digits.npz",
        class_and_box,
        "above the other methods",
        write_cluttered_digits,
    ),
    Result(
        "autoencoder",
        "Deconvolutional autoencoder of MNIST, 32 values per image",
        f"blueprints/recipes/autoencoder.yaml --data {MNIST}",
        autoencoder_reconstruction,
        "falls with every epoch",
        link_mnist,
    ),
    Result(
        "dcgan",
        "DCGAN of MNIST, evaluated with the LeNet-5 above",
        "dcgan:torch --set channels=1 --set levels=3 --set filters=32 --recipe"
        " blueprints/recipes/dcgan.yaml"
        f" --data {MNIST}",
        confidence_by_lenet,
        "90%",
    ),
    Result(
        "conditional_gan",
        "Conditional GAN of MNIST, evaluated with the LeNet-5 above",
        f"blueprints/recipes/conditional_gan.yaml --data {MNIST}",
        classes_by_lenet,
        "95%",
        link_mnist,
    ),
    Result(
        "vae",
        "Variational autoencoder of MNIST, 16 values per image",
        f"blueprints/recipes/vae.yaml --data {MNIST}",
        error_below_components,
        "below principal components",
        link_mnist,
    ),
    Result(
        "ddpm",
        "Diffusion on MNIST, evaluated with the LeNet-5 above",
        f"blueprints/recipes/ddpm.yaml --data {MNIST}",
        confidence_by_lenet,
        "90%",
    ),
    Result(
        "simclr",
        "SimCLR on MNIST",
        f"blueprints/recipes/encoder.yaml --recipe blueprints/recipes/simclr.yaml --data {MNIST}",
        accuracy_above("linear_accuracy", 0.88),
        "88%",
    ),
    Result(
        "byol",
        "BYOL on MNIST",
        "blueprints/recipes/encoder.yaml --set normalized_head=true"
        f" --recipe blueprints/recipes/byol.yaml --data {MNIST}",
        accuracy_above("linear_accuracy", 0.88),
        "88%",
    ),
    Result(
        "barlow_twins",
        "Barlow Twins on MNIST",
        "blueprints/recipes/encoder.yaml --recipe blueprints/recipes/barlow_twins.yaml"
        f" --data {MNIST}",
        accuracy_above("linear_accuracy", 0.88),
        "88%",
    ),
    Result(
        "masked_autoencoder_probe",
        "A linear classifier on a masked autoencoder of MNIST",
        f"{MAE_PROBE} --recipe blueprints/recipes/masked_autoencoder_probe_pretrained.yaml"
        " --allow-dir runs/results",
        against_scratch("accuracy", 0.10),
        "10 points above from scratch",
        earlier_runs={
            "masked_autoencoder": f"blueprints/recipes/masked_autoencoder.yaml --data {MNIST}",
            "masked_autoencoder_probe_scratch": MAE_PROBE,
        },
    ),
    Result(
        "distillation",
        "A small network that learns from a larger one, on 5% of MNIST",
        f"blueprints/recipes/distillation.yaml --allow-dir runs/results --data {MNIST}",
        student_and_teacher,
        "1 point above the student alone",
        earlier_runs={
            "distillation_teacher": f"blueprints/recipes/digit_classifier.yaml --data {MNIST}",
            "distillation_scratch": "blueprints/recipes/digit_classifier.yaml --set filters=2"
            f" --recipe blueprints/recipes/student_alone.yaml --data {MNIST}",
        },
    ),
    Result(
        "few_labels",
        "The encoder of SimCLR above under a classifier, with 1% of the labels",
        f"{FEW_LABELS} --recipe blueprints/recipes/few_labels_pretrained.yaml"
        " --allow-dir runs/results",
        against_scratch("accuracy", 0.03),
        "3 points above from scratch",
        earlier_runs={"few_labels_scratch": FEW_LABELS},
    ),
    Result(
        "moco",
        "MoCo on MNIST",
        f"blueprints/recipes/encoder.yaml --recipe blueprints/recipes/moco.yaml --data {MNIST}",
        accuracy_above("linear_accuracy", 0.88),
        "88%",
    ),
    Result(
        "lstm",
        "LSTM of characters",
        f"lstm {CHARACTERS} --set every_step=true --set units=256 --recipe"
        " blueprints/recipes/lstm.yaml"
        f" --data {TEXT}",
        lm_vs_bigram,
        "80% of the bigram entropy",
        copy_text,
    ),
    Result(
        "gpt2",
        "GPT of characters, 4 layers of 128",
        f"gpt2 {CHARACTERS} --set context=128 --set depth=4 --set width=128 --set heads=4"
        f" --recipe blueprints/recipes/gpt2.yaml --data {TEXT}",
        lm_vs_bigram,
        "80% of the bigram entropy",
        copy_text,
    ),
    Result(
        "bert",
        "BERT of characters, 3 layers of 128",
        BERT,
        mlm_accuracy,
        "twice the unigram baseline",
        copy_text,
    ),
    Result(
        "bert_pairs",
        "The same, trained on 4,000 pairs of pieces: does the second continue the first?",
        f"{BERT_PAIRS} --recipe blueprints/recipes/bert_pairs_pretrained.yaml",
        against_scratch("accuracy", 0.15, data="pairs"),
        "15 points above from scratch",
        write_text_pairs,
        earlier_runs={"bert": BERT, "bert_pairs_scratch": BERT_PAIRS},
    ),
    Result(
        "reverse",
        "Transformer that reverses words",
        TRANSFORMER.format("reverse"),
        accuracy_above("accuracy", 0.99),
        "99%",
        write_pairs("reverse", lambda word: word[::-1]),
    ),
    Result(
        "sort",
        "Transformer that sorts the letters of words",
        TRANSFORMER.format("sort"),
        accuracy_above("accuracy", 0.99),
        "99%",
        write_pairs("sort", lambda word: "".join(sorted(word))),
    ),
    Result(
        "cars",
        "Miles per gallon of cars, a table with missing numbers and strings",
        "real_data/car_mileage --data runs/results/cars-data/cars.csv",
        against_baselines("cars", "loss", "absolute error", ".2f", higher_is_better=False),
        "below gradient boosting",
        write_real_data("cars"),
    ),
    Result(
        "electricity",
        "Demand for electricity of the next 24 hours, a series",
        "real_data/electricity_demand --data runs/results/electricity-data/electricity.csv",
        against_baselines(
            "electricity", "loss", "absolute error in MW", ".0f", higher_is_better=False
        ),
        "below naive forecasts",
        write_real_data("electricity"),
    ),
    Result(
        "movies",
        "Sentiment of sentences from movie reviews, labeled text",
        "real_data/movie_sentiment --data runs/results/movies-data/movies.csv",
        against_baselines(
            "movies", "accuracy", "accuracy", ".2%", higher_is_better=True, factor=0.98
        ),
        "98% of the logistic regression",
        write_real_data("movies"),
    ),
    Result(
        "movies_lstm",
        "The same with a bidirectional LSTM",
        "real_data/movie_sentiment:lstm --data runs/results/movies-data/movies.csv",
        against_baselines(
            "movies", "accuracy", "accuracy", ".2%", higher_is_better=True, factor=0.97
        ),
        "97% of the logistic regression",
        write_real_data("movies"),
    ),
    Result(
        "gpt1_sentiment",
        "GPT, trained on reviews and then on a tenth of these labels",
        f"{GPT1_SENTIMENT} --recipe blueprints/recipes/gpt1_sentiment_pretrained.yaml",
        against_scratch("sentiment_accuracy", 0.03, "without the auxiliary loss", data="reviews"),
        "3 points above from scratch",
        write_real_data("reviews"),
        earlier_runs={
            "gpt1": "gpt1 --set vocabulary=2000 --set context=64 --set depth=3 --set width=64"
            " --set heads=4 --recipe blueprints/recipes/gpt1.yaml"
            " --data runs/results/reviews-data/reviews.jsonl",
            "gpt1_sentiment_scratch": GPT1_SENTIMENT,
            "gpt1_sentiment_without_the_auxiliary_loss": f"{GPT1_SENTIMENT}"
            " --recipe blueprints/recipes/gpt1_sentiment_only.yaml",
        },
    ),
    Result(
        "brain",
        "Gray and white matter in slices of the brain, images with masks",
        "real_data/brain_tissue --data runs/results/brain-data",
        against_baselines("brain", "mean_io_u", "mean IoU", ".2%", higher_is_better=True),
        "above the intensity",
        write_real_data("brain"),
    ),
)


def run(result: Result, data: Path) -> dict[str, Any]:
    """Train a model, and return the row of its result."""
    result.prepare(data)
    folder = RUNS / result.name
    if folder.exists():
        raise SystemExit(f"{folder} already exists; remove it to train again")
    start = time.monotonic()
    missing = {
        name: command for name, command in result.earlier_runs.items() if not (RUNS / name).exists()
    }
    for name, command in {**missing, result.name: result.command}.items():
        words = [word.replace("$DATA", str(data)) for word in shlex.split(command)]
        arguments = ["train", *words, "--run-dir", str(RUNS / name)]
        subprocess.run([sys.executable, "-m", "archbuilder", *arguments], cwd=ROOT, check=True)
    minutes = (time.monotonic() - start) / 60
    metric = result.metric(folder)
    return {"metric": metric.text, "passed": metric.passed, "minutes": round(minutes, 1)}


def page(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """Return the page of all results in the file of metrics."""
    results = [result for result in RESULTS if result.name in rows]
    table = [
        f"| [{result.title}](#{result.name}) | {rows[result.name]['metric']} | {result.bound} |"
        f" {rows[result.name]['minutes']:.1f} |\n"
        for result in results
    ]
    return HEADER + "".join(table) + "".join(section(result) for result in results)


def section(result: Result) -> str:
    """Return the command of a result, with its image if there is one."""
    earlier = [
        f"{command} --run-dir runs/results/{name}" for name, command in result.earlier_runs.items()
    ]
    commands = "\n".join(map(wrapped, [*earlier, result.command]))
    text = f"\n## {result.name}\n\n{result.title}:\n\n```sh\n{commands}\n```\n"
    if (IMAGES / f"{result.name}.png").exists():
        text += f"\n![{result.title}](images/{result.name}.png)\n"
    return text


def wrapped(command: str) -> str:
    """Return a command, wrapped to the width of the page."""
    lines = [["archbuilder", "train"]]
    for option in command.split(" --"):
        words = option.split() if lines == [["archbuilder", "train"]] else [f"--{option}"]
        if len(" ".join([*lines[-1], *words])) > 100:
            lines.append([])
        lines[-1] += words
    return " \\\n    ".join(" ".join(line) for line in lines)


def main() -> None:
    """Train the selected models, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    rows = json.loads(METRICS.read_text()) if METRICS.exists() else {}
    results = {result.name: result for result in RESULTS}
    unknown = set(arguments.names) - set(results)
    if unknown:
        parser.error(f"unknown result: {', '.join(sorted(unknown))}")
    failed = []
    for name in arguments.names or results:
        rows[name] = run(results[name], arguments.data.absolute())
        METRICS.write_text(json.dumps(rows, indent=2) + "\n")
        PAGE.write_text(page(rows))
        print(f"{name}: {rows[name]['metric']}", flush=True)
        if not rows[name]["passed"]:
            failed.append(name)
    if failed:
        sys.exit(f"requirement not met: {', '.join(failed)}")


if __name__ == "__main__":
    main()
