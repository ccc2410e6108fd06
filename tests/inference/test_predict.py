"""`archbuilder predict`: what plain Keras predicts, from any kind of file and on any devices."""

from __future__ import annotations

import csv
import io
import itertools
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from helpers.subprocesses import in_replicas, in_workers
from numpy.typing import NDArray
from PIL import Image

from archbuilder.cli import main
from archbuilder.inference import predict

NET = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers:
  - Flatten
  - {Dense: {units: 10}, name: digit}
data: {npz: {file: train.npz}}
training: {loss: {SparseCategoricalCrossentropy: {from_logits: true}}, epochs: 1, batch_size: 256}
"""
TWO = """
archbuilder: 1
name: net
inputs: {numbers: [4]}
layers:
  - {Dense: {units: 3, activation: softmax}, name: kind, from: numbers}
  - {Dense: 1, name: price, from: numbers}
outputs: {kind: kind, price: price}
data: {npz: {file: two.npz, inputs: x, targets: {kind: k, price: p}}}
training:
  loss: {kind: SparseCategoricalCrossentropy, price: MeanSquaredError}
  epochs: 1
"""
TABLE = """
archbuilder: 1
name: net
inputs: {sizes: [4]}
layers:
  - {Dense: {units: 3, activation: softmax}, name: kind}
data: {csv: {file: t.csv}}
training: {loss: SparseCategoricalCrossentropy, epochs: 1}
"""
ENDS = """
archbuilder: 1
name: net
inputs: {numbers: [4]}
layers:
  - {Reshape: [4, 1], name: row, from: numbers}
  - {Dense: {units: 3, activation: softmax}, name: steps, from: row}
  - {Dense: {units: 3, activation: softmax}, name: soft, from: numbers}
  - {Dense: {units: 1, activation: sigmoid}, name: sure, from: numbers}
  - {Dense: 3, name: raw, from: numbers}
  - {Dense: 3, name: letters, from: row}
outputs:
  {letters: letters, steps: steps, soft: soft, sure: sure, focal: sure, kinds: soft, raw: raw}
data:
  npz:
    file: ends.npz
    inputs: x
    targets: {letters: l, steps: s, soft: k, sure: b, focal: b, kinds: k, raw: k}
training:
  loss:
    letters: CTC
    steps: SparseCategoricalCrossentropy
    soft: {SparseCategoricalCrossentropy: {from_logits: true}}
    sure: {BinaryCrossentropy: {from_logits: true}}
    focal: {BinaryFocalCrossentropy: {from_logits: true}}
    kinds: {CategoricalFocalCrossentropy: {from_logits: true}}
    raw: SparseCategoricalCrossentropy
  epochs: 1
