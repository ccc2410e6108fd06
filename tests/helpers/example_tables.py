"""Small tables with the columns and flaws of those of the examples, and easy to learn.

Each function writes the files that an example names into a folder, the same each time.
"""

from __future__ import annotations

import csv
import json
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


def bank(folder: Path) -> None:
    """Write calls of a bank with unknown categories; a number stands for a missing one."""
    y = labels(80, 2)
    pdays = [999 if each % 3 else 6 for each in range(80)]
    columns = {
        "age": numbers(y, low=18, high=88),
        "job": words(y, ["blue-collar", "admin.", "unknown"]),
        "marital": words(y, ["married", "single"], seed=1),
        "education": words(y, ["basic.9y", "university.degree"], seed=2),
        "default": words(y, ["no", "unknown"], seed=3),
        "housing": words(y, ["yes", "no", "unknown"], seed=4),
        "loan": words(y, ["no", "yes"], seed=5),
        "contact": words(y, ["telephone", "cellular"], seed=6),
        "month": words(y, ["may", "mar"], seed=7),
        "day_of_week": words(y, ["mon", "fri"], seed=8),
        "duration": numbers(y, low=0, high=3643, seed=9),
        "campaign": numbers(y, low=1, high=35, seed=10),
        "pdays": pdays,
        "previous": numbers(y, low=0, high=6, seed=11),
        "poutcome": words(y, ["nonexistent", "success"], seed=12),
        "emp.var.rate": [each / 10 for each in numbers(y, low=-34, high=14, seed=13)],
        "cons.price.idx": [each / 1000 for each in numbers(y, low=92201, high=94767, seed=14)],
        "cons.conf.idx": [each / 10 for each in numbers(y, low=-508, high=-269, seed=15)],
        "euribor3m": [each / 1000 for each in numbers(y, low=635, high=5045, seed=16)],
        "nr.employed": [each / 10 for each in numbers(y, low=49636, high=52281, seed=17)],
        "y": [("no", "yes")[each] for each in y],
        "previously_contacted": [int(each != 999) for each in pdays],
    }
    table(folder / "bank.csv", columns, separator=";")


CENSUS_WORDS = [
    "class_of_worker",
    "education",
    "enroll_in_edu_inst_last_wk",
    "marital_stat",
    "major_industry_code",
    "major_occupation_code",
    "race",
    "hispanic_origin",
    "sex",
    "member_of_a_labor_union",
    "reason_for_unemployment",
    "full_or_part_time_employment_stat",
    "tax_filer_stat",
    "region_of_previous_residence",
    "state_of_previous_residence",
    "detailed_household_and_family_stat",
    "detailed_household_summary_in_household",
    "migration_code-change_in_msa",
    "migration_code-change_in_reg",
    "migration_code-move_within_reg",
    "live_in_this_house_1_year_ago",
    "migration_prev_res_in_sunbelt",
    "family_members_under_18",
    "country_of_birth_father",
    "country_of_birth_mother",
    "country_of_birth_self",
    "citizenship",
    "fill_inc_questionnaire_for_veteran's_admin",
]
CENSUS_CODES = [
    "detailed_industry_recode",
    "detailed_occupation_recode",
    "own_business_or_self_employed",
    "veterans_benefits",
    "year",
]
CENSUS_NUMBERS = [
    "age",
    "wage_per_hour",
    "capital_gains",
    "capital_losses",
    "dividends_from_stocks",
    "num_persons_worked_for_employer",
    "weeks_worked_in_year",
]


def census(folder: Path) -> None:
    """Write people with weights; categories are words or codes, some of them with a quote mark."""
    y = labels(80, 2)
    columns: dict[str, Sequence[object]] = {}
    for seed, name in enumerate(CENSUS_WORDS):
        columns[name] = words(y, ["?", 'Head "of" household, under 18'], seed=seed)
    for seed, name in enumerate(CENSUS_CODES):
        columns[name] = numbers(y, low=94, high=96, seed=seed)
    for seed, name in enumerate(CENSUS_NUMBERS):
        columns[name] = numbers(y, low=0, high=50, seed=seed)
    columns["instance_weight"] = [0.5 + each % 3 for each in range(80)]
    columns["income_level"] = [("- 50000.", "50000+.")[each] for each in y]
    table(folder / "census_income.csv", columns)


