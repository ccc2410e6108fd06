"""Text files in directories: their classes, their tokens, and runs that train on them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import keras
import numpy as np
import pytest

from archbuilder.cli import main
from archbuilder.config import data_from_argument
from archbuilder.config.sources import DataConfig, DataPath, TextFiles
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import UNNAMED, SourceDataset
from archbuilder.data.sources import load_source, text_directory
from archbuilder.diagnostics.errors import BlueprintError, RunError
from archbuilder.diagnostics.span import SourceText, Span

TEXTS = {
    "neg/0.txt": "bad film",
    "neg/1.txt": "A bad, BAD end",
    "neg/more/2.txt": "bad",
    "pos/0.txt": "good film",
    "pos/1.txt": "\ufeffgood end",
    "unsup/9.txt": "zebra zebra zebra",
    "urls.txt": "nothing",
    "neg/notes.md": "nothing",
    "neg/.hidden.txt": "nothing",
}


def write(folder: Path, texts: dict[str, str] = TEXTS) -> Path:
    for name, content in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return folder


def load(folder: Path, **options: object) -> SourceDataset:
    source = TextFiles(DataPath(str(folder)), **{"sequence_length": 3, **options})
    return load_source(source, DataFileOpener())


def ids(dataset: SourceDataset) -> list[list[int]]:
    column = dataset.inputs[UNNAMED].column
    return np.asarray(column.gather(np.arange(column.count))).tolist()


def labels(dataset: SourceDataset) -> list[int]:
    column = dataset.targets[UNNAMED]
    return np.asarray(column.gather(np.arange(column.count))).tolist()


def test_classes_and_tokens(tmp_path: Path):
    """Directories are classes by the alphabet, and tokens those of Keras's `TextVectorization`."""
    folder = write(tmp_path)
    dataset = load(folder, classes=("neg", "pos"), lowercase=True, strip_punctuation=True)
    texts = [TEXTS[f"{each}.txt"].lstrip("\ufeff") for each in ("neg/0", "neg/1", "neg/more/2")]
    texts += [TEXTS[f"pos/{number}.txt"].lstrip("\ufeff") for number in (0, 1)]
    vocabulary = [*dataset.preprocessing.schema.features[UNNAMED].vocabulary]
    # By falling count, and then alphabetically; `zebra` is in no class that is read.
    assert vocabulary == ["bad", "end", "film", "good", "a"]
    layer = keras.layers.TextVectorization(vocabulary=vocabulary, output_sequence_length=3)
    expected = np.asarray(layer(texts))
    assert ids(dataset) == np.where(expected < 2, expected, expected + 3).tolist()
    assert labels(dataset) == [0, 0, 0, 1, 1]
    assert dataset.preprocessing.schema.classes == {UNNAMED: ("neg", "pos")}
    notes = "\n".join(dataset.notes)
    for note in (
        "2 classes: 'neg' = 0, 'pos' = 1",
        "5 texts",
        "skipped 1 text outside the class directories: 'urls.txt'",
        "skipped 1 file without a text suffix (.txt): 'neg/notes.md'",
        "vocabulary of 10 tokens (5 special)",
    ):
        assert note in notes


def test_order_of_classes(tmp_path: Path):
    """`classes` gives it, as `class_names` in Keras; other data has that of the training data."""
    folder = write(tmp_path)
    dataset = load(folder, classes=("pos", "neg"))
    assert labels(dataset) == [1, 1, 1, 0, 0]
    validation = load_source(
        TextFiles(DataPath(str(folder)), ("neg",), sequence_length=3),
        DataFileOpener(),
        dataset.preprocessing,
    )
    assert labels(validation) == [1, 1, 1]
    assert ids(validation) == ids(dataset)[:3]
    assert [*load(folder).preprocessing.schema.classes[UNNAMED]] == ["neg", "pos", "unsup"]
    with pytest.raises(RunError, match="'unsup', which is not a class of the training texts"):
        load_source(
            TextFiles(DataPath(str(folder)), sequence_length=3),
            DataFileOpener(),
            dataset.preprocessing,
        )


def test_training_rows_teach(tmp_path: Path):
    """The vocabulary is that of the training rows."""
    source = TextFiles(DataPath(str(write(tmp_path))), sequence_length=2)
    plan = SplitPlan(SplitConfig(last=0.2))
    dataset = load_source(source, DataFileOpener(), None, plan)
    assert "zebra" not in dataset.preprocessing.schema.features[UNNAMED].vocabulary
    assert ids(dataset)[-1] == [1, 1]


def test_counts(tmp_path: Path):
    """Instead of ids, a value for each token, after that for other tokens."""
    folder = write(tmp_path, {"a/0.txt": "x x y", "b/0.txt": "y z"})
    dataset = load(folder, sequence_length=None, output="count", vocabulary_size=6)
    assert ids(dataset) == [[0, 2, 1, 0, 0, 0], [0, 0, 1, 1, 0, 0]]


