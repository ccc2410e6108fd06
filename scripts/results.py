"""Trains what docs/results.md tells of, checks the figures, and writes the page.

`make results DATA=FOLDER` runs it; the folder has `mnist/` with the four files of MNIST, and
`text/tinyshakespeare.txt`. Names behind it pick some of the results; the others stay as they are.
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
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from archbuilder.data.image_grid import image_grid, to_uint8_images

ROOT = Path(__file__).parent.parent
RUNS = ROOT / "runs" / "results"
FIGURES = ROOT / "docs" / "results.json"
PAGE = ROOT / "docs" / "results.md"
PICTURES = ROOT / "docs" / "pictures"
MNIST = "$DATA/mnist"
TEXT = "$DATA/text/tinyshakespeare.txt"
CHARACTERS = "--set vocabulary=70"
"""The 65 characters of the text and the special tokens."""
HEAD = """\
# Results

What the library comes to on real data, each with one command. `make results DATA=FOLDER` trains all
of them and writes this page; the folder has `mnist/` with the four files of MNIST, and
`text/tinyshakespeare.txt`. Figures are those of the held-out examples: MNIST's own 10,000 test
images, and of the text its last tenth. Minutes are those of the whole command on two cores without
a GPU, which did other work too.

| result | figure | to beat | minutes |
|---|---|---|---:|
"""


@dataclass(frozen=True)
class Figure:
    """What came of a run, and whether it is good enough."""

    text: str
    good: bool


@dataclass(frozen=True)
class Result:
    """A training, with what is to be beaten."""

    name: str
    title: str
    command: str
    figure: Callable[[Path], Figure]
    bound: str
    prepare: Callable[[Path], None] = lambda _data: None


def held_out(run: Path) -> Mapping[str, float]:
    """The numbers of the held-out examples."""
    found: Mapping[str, float] = json.loads((run / "run.json").read_text())["validation_metrics"]
    return found


def above(key: str, least: float) -> Callable[[Path], Figure]:
    """An accuracy that has to be above a bound."""

    def figure(run: Path) -> Figure:
        value = held_out(run)[key]
        return Figure(f"accuracy {value:.2%}", value > least)

    return figure


def probe(run: Path) -> Figure:
    """A linear probe on the features, beside one on those of the untrained network."""
    numbers = held_out(run)
    trained, untrained = numbers["probe_accuracy"], numbers["untrained_probe_accuracy"]
    text = f"probe {trained:.2%}, untrained {untrained:.2%}"
    return Figure(text, trained - untrained >= 0.10)


def below_bigrams(run: Path) -> Figure:
    """The loss of a language model in nats a character, beside the entropy of pairs."""
    loss, entropy = held_out(run)["loss"], bigram_entropy((run.parent / "text.txt").read_text())
    return Figure(f"loss {loss:.3f} nats, bigrams {entropy:.3f}", loss < 0.8 * entropy)


def bigram_entropy(text: str) -> float:
    """The nats of a character, given the one in front of it."""
    pairs, firsts = Counter(itertools.pairwise(text)), Counter(text[:-1])
    total = len(text) - 1
    return -sum(
        count / total * math.log(count / firsts[first]) for (first, _), count in pairs.items()
    )


def masked(run: Path) -> Figure:
    """How often a hidden character is told, beside the share of the most frequent one."""
    text = (run.parent / "text.txt").read_text()
    unigram = Counter(text).most_common(1)[0][1] / len(text)
    value = held_out(run)["masked_lm_accuracy"]
    return Figure(f"masked accuracy {value:.2%}, unigrams {unigram:.2%}", value > 2 * unigram)


def falling(run: Path) -> Figure:
    """The error of every epoch is below that of the one before."""
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    losses = [row["val_loss"] for row in rows]
    return Figure(
        f"squared error {losses[0]:.4f} to {losses[-1]:.4f}",
        all(after < before for before, after in itertools.pairwise(losses)),
    )


def again(run: Path) -> Figure:
    """The same, and a picture of digits above what the autoencoder makes of them."""
    with gzip.open(run.parent / "mnist" / "t10k-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read(16 + 28 * 28 * 32)[16:], np.uint8).reshape(-1, 28, 28, 1)
    model = keras.saving.load_model(run / "autoencoder.keras")  # noqa: TID251
    made = np.asarray(model(images.astype(np.float32) / 255) * 255).round().astype(np.uint8)
    rows = [part for at in range(0, 32, 8) for part in (images[at : at + 8], made[at : at + 8])]
    save_picture("autoencoder", image_grid(np.concatenate(rows)))
    return falling(run)


def told_by_lenet(run: Path) -> Figure:
    """How sure LeNet-5 is of 1,000 samples, on average, and a picture of the first 64."""
    samples = run / "samples.npz"
    command = ["sample", str(run), "--count", "1000", "--output", str(samples)]
    subprocess.run([sys.executable, "-m", "archbuilder", *command], cwd=ROOT, check=True)
    (made,) = np.load(samples).values()
    save_picture("dcgan", image_grid(to_uint8_images(made[:64])))
    lenet = keras.saving.load_model(run.parent / "lenet5" / "lenet5.keras")  # noqa: TID251
    sure = float(lenet.predict((made + 1) / 2, verbose=0).max(axis=1).mean())
    return Figure(f"mean confidence {sure:.2%}", sure > 0.90)


def save_picture(name: str, image: object) -> None:
    """Keep a picture for the page."""
    PICTURES.mkdir(exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(tf.io.encode_png(image).numpy())


def keep_images(data: Path) -> None:
    """Put MNIST where the figures find it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    if not (RUNS / "mnist").exists():
        (RUNS / "mnist").symlink_to(data / "mnist")


