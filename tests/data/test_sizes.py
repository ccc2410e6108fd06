"""Numbers of the data as parameters of a blueprint, in runs and without them."""

from __future__ import annotations

import json
from pathlib import Path

import keras
import numpy as np
import pytest
from helpers.subprocesses import in_workers

import archbuilder
from archbuilder.blueprint import BlueprintRequest
from archbuilder.cli import main
from archbuilder.config.run_inputs import new_run_inputs
from archbuilder.config.sources import Csv, DataPath, FeatureConfig, Npz, Text, TextFiles
from archbuilder.config.sources.tokenizers import TokenizerConfig
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.sizes import measure
from archbuilder.data.source_dataset import SourceDatasets
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import BlueprintError, RunError, UsageError
from archbuilder.diagnostics.span import NO_FILE
from archbuilder.language.ast import DataSize
from archbuilder.limits import Limits
from archbuilder.runs.run_dir import RunDir

TABLE = "text,kind,tags,label,number\na b c,k,x|y,p,0\nb c d,l,z,q,3\nc d e,k,x,r,1\na,m,,p,0\n"
NET = """
archbuilder: 1
name: net
params:
  words: {from_data: review.vocabulary_size, default: 100}
  classes: {from_data: sentiment.classes, default: 2, type: integer, minimum: 2}
  hidden: $(2 * classes)
inputs: {review: {shape: [4], dtype: int32}}
layers:
  - Embedding: {input_dim: $words, output_dim: 4}
  - GlobalAveragePooling1D
  - Dense: $hidden
  - {Dense: {units: $classes, activation: softmax}, name: sentiment}
outputs: {sentiment: sentiment}
data:
  csv:
    file: table.csv
    inputs: {review: {column: text, tokenizer: words, sequence_length: 4}}
    target: {sentiment: label}
training:
  loss: SparseCategoricalCrossentropy
  metrics: [{MeanIoU: {num_classes: $classes, sparse_y_pred: false}}]
  epochs: 1
  batch_size: 2
  validation_split: 0.25
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A blueprint with its table, in the working directory."""
    monkeypatch.chdir(tmp_path)
    Path("table.csv").write_text(TABLE)
    Path("net.yaml").write_text(NET)
    return tmp_path


def request(**params: int) -> BlueprintRequest:
    return BlueprintRequest(None, params, Limits(), ())


def sizes_of(datasets: SourceDatasets, *names: str) -> list[int]:
    sizes = {name: DataSize(*name.rpartition(".")[::2], NO_FILE) for name in names}
    return [*measure(datasets, sizes).values()]


def test_numbers_of_a_table(folder: Path):
    """Tokens, categories, classes, flags, and the values of an example."""
    features = {
        "review": FeatureConfig("text", tokenizer="words", sequence_length=4),
        "kind": FeatureConfig("kind", vocabulary=True),
        "numbers": ("number", "number"),
    }
    targets = {
        "label": "label",
        "number": "number",
        "tags": FeatureConfig("tags", vocabulary=True, separator="|"),
    }
    source = Csv(DataPath("table.csv"), targets, inputs=features)
    train = load_source(source, DataFileOpener())
    datasets = SourceDatasets(train)
    names = ("review.vocabulary_size", "kind.vocabulary_size", "label.classes", "number.classes")
    assert sizes_of(datasets, *names) == [10, 4, 3, 4]
    assert sizes_of(datasets, "tags.classes", "numbers.size", "review.size") == [3, 2, 4]
    # The largest index of all sets counts.
    Path("table.csv").write_text(TABLE + "a,k,x,p,8\n")
    validation = load_source(source, DataFileOpener(), train.preprocessing)
    assert sizes_of(SourceDatasets(train, validation), "number.classes") == [9]
    with pytest.raises(RunError, match=r"has no 'vocabulary_size', but review\.voc.*, kind\.voc"):
        sizes_of(datasets, "vocabulary_size")
    with pytest.raises(RunError, match=r"no 'x\.size', but numbers\.size, review\.size, kind\.s"):
        sizes_of(datasets, "x.size")


def test_sources_without_names(folder: Path):
    """Their only input or target is that of any name."""
    np.savez("d.npz", x=np.zeros((3, 2, 5), np.float32), y=np.array([0, 4, 1]))
    datasets = SourceDatasets(load_source(Npz(DataPath("d.npz")), DataFileOpener()))
    assert sizes_of(datasets, "size", "image.size", "classes", "out.classes") == [10, 10, 5, 5]
    Path("t.txt").write_text("a b c a b c a b c")
    text = Text(DataPath("t.txt"), TokenizerConfig("words"), 2)
    datasets = SourceDatasets(load_source(text, DataFileOpener()))
    assert sizes_of(datasets, "vocabulary_size", "tokens.vocabulary_size") == [8, 8]
    for name in ("pos", "neg"):
        Path("texts", name).mkdir(parents=True)
        Path("texts", name, "1.txt").write_text(name)
    files = TextFiles(DataPath("texts"))
    datasets = SourceDatasets(load_source(files, DataFileOpener()))
    assert sizes_of(datasets, "review.vocabulary_size", "classes") == [7, 2]
    np.savez("d.npz", x=np.zeros((3, 2), np.float32), y=np.zeros(3, np.float32))
    datasets = SourceDatasets(load_source(Npz(DataPath("d.npz")), DataFileOpener()))
    with pytest.raises(RunError, match=r"has no 'out\.classes'"):
        sizes_of(datasets, "out.classes")