"""
COUNT = 53


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    chosen = np.random.default_rng(0)
    x = chosen.random((60, 4), np.float32)
    np.savez(folder / "two.npz", x=x, k=chosen.integers(0, 3, 60), p=chosen.random(60, np.float32))
    images = chosen.integers(0, 256, (COUNT, 8, 8)).astype(np.uint8)
    np.savez(folder / "train.npz", x=images, y=chosen.integers(0, 10, COUNT))
    np.save(folder / "images.npy", images)
    np.savez(folder / "images.npz", x=images)
    (folder / "pngs").mkdir()
    for number, image in enumerate(images[:3]):
        png = tf.io.encode_png(image[..., np.newaxis]).numpy()
        (folder / "pngs" / f"{number}.png").write_bytes(png)
    for name, text in (("net", NET), ("two", TWO)):
        (folder / f"{name}.yaml").write_text(text)
        assert main(["train", str(folder / f"{name}.yaml"), "--run-dir", str(folder / name)]) == 0
    return folder


def predicted_rows(
    capsys: pytest.CaptureFixture[str], *arguments: str | Path
) -> list[dict[str, str]]:
    capsys.readouterr()
    assert main(["predict", *map(str, arguments)]) == 0
    return list(csv.DictReader(io.StringIO(capsys.readouterr().out)))


def values(rows: list[dict[str, str]]) -> NDArray[np.float64]:
    return np.array([[float(row[str(index)]) for index in range(10)] for row in rows])


def expected_probabilities(runs: Path) -> NDArray[np.float32]:
    model = keras.saving.load_model(runs / "net" / "net.keras")
    images = np.load(runs / "images.npy").astype(np.float32)[..., np.newaxis] / 255
    return np.asarray(tf.nn.softmax(model.predict(images, verbose=0)))


def test_predict_arrays_and_images(runs: Path, capsys: pytest.CaptureFixture[str]):
    """Arrays and images are scaled as in training, and logits become probabilities."""
    for file in ("images.npy", "images.npz"):
        rows = predicted_rows(capsys, runs / "net", runs / file, "--batch-size", "20")
        np.testing.assert_allclose(values(rows), expected_probabilities(runs), rtol=1e-4, atol=1e-6)
        assert [row["key"] for row in rows] == [str(number) for number in range(COUNT)]
        assert [int(row["class"]) for row in rows] == expected_probabilities(runs).argmax(
            axis=1
        ).tolist()
        # As Keras prints them: the digits that tell one float32 from the next.
        likely = [float(row["probability"]) for row in rows]
        assert [str(np.float32(each)) for each in likely] == [str(each) for each in likely]
        np.testing.assert_allclose(likely, expected_probabilities(runs).max(axis=1), rtol=1e-4)
    rows = predicted_rows(capsys, runs / "net", runs / "pngs")
    assert [row["key"] for row in rows] == ["0.png", "1.png", "2.png"]
    np.testing.assert_allclose(values(rows), expected_probabilities(runs)[:3], rtol=1e-4, atol=1e-6)


def test_keys_of_files_with_equal_names(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Their whole paths are told, so that each key is there once."""
    second_image = tmp_path / "1.png"
    second_image.write_bytes((runs / "pngs" / "0.png").read_bytes())
    rows = predicted_rows(capsys, runs / "net", runs / "pngs", second_image)
    names = [str(runs / "pngs" / f"{number}.png") for number in range(3)]
    assert [row["key"] for row in rows] == [*names, str(second_image)]
    np.testing.assert_allclose(
        values(rows), expected_probabilities(runs)[[0, 1, 2, 0]], rtol=1e-4, atol=1e-6
    )


def test_keys_of_class_directories(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Images in the folder that training takes have their paths below it as keys, in order."""
    content = [(runs / "pngs" / f"{number}.png").read_bytes() for number in range(3)]
    files = {"b/1.png": 0, "a/1.png": 1, "a/in/2.PNG": 2, "loose.png": 0, ".hidden/1.png": 1}
    for name, number in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(content[number])
    (tmp_path / "a" / "notes.txt").write_text("")
    assert main(["predict", str(runs / "net"), str(tmp_path)]) == 0
    out, err = capsys.readouterr()
    rows = list(csv.DictReader(io.StringIO(out)))
    assert [row["key"] for row in rows] == ["a/1.png", "a/in/2.PNG", "b/1.png", "loose.png"]
    np.testing.assert_allclose(
        values(rows), expected_probabilities(runs)[[1, 2, 0, 0]], rtol=1e-4, atol=1e-6
    )
    assert "skipped 1 file without an image suffix" in err
    assert "'a/notes.txt'" in err


def test_keys_of_several_class_directories(
    runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    """Keys that would be the same in both are whole paths."""
    for name in ("one/a", "two/a"):
        (tmp_path / name).mkdir(parents=True)
        shutil.copy(runs / "pngs" / "0.png", tmp_path / name)
    rows = predicted_rows(capsys, runs / "net", tmp_path / "one", tmp_path / "two")
    assert [row["key"] for row in rows] == [
        str(tmp_path / "one" / "a" / "0.png"),
        str(tmp_path / "two" / "a" / "0.png"),
    ]


def test_images_are_decoded_in_chunks(
    runs: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
):
    """Images are decoded some at a time, and each is told once."""
    monkeypatch.setattr("archbuilder.inference.input_files._MAX_GROUP_SIZE", 2)
    rows = predicted_rows(capsys, runs / "net", runs / "pngs")
    assert [row["key"] for row in rows] == ["0.png", "1.png", "2.png"]
    np.testing.assert_allclose(values(rows), expected_probabilities(runs)[:3], rtol=1e-4, atol=1e-6)


def test_directory_without_images(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message says which endings count, and that directories in it were looked at."""
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "notes.txt").write_text("")
    assert main(["predict", str(runs / "net"), str(tmp_path)]) == 2
    message = capsys.readouterr().err
    assert "has no images (.png, " in message
    assert "nor have the directories in it" in message


