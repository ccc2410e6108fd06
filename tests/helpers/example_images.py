"""Small image files with the formats and flaws of those of the examples, and easy to learn.

Each function writes the files that an example names into a folder, the same each time.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from helpers.example_data import labels, patterns
from helpers.example_tables import table
from PIL import Image


def save(file: Path, pixels: np.ndarray, *, size: Sequence[int] | None = None) -> None:
    """Write bytes, or values between 0 and 1, as an image of a width and height."""
    file.parent.mkdir(parents=True, exist_ok=True)
    if pixels.dtype != np.uint8:
        pixels = (255 * pixels).astype(np.uint8)
    image = Image.fromarray(pixels)
    (image if size is None else image.resize(size)).save(file)


def lines(file: Path, records: Sequence[Mapping[str, object]]) -> None:
    """Write records as JSON lines."""
    text = "".join(json.dumps(record) + "\n" for record in records)
    file.write_text(text, encoding="utf-8")


def written_words(
    folder: Path, name: str, *, suffix: str = "", most: int = 5, length: int = 5
) -> None:
    """Write gray images of 32 by 8 pixels; each letter is a stripe of its own brightness."""
    random = np.random.default_rng(0)
    records = []
    for number in range(24):
        label = np.zeros(length, int)
        size = length if most == length else random.integers(1, most + 1)
        label[:size] = random.integers(1, 5, size)
        image = np.repeat(label / 5, 32 // length)[None] + 0.02 * random.random((8, 1))
        save(folder / name / f"{number}{suffix}.png", image, size=(40, 10))
        records.append({"file": f"{number}{suffix}.png", "label": label.tolist()})
    lines(folder / ("captchas.jsonl" if most == length else "words.jsonl"), records)


captchas = partial(written_words, name="captcha_images_v2")
handwriting = partial(written_words, name="words", most=3)


def boxes(folder: Path) -> None:
    """Write gray and color images of different sizes, each with a bright box."""
    random = np.random.default_rng(0)
    records = []
    for number in range(24):
        left, upper = random.integers(0, 12, 2)
        image = 0.1 * random.random((24, 24, 3))
        image[upper : upper + 8, left : left + 10] = 0.9
        pixels = image[..., 0] if number % 7 == 1 else image
        save(folder / "airplanes" / f"image_{number:04}.jpg", pixels, size=(30 + number, 24))
        box = [left / 24, upper / 24, (left + 10) / 24, (upper + 8) / 24]
        records.append({"file": f"image_{number:04}.jpg", "box": box})
    lines(folder / "airplanes.jsonl", records)


def objects(folder: Path) -> None:
    """Write images of different sizes with up to three objects, bright or dark; some have none."""
    random = np.random.default_rng(0)
    records = []
    for number in range(24):
        width, height = 100 + number, 90
        image = 0.4 + 0.1 * random.random((height, width, 3))
        boxes_of_image, kinds = [], []
        for third in random.permutation(3)[: number % 4]:
            left = int(third * width // 3 + random.integers(0, 4))
            upper = int(random.integers(0, 50))
            kind = random.choice(["cat", "dog"])
            image[upper : upper + 36, left : left + 28] = 0.95 if kind == "cat" else 0.05
            boxes_of_image.append([left, upper, 28.5, 36])
            kinds.append(str(kind))
        save(folder / "images" / f"{number:012}.jpg", image)
        records.append({"file": f"{number:012}.jpg", "boxes": boxes_of_image, "labels": kinds})
    lines(folder / "coco.jsonl", records)


def dogs(folder: Path) -> None:
    """Write images in directories, with four points each."""
    y = labels(24, 3)
    points = np.random.default_rng(0).random((3, 8))
    records = []
    for number, (image, label) in enumerate(zip(patterns((24, 20, 3), y), y, strict=True)):
        name = f"n0208-breed{label}/{number}.jpg"
        save(folder / "Images" / name, image)
        records.append({"file": name, "keypoints": points[label].tolist()})
    lines(folder / "dogs.jsonl", records)


def pets(folder: Path) -> None:
    """Write JPEG files of different sizes; masks have the classes 1, 2 and 3, with a border."""
    random = np.random.default_rng(0)
    for number in range(16):
        mask = np.full((24, 24), 2, np.uint8)
        top, left = random.integers(2, 8, 2)
        mask[top : top + 14, left : left + 12] = 3
        mask[top + 1 : top + 13, left + 1 : left + 11] = 1
        image = np.take([0.9, 0.1, 0.5], mask - 1)[..., None] + 0.05 * random.random((24, 24, 3))
        save(folder / "images" / f"Abyssinian_{number}.jpg", image, size=(40 + number, 36))
        save(folder / "annotations" / "trimaps" / f"Abyssinian_{number}.png", mask)


def smooth_images(count: int, size: int) -> np.ndarray:
    """Return color images that are brighter towards one side."""
    random = np.random.default_rng(0)
    slopes = random.random((count, 2, 1, 1, 3)) / 2
    steps = np.linspace(0, 1, size)
    return slopes[:, 0] * steps[:, None, None] + slopes[:, 1] * steps[None, :, None]


def photos(folder: Path) -> None:
    """Write color images of different sizes, and tables of their names."""
    for number, image in enumerate(smooth_images(16, 48)):
        save(folder / "images" / f"{number}.jpg", image, size=(48 + number, 40))
    names = [f"{number}.jpg" for number in range(16)]
    table(folder / "train.csv", {"file": names[:12]})
    table(folder / "test.csv", {"file": names[12:]})


def tiles(folder: Path, *, size: int = 8) -> None:
    """Write images in two sizes under the same names."""
    for number, image in enumerate(smooth_images(16, 4 * size)):
        subset = "train" if number < 12 else "validation"
        save(folder / f"{subset}_original" / f"{number}.png", image)
        save(folder / f"{subset}_bicubic_x4" / f"{number}.png", image, size=(size, size))


def people(folder: Path) -> None:
    """Write images of different sizes, and masks with the indices of classes."""
    for number in range(8):
        mask = np.zeros((32, 32), np.uint8)
        mask[4 + number : 20 + number, 8:24] = 1 + number % 2
        image = np.take([0.1, 0.9, 0.5], mask)[..., None] * np.array([1, 0.5, 0.2])
        save(folder / "Images" / f"{number:07}.jpg", image, size=(40 + number, 36))
        save(folder / "Category_ids" / f"{number:07}.png", mask)


def look_alikes(folder: Path) -> None:
    """Write pairs of images in two directories, and a table with a third image for each."""
    for side in ("left", "right"):
        for number, image in enumerate(patterns((24, 20, 3), np.arange(12))):
            save(folder / side / f"{number:05}.jpg", image, size=(30 + number, 24))
    names = [f"{number:05}.jpg" for number in range(12)]
    columns = {
        "anchor": [f"left/{name}" for name in names],
        "positive": [f"right/{name}" for name in names],
        "negative": [f"right/{name}" for name in names[5:] + names[:5]],
        "one": [1] * len(names),
    }
    table(folder / "triplets.csv", columns)


def captions(folder: Path) -> None:
    """Write images with two captions each: numbers of words from a start on, and the next ones."""
    y = labels(16, 4)
    records: list[Mapping[str, object]] = []
    for number, image in enumerate(patterns((24, 20, 3), y)):
        save(folder / "Flicker8k_Dataset" / f"{number}.jpg", image)
        for size in (4, 5):
            words = np.array([2, 3, 4 + y[number], 4 + y[number], 8, 1])[:size]
            padded = np.pad(words, (0, 7 - size)).tolist()
            records.append({"file": f"{number}.jpg", "words": padded[:6], "next": padded[1:]})
    lines(folder / "captions.jsonl", records)


def dark_photos(folder: Path) -> None:
    """Write dark color images of different sizes in one directory."""
    for number, image in enumerate(smooth_images(16, 24)):
        save(folder / "low" / f"{number}.png", 0.2 * image, size=(24 + number, 24))


def paintings(folder: Path) -> None:
    """Write two directories of images, and a table with one of each."""
    for name, contrast in (("artworks", 0.5), ("photos", 1.0)):
        for number, image in enumerate(patterns((20, 24, 3), labels(12, 4))):
            save(folder / name / f"{number}.jpg", contrast * image)
    names = [f"{number}.jpg" for number in range(12)]
    columns = {
        "style": [f"artworks/{name}" for name in names],
        "content": [f"photos/{name}" for name in names],
    }
    table(folder / "pairs.csv", columns)


def horses_and_zebras(folder: Path) -> None:
    """Write two directories of images, and a table with one of each."""
    names = [f"{number}.jpg" for number in range(8)]
    for side, contrast in (("horses", 0.5), ("zebras", 1.0)):
        for name, image in zip(names, patterns((20, 24, 3), labels(8, 2)), strict=True):
            save(folder / side / name, contrast * image)
    table(folder / "pairs.csv", {"x": names, "y": names[::-1]})


def facades(folder: Path) -> None:
    """Write images, the classes of their pixels, and these as colors."""
    names = [f"{number:04}" for number in range(8)]
    for number, name in enumerate(names):
        classes = np.zeros((32, 32), np.uint8)
        classes[4 + number : 20 + number, 8:24] = 1 + number % 2
        save(
            folder / "images" / f"{name}.jpg",
            np.take([0.1, 0.9, 0.5], classes)[..., None] ** [1, 2, 3],
        )
        save(folder / "segmentation_map" / f"{name}.png", (np.eye(3)[classes]))
        save(folder / "segmentation_labels" / f"{name}.bmp", classes)
    table(folder / "facades.csv", {"file": names})


def dark_pairs(folder: Path) -> None:
    """Write dark images, and brighter ones of the same names in another directory."""
    for number, image in enumerate(smooth_images(12, 24)):
        save(folder / "low" / f"{number}.png", 0.2 * image, size=(24, 20))
        save(folder / "high" / f"{number}.png", image, size=(24, 20))


def salient_objects(folder: Path) -> None:
    """Write color images of different sizes, and gray masks of a bright box."""
    for number in range(12):
        mask = np.zeros((64, 64))
        mask[8 + number : 32 + number, 16:48] = 1
        image = (0.2 + 0.6 * mask)[..., None] * np.array([1, 0.9, 0.8])
        name = f"ILSVRC2012_test_{number:08}"
        save(folder / "DUTS-TE" / "DUTS-TE-Image" / f"{name}.jpg", image, size=(72 + number, 64))
        save(folder / "DUTS-TE" / "DUTS-TE-Mask" / f"{name}.png", mask, size=(72 + number, 64))
