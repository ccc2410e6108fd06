"""Blueprints for datasets: each is valid, and trains on its data."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from helpers.example_data import recording
from PIL import Image

import archbuilder
from archbuilder.diagnostics.errors import ArchbuilderError
from archbuilder.scaffold.data_blueprint import data_blueprint

ROWS = 60
RNG = np.random.default_rng(0)


def write_table(path: Path, separator: str = ",") -> None:
    """Write a table with the flaws of real ones; the last column is a quantity."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, delimiter=separator)
        writer.writerow(["id", "age", "Work class", "$pay", "joined", "label", "note", "size"])
        for row in range(ROWS):
            age = "?" if row % 10 == 0 else str(20 + row * 7 % 50)
            work = ["private", "state: local", "", "no"][row % 4]
            date = f"2024-{row % 12 + 1:02}-{row % 28 + 1:02}"
            label = "yes" if row % 3 else "no"
            note = f"some words about row {row}, and {label}"
            size = 100 + row * 3 % 40
            writer.writerow([row + 1, age, work, row % 7 * 1.5, date, label, note, size])


def create(tmp_path: Path, data: str, target: str | None = None) -> archbuilder.Blueprint:
    """Create a blueprint for data in a directory, and compile it."""
    path = tmp_path / "new.yaml"
    path.write_text(data_blueprint(path, str(tmp_path / data), target).text, encoding="utf-8")
    blueprint = archbuilder.load(path)
    blueprint.compile()
    return blueprint


def output_shapes(blueprint: archbuilder.Blueprint) -> Sequence[tuple[int | None, ...]]:
    """Return the shapes of the outputs without the batch axis."""
    return [
        tuple(tensor.shape) for graph in blueprint.graphs().values() for _, tensor in graph.outputs
    ]


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_table(tmp_path: Path, separator: str) -> None:
    """Columns become features by their kind, and the network trains on them."""
    write_table(tmp_path / "table.csv", separator)
    path = tmp_path / "new.yaml"
    created = data_blueprint(path, str(tmp_path / "table.csv"), "label")
    assert created.has_data
    assert "# Not used: 'id' (numbers the rows)\n" in created.text
    for feature in (
        'numbers: {columns: ["$$pay", size], normalize: true}',
        "incomplete_numbers: {columns: [age], missing: indicator, normalize: true}",
        "joined: {column: joined, date: [year, month, day, weekday], normalize: true}",
        'work_class: {column: "Work class", vocabulary: true, max_size: 3}',
        "column: note\n        tokenizer: words\n        lowercase: true\n",
        'missing: ["?"]',
    ):
        assert feature in created.text
    if separator != ",":
        return
    path.write_text(created.text, encoding="utf-8")
    run = archbuilder.train(path, run_dir=tmp_path / "run", epochs=8)
    assert run.history[-1]["loss"] < run.history[0]["loss"]


def test_target_of_a_table(tmp_path: Path) -> None:
    """The last column is the target; strings and few whole numbers are classes."""
    write_table(tmp_path / "table.csv")
    quantity = data_blueprint(tmp_path / "new.yaml", str(tmp_path / "table.csv"), None).text
    assert "target: size" in quantity
    assert "MeanSquaredError" in quantity
    # The output has the scale of the target, so that predictions have its unit.
    assert "Rescaling: {scale: 11.6, offset: 118.5}" in quantity
    classes = data_blueprint(tmp_path / "new.yaml", str(tmp_path / "table.csv"), "Work class").text
    assert "Dense: {units: 3, activation: softmax}" in classes


