"""Write real data that ships inside Python packages, and what simple methods reach on it.

python scripts/real_data.py NAME DIRECTORY

NAME is one of `cars`, `electricity`, `movies`, `reviews` and `brain`. The directory gets the files
that a blueprint of `real_data/` or a recipe reads, and `baselines.json`: the metrics of other
methods on the same training and validation sets. Needs the packages of `requirements-results.txt`.
"""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
import tarfile
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

import nibabel
import numpy as np
import vega_datasets
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import accuracy_score, mean_absolute_error
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

SEED: Final = 0
VADER: Final = "vaderSentiment==3.3.2"
SLICES: Final = slice(20, 75)
"""Axial slices of the brain that have tissue."""


def write_csv(path: Path, header: list[str], rows: list[list[object]]) -> None:
    """Write a table."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([header, *rows])


def cars(directory: Path) -> Mapping[str, float]:
    """Fuel consumption of 398 cars of 1970 to 1982 (StatLib, in vega_datasets).

    Horsepower is missing for six of them, and the origin is a string. Every fifth is held out.
    """
    frame = vega_datasets.local_data.cars()
    frame = frame[frame.Miles_per_Gallon.notna()].sample(frac=1, random_state=SEED)
    frame["Year"] = frame.Year.dt.strftime("%Y-%m-%d")
    is_held_out = np.arange(len(frame)) % 5 == 0
    frame["set"] = np.where(is_held_out, "validation", "train")
    frame.to_csv(directory / "cars.csv", index=False)
    frame["Year"] = frame.Year.str[:4].astype(int)
    numbers = ["Cylinders", "Displacement", "Horsepower", "Weight_in_lbs", "Acceleration", "Year"]
    frame[numbers] = frame[numbers].astype(float)
    train, validation = frame[~is_held_out], frame[is_held_out]
    filled = {name: train[name].median() for name in numbers}

    def error(model: object, *, fill: bool) -> float:
        columns = [*numbers, "Origin"]
        inputs = [
            each[columns].fillna(filled) if fill else each[columns] for each in (train, validation)
        ]
        pipeline = make_pipeline(
            make_column_transformer(
                (StandardScaler(), numbers),
                (OneHotEncoder(sparse_output=False), ["Origin"]),
            ),
            model,
        )
        pipeline.fit(inputs[0], train.Miles_per_Gallon)
        return float(mean_absolute_error(validation.Miles_per_Gallon, pipeline.predict(inputs[1])))

    return {
        "linear regression": error(Ridge(), fill=True),
        "gradient boosting": error(HistGradientBoostingRegressor(random_state=SEED), fill=False),
    }


def electricity(directory: Path) -> Mapping[str, float]:
    """Hourly demand for electricity in Victoria, Australia, in 2012 (in statsmodels).

    The last fifth of the 3,600 hours is held out. Each forecast is that of the next 24 hours.
    """
    source = files("statsmodels") / "tsa/stl/tests/results/mstl_elec_vic.csv"
    with source.open(encoding="utf-8") as file:
        rows = [(row["ds"], float(row["y"])) for row in csv.DictReader(file)]
    write_csv(directory / "electricity.csv", ["time", "demand"], [[*row] for row in rows])
    demand = np.array([value for _, value in rows])
    start = len(demand) - len(demand) // 5
    # The hours of the validation set that have a window of a week before them.
    first, last = start + 168, len(demand) - 24

    def naive(lag: int) -> float:
        errors = [
            np.abs(demand[hour : hour + 24] - demand[hour - lag : hour - lag + 24]).mean()
            for hour in range(first, last + 1)
        ]
        return float(np.mean(errors))

    return {"the same hours of the day before": naive(24), "of the week before": naive(168)}


def rated_sentences(directory: Path, name: str) -> list[tuple[str, float]]:
    """Return sentences with their mean rating by 20 people, from -4 to 4.

    Hutto and Gilbert, "VADER", ICWSM 2014; `name` is that of a file: `movie` or `amazon` reviews.
    """
    download = ["download", "--quiet", "--no-deps", "--no-binary", ":all:", VADER]
    subprocess.run([sys.executable, "-m", "pip", *download, "--dest", directory], check=True)
    (archive,) = directory.glob("vaderSentiment-*.tar.gz")
    with tarfile.open(archive) as outer:
        (inner,) = (each for each in outer if each.name.endswith("hutto_ICWSM_2014.tar.gz"))
        with tarfile.open(fileobj=outer.extractfile(inner)) as nested:
            (member,) = (each for each in nested if f"{name}ReviewSnippets_Ground" in each.name)
            nested.extract(member, directory, filter="data")
    lines = (directory / member.name).read_text("utf-8", "replace").splitlines()
    archive.unlink()
    fields = [line.split("\t", 2) for line in lines]
    return [(text, float(rating)) for _, rating, text in fields]


def split_movies(
    sentences: list[tuple[str, float]],
) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the training and validation set of movie reviews: sentences with their sentiment.

    It is the sign of the rating; sentences with a rating of 0 have none. A fifth is held out.
    """
    examples = [
        (text, "positive" if rating > 0 else "negative") for text, rating in sentences if rating
    ]
    random.Random(SEED).shuffle(examples)
    held_out = len(examples) // 5
    return examples[held_out:], examples[:held_out]


