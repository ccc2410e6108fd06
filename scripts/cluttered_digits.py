"""Write MNIST digits on a larger canvas among pieces of others, and what simple methods reach.

python scripts/cluttered_digits.py MNIST DIRECTORY

As in Mnih et al. 2014, arXiv:1406.6247, section 4.1, with digits and pieces of different sizes. The
directory gets `digits.npz` with the canvases `x`, the digits `class`, and the box `box` around each
in parts of the canvas: the left, upper, right and lower edge. The last fifth, the validation set,
has digits of MNIST's test set. `baselines.json` has the accuracy and the mean IoU on it.
"""

from __future__ import annotations

import gzip
import json
import sys
from collections import deque
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

import numpy as np

SEED: Final = 0
CANVAS: Final = 103
NUM_PIECES: Final = 10
PIECE: Final = 10
"""Side of a piece of a digit before it is scaled."""
SIDES: Final = (36, 64)
"""The least and the largest side of the square with the digit."""
NUM_CUT_OUT: Final = 8_000
"""Canvases from which the classes of parts are learned."""
SETS: Final = {"train": 24_000, "t10k": 6_000}
"""How many digits of each set of MNIST are used."""


class Canvases(NamedTuple):
    """The canvases of a set, the digits on them, and the boxes around these."""

    pixels: np.ndarray
    digits: np.ndarray
    boxes: np.ndarray