def keep_text(data: Path) -> None:
    """Put the text where the figures find it."""
    RUNS.mkdir(parents=True, exist_ok=True)
    (RUNS / "text.txt").write_text((data / "text" / "tinyshakespeare.txt").read_text())


def write_pairs(name: str, change: Callable[[str], str]) -> Callable[[Path], None]:
    """Words of 1 to 12 letters with what becomes of them."""

    def prepare(_data: Path) -> None:
        RUNS.mkdir(parents=True, exist_ok=True)
        chosen = random.Random(0)
        words = {
            "".join(chosen.choices("abcdefghij", k=chosen.randint(1, 12))) for _ in range(20_000)
        }
        lines = (f"{word}\t{change(word)}\n" for word in sorted(words, key=hash_of))
        (RUNS / f"{name}.tsv").write_text("".join(lines))

    return prepare


def hash_of(word: str) -> str:
    """An order that has nothing to do with the letters."""
    return str(random.Random(word).random())


TRANSFORMER = (
    "transformer --set vocabulary=16 --set depth=2 --set width=64 --set hidden=256 --set heads=4"
    " --set dropout=0 --recipe blueprints/recipes/transformer.yaml --data runs/results/{}.tsv"
)
RESULTS = (
    Result(
        "mlp",
        "Multilayer perceptron on MNIST",
        f"mlp --recipe blueprints/recipes/mlp.yaml --data {MNIST}",
        above("sparse_categorical_accuracy", 0.98),
        "98.0%",
    ),
    Result(
        "lenet5",
        "LeNet-5 on MNIST",
        f"lenet5 --recipe blueprints/recipes/lenet5.yaml --data {MNIST}",
        above("sparse_categorical_accuracy", 0.99),
        "99.0%",
    ),
    Result(
        "capsnet",
        "CapsNet on MNIST, with a quarter of the filters",
        "capsnet:training --set filters=64 --set types=8 --recipe blueprints/recipes/capsnet.yaml"
        f" --data {MNIST}",
        above("lengths_categorical_accuracy", 0.992),
        "99.2%",
    ),
    Result(
        "esn",
        "Echo-state network that reads MNIST row by row",
        "esn --set inputs=28 --set length=28 --set outputs=10 --set every_step=false"
        " --set units=2000 --set spectral_radius=1.5 --set leak_rate=0.2 --set input_scaling=0.2"
        f" --recipe blueprints/recipes/esn.yaml --data {MNIST}",
        above("categorical_accuracy", 0.96),
        "96%",
    ),
    Result(
        "autoencoder",
        "Deconvolutional autoencoder of MNIST, 32 numbers an image",
        f"blueprints/recipes/autoencoder.yaml --data {MNIST}",
        again,
        "falls with every epoch",
        keep_images,
    ),
    Result(
        "dcgan",
        "DCGAN of MNIST, judged by the LeNet-5 above",
        "dcgan:torch --set channels=1 --set levels=3 --set filters=32 --recipe"
        " blueprints/recipes/dcgan.yaml"
        f" --data {MNIST}",
        told_by_lenet,
        "90%",
    ),
    Result(
        "simclr",
        "SimCLR on MNIST",
        f"blueprints/recipes/encoder.yaml --recipe blueprints/recipes/simclr.yaml --data {MNIST}",
        probe,
        "10 points above untrained",
    ),
    Result(
        "moco",
        "MoCo on MNIST",
        f"blueprints/recipes/encoder.yaml --recipe blueprints/recipes/moco.yaml --data {MNIST}",
        probe,
        "10 points above untrained",
    ),
    Result(
        "lstm",
        "LSTM of characters",
        f"lstm {CHARACTERS} --set every_step=true --set units=256 --recipe"
        " blueprints/recipes/lstm.yaml"
        f" --data {TEXT}",
        below_bigrams,
        "80% of the bigram entropy",
        keep_text,
    ),
    Result(
        "gpt2",
        "GPT of characters, 4 layers of 128",
        f"gpt2 {CHARACTERS} --set context=128 --set depth=4 --set width=128 --set heads=4"
        f" --recipe blueprints/recipes/gpt2.yaml --data {TEXT}",
        below_bigrams,
        "80% of the bigram entropy",
        keep_text,
    ),
    Result(
        "bert",
        "BERT of characters, 3 layers of 128",
        f"bert {CHARACTERS} --set context=64 --set depth=3 --set width=128 --set heads=4"
        f" --recipe blueprints/recipes/bert.yaml --data {TEXT}",
        masked,
        "twice the unigram baseline",
        keep_text,
    ),
    Result(
        "reverse",
        "Transformer that reverses words",
        TRANSFORMER.format("reverse"),
        above("accuracy", 0.99),
        "99%",
        write_pairs("reverse", lambda word: word[::-1]),
    ),
    Result(
        "sort",
        "Transformer that sorts the letters of words",
        TRANSFORMER.format("sort"),
        above("accuracy", 0.99),
        "99%",
        write_pairs("sort", lambda word: "".join(sorted(word))),
    ),
)


