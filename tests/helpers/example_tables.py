"""Small tables with the columns and flaws of those of the examples, and easy to learn.

Each function writes the files that an example names into a folder, the same each time.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from helpers.example_data import labels


def table(file: Path, columns: Mapping[str, Sequence[object]], *, separator: str = ",") -> None:
    """Write a table of columns with a line for their names."""
    with file.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, delimiter=separator)
        writer.writerow(columns)
        writer.writerows(zip(*columns.values(), strict=True))


def words(classes: np.ndarray, names: Sequence[str], *, seed: int = 0) -> list[str]:
    """Return a name for each class; a fifth of them is that of another class."""
    random = np.random.default_rng(seed)
    others = random.integers(len(names), size=len(classes))
    is_other = random.random(len(classes)) < 0.2
    return [names[index] for index in np.where(is_other, others, classes % len(names))]


def numbers(classes: np.ndarray, *, low: int, high: int, seed: int = 0) -> list[int]:
    """Return whole numbers of a range, of which the later classes have the higher ones."""
    random = np.random.default_rng(seed)
    share = (random.random(len(classes)) + classes) / (classes.max() + 1)
    return [int(each) for each in low + share * (high - low)]


def heart(folder: Path) -> None:
    """Write patients; two columns of numbers are categories, and so are words and a stray `2`."""
    y = labels(60, 2)
    thal = words(y, ["fixed", "normal", "reversible"])
    thal[3] = "2"
    columns = {
        "age": numbers(y, low=29, high=77),
        "sex": numbers(y, low=0, high=2, seed=1),
        "cp": numbers(y, low=0, high=5, seed=2),
        "trestbps": numbers(y, low=94, high=200, seed=3),
        "chol": numbers(y, low=126, high=564, seed=4),
        "fbs": numbers(y, low=0, high=2, seed=5),
        "restecg": numbers(y, low=0, high=3, seed=6),
        "thalach": numbers(y, low=71, high=202, seed=7),
        "exang": numbers(y, low=0, high=2, seed=8),
        "oldpeak": [each / 10 for each in numbers(y, low=0, high=62, seed=9)],
        "slope": numbers(y, low=1, high=4, seed=10),
        "ca": numbers(y, low=0, high=4, seed=11),
        "thal": thal,
        "target": y.tolist(),
    }
    table(folder / "heart.csv", columns)


def covertype(folder: Path) -> None:
    """Write places in forests, with numbers of different sizes; some are negative."""
    numeric = {
        "Elevation": (1859, 3858),
        "Aspect": (0, 360),
        "Slope": (0, 66),
        "Horizontal_Distance_To_Hydrology": (0, 1397),
        "Vertical_Distance_To_Hydrology": (-173, 601),
        "Horizontal_Distance_To_Roadways": (0, 7117),
        "Hillshade_9am": (0, 254),
        "Hillshade_Noon": (0, 254),
        "Hillshade_3pm": (0, 254),
        "Horizontal_Distance_To_Fire_Points": (0, 7173),
    }
    y = labels(112, 7)
    columns: dict[str, Sequence[object]] = {
        name: numbers(y, low=low, high=high, seed=seed)
        for seed, (name, (low, high)) in enumerate(numeric.items())
    }
    columns["Soil_Type"] = words(y, [f"soil_type_{number}" for number in range(1, 8)])
    columns["Wilderness_Area"] = words(y, ["Rawah", "Neota", "Comanche_Peak", "Cache_la_Poudre"])
    columns["Cover_Type"] = y.tolist()
    table(folder / "covertype_train.csv", columns)
    table(folder / "covertype_test.csv", {name: each[:14] for name, each in columns.items()})


def adult(folder: Path) -> None:
    """Write people with weights, unknown categories and a column that a network may leave out."""
    y = labels(96, 2)
    columns = {
        "age": numbers(y, low=17, high=90),
        "workclass": words(y, ["Private", "Self-emp-not-inc", "?"]),
        "fnlwgt": numbers(y, low=12285, high=1484705, seed=1),
        "education": words(y, ["HS-grad", "Bachelors", "11th"], seed=2),
        "education_num": numbers(y, low=1, high=16, seed=3),
        "marital_status": words(y, ["Never-married", "Married-civ-spouse"], seed=4),
        "occupation": words(y, ["Craft-repair", "Exec-managerial", "?"], seed=5),
        "relationship": words(y, ["Not-in-family", "Husband", "Wife"], seed=6),
        "race": words(y, ["White", "Black", "Other"], seed=7),
        "gender": words(y, ["Female", "Male"], seed=8),
        "capital_gain": [each * 9999 for each in numbers(y, low=0, high=2, seed=9)],
        "capital_loss": [0] * len(y),
        "hours_per_week": numbers(y, low=1, high=99, seed=10),
        "native_country": words(y, ["United-States", "Mexico", "?"], seed=11),
        "income_bracket": [("<=50K", ">50K")[each] for each in y],
    }
    table(folder / "adult_train.csv", columns)
    columns["native_country"][0] = "Holand-Netherlands"
    table(folder / "adult_test.csv", {name: each[:24] for name, each in columns.items()})


def ratings(folder: Path) -> None:
    """Write ratings of movies with ids that leave gaps, and scores between 0 and 1."""
    random = np.random.default_rng(0)
    users, movies = random.integers(1, 11, 200), random.integers(1, 16, 200)
    stars = np.where((users + movies) % 2 == 0, 4.5, 1.0)
    columns = {
        "userId": users.tolist(),
        "movieId": (movies * 1000 + 7).tolist(),
        "rating": stars.tolist(),
        "timestamp": (964982703 + 60 * np.arange(200)).tolist(),
        "score": ((stars - 0.5) / 4.5).tolist(),
    }
    table(folder / "ratings.csv", columns)


def ratings_of_users(folder: Path) -> None:
    """Write ratings of movies with ids that are words."""
    random = np.random.default_rng(0)
    users, movies = random.integers(1, 11, 200), random.integers(1, 16, 200)
    columns = {
        "user_id": [f"user_{each}" for each in users],
        "movie_id": [f"movie_{each}" for each in movies],
        "rating": np.where((users + movies) % 2 == 0, 5, 1).tolist(),
        "timestamp": (978300760 + 60 * np.arange(200)).tolist(),
    }
    table(folder / "ratings.csv", columns, separator="|")