def abstracts(folder: Path) -> None:
    """Write titles and texts of papers with commas and quotes, and one or two fields of each."""
    y = labels(48, 3)
    fields = ["cs.CV", "cs.LG", "stat.ML"]
    nouns = ["images", "gradients", "posteriors"]
    columns = {
        "titles": [f"On {nouns[each]}, again" for each in y],
        "summaries": [f'We study "{nouns[each]}", and\nmore {nouns[each]}.' for each in y],
        "terms": [fields[each] + (";cs.LG" if each == 0 else "") for each in y],
    }
    table(folder / "arxiv_data.csv", columns)


def rated_movies(folder: Path) -> None:
    """Write sequences of movies and the user who rates the last one like the first."""
    random = np.random.default_rng(0)
    movies = random.integers(1, 21, (64, 4))
    columns = {
        "user_id": [f"user_{each % 7}" for each in range(64)],
        "sequence_movie_ids": [",".join(f"movie_{each}" for each in row) for row in movies],
        "sex": ["M" if each % 3 else "F" for each in range(64)],
        "age_group": [f"group_{each % 4}" for each in range(64)],
        "occupation": [f"occupation_{each % 5}" for each in range(64)],
    }
    ratings = np.where(movies % 2 == 0, 5.0, 1.0)
    columns["sequence_ratings"] = [",".join(map(str, row[:3])) for row in ratings]
    columns["target_rating"] = ratings[:, 0].tolist()
    table(folder / "train_data.csv", columns, separator="|")
    rows = {name: each[:16] for name, each in columns.items()}
    table(folder / "test_data.csv", rows, separator="|")


def climate(folder: Path) -> None:
    """Write measurements of every ten minutes, with units and dates in other columns."""
    time = np.arange(300)
    waves = {
        "p (mbar)": 990 + np.cos(time / 9),
        "T (degC)": 9 + 8 * np.sin(time / 9),
        "Tpot (K)": 283 + 8 * np.sin(time / 9),
        "Tdew (degC)": 5 + np.sin(time / 9),
        "rh (%)": 76 - 9 * np.sin(time / 9),
        "VPmax (mbar)": 13 + 7 * np.sin(time / 9),
        "VPact (mbar)": 9 + np.sin(time / 9),
        "VPdef (mbar)": 4 + 3 * np.sin(time / 9),
        "sh (g/kg)": 6 + np.cos(time / 9),
        "H2OC (mmol/mol)": 9 + np.cos(time / 9),
        "rho (g/m**3)": 1216 - 30 * np.sin(time / 9),
        "wv (m/s)": 2 + np.cos(time / 9),
        "max. wv (m/s)": 3 + np.cos(time / 9),
        "wd (deg)": 174 + 80 * np.cos(time / 9),
    }
    dates = [f"{1 + each // 144:02}.01.2009 {each // 6 % 24:02}:{each % 6}0:00" for each in time]
    columns: dict[str, Sequence[object]] = {"Date Time": dates}
    columns |= {name: np.round(each, 2).tolist() for name, each in waves.items()}
    table(folder / "jena_climate_2009_2016.csv", columns)


def daily(folder: Path) -> None:
    """Write a value of every five minutes, which repeats with noise."""
    random = np.random.default_rng(0)
    values = 20 + 20 * (np.arange(480) % 32 > 12) + random.random(480)
    minutes = [f"2014-04-01 {each // 12:02}:{5 * (each % 12):02}:00" for each in range(480)]
    columns = {"timestamp": minutes, "value": np.round(values, 3).tolist()}
    table(folder / "art_daily_small_noise.csv", columns)


def entities(folder: Path) -> None:
    """Write sentences of different lengths with a label for each word, as JSON lines."""
    random = np.random.default_rng(0)
    kinds = {"O": ["said", "the", "in"], "B-PER": ["Peter", "Maria"], "B-LOC": ["Paris", "Rome"]}
    records = []
    for _ in range(40):
        tags = random.choice(list(kinds), random.integers(3, 9)).tolist()
        records.append({"tokens": [str(random.choice(kinds[tag])) for tag in tags], "tags": tags})
    for name, rows in (("train", records), ("val", records[:8])):
        text = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"conll_{name}.jsonl").write_text(text, encoding="utf-8")


def card_payments(folder: Path) -> None:
    """Write a table for each of three months, with a fraud in every sixteen payments."""
    random = np.random.default_rng(0)
    for month in ("july", "august", "september"):
        is_fraud = (np.arange(320) % 16 == 0).astype(int)
        values = random.normal(size=(14, 320)) + 2 * is_fraud
        columns = {f"feature_{index}": column.tolist() for index, column in enumerate(values)}
        table(folder / f"{month}.csv", {**columns, "TX_FRAUD": is_fraud.tolist()})