def test_tables_with_types(tmp_path: Path) -> None:
    """Parquet and JSON lines keep their types; lists are not used."""
    rows = [
        {
            "num": None if row % 5 == 0 else row / 2,
            "tags": [1, 2],
            "color": "rb"[row % 2],
            "kind": row % 3,
        }
        for row in range(ROWS)
    ]
    (tmp_path / "t.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "t.parquet")
    for name, key in (("t.jsonl", "targets: kind"), ("t.parquet", "target: kind")):
        text = data_blueprint(tmp_path / "new.yaml", str(tmp_path / name), None).text
        assert "# Not used: 'tags' (values of the type list)\n" in text
        assert "{columns: [num], missing: indicator, normalize: true}" in text
        assert key in text


def test_arrays(tmp_path: Path) -> None:
    """The network follows from the shape of an example, the output from the target."""
    arrays = {
        "vectors": ((ROWS, 5), RNG.integers(0, 3, ROWS)),
        "series": ((ROWS, 7, 2), RNG.normal(size=(ROWS, 2))),
    }
    for name, (shape, targets) in arrays.items():
        np.savez(tmp_path / f"{name}.npz", x=RNG.normal(size=shape), y=targets)
        (graph,) = create(tmp_path, f"{name}.npz").graphs().values()
        assert tuple(graph.inputs[0].shape) == shape[1:]
    np.savez(tmp_path / "bad.npz", x=RNG.normal(size=(9, 2, 2, 2, 2)), y=np.arange(9))
    with pytest.raises(ArchbuilderError, match="needs images, series"):
        create(tmp_path, "bad.npz")


def test_images(tmp_path: Path) -> None:
    """Directories are classes; large images are reduced."""
    for index, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        for size in (300, 301):
            image = RNG.integers(0, 255, (size, 30 + index, 3), np.uint8)
            Image.fromarray(image).save(tmp_path / "pets" / name / f"{size}.png")
    (graph,) = create(tmp_path, "pets").graphs().values()
    assert tuple(graph.inputs[0].shape) == (160, 30, 3)
    with pytest.raises(ArchbuilderError, match="have no classes"):
        create(tmp_path, "pets/cat")


def test_text(tmp_path: Path) -> None:
    """The vocabulary is that of the text, with the tokens that are not characters."""
    (tmp_path / "text.txt").write_text("abcabc\n" * 100)
    blueprint = create(tmp_path, "text.txt")
    assert blueprint.compile().output_shape == (None, None, 9)


def write_movies(folder: Path) -> str:
    """Write a table with several labels in a cell."""
    genres = ["comedy", "drama", "war", "love"]
    rows = [
        f"{1980 + row * 7 % 31},{'|'.join('abc'[: 1 + row % 3])},"
        f"{';'.join(genres[row % 4 : row % 4 + 1 + row % 2])}\n"
        for row in range(24)
    ]
    (folder / "movies.csv").write_text(f"year,tags,genres\n{''.join(rows)}")
    return "movies.csv"


def write_rooms(folder: Path) -> str:
    """Write a table that names images."""
    lines = ["photo,plan,price\n"]
    for row in range(16):
        image = RNG.integers(0, 255, (9 + row % 2, 10, 3), np.uint8)
        Image.fromarray(image).save(folder / f"{row}.png")
        lines.append(f"{row}.png,{row}.gif,{100 + row * 3.5}\n")
    (folder / "rooms.csv").write_text("".join(lines))
    return "rooms.csv"


def write_weather(folder: Path) -> str:
    """Write measurements in the order of time."""
    rows = [
        f"2024-01-{row // 24 + 1:02}T{row % 24:02}:00,{'' if row == 9 else row % 5},{row / 8}\n"
        for row in range(72)
    ]
    (folder / "weather.csv").write_text(f"time,wind,heat\n{''.join(rows)}")
    return "weather.csv"


def write_reviews(folder: Path) -> str:
    """Write text files of two classes, with a validation set."""
    for split in ("train", "validation"):
        for label in ("neg", "pos"):
            (folder / "reviews" / split / label).mkdir(parents=True)
            for number in range(4):
                path = folder / "reviews" / split / label / f"{number}.txt"
                path.write_text(f"{number} words about a {label} film")
    return "reviews"


def write_speakers(folder: Path) -> str:
    """Write recordings of two classes, most of them of a quarter of a second."""
    for number in range(12):
        seconds = 12.0 if number == 11 else 0.21
        wave = np.sin(np.arange(int(8000 * seconds)) * (0.1 + number % 2))
        recording(folder / "speakers" / "ab"[number % 2] / f"{number}.wav", wave, rate=8000)
    return "speakers"


@pytest.mark.parametrize(
    ("write", "parts"),
    [
        (
            write_speakers,
            (
                "  recording: [4800, 1]\n",
                "audio: {directory: speakers, sample_rate: 16000, duration: 0.3}\n",
                "Dense: {units: 2, activation: softmax}",
            ),
        ),
        (
            write_movies,
            (
                'tags: {column: tags, separator: "|", vocabulary: [a, b, c]}',
                'target: {output: {column: genres, separator: ";", vocabulary: [war, comedy, drama',
                "Dense: {units: 4, activation: sigmoid}",
            ),
        ),
        (
            write_rooms,
            (
                "# Not used: 'plan' (names of images; cannot read",
                "photo: {column: photo, image: {size: [9, 10]}}",
                "photo: [9, 10, 3]",
            ),
        ),
        (
            write_weather,
            (
                "# The rows are in the order of time: the network sees the last of them.\n",
                "inputs: {past: {columns: [wind, heat], missing: mean, normalize: true}}",
                "window: {length: 7, ahead: 1}",
                "validation_split: {last: 0.2}",
            ),
        ),
        (
            write_reviews,
            (
                "      sequence_length: 16\n",
                '  validation: {text_files: {directory: "reviews/validation"}}\n',
            ),
        ),
    ],
)
def test_other_data(tmp_path: Path, write: Callable[[Path], str], parts: Sequence[str]) -> None:
    """Recordings, labels, images in tables, series and text files: each network trains."""
    path = tmp_path / "new.yaml"
    text = data_blueprint(path, str(tmp_path / write(tmp_path)), None).text
    assert [each for each in parts if each not in text] == []
    path.write_text(text, encoding="utf-8")
    run = archbuilder.train(path, run_dir=tmp_path / "run", epochs=1)
    assert np.isfinite(run.history[0]["val_loss"])


def test_rows_without_a_target(tmp_path: Path) -> None:
    """They are skipped, and a series, whose rows cannot be, is a table."""
    write_weather(tmp_path)
    text = data_blueprint(tmp_path / "new.yaml", str(tmp_path / "weather.csv"), "wind").text
    assert "on_error: skip" in text
    assert "# Rows without a target are skipped" in text
    assert "window" not in text


def test_recordings_without_classes(tmp_path: Path) -> None:
    """A network for them needs something to predict."""
    write_speakers(tmp_path)
    with pytest.raises(ArchbuilderError, match=r"the recordings of '.*a' have no classes"):
        create(tmp_path, "speakers/a")


def test_data_elsewhere(tmp_path: Path) -> None:
    """A blueprint names no file outside of its directory; the command for training does."""
    write_table(tmp_path / "table.csv")
    created = data_blueprint(tmp_path / "inner" / "new.yaml", str(tmp_path / "table.csv"), None)
    assert not created.has_data
    assert "file: table.csv" in created.text


def test_table_without_columns(tmp_path: Path) -> None:
    """Parquet may have none."""
    pq.write_table(pa.table({}), tmp_path / "t.parquet")
    with pytest.raises(ArchbuilderError, match=r"t\.parquet' has no rows"):
        create(tmp_path, "t.parquet")


def test_table_of_lists(tmp_path: Path) -> None:
    """A table without a column of numbers or text is an error that names its columns."""
    path = tmp_path / "t.jsonl"
    path.write_text('{"words": ["a"], "tags": ["O"]}\n', encoding="utf-8")
    with pytest.raises(ArchbuilderError, match=r"no column of numbers .* it has 'words', 'tags'"):
        data_blueprint(tmp_path / "new.yaml", str(path), None)


@pytest.mark.parametrize(
    ("text", "target", "message"),
    [
        ("", None, "'t.csv' has no rows"),
        ("a,b\n", None, "'t.csv' has no rows"),
        ("a,a\n1,2\n", None, "'t.csv' has two columns 'a'"),
        ("a,b\n1,2\n1,2\n", None, "for a target: 'a' (one value only), 'b' (one value only)"),
        ("a\n1\n2\n", None, "has no columns for the inputs besides the target"),
        ("a,b\n1,2\n2,3\n", "c", "'t.csv' has no column 'c'; it has 'a', 'b'"),
        ("a,b\n1,2\n2,2\n", "b", "column 'b' of 't.csv' cannot be a target: one value only"),
        (
            "x,note\n1,some words about one thing\n2,more words about another thing\n",
            "note",
            "cannot be a target: it holds texts, which a network with an encoder and a decoder",
        ),
        ("a,\x07\n1,2\n2,3\n", None, "the name of a column of 't.csv' has invisible characters"),
    ],
)
def test_unsuitable_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, target: str | None, message: str
) -> None:
    """A table without inputs or a target is an error that says why."""
    monkeypatch.chdir(tmp_path)
    Path("t.csv").write_text(text, encoding="utf-8")
    with pytest.raises(ArchbuilderError) as caught:
        data_blueprint(Path("new.yaml"), "t.csv", target)
    assert message in str(caught.value)
