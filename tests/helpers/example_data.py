"""Small data of the same shapes and dtypes as that of the examples, and easy to learn.

Each function writes the files that an example names into a folder, the same each time.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from safetensors.numpy import save_file

WORDS = [
    "the",
    "a",
    "movie",
    "film",
    "was",
    "is",
    "not",
    "good",
    "bad",
    "great",
    "fun",
    "long",
    "very",
    "it",
    "that",
    "and",
]


def patterns(shape: Sequence[int], labels: np.ndarray, *, noise: float = 0.2) -> np.ndarray:
    """Return an array between 0 and 1 for each label: the pattern of its class, and noise."""
    random = np.random.default_rng(1)
    classes = random.random((int(labels.max()) + 1, *shape))
    values = classes[labels] + random.normal(scale=noise, size=(len(labels), *shape))
    return np.clip(values, 0, 1).astype(np.float32)


def labels(count: int, classes: int) -> np.ndarray:
    """Return class indices that are about equally frequent, in random order."""
    return np.random.default_rng(2).permutation(np.arange(count) % classes)


def byte_images(
    folder: Path,
    name: str,
    shape: Sequence[int],
    *,
    classes: int = 10,
    count: int = 64,
    label_shape: Sequence[int] = (),
) -> None:
    """Write images of bytes and their classes, as `keras.datasets` has MNIST and CIFAR."""
    y = labels(count, classes)
    x = (255 * patterns(shape, y)).astype(np.uint8)
    y = y.astype(np.uint8).reshape(count, *label_shape)
    half = count // 2
    np.savez(folder / name, x_train=x, y_train=y, x_test=x[:half], y_test=y[:half])


def mnist(folder: Path, *, name: str = "mnist.npz") -> None:
    """Write gray images of 28 by 28 pixels, without an axis for the channel."""
    byte_images(folder, name, (28, 28))


def cifar(folder: Path, *, label_shape: Sequence[int] = (1,)) -> None:
    """Write color images, whose labels have an axis of their own unless `label_shape` is empty."""
    for name in ("cifar10.npz", "cifar100.npz"):
        byte_images(folder, name, (32, 32, 3), label_shape=label_shape)


def pairs(folder: Path) -> None:
    """Write pairs of images of one class, ten classes in turn."""
    x = (255 * patterns((32, 32, 3), np.arange(120) % 10)).astype(np.uint8)
    np.savez(folder / "cifar10_pairs.npz", anchors=x[:60], positives=x[60:])


def partly_labeled(folder: Path, *, size: int) -> None:
    """Write images, of which every second one has no label but -1."""
    y = labels(64, 4)
    x = (255 * patterns((size, size, 3), y)).astype(np.uint8)
    np.savez(folder / "stl10.npz", x_train=x, y_train=np.where(np.arange(64) % 2, y, -1))


def domains(folder: Path) -> None:
    """Write images with labels, and as many inverted ones without."""
    y = labels(64, 4)
    x = (255 * patterns((32, 32, 3), y)).astype(np.uint8)
    np.savez(folder / "digits_and_numbers.npz", mnist=x, svhn=255 - x[::-1], labels=y)


def neighbors(folder: Path) -> None:
    """Write images, each with one that is alike."""
    x = (255 * patterns((32, 32, 3), np.arange(64) % 4)).astype(np.uint8)
    np.savez(folder / "neighbors.npz", images=x, neighbors=np.roll(x, 4, axis=0))


def captioned_features(folder: Path) -> None:
    """Write features of images and of their captions, which are others of the same classes."""
    y = labels(64, 8)
    for name in ("train.npz", "valid.npz"):
        np.savez(folder / name, images=patterns((6,), y), captions=patterns((5,), y))


def wines(folder: Path) -> None:
    """Write numbers of wines, whose sum decides the quality."""
    random = np.random.default_rng(4)
    header = ";".join(f'"number {index}"' for index in range(11)) + ';"quality"'
    rows = [
        ";".join(f"{each:.3f}" for each in row) + f";{round(5 + row.sum() / 3)}"
        for row in random.normal(size=(200, 11))
    ]
    (folder / "winequality-white.csv").write_text("\n".join([header, *rows]))


def noisy_mnist(folder: Path) -> None:
    """Write images with noise, and without it."""
    clean = patterns((28, 28, 1), labels(32, 4), noise=0.0)
    noise = np.random.default_rng(3).normal(scale=0.4, size=clean.shape)
    noisy = np.clip(clean + noise, 0, 1).astype(np.float32)
    np.savez(
        folder / "noisy_mnist.npz",
        noisy_train=noisy,
        x_train=clean,
        noisy_test=noisy[:8],
        x_test=clean[:8],
    )


def bags(folder: Path) -> None:
    """Write bags of three images; the class is whether one of them shows the first pattern."""
    digits = labels(3 * 60, 4)
    x = patterns((28, 28), digits).reshape(60, 3, 28, 28)
    y = (digits.reshape(60, 3) == 0).any(axis=1, keepdims=True).astype(np.int64)
    np.savez(folder / "bags.npz", x_train=x[:40], y_train=y[:40], x_val=x[40:], y_val=y[40:])


def moving_mnist(folder: Path) -> None:
    """Write a square that moves by a pixel a frame, and its next frames."""
    frames = np.zeros((10, 6, 8, 8, 1), np.float32)
    for video in range(10):
        for time in range(6):
            frames[video, time, video % 5 : video % 5 + 3, time : time + 3] = 1
    np.savez(folder / "moving_mnist.npz", x=frames[:, :-1], y=frames[:, 1:])


def addition(folder: Path, *, digits: int = 1, count: int = 80) -> None:
    """Write sums of numbers: reversed questions and their answers, one-hot by character."""
    random = np.random.default_rng(0)
    table = np.eye(12, dtype=bool)
    questions, answers = [], []
    for a, b in random.integers(0, 10**digits, (count, 2)):
        question = f"{a}+{b}".ljust(2 * digits + 1)[::-1]
        answer = str(a + b).ljust(digits + 1)
        for texts, text in ((questions, question), (answers, answer)):
            texts.append(table[[" +0123456789".index(each) for each in text]])
    np.savez(folder / "addition.npz", x=np.stack(questions), y=np.stack(answers))


def imdb(folder: Path, *, vocabulary: int = 40, length: int = 12) -> None:
    """Write lists of word indices; one class has the lower half of the words."""
    random = np.random.default_rng(0)
    lines = []
    for label in labels(48, 2).tolist():
        words = random.integers(1, vocabulary // 2, random.integers(length // 2, length + 3))
        words += label * (vocabulary // 2 - 1)
        lines.append(json.dumps({"words": words.tolist(), "label": label}) + "\n")
    (folder / "imdb_train.jsonl").write_text("".join(lines))
    (folder / "imdb_test.jsonl").write_text("".join(lines[:16]))


def sentences(count: int, *, most: int = 8) -> list[str]:
    """Return sentences of a few words."""
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, random.integers(2, most))) for _ in range(count)]


def sentence_pairs(folder: Path, *, name: str = "spa.txt") -> None:
    """Write pairs of sentences; the second is the first, backwards."""
    lines = [f"{each.capitalize()}\t{' '.join(each.split()[::-1])}\n" for each in sentences(40)]
    (folder / name).write_text("".join(lines), encoding="utf-8")


def reviews(folder: Path, *, name: str = "aclImdb.txt") -> None:
    """Write sentences one behind the other."""
    text = " . \n".join(each.capitalize() for each in sentences(80))
    (folder / name).write_text(text, encoding="utf-8")


def ford_a(folder: Path, *, length: int = 32) -> None:
    """Write series with a mean of 0: one class has waves, the other noise."""
    random = np.random.default_rng(0)
    y = labels(48, 2)
    phase = random.uniform(0, 6, (48, 1))
    waves = np.sin(np.arange(length) + phase)
    noise = random.normal(size=(48, length))
    x = np.where(y[:, None] == 1, waves, noise)[..., None]
    np.savez(folder / "ford_a.npz", x_train=x, y_train=y, x_test=x[:8], y_test=y[:8])


def credit_card(folder: Path) -> None:
    """Write a table with a class of one in sixteen, whose header and classes have quotes."""
    random = np.random.default_rng(0)
    names = ["Time", *[f"V{number}" for number in range(1, 29)], "Amount"]
    classes = (np.arange(320) % 16 == 0).astype(int)
    values = random.normal(size=(320, 30)) + 2 * classes[:, None]
    with (folder / "creditcard_normalized.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file, quoting=csv.QUOTE_NONNUMERIC)
        rows.writerow([*names, "Class"])
        rows.writerows(
            [*(float(each) for each in row), str(label)]
            for row, label in zip(values, classes, strict=True)
        )


def walks(folder: Path, *, vocabulary: int = 20) -> None:
    """Write pairs of movies, whose label is whether both are odd or both even."""
    random = np.random.default_rng(0)
    pairs = random.integers(1, vocabulary, (200, 2))
    with (folder / "walks.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["target", "context", "label", "weight"])
        rows.writerows(
            [target, context, int((target - context) % 2 == 0), 1 + (target + context) % 3]
            for target, context in pairs.tolist()
        )


def random_features(folder: Path) -> None:
    """Write numbers, targets between 0 and 1, and weights of examples."""
    random = np.random.default_rng(0)
    x = random.random((64, 12))
    np.savez(
        folder / "random.npz",
        inputs=x,
        targets=(x[:, :1] > 0.5).astype(np.float64),
        sample_weight=random.random((64, 1)),
    )


def boston_housing(folder: Path) -> None:
    """Write features of different sizes, and prices that depend on them."""
    random = np.random.default_rng(0)
    x = random.random((80, 13)) * np.array([1, 10, 100] * 4 + [5])
    np.savez(folder / "boston_housing.npz", x=x, y=10 + x[:, 1] + 0.1 * x[:, 2])


def spiral(folder: Path) -> None:
    """Write points of a spiral with noise, coordinate by coordinate."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, 4 * np.pi, 400)
    points = angle[:, None] * np.stack([np.cos(angle), np.sin(angle)], axis=1)
    points += random.normal(scale=0.2, size=points.shape)
    points = 5 * (points - points.min()) / (points.max() - points.min())
    np.savez(folder / "spiral.npz", x=points[:, :1], y=points[:, 1:])