def test_predict_with_replicas_and_workers(runs: Path, tmp_path: Path):
    """Two replicas and two processes say the same in the same order, each example once."""
    common = ["predict", str(runs / "net"), str(runs / "images.npy"), "--batch-size", "13"]
    for carry_out, strategy in ((in_replicas, "mirrored"), (in_workers, "multi_worker")):
        output = ["--distribute", strategy, "--output", str(tmp_path / f"{strategy}.csv")]
        carry_out(2, [[*common, *output]])
    for name in ("mirrored.csv", "multi_worker.csv"):
        rows = list(csv.DictReader(io.StringIO((tmp_path / name).read_text())))
        assert [row["key"] for row in rows] == [str(number) for number in range(COUNT)]
        np.testing.assert_allclose(values(rows), expected_probabilities(runs), rtol=1e-4, atol=1e-6)


def test_predict_several_outputs(runs: Path, tmp_path: Path):
    """They stand under their names; a table without its target is one of inputs alone."""
    x = np.load(runs / "two.npz")["x"]
    np.savetxt(tmp_path / "x.csv", x, delimiter=",", header="a,b,c,d", comments="")
    output = tmp_path / "out.jsonl"
    run = str(runs / "two")
    assert main(["predict", run, str(tmp_path / "x.csv"), "--output", str(output)]) == 0
    rows = [json.loads(line) for line in output.read_text().splitlines()]
    model = keras.saving.load_model(runs / "two" / "net.keras")
    for name, expected in model.predict(x, verbose=0).items():
        predicted = np.array([row[name]["values"] for row in rows])
        np.testing.assert_allclose(predicted, expected, rtol=1e-4, atol=1e-6)
    assert "class" in rows[0]["kind"]
    assert "class" not in rows[0]["price"]


@dataclass(frozen=True)
class Ends:
    """What plain Keras computes of the outputs of ENDS, and both forms of the predictions."""

    outputs: dict[str, NDArray]
    lines: list[dict[str, dict]]
    table: list[dict[str, str]]


@pytest.fixture(scope="module")
def ends(tmp_path_factory: pytest.TempPathFactory) -> Ends:
    folder = tmp_path_factory.mktemp("ends")
    chosen = np.random.default_rng(0)
    arrays = {
        "x": chosen.normal(size=(30, 4)).astype(np.float32),
        "l": np.array([[1, 2]] * 30),
        "s": chosen.integers(0, 3, (30, 4)),
        "k": chosen.integers(0, 3, 30),
        "b": chosen.integers(0, 2, (30, 1)),
    }
    np.savez(folder / "ends.npz", **arrays)
    np.save(folder / "x.npy", arrays["x"])
    (folder / "net.yaml").write_text(ENDS)
    run = str(folder / "run")
    assert main(["train", str(folder / "net.yaml"), "--run-dir", run]) == 0
    for form in ("csv", "jsonl"):
        output = ["--output", str(folder / f"out.{form}")]
        assert main(["predict", run, str(folder / "x.npy"), *output]) == 0
    model = keras.saving.load_model(folder / "run" / "net.keras")
    return Ends(
        model.predict(arrays["x"], verbose=0),
        [json.loads(line) for line in (folder / "out.jsonl").read_text().splitlines()],
        list(csv.DictReader(io.StringIO((folder / "out.csv").read_text()))),
    )


def values_of_output(ends: Ends, name: str) -> NDArray[np.float64]:
    return np.array([line[name]["values"] for line in ends.lines])


def test_class_per_position(ends: Ends):
    """There are values only, since an example has no single class."""
    assert {*ends.lines[0]["steps"]} == {"values"}
    columns = [each for each in ends.table[0] if each.startswith("steps.")]
    assert columns == [f"steps.{index}" for index in range(12)]
    np.testing.assert_allclose(
        values_of_output(ends, "steps"), ends.outputs["steps"], rtol=1e-4, atol=1e-6
    )