def read_mnist(directory: Path, name: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the images and the labels of a set."""
    with gzip.open(directory / f"{name}-images-idx3-ubyte.gz") as file:
        images = np.frombuffer(file.read()[16:], np.uint8).reshape(-1, 28, 28)
    with gzip.open(directory / f"{name}-labels-idx1-ubyte.gz") as file:
        return images, np.frombuffer(file.read()[8:], np.uint8)


def scaled(image: np.ndarray, factor: float) -> np.ndarray:
    """Return an image with other sides, interpolated between the pixels."""
    rows, columns = (interpolation(side, round(side * factor)) for side in image.shape)
    return (rows @ image @ columns.T).round().astype(np.uint8)


@cache
def interpolation(old_side: int, new_side: int) -> np.ndarray:
    """Return the weights of the old pixels in a line of new ones."""
    places = ((np.arange(new_side) + 0.5) * old_side / new_side - 0.5).clip(0, old_side - 1)
    return np.maximum(0, 1 - np.abs(places[:, None] - np.arange(old_side)))


def paste(canvas: np.ndarray, image: np.ndarray, random: np.random.Generator) -> tuple[int, int]:
    """Draw an image at a random position, and return its row and its column."""
    row, column = (int(random.integers(CANVAS - side + 1)) for side in image.shape)
    area = canvas[row : row + image.shape[0], column : column + image.shape[1]]
    np.maximum(area, image, out=area)
    return row, column


def canvases(
    images: np.ndarray, count: int, random: np.random.Generator
) -> Iterator[tuple[np.ndarray, list[int]]]:
    """Yield canvases with a digit each, and its box: left, upper, right and lower edge."""
    for index in range(count):
        canvas = np.zeros((CANVAS, CANVAS), np.uint8)
        digit = scaled(images[index], random.uniform(*SIDES) / 28)
        rows, columns = (np.flatnonzero((digit > 64).any(axis)) for axis in (1, 0))
        row, column = paste(canvas, digit, random)
        box = [column + columns[0], row + rows[0], column + columns[-1] + 1, row + rows[-1] + 1]
        for _ in range(NUM_PIECES):
            source = images[random.integers(len(images))]
            top, left = random.integers(4, 25 - PIECE, 2)
            piece = source[top : top + PIECE, left : left + PIECE]
            paste(canvas, scaled(piece, random.uniform(*SIDES) / 28), random)
        yield canvas, [int(each) for each in box]


def ious(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Return the intersection over union of pairs of boxes."""
    sides = np.minimum(first[:, 2:], second[:, 2:]) - np.maximum(first[:, :2], second[:, :2])
    both = sides.clip(0).prod(1)
    areas = [(each[:, 2:] - each[:, :2]).clip(0).prod(1) for each in (first, second)]
    return both / (areas[0] + areas[1] - both)


def box_of_largest_part(canvas: np.ndarray) -> list[int]:
    """Return the box around the most bright pixels that touch each other."""
    rest = {(int(row), int(column)) for row, column in np.argwhere(canvas > 64)}
    largest: list[tuple[int, int]] = []
    while rest:
        component, queue = [], deque([rest.pop()])
        while queue:
            row, column = queue.popleft()
            component.append((row, column))
            near = {(row + up, column + side) for up in (-1, 0, 1) for side in (-1, 0, 1)} & rest
            rest -= near
            queue.extend(near)
        largest = max(largest, component, key=len)
    rows, columns = np.array(largest).T
    return [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]


def cut_out(canvas: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Return what is in a box as 20 by 20 pixels."""
    left, upper, right, lower = box
    pixels = canvas[upper:lower, left:right]
    rows, columns = (interpolation(side, 20) for side in pixels.shape)
    return (rows @ pixels @ columns.T).ravel()


def predict(
    train: np.ndarray, targets: np.ndarray, validation: np.ndarray, penalty: float
) -> np.ndarray:
    """Return the predictions of a linear regression of pixels, with a penalty of its weights."""
    x, x_validation = (
        np.pad(each.reshape(len(each), -1) / 255, ((0, 0), (0, 1)), constant_values=1)
        for each in (train, validation)
    )
    weights = np.linalg.solve(x.T @ x + penalty * np.eye(x.shape[1]), x.T @ targets)
    return x_validation @ weights


def half_size(canvases: np.ndarray) -> np.ndarray:
    """Return the means of squares of pixels."""
    side = CANVAS // 2
    inner = canvases[:, : 2 * side, : 2 * side]
    return inner.reshape(-1, side, 2, side, 2).mean((2, 4))


def baselines(train: Canvases, validation: Canvases) -> dict[str, dict[str, float]]:
    """Return the accuracy and the mean IoU of simple methods on the validation set."""
    first = Canvases(*(each[:NUM_CUT_OUT] for each in train))
    parts = [
        np.array([box_of_largest_part(canvas) for canvas in each.pixels])
        for each in (first, validation)
    ]
    cut = [
        np.array([cut_out(*pair) for pair in zip(each.pixels, boxes, strict=True)])
        for each, boxes in zip((first, validation), parts, strict=True)
    ]
    classes = predict(cut[0], np.eye(10)[first.digits], cut[1], 10).argmax(1)
    boxes = predict(half_size(train.pixels), train.boxes, half_size(validation.pixels), 100)
    means = np.broadcast_to(train.boxes.mean(0), validation.boxes.shape)
    return {
        "accuracy": {
            "most common digit": float(np.bincount(validation.digits).max() / len(means)),
            "linear regression on the largest connected part": float(
                (classes == validation.digits).mean()
            ),
        },
        "iou": {
            "mean box": float(ious(validation.boxes, means).mean()),
            "linear regression": float(ious(validation.boxes, boxes).mean()),
            "largest connected part": float(ious(validation.boxes, parts[1]).mean()),
        },
    }


def main(mnist: Path, directory: Path) -> None:
    """Write the canvases, and the metrics of the baselines."""
    directory.mkdir(parents=True)
    random = np.random.default_rng(SEED)
    sets = []
    for name, count in SETS.items():
        images, digits = read_mnist(mnist, name)
        pixels, boxes = zip(*canvases(images, count, random), strict=True)
        sets.append(Canvases(np.stack(pixels), digits[:count], np.array(boxes)))
    arrays = [np.concatenate(each) for each in zip(*sets, strict=True)]
    np.savez(
        directory / "digits.npz",
        x=arrays[0],
        **{"class": arrays[1], "box": (arrays[2] / CANVAS).astype(np.float32)},
    )
    text = json.dumps(baselines(*sets), indent=2) + "\n"
    (directory / "baselines.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