def write_movies(
    directory: Path, train: list[tuple[str, str]], validation: list[tuple[str, str]]
) -> None:
    """Write the table of movie reviews."""
    rows: list[list[object]] = [
        [*example, name]
        for name, subset in (("train", train), ("validation", validation))
        for example in subset
    ]
    write_csv(directory / "movies.csv", ["text", "sentiment", "set"], rows)


def movie_baselines(
    train: list[tuple[str, str]], validation: list[tuple[str, str]]
) -> Mapping[str, float]:
    """Return the accuracy of the most common class, and of a logistic regression."""
    model = make_pipeline(TfidfVectorizer(ngram_range=(1, 2)), LogisticRegression(C=10))
    model.fit(*zip(*train, strict=True))
    texts, labels = zip(*validation, strict=True)
    majority = max(labels.count(each) for each in set(labels)) / len(labels)
    accuracy = float(accuracy_score(labels, model.predict(texts)))
    return {"most common class": majority, "logistic regression on word pairs": accuracy}


def movies(directory: Path) -> Mapping[str, float]:
    """Sentiment of 10,605 sentences of movie reviews."""
    train, validation = split_movies(rated_sentences(directory, "movie"))
    write_movies(directory, train, validation)
    return movie_baselines(train, validation)


def reviews(directory: Path) -> Mapping[str, float]:
    """The same, and text without labels: these sentences and those of reviews of products.

    The text has no sentence that is held out. The baselines learn from a tenth of the labels.
    """
    sentences = rated_sentences(directory, "movie")
    train, validation = split_movies(sentences)
    write_movies(directory, train, validation)
    held_out = {text for text, _ in validation}
    neutral = [text for text, rating in sentences if not rating]
    texts = [text for text in (*(each for each, _ in train), *neutral) if text not in held_out]
    random.Random(SEED + 1).shuffle(texts)
    products = [text for text, _ in rated_sentences(directory, "amazon")]
    lines = (json.dumps({"text": text}) + "\n" for text in (*products, *texts))
    (directory / "reviews.jsonl").write_text("".join(lines))
    return movie_baselines(train[: len(train) // 10], validation)


def brain(directory: Path) -> Mapping[str, float]:
    """Axial slices of the MNI152 template of the human brain, with their tissues (in nilearn).

    The classes are other, gray matter and white matter. Every fourth slice and its neighbors are
    apart: blocks of slices are held out, as neighbors are almost equal.
    """
    root = files("nilearn") / "datasets" / "data"

    def volume(name: str) -> np.ndarray:
        path = root / f"mni_icbm152_{name}_tal_nlin_sym_09a_converted.nii.gz"
        return np.asarray(nibabel.load(str(path)).dataobj, np.float32)

    image, gray, white = (volume(name) for name in ("t1", "gm", "wm"))
    gray, white = gray / gray.max(), white / white.max()
    masks = np.where(np.maximum(gray, white) < 0.5, 0, np.where(gray >= white, 1, 2))
    pixels = (image / image.max() * 255).round().astype(np.uint8)
    sets: dict[str, list[int]] = {"train": [], "validation": []}
    for index in range(*SLICES.indices(image.shape[2])):
        sets["validation" if index % 11 in (4, 5, 6) else "train"].append(index)
    for name, indices in sets.items():
        for kind in ("images", "masks"):
            (directory / name / kind).mkdir(parents=True)
        for index in indices:
            size = (96, 112)
            image_file = Image.fromarray(pixels[:, :, index]).resize((size[1], size[0]))
            image_file.save(directory / name / "images" / f"{index:03}.png")
            mask = Image.fromarray(masks[:, :, index].astype(np.uint8))
            mask.resize((size[1], size[0]), Image.Resampling.NEAREST).save(
                directory / name / "masks" / f"{index:03}.png"
            )

    def read(name: str, kind: str) -> np.ndarray:
        paths = sorted((directory / name / kind).glob("*.png"))
        return np.stack([np.asarray(Image.open(path)) for path in paths])

    inputs, targets = read("train", "images").reshape(-1, 1), read("train", "masks").reshape(-1)
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(inputs, targets)
    predicted = model.predict(read("validation", "images").reshape(-1, 1))
    expected = read("validation", "masks").reshape(-1)
    return {"logistic regression on the intensity": mean_iou(expected, predicted)}


def mean_iou(expected: np.ndarray, predicted: np.ndarray) -> float:
    """Return the mean over the classes of intersection over union."""
    scores = []
    for label in range(3):
        both = (expected == label) & (predicted == label)
        scores.append(both.sum() / ((expected == label) | (predicted == label)).sum())
    return float(np.mean(scores))


DATASETS: Final[Mapping[str, Callable[[Path], Mapping[str, float]]]] = {
    "cars": cars,
    "electricity": electricity,
    "movies": movies,
    "reviews": reviews,
    "brain": brain,
}


def main(name: str, directory: Path) -> None:
    """Write the files of a data set, and the metrics of its baselines."""
    directory.mkdir(parents=True)
    baselines = DATASETS[name](directory)
    (directory / "baselines.json").write_text(json.dumps(baselines, indent=2) + "\n")


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
