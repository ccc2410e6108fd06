from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from archbuilder.config import DataConfig, data_from_argument, parse_data
from archbuilder.config.sources import (
    Audio,
    Csv,
    DataPath,
    Digits,
    Idx,
    Images,
    Npy,
    Npz,
    Pairs,
    Parquet,
    Text,
    Tfds,
    Tfrecord,
    TokenizerConfig,
    WindowConfig,
)
from archbuilder.diagnostics.errors import Diagnostic, Diagnostics, UsageError
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.limits import Limits
from archbuilder.plain_data import PlainData
from archbuilder.yaml.nodes import from_plain

SPAN = Span(SourceText("nets/test.yaml", ""), 1, 1, 1, 1)


def decode(value: PlainData) -> tuple[DataConfig | None, tuple[Diagnostic, ...]]:
    diagnostics = Diagnostics()
    spec = parse_data(from_plain(value, SPAN), Limits(), diagnostics)
    return spec, diagnostics.errors


def file(path: str) -> DataPath:
    return DataPath(path, SPAN)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("digits", DataConfig(Digits())),
        ({"npz": "a.npz"}, DataConfig(Npz(file("a.npz")))),
        (
            {"npy": {"inputs": "x.npy", "targets": {"kind": "k.npy", "size": "s.npy"}}},
            DataConfig(Npy(file("x.npy"), {"kind": file("k.npy"), "size": file("s.npy")})),
        ),
        ({"text": "a.txt"}, DataConfig(Text(file("a.txt"), TokenizerConfig()))),
        (
            {"text": {"file": "a", "field": "body", "tokenizer": "bpe", "vocabulary_size": 900}},
            DataConfig(Text(file("a"), TokenizerConfig("bpe", 900), 128, "body")),
        ),
        (
            {
                "pairs": {
                    "file": "a.tsv",
                    "tokenizer": "words",
                    "lowercase": True,
                    "sequence_length": 9,
                }
            },
            DataConfig(Pairs(file("a.tsv"), TokenizerConfig("words", lowercase=True), 9)),
        ),
        (
            {"npz": {"file": "a.npz", "inputs": {"image": "i"}, "targets": "t", "divide_by": 16}},
            DataConfig(Npz(file("a.npz"), {"image": "i"}, "t", 16.0)),
        ),
        (
            {"idx": {"images": "i.gz", "labels": "l.gz"}},
            DataConfig(Idx(file("i.gz"), file("l.gz"))),
        ),
        ({"csv": {"file": "a.csv", "target": 3}}, DataConfig(Csv(file("a.csv"), 3))),
        (
            {"parquet": {"file": "a", "inputs": {"l": "a", "r": ["b", "c"]}, "cache": True}},
            DataConfig(Parquet(file("a"), inputs={"l": "a", "r": ("b", "c")}, cache=True)),
        ),
        (
            {"tfrecord": {"file": "a", "shape": {"x": [2, 2]}, "on_error": "skip"}},
            DataConfig(Tfrecord(file("a"), shape={"x": (2, 2)}, on_error="skip")),
        ),
        (
            {"tfds": {"name": "glue/sst2:2.0.0", "split": "train[:9]"}},
            DataConfig(Tfds(file("glue/sst2:2.0.0"), "train[:9]")),
        ),
        (
            {"train": "digits", "validation": {"csv": {"file": "a.csv", "header": False}}},
            DataConfig(Digits(), Csv(file("a.csv"), header=False)),
        ),
    ],
)
def test_source_syntax(value: PlainData, expected: DataConfig):
    """A bare name, a name with one value, or a name with arguments."""
    assert decode(value) == (replace(expected, directory=Path("nets")), ())