def moons(folder: Path) -> None:
    """Write points of two half circles, with a mean of 0 and a variance of 1."""
    random = np.random.default_rng(0)
    angle = random.uniform(0, np.pi, 200)
    side = np.where(np.arange(200) % 2 == 0, 1, -1)
    points = np.stack([side * np.cos(angle) + (side < 0), side * np.sin(angle)], axis=1)
    points += random.normal(scale=0.05, size=points.shape)
    points = (points - points.mean(axis=0)) / points.std(axis=0)
    np.savez(folder / "moons.npz", x=points.astype(np.float32))


def faces(folder: Path, *, name: str = "celeba_gan") -> None:
    """Write color images of one directory without classes, larger than the network takes."""
    (folder / name).mkdir()
    pixels = 255 * patterns((20, 18, 3), labels(16, 2))
    for number, image in enumerate(pixels.astype(np.uint8)):
        Image.fromarray(image).save(folder / name / f"{number:06}.jpg")


def eeg(folder: Path, *, classes: int = 19) -> None:
    """Write series between 0 and 1 with one-hot labels of one axis."""
    y = labels(76, classes)
    x = patterns((64, 1), y)
    targets = np.eye(classes)[y]
    np.savez(folder / "eeg.npz", x_train=x, y_train=targets, x_test=x[:19], y_test=targets[:19])