def test_labels_of_ctc(ends: Ends):
    """They are the best classes without repetitions and blanks, with zeros after their end."""
    for line, row, scores in zip(ends.lines, ends.table, ends.outputs["letters"], strict=True):
        symbols = [int(symbol) for symbol, _ in itertools.groupby(scores.argmax(axis=-1))]
        symbols = [each for each in symbols if each]
        expected = symbols + [0] * (4 - len(symbols))
        assert line["letters"]["values"] == expected
        assert [row[f"letters.{index}"] for index in range(4)] == [*map(str, expected)]


def test_final_activation_is_not_applied_twice(ends: Ends):
    """It is applied as often as in the loss: again by focal losses alone."""
    focal = 1 / (1 + np.exp(-ends.outputs["focal"]))
    exponentials = np.exp(ends.outputs["kinds"])
    kinds = exponentials / exponentials.sum(axis=1, keepdims=True)
    outputs = {name: each for name, each in ends.outputs.items() if name != "letters"}
    for name, correct in ({**outputs, "focal": focal, "kinds": kinds}).items():
        np.testing.assert_allclose(
            values_of_output(ends, name), correct, rtol=1e-4, atol=1e-6, err_msg=name
        )
    likely = [line["soft"]["probability"] for line in ends.lines]
    np.testing.assert_allclose(likely, ends.outputs["soft"].max(axis=1), rtol=1e-4)


def test_logits_without_probability(ends: Ends):
    """The class is that of the largest logit."""
    best = ends.outputs["raw"].argmax(axis=1).tolist()
    assert [line["raw"]["class"] for line in ends.lines] == best
    assert [int(row["raw.class"]) for row in ends.table] == best
    assert not any("probability" in line["raw"] for line in ends.lines)
    assert {row["raw.probability"] for row in ends.table} == {""}


def write(path: Path, columns: dict[str, NDArray]) -> None:
    rows = [",".join(map(str, row)) for row in zip(*columns.values(), strict=True)]
    path.write_text("\n".join([",".join(columns), *rows]) + "\n")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("table")
    x = np.random.default_rng(0).random((20, 4)).round(3)
    rows = {name: x[:, index] for index, name in enumerate("abcd")}
    rows["species"] = np.array(["u", "v", "w", "u"] * 5)
    write(folder / "t.csv", rows)
    write(folder / "turned.csv", {name: rows[name] for name in ("species", *"dcba")})
    write(folder / "alone.csv", {name: rows[name] for name in "cdab"})
    write(folder / "more.csv", {"id": np.arange(20), **rows})
    write(folder / "named.csv", dict(zip("pqrs", x.T, strict=True)))
    write(folder / "wrong.csv", dict(zip([*"pqrs", "species"], rows.values(), strict=True)))
    (folder / "bare.csv").write_text("1,2,3,4\n5,6,7,8\n")
    (folder / "net.yaml").write_text(TABLE)
    assert main(["train", str(folder / "net.yaml"), "--run-dir", str(folder / "run")]) == 0
    return folder