@pytest.mark.parametrize(
    ("value", "code", "message"),
    [
        ("digit", "unknown-source", "unknown data source 'digit'"),
        ([], "invalid-structure", "a data source must be a name"),
        ({"npz": "a", "csv": "b"}, "invalid-structure", "a data source must be a name"),
        ({"digits": {"fold": 1}}, "unknown-key", "no key 'fold'"),
        ({"digits": 3}, "invalid-structure", "without a value"),
        ({"npy": {"targets": "y.npy"}}, "missing-argument", "needs 'inputs'"),
        (
            {"npy": {"inputs": {"a": 3}, "targets": "y"}},
            "invalid-structure",
            "'inputs' of 'a' must be a string",
        ),
        ({"text": {"sequence_length": 3}}, "missing-argument", "needs 'file'"),
        ({"text": {"file": "a", "tokenizer": "letters"}}, "invalid-choice", "'tokenizer'"),
        ({"text": {"file": "a", "sequence_length": 0}}, "out-of-range", "'sequence_length'"),
        ({"text": {"file": "a", "vocabulary_size": "many"}}, "type-mismatch", "'vocabulary_size'"),
        ({"pairs": {"file": "a", "field": "body"}}, "unknown-key", "no key 'field'"),
        ({"npz": {}}, "missing-argument", "needs 'file'"),
        ({"idx": {}}, "missing-argument", "needs 'images' and 'labels'"),
        ({"npz": {"file": "a", "input": "x"}}, "unknown-key", "no key 'input'"),
        ({"npz": {"file": "a", "divide_by": 0}}, "out-of-range", "'divide_by'"),
        ({"npz": {"file": 3}}, "invalid-structure", "'file' must be a string"),
        ({"csv": {"file": "a", "header": 1}}, "type-mismatch", "'header'"),
        ({"csv": {"file": "a", "target": [1]}}, "type-mismatch", "'target'"),
        ({"tfds": "../x"}, "invalid-structure", "'name' must be the name of a dataset"),
        ({"csv": {"file": "a", "inputs": []}}, "out-of-range", "'inputs'"),
        ({"npz": {"file": "a", "on_error": "skip"}}, "unknown-key", "no key 'on_error'"),
        ({"npz": {"file": "a", "cache": 1}}, "type-mismatch", "'cache'"),
        ({"tfrecord": {"file": "a", "shape": [0]}}, "out-of-range", "'shape'"),
        ({"validation": "digits"}, "missing-key", "no 'train'"),
        ({"train": "digits", "tests": "digits"}, "unknown-key", "no key 'tests'"),
        ({"test": "digits"}, "missing-key", "'data' has a 'test' but no 'train'"),
    ],
)
def test_errors_have_a_code(value: PlainData, code: str, message: str):
    """Every mistake is reported with its code, and gives no data."""
    spec, errors = decode(value)
    assert spec is None
    assert [error.code for error in errors] == [code]
    assert message in errors[0].message


class TestCommandLine:
    def test_data_option_names_and_files(self):
        """`--data` takes a set that ships with archbuilder, or a file by its ending."""
        assert data_from_argument("digits") == DataConfig(Digits(), cli_argument="digits")
        npz = DataConfig(Npz(DataPath("/x/a.npz")), cli_argument="/x/a.npz")
        assert data_from_argument("/x/a.npz") == npz
        csv = DataConfig(Csv(DataPath("a.csv")), cli_argument=str(Path("a.csv").absolute()))
        assert data_from_argument("a.csv") == csv
        text = DataConfig(Text(DataPath("/x/a.txt"), TokenizerConfig()), cli_argument="/x/a.txt")
        assert data_from_argument("/x/a.txt") == text

    def test_data_option_mnist_directory(self, tmp_path: Path):
        """A folder with the files of MNIST gives its test set for validation."""
        names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
        for name in names:
            (tmp_path / f"{name}-ubyte.gz").write_bytes(b"")
        spec = data_from_argument(str(tmp_path))
        files = [DataPath(str(tmp_path / f"{name}-ubyte.gz")) for name in names]
        assert spec == DataConfig(Idx(*files[:2]), Idx(*files[2:]), cli_argument=str(tmp_path))

    def test_data_option_training_and_test_set(self, tmp_path: Path):
        """Directories with classes; those without may be classes themselves."""
        for name in ("train", "test"):
            (tmp_path / name).mkdir()
        assert data_from_argument(str(tmp_path)).test is None
        for name in ("train/pos", "test/pos", ".cache"):
            (tmp_path / name).mkdir()
        data = data_from_argument(str(tmp_path))
        assert data.train == Images(DataPath(str(tmp_path / "train")))
        assert data.validation is None
        assert data.test == Images(DataPath(str(tmp_path / "test")))
        (tmp_path / "bus").mkdir()
        assert data_from_argument(str(tmp_path)).test is None

    def test_invalid_data_option(self, tmp_path: Path):
        """What is none of these is answered with what would be."""
        with pytest.raises(UsageError, match="did you mean 'digits'"):
            data_from_argument("digit")
        with pytest.raises(UsageError, match=r"has no files train-images.*, and no images"):
            data_from_argument(str(tmp_path))
        with pytest.raises(UsageError, match="and no recordings"):
            data_from_argument(str(tmp_path), DataConfig(Audio(DataPath("a"))))