def run(result: Result, data: Path) -> dict[str, Any]:
    """Train, and give the row of a result."""
    result.prepare(data)
    folder = RUNS / result.name
    if folder.exists():
        raise SystemExit(f"{folder} is there already; remove it to train anew")
    command = [part.replace("$DATA", str(data)) for part in shlex.split(result.command)]
    begun = time.monotonic()
    arguments = ["train", *command, "--run", str(folder)]
    subprocess.run([sys.executable, "-m", "archbuilder", *arguments], cwd=ROOT, check=True)
    minutes = (time.monotonic() - begun) / 60
    figure = result.figure(folder)
    return {"figure": figure.text, "good": figure.good, "minutes": round(minutes, 1)}


def page(rows: Mapping[str, Mapping[str, Any]]) -> str:
    """The page of all results that are known."""
    known = [result for result in RESULTS if result.name in rows]
    table = [
        f"| [{result.title}](#{result.name}) | {rows[result.name]['figure']} | {result.bound} |"
        f" {rows[result.name]['minutes']:.1f} |\n"
        for result in known
    ]
    return HEAD + "".join(table) + "".join(section(result) for result in known)


def section(result: Result) -> str:
    """The command of a result, and its picture if it has one."""
    text = f"\n## {result.name}\n\n{result.title}:\n\n```sh\n{wrapped(result.command)}\n```\n"
    if (PICTURES / f"{result.name}.png").exists():
        text += f"\n![{result.title}](pictures/{result.name}.png)\n"
    return text


def wrapped(command: str) -> str:
    """A command in lines that a page has room for."""
    lines = [["archbuilder", "train"]]
    for part in command.split(" --"):
        words = part.split() if lines == [["archbuilder", "train"]] else [f"--{part}"]
        if len(" ".join([*lines[-1], *words])) > 100:
            lines.append([])
        lines[-1] += words
    return " \\\n    ".join(" ".join(line) for line in lines)


def main() -> None:
    """Train what is asked for, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("names", nargs="*", metavar="NAME")
    arguments = parser.parse_args()
    rows = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    known = {result.name: result for result in RESULTS}
    unknown = set(arguments.names) - set(known)
    if unknown:
        parser.error(f"there is no result {', '.join(sorted(unknown))}")
    bad = []
    for name in arguments.names or known:
        rows[name] = run(known[name], arguments.data.absolute())
        FIGURES.write_text(json.dumps(rows, indent=2) + "\n")
        PAGE.write_text(page(rows))
        print(f"{name}: {rows[name]['figure']}", flush=True)
        if not rows[name]["good"]:
            bad.append(name)
    if bad:
        sys.exit(f"not good enough: {', '.join(bad)}")


if __name__ == "__main__":
    main()