class TestColumns:
    """Tables for a network that was trained on one with names."""

    def test_columns_in_any_order(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """Inputs are found by their names, and what else there is does not matter."""
        expected = predicted_rows(capsys, folder / "run", folder / "t.csv")
        for name in ("turned", "alone", "more"):
            assert predicted_rows(capsys, folder / "run", folder / f"{name}.csv") == expected

    @pytest.mark.parametrize(
        ("name", "message"),
        [
            ("named", "named.csv' has no column 'a'"),
            ("bare", "bare.csv' has numbers, not column names, which the run was trained"),
        ],
    )
    def test_missing_columns(
        self, folder: Path, capsys: pytest.CaptureFixture[str], name: str, message: str
    ):
        """The file and the column are named."""
        assert main(["predict", str(folder / "run"), str(folder / f"{name}.csv")]) == 1
        assert message in capsys.readouterr().err

    def test_evaluate_columns_by_name(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """Another order makes no difference, and other names are refused."""
        judged = {}
        for name in ("t", "turned"):
            capsys.readouterr()
            data = ["--data", str(folder / f"{name}.csv")]
            assert main(["evaluate", str(folder / "run"), "--format", "json", *data]) == 0
            judged[name] = json.loads(capsys.readouterr().out)
        assert judged["t"] == judged["turned"]
        for name, message in (("wrong", "no column 'a'"), ("more", "has a column 'id'")):
            data = ["--data", str(folder / f"{name}.csv")]
            assert main(["evaluate", str(folder / "run"), *data]) == 1
            assert message in capsys.readouterr().err

    def test_validation_columns_by_name(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """What is held out in a file of its own is read as what is trained on."""
        held_out = []
        for name, code in (("t", 0), ("turned", 0), ("wrong", 1)):
            data = f"{{train: {{csv: {{file: t.csv}}}}, validation: {{csv: {{file: {name}.csv}}}}}}"
            blueprint = folder / f"with-{name}.yaml"
            blueprint.write_text(TABLE.replace("{csv: {file: t.csv}}", data))
            run = folder / f"run-{name}"
            assert main(["train", str(blueprint), "--run-dir", str(run)]) == code
            if code == 0:
                held_out.append(json.loads((run / "run.json").read_text())["validation_metrics"])
        assert held_out[0] == held_out[1]
        assert "wrong.csv' has no column 'a'" in capsys.readouterr().err

    def test_predict_without_training_data(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """The run itself knows the columns and the classes."""
        expected = predicted_rows(capsys, folder / "run", folder / "turned.csv")
        (folder / "t.csv").rename(folder / "gone.csv")
        try:
            assert predicted_rows(capsys, folder / "run", folder / "turned.csv") == expected
            assert main(["predict", str(folder / "run"), str(folder / "named.csv")]) == 1
            data = ["--data", str(folder / "turned.csv")]
            assert main(["evaluate", str(folder / "run"), *data]) == 0
        finally:
            (folder / "gone.csv").rename(folder / "t.csv")

    def test_predict_with_model_file_only(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        """It has no column names: columns are matched by position, with a warning."""
        expected = predicted_rows(capsys, folder / "run", folder / "t.csv")
        (tmp_path / "net.keras").write_bytes((folder / "run" / "net.keras").read_bytes())
        command = ["predict", str(tmp_path / "net.keras"), str(folder / "named.csv")]
        assert main([*command, "--blueprint", str(folder / "net.yaml")]) == 0
        output = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(output.out)))
        assert [row["probability"] for row in rows] == [row["probability"] for row in expected]
        assert ["uvw"[int(row["class"])] for row in rows] == [row["class"] for row in expected]
        assert "columns are matched by position" in output.err

    def test_class_names_in_output(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """In a table the columns too, and in JSON the likeliest and those of the values."""
        rows = predicted_rows(capsys, folder / "run", folder / "t.csv")
        assert [*rows[0]] == ["key", "class", "probability", "u", "v", "w"]
        for row in rows:
            assert row["class"] == max("uvw", key=lambda name: float(row[name]))
        assert main(["predict", str(folder / "run"), str(folder / "t.csv"), "--format=jsonl"]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert [json.loads(line)["class"] for line in lines] == [row["class"] for row in rows]
        assert json.loads(lines[0])["classes"] == ["u", "v", "w"]

    def test_class_names_of_the_run(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """Also where a blueprint is given for the weights in its folder."""
        model, table = folder / "run" / "net.keras", str(folder / "t.csv")
        expected = predicted_rows(capsys, folder / "run", table)
        assert main(["predict", str(model), table, "--blueprint", str(folder / "net.yaml")]) == 0
        output = capsys.readouterr()
        rows = list(csv.DictReader(io.StringIO(output.out)))
        assert [row["class"] for row in rows] == [row["class"] for row in expected]
        assert "columns are matched by position" not in output.err

    def test_output_suffix_mismatch(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """A table is not written to what looks like a spreadsheet."""
        words = ["predict", str(folder / "run"), str(folder / "t.csv"), "--output", "out.xls"]
        assert main(words) == 2
        assert "'out.xls' must end in .csv or .jsonl" in capsys.readouterr().err

    def test_output_does_not_replace_an_input(
        self, folder: Path, capsys: pytest.CaptureFixture[str]
    ):
        """An output that is one of the inputs is most likely a slip."""
        content = (folder / "t.csv").read_bytes()
        table = str(folder / "t.csv")
        assert main(["predict", str(folder / "run"), table, "--output", table]) == 2
        assert "t.csv' is an input; choose another output" in capsys.readouterr().err
        assert (folder / "t.csv").read_bytes() == content

    def test_class_names_that_collide_with_columns(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        """Then the columns of classes have numbers."""
        record = json.loads((folder / "run" / "run.json").read_text())
        record["schema"]["classes"] = {"": ["key", "v", "w"]}
        shutil.copytree(folder / "run", tmp_path / "run")
        (tmp_path / "run" / "run.json").write_text(json.dumps(record))
        rows = predicted_rows(capsys, tmp_path / "run", folder / "t.csv")
        assert [*rows[0]] == ["key", "class", "probability", "0", "1", "2"]
        assert {row["class"] for row in rows} <= {"key", "v", "w"}

    @pytest.mark.parametrize("schema", [3, [], {"columns": 3}, {"classes": {"": "u"}}])
    def test_damaged_run_json(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], schema: object
    ):
        """It is told to be none."""
        record = json.loads((folder / "run" / "run.json").read_text())
        shutil.copytree(folder / "run", tmp_path / "run")
        (tmp_path / "run" / "run.json").write_text(json.dumps({**record, "schema": schema}))
        assert main(["predict", str(tmp_path / "run"), str(folder / "t.csv")]) == 2
        assert "is not a valid run record" in capsys.readouterr().err

    def test_bad_records_are_not_skipped(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        """A prediction less would shift the others: a line with a fault is an error."""
        text = TABLE.replace("file: t.csv", "file: t.csv, on_error: skip")
        (folder / "lenient.yaml").write_text(text)
        run = tmp_path / "run"
        assert main(["train", str(folder / "lenient.yaml"), "--run-dir", str(run)]) == 0
        (tmp_path / "holes.csv").write_text("a,b,c,d\n1,2,3,4\n1,,3,4\n")
        assert main(["predict", str(run), str(tmp_path / "holes.csv")]) == 1
        message = capsys.readouterr().err
        assert "line 3 of" in message
        assert "on_error" not in message
        (tmp_path / "no-targets.csv").write_text("a,b,c,d,species\n1,2,3,4,\n")
        assert len(predicted_rows(capsys, run, tmp_path / "no-targets.csv")) == 1

    def test_reordered_training_data(
        self, folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
    ):
        """Columns and classes are those that were trained on, also of the data of the run."""
        for name in ("t.csv", "net.yaml"):
            shutil.copy(folder / name, tmp_path / name)
        run = tmp_path / "run"
        assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
        judged = []
        for source in ("t.csv", "turned.csv"):
            shutil.copy(folder / source, tmp_path / "t.csv")
            capsys.readouterr()
            assert main(["evaluate", str(run), "--format", "json"]) == 0
            output = capsys.readouterr()
            assert "has changed" not in output.err
            judged.append(json.loads(output.out))
        assert judged[0] == judged[1]
        assert main(["train", "--resume", str(run), "--epochs", "2"]) == 0
        renamed = (folder / "t.csv").read_text().replace(",u", ",a")
        (tmp_path / "t.csv").write_text(renamed)
        for command in (["evaluate", str(run)], ["train", "--resume", str(run), "--epochs", "3"]):
            capsys.readouterr()
            assert main(command) == 1
            assert "'a', which is not a class of the training data" in capsys.readouterr().err

    def test_changed_training_data(self, folder: Path, capsys: pytest.CaptureFixture[str]):
        """What is held out of it may have been trained on, which is said."""
        assert main(["evaluate", str(folder / "run")]) == 0
        assert "has changed" not in capsys.readouterr().err
        text = (folder / "t.csv").read_text()
        (folder / "t.csv").write_text(text + text.splitlines()[-1] + "\n")
        try:
            assert main(["evaluate", str(folder / "run")]) == 0
        finally:
            (folder / "t.csv").write_text(text)
        assert "the data has changed since the run started" in capsys.readouterr().err


def test_predict_validation_set(runs: Path, capsys: pytest.CaptureFixture[str]):
    """Without files it is that, under its numbers in the data."""
    rows = predicted_rows(capsys, runs / "net")
    assert len(rows) == round(COUNT * 0.2)
    assert len({row["key"] for row in rows}) == len(rows)


def test_invalid_input_files(runs: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """The message names the file, and an output that was there stays."""
    np.save(tmp_path / "odd.npy", np.full((3, 8, 8, 1), np.nan, np.float32))
    np.save(tmp_path / "shape.npy", np.zeros((3, 5), np.float32))
    (tmp_path / "broken.png").write_bytes(b"no picture")
    (tmp_path / "broken.npz").write_bytes(b"no archive")
    (tmp_path / "text.md").write_text("#")
    output_file = tmp_path / "kept.csv"
    output_file.write_text("mine")
    for name, code, message in (
        ("odd.npy", 1, "is not finite in 3 of 3 examples"),
        ("shape.npy", 1, "has the shape [5], but the network takes [8, 8, 1]"),
        ("broken.png", 1, "is not an image in the format PNG, JPEG, BMP, GIF, WEBP, TIFF or PPM"),
        ("broken.npz", 1, "is not a NumPy archive"),
        ("text.md", 2, "text.md' must be a .npz"),
        ("nowhere.npy", 2, "there is no such file"),
    ):
        capsys.readouterr()
        arguments = [
            "predict",
            str(runs / "net"),
            str(tmp_path / name),
            "--output",
            str(output_file),
        ]
        assert main(arguments) == code, name
        error = capsys.readouterr().err
        assert name in error
        assert message in error
        assert output_file.read_text() == "mine"


def test_notes_of_one_kind():
    """Files and sizes are told once; each input and each divisor is told."""
    notes = [
        "'a.png': resized from 5x12 to 6x7",
        "'b.png': resized from 3x9 to 6x7",
        "Input 'image': rescaled by 1/16",
        "Input 'image': rescaled by 1/255",
        "Input 'mask': rescaled by 1/255",
    ]
    assert len({predict._NAME_OR_NUMBER.sub("", each) for each in notes}) == 4


PHOTOS = """
archbuilder: 1
name: net
inputs: {image: [8, 8, 1]}
layers: [Flatten, {Dense: 2}]
data:
  train: {images: {directory: train, divide_by: 1000}}
  validation: {images: {directory: more, divide_by: 1000}}
training: {loss: {SparseCategoricalCrossentropy: {from_logits: true}}, epochs: 1}
"""


def test_prediction_decodes_images_as_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    """Of another size, depth, color or orientation, they give what the validation set gives."""
    chosen = np.random.default_rng(1)
    tags = Image.Exif()
    tags[0x0112] = 6
    colors = Image.fromarray(chosen.integers(0, 256, (12, 5, 4), np.uint8), "RGBA")
    deep = Image.fromarray(chosen.integers(0, 65536, (6, 7), np.uint16))
    for kind in ("a", "b"):
        for directory in ("train", "more"):
            (tmp_path / directory / kind).mkdir(parents=True)
        deep.save(tmp_path / "train" / kind / "0.png")
    for name, image in (("0.png", colors), ("1.png", deep.resize((3, 9))), ("2.png", deep)):
        image.save(tmp_path / "more" / "a" / name, exif=tags)
    colors.save(tmp_path / "more" / "b" / "3.webp", lossless=True)
    (tmp_path / "more" / "a" / "notes.txt").write_text("x")
    (tmp_path / "net.yaml").write_text(PHOTOS)
    run = tmp_path / "run"
    assert main(["train", str(tmp_path / "net.yaml"), "--run-dir", str(run)]) == 0
    held_out = predicted_rows(capsys, run)
    capsys.readouterr()
    assert main(["predict", str(run), *(str(tmp_path / "more" / kind) for kind in "ab")]) == 0
    out, err = capsys.readouterr()
    predictions = list(csv.DictReader(io.StringIO(out)))
    assert [row["key"] for row in predictions] == ["0.png", "1.png", "2.png", "3.webp"]
    for row, expected in zip(predictions, held_out, strict=True):
        assert {**row, "key": ""} == {**expected, "key": ""}
    for change in (
        "0.png': resized from 5x12 to 8x8",
        "0.png': converted RGB to grayscale",
        "Input 'image': rescaled by 1/1000",
        "skipped 1 file without an image suffix",
    ):
        assert err.count(change) == 1
    assert err.count("resized from") == 1  # files are told once, and decoded to this size