def image_folders(
    folder: Path, name: str, classes: Sequence[str], *, damaged: bool = False
) -> None:
    """Write JPEG files of different sizes, gray and color ones, in a directory for each class."""
    y = labels(24, len(classes))
    pixels = (255 * patterns((20, 24, 3), y)).astype(np.uint8)
    for number, (image, label) in enumerate(zip(pixels, y, strict=True)):
        file = folder / name / classes[label] / f"{number}.jpg"
        file.parent.mkdir(parents=True, exist_ok=True)
        picture = Image.fromarray(image).resize((24 + number, 20 + number))
        (picture.convert("L") if number % 5 == 1 else picture).save(file)
    if damaged:
        (folder / name / classes[0] / "666.jpg").write_bytes(b"not an image")


def flower_sets(folder: Path) -> None:
    """Write images of flowers in a directory for each set, with one for each class."""
    for subset in ("train", "validation"):
        image_folders(folder, f"flowers102/{subset}", classes=("daisy", "rose", "tulip"))


def organs(folder: Path) -> None:
    """Write volumes between 0 and 1, whose labels have an axis of their own."""
    y = labels(33, 11)
    x = patterns((8, 8, 8, 1), y)
    y = y[:, None].astype(np.uint8)
    np.savez(
        folder / "organs.npz",
        train_images=x,
        train_labels=y,
        val_images=x[:11],
        val_labels=y[:11],
    )