def test_files_that_are_not_texts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Their names are in the error, or in the note of what was skipped."""
    folder = write(tmp_path, {"a/0.txt": "x", "b/0.txt": "y", "b/1.txt": "long " * 9})
    (folder / "a" / "1.txt").write_bytes(b"caf\xe9")
    with pytest.raises(RunError, match=r"a/1\.txt' is not valid UTF-8; save the file as UTF-8"):
        load(folder)
    monkeypatch.setattr(text_directory, "_MAX_FILE_BYTES", 10)
    dataset = load(folder, on_error="skip")
    assert labels(dataset) == [0, 1]
    assert "skipped 2 of 4 texts" in "\n".join(dataset.notes)
    (folder / "a" / "0.txt").unlink()
    with pytest.raises(RunError, match=r"no text of the class 'a' of .* can be read"):
        load(folder, on_error="skip")


@pytest.mark.parametrize(
    ("texts", "options", "message"),
    [
        ({"a/0.md": "x"}, {}, r"has no texts \(\.txt\), and no subdirectories with texts"),
        ({"a/0.txt": "x", "b/0.md": "x"}, {}, r"the class 'b' of .* has no texts \(\.txt\)"),
        ({"a/0.txt": "x"}, {"classes": ("a", "b")}, "has no directory of the class 'b'"),
        ({"train/a/0.txt": "x", "test/a/0.txt": "x"}, {}, "write 'data: {train: {text_files: "),
    ],
)
def test_directories_without_examples(
    tmp_path: Path, texts: dict[str, str], options: dict[str, tuple[str, ...]], message: str
):
    """The message says what is missing."""
    with pytest.raises(RunError, match=message):
        load(write(tmp_path, texts), **options)


def test_links_of_a_blueprint_are_not_followed(tmp_path: Path):
    """A blueprint may be a stranger's, and reads nothing outside of its directory."""
    (tmp_path / "secret.txt").write_text("secret")
    write(tmp_path / "net" / "texts", {"a/0.txt": "x"})
    (tmp_path / "net" / "texts" / "a" / "1.txt").symlink_to(tmp_path / "secret.txt")
    span = Span(SourceText(str(tmp_path / "net" / "net.yaml"), ""), 1, 1, 1, 1)
    source = TextFiles(DataPath("texts", span), sequence_length=1)
    with pytest.raises(RunError, match=r"cannot read .*1\.txt"):
        load_source(source, DataFileOpener(tmp_path / "net"))
    with pytest.raises(BlueprintError, match="leads out of the directory"):
        load_source(
            TextFiles(DataPath("../x", span), sequence_length=1), DataFileOpener(tmp_path / "net")
        )


def test_data_argument(tmp_path: Path):
    """A directory replaces that of a recipe that reads text files."""
    recipe = DataConfig(TextFiles(DataPath("imdb"), tokenizer="bpe", vocabulary_size=500))
    folder = write(tmp_path / "one", {"a.txt": "x"})
    source = data_from_argument(str(folder), recipe).train
    assert source == TextFiles(DataPath(str(folder)), tokenizer="bpe", vocabulary_size=500)
    folder = write(tmp_path / "two", {"train/a/0.txt": "", "validation/a/0.txt": ""})
    data = data_from_argument(str(folder), recipe)
    assert isinstance(data.validation, TextFiles)
    assert data.validation.directory == DataPath(str(folder / "validation"))


NET = """
archbuilder: 1
name: net
inputs: {review: {shape: [3], dtype: int32}}
layers:
  - Embedding: {input_dim: 20, output_dim: 4}
  - Flatten
  - Dense: {units: 2, activation: softmax}
data:
  text_files: {directory: reviews, vocabulary_size: 20, sequence_length: 3}
training: {loss: SparseCategoricalCrossentropy, epochs: 1, batch_size: 2, validation_split: 0.4}
"""


def test_run_with_text_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """It predicts on files and directories with the vocabulary of the run."""
    monkeypatch.chdir(tmp_path)
    write(Path("reviews"), {name: text for name, text in TEXTS.items() if "/" in name})
    for path in Path("reviews/unsup").iterdir():
        path.unlink()
    Path("reviews/unsup").rmdir()
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "run"]) == 0
    schema = json.loads(Path("run/run.json").read_text())["schema"]
    numbers = {word: number for number, word in enumerate(schema["features"][""]["vocabulary"], 5)}
    model = keras.saving.load_model("run/net.keras")
    write(Path("new"), {"x/1.txt": "good film", "2.txt": "unknown bad", "3.csv": "a"})
    capsys.readouterr()
    assert main(["predict", "run", "new", "reviews/neg/0.txt"]) == 0
    output, notes = capsys.readouterr()
    rows = [*csv.DictReader(output.splitlines())]
    assert [row["key"] for row in rows] == ["2.txt", "x/1.txt", "0.txt"]
    assert "skipped 1 file without a text suffix" in notes
    tokens = [
        [numbers.get(word, 1) for word in text.split()]
        for text in ("unknown bad", "good film", "bad film")
    ]
    expected = np.asarray(model(np.array([[*each, 0] for each in tokens], np.int32)))
    predicted = [[float(row["neg"]), float(row["pos"])] for row in rows]
    np.testing.assert_allclose(predicted, expected, rtol=1e-5)
    assert main(["evaluate", "run", "--data", "reviews"]) == 0
    assert main(["predict", "run", "reviews/neg/.."]) == 0
    capsys.readouterr()
    Path("empty").mkdir()
    assert main(["predict", "run", "empty"]) == 2
    assert "the directory 'empty' has no texts (.txt)" in capsys.readouterr().err