def test_settings_of_the_training_set():
    """Other sets have them, unless they state their own or are of another format."""
    train = {"csv": {"file": "a.csv", "separator": ";", "target": "t", "missing": ["?"]}}
    data, errors = decode(
        {
            "validation": {"csv": "b.csv"},
            "train": train,
            "test": {"csv": {"file": "c.csv", "target": "u"}},
        }
    )
    assert not errors
    assert data is not None
    assert data.validation == replace(data.train, file=file("b.csv"))
    assert data.test == replace(data.train, file=file("c.csv"), target="u")
    data, _ = decode({"train": train, "test": {"parquet": "b.parquet"}})
    assert data is not None
    assert data.test == Parquet(file("b.parquet"))
    data, _ = decode(
        {
            "train": {"npy": {"inputs": "x.npy", "targets": "y.npy", "sample_weight": "w.npy"}},
            "test": {"npy": {"inputs": "u.npy", "targets": "v.npy"}},
        }
    )
    assert data is not None
    assert data.test == Npy(file("u.npy"), file("v.npy"))
    data, _ = decode(
        {"train": {"tfds": {"name": "m", "split": "train", "channels": 1}}, "test": {"tfds": "n"}}
    )
    assert data is not None
    assert data.test == Tfds(name=file("n"), channels=1)


def test_misplaced_source_arguments():
    """Other formats write them there."""
    _, (error,) = decode({"npz": {"file": "a"}, "sample_weight": "w"})
    assert error.code == "invalid-structure"
    assert error.message == "'sample_weight' belongs among the arguments of 'npz'"
    assert error.notes == ("as in 'data: {npz: {file: ..., sample_weight: ...}}'",)