def ct_scans(folder: Path, *, size: int = 46) -> None:
    """Write volumes between 0 and 1 to files of their own; one class is brighter."""
    y = labels(6, 2)
    x = patterns((size, size, size, 1), y)
    x = (0.5 * x + 0.5 * y[:, None, None, None, None]).astype(np.float32)
    for name, array in (("x_train", x), ("y_train", y), ("x_val", x[:2]), ("y_val", y[:2])):
        np.save(folder / f"{name}.npy", array)


def model_net(folder: Path, *, points: int = 16) -> None:
    """Write clouds of points on spheres and on segments of lines."""
    random = np.random.default_rng(0)
    y = labels(32, 2)
    directions = random.normal(size=(32, points, 3))
    spheres = directions / np.linalg.norm(directions, axis=2, keepdims=True)
    clouds = np.where(y[:, None, None] == 0, spheres, directions[:, :1] * spheres[..., :1])
    np.savez(folder / "model_net.npz", train_points=clouds, train_labels=y)


def airplanes(folder: Path, *, points: int = 16) -> None:
    """Write clouds of points within a sphere; the part of a point depends on its height."""
    random = np.random.default_rng(0)
    clouds = random.uniform(-0.5, 0.5, (32, points, 3))
    parts = np.eye(5, dtype=np.float32)[np.clip(5 * (clouds[..., 2] + 0.5), 0, 4).astype(int)]
    np.savez(folder / "airplanes.npz", points=clouds, parts=parts)


def coco_records(folder: Path) -> None:
    """Write records of JPEG images with a category and features of other kinds."""
    import tensorflow as tf

    (folder / "tfrecords").mkdir()
    y = labels(24, 6)
    pixels = (255 * patterns((40, 36, 3), y)).astype(np.uint8)
    for shard in range(2):
        with tf.io.TFRecordWriter(str(folder / "tfrecords" / f"file_{shard:02}-12.tfrec")) as file:
            for number in range(12 * shard, 12 * shard + 12):
                image = io.BytesIO()
                Image.fromarray(pixels[number]).save(image, "JPEG")
                features = {
                    "image": tf.train.Feature(bytes_list={"value": [image.getvalue()]}),
                    "path": tf.train.Feature(bytes_list={"value": [b"val2017/%012d.jpg" % number]}),
                    "bbox": tf.train.Feature(float_list={"value": [1.5, 2.0, 30.0, 20.0]}),
                    "category_id": tf.train.Feature(int64_list={"value": [int(y[number])]}),
                }
                example = tf.train.Example(features={"feature": features})
                file.write(example.SerializeToString())


def video_frames(folder: Path, *, length: int = 6, features: int = 8) -> None:
    """Write features of the frames of videos, with zeros behind the last frame of each."""
    y = labels(40, 5)
    frames = patterns((1, features), y) + np.zeros((40, length, features), np.float32)
    lengths = np.random.default_rng(0).integers(2, length + 1, 40)
    masks = np.arange(length) < lengths[:, None]
    frames = (frames * masks[..., None]).astype(np.float32)
    np.savez(folder / "ucf101_top5.npz", features=frames, masks=masks, labels=y[:, None])
    np.save(folder / "train_data.npy", frames)
    np.save(folder / "train_labels.npy", y)