def test_without_data(folder: Path):
    """A blueprint has its defaults, or what the caller or the variant says."""
    blueprint = archbuilder.load("net.yaml")
    assert blueprint.validate() == ()
    assert "input_dim: 100" in blueprint.expand()
    assert "input_dim: 7" in blueprint.expand(words=7)
    assert [*blueprint.sizes_from_data()] == ["words", "classes"]
    assert [*blueprint.sizes_from_data(words=7)] == ["classes"]
    Path("net.yaml").write_text(NET + "variants: {small: {classes: 5}}\n")
    assert [*archbuilder.load("net.yaml").sizes_from_data(variant="small")] == ["words"]


def test_run_with_sizes_of_the_data(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The run has the network for its data, whatever other data it later sees."""
    arguments = ["train", "net.yaml", "--run-dir", "run", "--auto-resume"]
    assert main([*arguments, "--epochs", "1"]) == 0
    assert "From the data: words = 10, classes = 3" in capsys.readouterr().out
    assert json.loads(Path("run/run.json").read_text())["sizes"] == {"words": 10, "classes": 3}
    text = Path("run/blueprint.yaml").read_text()
    assert "input_dim: 10" in text
    assert "units: 6" in text
    assert "units: 3" in text
    assert main([*arguments, "--epochs", "2"]) == 0
    assert "Epoch 2/2" in capsys.readouterr().out
    Path("other.csv").write_text("text,label\na z z z z z,p\nb y x,q\n")
    assert main(["evaluate", "run", "--data", "other.csv"]) == 0
    assert main(["predict", "run", "other.csv"]) == 0
    assert keras.saving.load_model("run/net.keras").output_shape == (None, 3)
    assert main([*arguments, "--epochs", "2", "--set", "words=30"]) == 2
    assert "another version of the blueprint" in capsys.readouterr().err


@pytest.mark.thorough
def test_workers_agree(folder: Path):
    """Each of them reads the numbers, and the network is that of one process."""
    assert main(["train", "net.yaml", "--run-dir", "one"]) == 0
    in_workers(2, [["train", "net.yaml", "--run-dir", str(folder / "two")]])
    assert Path("one/blueprint.yaml").read_text() == Path("two/blueprint.yaml").read_text()
    weights = (keras.saving.load_model(f"{run}/net.keras").get_weights() for run in ("one", "two"))
    for alone, together in zip(*weights, strict=True):
        np.testing.assert_allclose(together, alone, rtol=1e-5, atol=1e-6)


def test_killed_run_leaves_its_directory_free(folder: Path):
    """A run that was killed while it read the data has no record, and starts again."""
    RunDir.create(Path("run"))
    Path("run/.lock").touch()
    assert not RunDir.create(Path("run")).has_record
    Path("run/x").touch()
    with pytest.raises(UsageError, match="is not empty"):
        RunDir.create(Path("run"))


def test_inspect_data(folder: Path, capsys: pytest.CaptureFixture[str]):
    """The network that is inspected is that of the run."""
    Path("net.yaml").write_text(NET.replace("default: 100", "default: 3"))
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "review" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("review.vocabulary_size", "text.vocabulary_size", "has no 'text.vocabulary_size', but re"),
        ("minimum: 2", "minimum: 9", "the parameter 'classes' must be an integer of at least 9"),
    ],
)
def test_numbers_that_do_not_fit(
    folder: Path, capsys: pytest.CaptureFixture[str], old: str, new: str, message: str
):
    """The error says what the data has, and no directory is left."""
    text = NET.replace(old, new).replace("default: 2,", "default: 9,")
    Path("net.yaml").write_text(text)
    assert main(["train", "net.yaml", "--run-dir", "run"]) != 0
    assert message in " ".join(capsys.readouterr().err.split())
    assert not Path("run").exists()


def test_data_that_would_depend_on_itself(folder: Path):
    """Neither the data nor how it is read may follow from a number of it."""
    for old, new in (
        ("length: 4}", "length: $words}"),
        ("size: 2", "size: $words"),
    ):
        Path("net.yaml").write_text(NET.replace(old, new))
        inputs = new_run_inputs("net.yaml", request())
        with pytest.raises(UsageError, match="cannot depend on 'words', 'classes', whose value is"):
            inputs.with_sizes({"words": 10, "classes": 3})
    Path("net.yaml").write_text(NET)
    inputs = new_run_inputs("net.yaml", request()).override({"epochs": 7}, Limits())
    resolved = inputs.with_sizes({"words": 10, "classes": 3})
    assert resolved.config.training.epochs == 7
    assert resolved.from_data is None
    assert new_run_inputs("net.yaml", request(words=3, classes=4)).from_data is None


@pytest.mark.parametrize(
    ("declaration", "message"),
    [
        ("{from_data: review.vocabulary_size}", "has 'from_data' but no 'default', which commands"),
        ("{from_data: review.words, default: 1}", "one of NAME.vocabulary_size, NAME.classes"),
        ("{from_data: [1], default: 1}", "'from_data' must be one of NAME.vocabulary_size"),
    ],
)
def test_invalid_declarations(folder: Path, declaration: str, message: str):
    """The error says what may stand there."""
    old = "{from_data: review.vocabulary_size, default: 100}"
    Path("net.yaml").write_text(NET.replace(old, declaration))
    with pytest.raises(BlueprintError) as caught:
        archbuilder.load("net.yaml")
    assert message in str(caught.value)


def test_blocks_have_no_data(folder: Path):
    """Only a file has."""
    block = "blocks: {b: {params: {n: {from_data: size, default: 1}}, layers: [ReLU]}}\n"
    Path("net.yaml").write_text(NET + block)
    with pytest.raises(BlueprintError, match="the parameter 'n' of the block 'b' has 'from_data'"):
        archbuilder.load("net.yaml")