@pytest.mark.parametrize(
    ("value", "note"),
    [
        ({"npz": "a.npz", "batch_size": 32}, "'batch_size' belongs under 'training'"),
        ({"npz": "a.npz", "validation": 0.2}, "'validation_split: 0.2' under 'training'"),
        ({"npz": "a.npz", "time_split": 0.2}, "'shuffle: false' under 'training'"),
    ],
)
def test_unknown_keys_beside_a_source(value: PlainData, note: str):
    """A key that is not an argument of the source is not sent to it."""
    _, (error,) = decode(value)
    assert error.code == "unknown-key"
    assert note in error.notes[0]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"column": "a", "columns": ["b"]}, "has both 'column' and 'columns'"),
        (
            {"column": "a", "vocabulary": True, "normalize": True},
            "has 'normalize' for numbers and 'vocabulary' for categories",
        ),
        (
            {"column": "a", "vocabulary": ["x"], "clip": [0, 1], "missing": 0},
            "has 'missing', 'clip' for numbers and 'vocabulary' for categories",
        ),
        ({"columns": ["a"], "vocabulary": True}, "has 'vocabulary', which needs one 'column'"),
        ({"date": ["hour"]}, "has 'date', which needs one 'column'"),
        ({"column": "a", "date": ["hour", "hour"]}, "has a part of 'date' twice"),
        (
            {"column": "a", "date": ["hour"], "vocabulary": True},
            "has both 'vocabulary' and 'date'",
        ),
        (
            {"column": "a", "separator": "|"},
            "has a 'separator', which needs a 'vocabulary' or a 'length'",
        ),
        ({"column": "a", "min_count": 2}, "has 'min_count', which needs 'vocabulary: true'"),
        (
            {"column": "a", "vocabulary": ["x"], "max_size": 2},
            "has 'max_size', which needs 'vocabulary: true'",
        ),
        ({"column": "a", "vocabulary": ["1", 1]}, "has '1' twice in 'vocabulary'"),
        (
            {"column": "a", "clip": [2, 1]},
            "has a 'clip' whose first bound is not below the second",
        ),
        (
            {"column": "a", "transform": "log", "missing": 0},
            "replaces missing values by 0, and 'log' takes numbers above 0",
        ),
        (
            {"column": "a", "tokenizer": "words", "sequence_length": 2, "clip": [0, 1]},
            "has 'clip' for numbers and 'tokenizer' for text",
        ),
        (
            {"column": "a", "tokenizer": "words", "vocabulary": True, "sequence_length": 2},
            "has both 'vocabulary' and 'tokenizer'",
        ),
        (
            {"column": "a", "lowercase": True, "output": "count"},
            "has 'lowercase', 'output', which needs a 'tokenizer'",
        ),
        (
            {"tokenizer": "words", "sequence_length": 2},
            "has a 'tokenizer', which needs a 'column' or 'columns'",
        ),
        (
            {"column": "a", "tokenizer": "words"},
            "has a 'tokenizer', which needs a 'sequence_length' for ids, or an 'output'",
        ),
        (
            {"column": "a", "tokenizer": "bpe", "sequence_length": 2, "output": "count"},
            "has a 'sequence_length' for ids, and an 'output' without an order of tokens",
        ),
        (
            {"columns": ["a", "b"], "tokenizer": "bpe", "output": "count"},
            "has an 'output', which needs one 'column'",
        ),
        (
            {"columns": ["a", "b"], "tokenizer": "bpe", "sequence_length": 4},
            "has a 'sequence_length' of 4, but 3 special tokens and a token of each column are 5",
        ),
        (
            {"column": "a", "segments_of": "y"},
            "has 'column', 'segments_of', but 'segments_of' stands alone",
        ),
        (
            {"column": "a", "vocabulary_from": "runs/lm"},
            "has 'vocabulary_from', which needs a 'tokenizer'",
        ),
    ],
)
def test_contradictory_feature(settings: PlainData, message: str):
    """It is an error in the recipe, before any data is read."""
    for source in ("csv", "parquet", "jsonl"):
        _, errors = decode({source: {"file": "t", "inputs": {"x": settings}}})
        assert [each.message for each in errors] == [f"'inputs' of 'x' {message}"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"inputs": {"x": {"colum": "a"}}}, "'inputs' of 'x' has no key 'colum'"),
        ({"inputs": {"x": {}, "z": {"normalize": True}}}, "the inputs 'x', 'z' have no column"),
        (
            {"inputs": {"x": {"segments_of": "z"}, "z": {"column": "a"}}},
            "the input 'x' has the segments of 'z', which is not an input with a 'tokenizer'",
        ),
        (
            {"target": {"x": {"segments_of": "z"}}},
            "'target' of 'x' has 'segments_of', which a target cannot be",
        ),
        (
            {"inputs": {"x": {"column": "a", "labels_of": "z"}}},
            "'inputs' of 'x' has 'labels_of', which only a target can have",
        ),
        (
            {"target": {"x": {"column": "a", "labels_of": "z"}}},
            "the source 'csv': the target 'x' has the labels of 'z', which is not an input with",
        ),
        (
            {
                "inputs": {"z": {"columns": ["a", "b"], "tokenizer": "bpe", "sequence_length": 9}},
                "target": {"x": {"column": "a", "labels_of": "z"}},
            },
            "'x' has the labels of 'z', which is not an input with one 'column', a 'tokenizer'",
        ),
        (
            {"inputs": {"x": {"next_tokens_of": "z"}}},
            "'inputs' of 'x' has 'next_tokens_of', which only a target can have",
        ),
        (
            {"target": {"x": {"column": "a", "next_tokens_of": "z"}}},
            "'target' of 'x' has 'column', 'next_tokens_of', but 'next_tokens_of' stands alone",
        ),
        (
            {
                "inputs": {"z": {"column": "a", "tokenizer": "bpe", "output": "count"}},
                "target": {"x": {"next_tokens_of": "z"}},
            },
            "the target 'x' has the next tokens of 'z', which is not an input with a 'tokenizer' a",
        ),
        (
            {"target": {"x": {"column": "a", "labels_of": "z", "separator": "|"}}},
            "'target' of 'x' has 'separator', but labels only take a 'vocabulary'",
        ),
        (
            {"target": {"x": {"column": "a", "labels_of": "z", "vocabulary": True}}},
            "'target' of 'x' has 'vocabulary: true', but labels have a list, or all in",
        ),
        (
            {"target": {"x": {"column": "a", "tokenizer": "words", "sequence_length": 1}}},
            "'target' of 'x' has a 'tokenizer', which a target cannot have",
        ),
        (
            {"inputs": {"x": {"column": "a", "missing": "zero"}}},
            "'missing' must be mean, median or indicator or a number",
        ),
        (
            {"inputs": {"x": {"column": "a", "transform": "exp"}}},
            "'transform' must be log, log1p or sqrt, not",
        ),
        (
            {"inputs": {"x": {"column": "a", "vocabulary": False}}},
            "'vocabulary' must be true or a list of values",
        ),
        ({"missing": "?"}, "'missing' must be a list of values"),
    ],
)
def test_invalid_table_settings(arguments: dict[str, PlainData], message: str):
    """The error names the key and what it takes."""
    _, errors = decode({"csv": {"file": "t.csv", **arguments}})
    assert len(errors) == 1
    assert message in errors[0].message


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"normalize": True}, "has no 'column'"),
        ({"column": "a", "date": ["year"]}, "has a 'date', which a target cannot be"),
        ({"column": "a", "missing": 0}, "has 'missing', but a target cannot be missing"),
        (
            {"column": "a", "vocabulary": True},
            "has a 'vocabulary' but no 'separator'; the strings of a plain column are classes",
        ),
        (
            {"column": "a", "separator": ";"},
            "has a 'separator', which needs a 'vocabulary' or a 'length'",
        ),
    ],
)
def test_impossible_target(settings: PlainData, message: str):
    """A target takes a part of what an input does."""
    for source, key in (("csv", "target"), ("parquet", "target"), ("jsonl", "targets")):
        _, errors = decode({source: {"file": "t", key: {"y": settings}}})
        assert [each.message for each in errors] == [f"'{key}' of 'y' {message}"]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"csv": {"file": "a.csv", "window": 24}}, "'window' must be a mapping, not an integer"),
        (
            {"csv": {"file": "a.csv", "window": {"length": 0}}},
            "'length' must be an integer of",
        ),
        (
            {"npz": {"file": "a", "window": {"length": 2, "steps": 3}}},
            "'window' has no key 'steps'",
        ),
        (
            {"npy": {"inputs": "x", "targets": "y", "window": {"length": 2, "by": "c"}}},
            "'window' has 'by', but the files have no columns",
        ),
        ({"idx": {"images": "i", "labels": "l", "window": {"length": 2}}}, "no key 'window'"),
    ],
)
def test_wrong_windows(source: PlainData, message: str):
    """Windows need a length, and rows without gaps."""
    _, errors = decode(source)
    assert [message in each.message for each in errors] == [True], errors


def test_window():
    """Windows of a table without targets."""
    data, errors = decode(
        {"csv": {"file": "a.csv", "target": {}, "window": {"length": 24, "by": "station"}}}
    )
    assert errors == ()
    assert data is not None
    assert data.train == Csv(file("a.csv"), {}, window=WindowConfig(24, by="station"))