def scene(folder: Path, *, size: int = 8) -> None:
    """Write poses of a camera around a bright square, and what it shows."""
    angles = np.linspace(0, 2 * np.pi, 10, endpoint=False)
    poses = np.tile(np.eye(4, dtype=np.float32), (10, 1, 1))
    poses[:, 0, 0] = poses[:, 2, 2] = np.cos(angles)
    poses[:, 0, 2], poses[:, 2, 0] = np.sin(angles), -np.sin(angles)
    poses[:, :3, 3] = 4 * poses[:, :3, 2]
    images = np.zeros((10, size, size, 3), np.float32)
    images[:, size // 4 : -size // 4, size // 4 : -size // 4] = [0.9, 0.5, 0.1]
    np.savez(folder / "tiny_nerf_data.npz", images=images, poses=poses, focal=np.array(138.88))


def binary_mnist(folder: Path) -> None:
    """Write images of bytes that are 0 or 1."""
    x = (patterns((12, 12, 1), labels(32, 2), noise=0) > 0.5).astype(np.uint8)
    np.savez(folder / "binary_mnist.npz", x=x)


def melanomas(folder: Path) -> None:
    """Write records of JPEG images, whether they show a melanoma, and features of other kinds."""
    import tensorflow as tf

    (folder / "tfrecords").mkdir()
    y = labels(24, 2)
    pixels = (255 * patterns((72, 72, 3), y)).astype(np.uint8)
    with tf.io.TFRecordWriter(str(folder / "tfrecords" / "train00-24.tfrec")) as file:
        for image, label in zip(pixels, y, strict=True):
            jpeg = io.BytesIO()
            Image.fromarray(image).save(jpeg, "JPEG")
            features = {
                "image": tf.train.Feature(bytes_list={"value": [jpeg.getvalue()]}),
                "image_name": tf.train.Feature(bytes_list={"value": [b"ISIC_0149568"]}),
                "age_approx": tf.train.Feature(int64_list={"value": [55]}),
                "target": tf.train.Feature(int64_list={"value": [int(label)]}),
            }
            example = tf.train.Example(features={"feature": features})
            file.write(example.SerializeToString())


def recording(file: Path, wave: np.ndarray, *, rate: int = 16_000) -> None:
    """Write an audio file; a test whose data it is needs the library that reads it."""
    soundfile = pytest.importorskip("soundfile", reason="the extra 'audio' is not installed")
    file.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(file, wave, rate)


def speech(folder: Path, *, samples: int = 400) -> None:
    """Write recordings; the pitch is that of the speaker."""
    random = np.random.default_rng(0)
    y = labels(40, 5)
    time = np.arange(samples) + random.uniform(0, 20, (40, 1))
    waves = np.sin(time * (0.3 + 0.4 * y[:, None])) + random.normal(scale=0.2, size=(40, samples))
    for number, (speaker, wave) in enumerate(zip(y, waves, strict=True)):
        recording(folder / f"audio/speaker_{speaker}/{number}.wav", 0.5 * wave)


def spoken_letters(folder: Path, *, samples: int = 480) -> None:
    """Write recordings with a pitch for each of their letters."""
    random = np.random.default_rng(0)
    lines = []
    for number in range(24):
        length = random.integers(2, 5)
        text = random.integers(1, 5, length)
        pitches = np.repeat(text, samples // 4)
        wave = 0.9 * np.sin(np.arange(len(pitches)) * 0.5 * pitches)
        recording(folder / f"wavs/{number}.wav", wave, rate=22_050)
        characters = [*text.tolist(), *[0] * (4 - length)]
        lines.append(json.dumps({"file": str(number), "characters": characters}) + "\n")
    (folder / "speech.jsonl").write_text("".join(lines))


def accents(folder: Path, *, features: int = 16) -> None:
    """Write features of frames, with one-hot labels."""
    y = labels(420, 7)
    x, targets = patterns((features,), y), np.eye(7)[y]
    np.savez(
        folder / "accents.npz",
        x_train=x,
        y_train=targets,
        x_valid=x[:12],
        y_valid=targets[:12],
    )


def review_files(folder: Path) -> None:
    """Write text files in directories; a third directory is not a class."""
    random = np.random.default_rng(0)
    words = {"neg": ["bad", "long"], "pos": ["good", "great"], "unsup": ["bad", "good"]}
    for subset, count in (("train", 24), ("test", 4)):
        for name, kind in words.items():
            (folder / "aclImdb" / subset / name).mkdir(parents=True)
            for number in range(count):
                text = " ".join(random.choice([*WORDS[:4], *kind], random.integers(3, 12)))
                file = folder / "aclImdb" / subset / name / f"{number}_7.txt"
                file.write_text(f"{text.capitalize()}!<br />It's {kind[0]}.", encoding="utf-8")


def news_and_words(folder: Path) -> None:
    """Write messages of two groups, and vectors of some of their words."""
    random = np.random.default_rng(0)
    topics = {"comp.graphics": ["pixel", "screen"], "rec.autos": ["engine", "wheel"]}
    for name, kind in topics.items():
        (folder / "20_newsgroup" / name).mkdir(parents=True)
        for number in range(24):
            text = " ".join(random.choice([*WORDS[:4], *kind], random.integers(3, 12)))
            (folder / "20_newsgroup" / name / f"{number}.txt").write_text(text, encoding="utf-8")
    lines = [f"{word} {random.normal():.4f} {random.normal():.4f}\n" for word in [*WORDS, "wheel"]]
    (folder / "glove.6B.100d.txt").write_text("".join(lines), encoding="utf-8")


def traffic(folder: Path, *, roads: int = 5) -> None:
    """Write speeds on roads of a ring, where jams move from one road to the next."""
    time = np.arange(120)[:, None] - np.arange(roads)
    speeds = np.sin(time / 3) + np.random.default_rng(0).normal(scale=0.05, size=time.shape)
    np.savez(folder / "pems.npz", speeds=speeds.astype(np.float32))
    means = np.roll(np.eye(roads), 1, axis=0) + np.roll(np.eye(roads), -1, axis=0)
    weights = {"graph.neighbors/kernel": (means / 2).astype(np.float32)}
    save_file(weights, folder / "adjacency.safetensors")


def digit_pairs(folder: Path) -> None:
    """Write pairs of images of bytes, half of them of the same digit, and 1 for the others."""
    digits = labels(64, 4)
    x = (255 * patterns((28, 28), digits)).astype(np.uint8)
    partner = np.random.default_rng(0).permutation(64)
    y = (digits != digits[partner]).astype(np.float32)
    np.savez(
        folder / "pairs.npz",
        left_train=x,
        right_train=x[partner],
        y_train=y,
        left_val=x[:16],
        right_val=x[partner[:16]],
        y_val=y[:16],
    )


def depths(folder: Path) -> None:
    """Write images that are brighter where they are near, and logarithms of depths."""
    steps = np.linspace(0, 1, 16)
    slopes = np.random.default_rng(0).random((16, 1, 1))
    near = slopes * steps[:, None] + (1 - slopes) * steps[None, :]
    images = (near[..., None] * np.array([0.9, 0.5, 0.7])).astype(np.float32)
    np.save(folder / "images.npy", images)
    np.save(folder / "depths.npy", (1.0 - 0.8 * near[..., None]).astype(np.float32))


def surroundings(folder: Path, *, samples: int = 240) -> None:
    """Write recordings and tables of their classes, which decide about the pitch."""
    y = labels(24, 4)
    random = np.random.default_rng(0)
    time = np.arange(samples) + random.uniform(0, 20, (24, 1))
    waves = 0.5 * np.sin(time * (0.3 + 0.5 * y[:, None])) + random.normal(
        scale=0.05, size=(24, samples)
    )
    lines = [f"{number}.wav,{sound}\n" for number, sound in enumerate(y)]
    for number, wave in enumerate(waves):
        recording(folder / f"audio/{number}.wav", wave)
    for name, size in (("train", 24), ("valid", 8)):
        (folder / f"{name}.csv").write_text("filename,target\n" + "".join(lines[:size]))


def flicker(folder: Path, *, channels: int = 2, samples: int = 32) -> None:
    """Write waves of several electrodes with the frequency of the class, and their classes."""
    y = labels(48, 12)
    random = np.random.default_rng(0)
    angles = np.arange(samples) * (0.5 + 0.15 * y[:, None, None])
    waves = np.sin(angles + random.uniform(0, 0.5, (48, channels, 1)))
    x = (5 * waves).astype(np.float32)
    np.savez(folder / "ssvep.npz", x_train=x, y_train=y, x_val=x[:12], y_val=y[:12])


def spoken_texts(folder: Path, *, samples: int = 480, classes: int = 6) -> None:
    """Write waves with a pitch for each letter, the letters, the next ones and their weights."""
    random = np.random.default_rng(0)
    waves, texts = np.zeros((24, samples), np.float32), np.zeros((24, 6), np.int64)
    for wave, text in zip(waves, texts, strict=True):
        size = random.integers(2, 5)
        letters = random.integers(4, classes, size)
        text[: size + 2] = [2, *letters, 3]
        pitches = np.repeat(letters, samples // 4)
        wave[: len(pitches)] = np.sin(np.arange(len(pitches)) * 0.3 * pitches)
    np.save(folder / "speech.npy", waves)
    np.save(folder / "characters.npy", texts[:, :-1])
    np.save(folder / "next_characters.npy", np.eye(classes, dtype=np.float32)[texts[:, 1:]])
    np.save(folder / "is_character.npy", (texts[:, 1:] > 0).astype(np.float32))


def songs(folder: Path, *, samples: int = 120, fft: int = 32, step: int = 8) -> None:
    """Write mixtures of a low and a high wave, and the spectrograms of the high one."""
    random = np.random.default_rng(0)
    angles = np.arange(samples) + random.uniform(0, 20, (16, 1))
    voice = np.sin(1.5 * angles).astype(np.float32)
    mixtures = voice + np.sin(0.4 * angles).astype(np.float32)
    padded = np.pad(voice, ((0, 0), (fft // 2, fft // 2)), mode="reflect")
    starts = range(0, samples + 1, step)
    frames = np.stack([padded[:, start : start + fft] for start in starts], axis=1)
    window = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(fft) / fft)
    spectra = np.fft.rfft(frames * window)[..., :-1]
    targets = np.stack([spectra.real, spectra.imag], axis=-1).astype(np.float32)
    for name, size in (("train", 16), ("valid", 4)):
        np.save(folder / f"{name}_mixtures.npy", mixtures[:size])
        np.save(folder / f"{name}_vocals.npy", targets[:size])


def performances(folder: Path, *, length: int = 10, events: int = 12) -> None:
    """Write events that go up by steps of one; some end, with padding behind them."""
    random = np.random.default_rng(0)
    rows = (random.integers(0, events, (24, 1)) + np.arange(length + 1)) % events
    rows[::3, -3:] = [events + 2, events, events]
    for name, size in (("train", 24), ("valid", 6)):
        np.save(folder / f"{name}_events.npy", rows[:size, :-1])
        np.save(folder / f"{name}_next.npy", rows[:size, 1:])


def sales(folder: Path) -> None:
    """Write what customers of two countries spend in six months, which is as much in the next."""
    random = np.random.default_rng(0)
    spent = random.random((40, 1, 1))
    arrays = {
        "temporal": np.tile(np.arange(1.0, 7)[:, None], (40, 1, 5)),
        "trend": spent + 0.1 * random.random((40, 6, 12)),
        "country": np.eye(3, dtype=int)[labels(40, 2) + 1],
    }
    row_ranges = {"x": slice(0, 32), "v": slice(32, 40)}
    np.savez(
        folder / "sales.npz",
        y_train=np.repeat(spent[:32], 6, axis=1),
        y_val=np.repeat(spent[32:], 6, axis=1),
        **{
            f"{prefix}_{name}": array[rows]
            for name, array in arrays.items()
            for prefix, rows in row_ranges.items()
        },
    )
