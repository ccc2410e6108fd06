"""What a run records of its data is what it began with."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import archbuilder
from archbuilder.config import DataConfig
from archbuilder.config.objectives import SupervisedConfig
from archbuilder.config.run_config import load_run_config, recipe_to_dict
from archbuilder.config.sources import (
    Csv,
    DataPath,
    DataSource,
    Digits,
    Idx,
    Images,
    Jsonl,
    Npy,
    Npz,
    Pairs,
    Parquet,
    Text,
    TextFiles,
    Tfds,
    Tfrecord,
    TokenizerConfig,
)
from archbuilder.config.training import TrainingConfig
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.files.json import JsonObject
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.yaml.nodes import from_plain

SPAN = Span(SourceText("net.yaml", ""), 1, 1, 1, 1)
FILE = DataPath("a.b", SPAN)
SOURCES: list[DataSource] = [
    Digits(),
    Digits(cache=False),
    Npz(FILE, {"a": "x", "b": "y"}, "t", 255.0, "w", cache=True),
    Npy({"a": FILE}, FILE, sample_weight=FILE),
    Idx(FILE, FILE, 1.0),
    Images(FILE, size=(3, 4), channels=1, on_error="skip"),
    Csv(FILE, 3, header=False, inputs=("a", "b"), sample_weight={"o": "w"}),
    Csv(FILE, {"a": "x", "b": 2}, inputs={"i": "x", "j": ("y", "z")}),
    Parquet(FILE, "t", "x", divide_by=2.0, on_error="skip"),
    Jsonl(FILE, {"a": "x"}, {"b": "y"}, sample_weight="w"),
    Tfrecord(FILE, "x", "y", (2, 3), size=(8, 8), channels=3),
    Tfrecord(FILE, {"a": "x"}, "y", {"a": ()}, sample_weight={"o": "w"}),
    Tfds(DataPath("glue/sst2:2.0.0", SPAN), "train[:5%]", "s", {"o": "label"}),
    Text(FILE, TokenizerConfig("bpe", 900, lowercase=True), 12, "body", on_error="skip"),
    Pairs(FILE, TokenizerConfig("words"), 9),
    TextFiles(FILE, ("b", "a"), "bpe", 900, lowercase=True, sequence_length=7, on_error="skip"),
    TextFiles(FILE, output="tf_idf"),
]


@pytest.mark.parametrize("source", SOURCES, ids=lambda source: type(source).__name__)
def test_data_sources_roundtrip(tmp_path: Path, source: DataSource):
    """With all that was said of them, but for their places in the file."""
    training = TrainingConfig(
        SupervisedConfig(
            {"": from_plain("MeanSquaredError", SPAN)}, from_plain("Adam", SPAN), {}, {}
        ),
        shuffle=False,
    )
    recipe = recipe_to_dict(DataConfig(source, source, tmp_path), training, [tmp_path])
    recipe["training"] = {"loss": "SparseCategoricalCrossentropy", "shuffle": False}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe}))
    graphs = archbuilder.load("digits_cnn").graphs()
    run_config = load_run_config(tmp_path, graphs, Limits())
    # A place has no part in whether two files are the same one, here or anywhere.
    again = recipe_to_dict(run_config.data, training, [tmp_path])
    assert again["data"] == recipe["data"]
    assert (type(run_config.data.train), run_config.training.shuffle) == (type(source), False)
    assert run_config.allow_dirs == (tmp_path,)


@pytest.mark.parametrize("mode", [0o666, 0o644])
@pytest.mark.parametrize("folder_mode", [0o777, 0o775])
@pytest.mark.parametrize("owner", ["mine", "another"])
def test_trusted_owners_of_run_json(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int, folder_mode: int, owner: str
):
    """That of the user or of root, if nobody else can have written it."""
    (tmp_path / "run").mkdir()
    path = tmp_path / "run" / "run.json"
    training = TrainingConfig(
        SupervisedConfig(
            {"": from_plain("MeanSquaredError", SPAN)}, from_plain("Adam", SPAN), {}, {}
        )
    )
    recipe = recipe_to_dict(DataConfig(Npz(FILE), None, tmp_path), training, [])
    path.write_text(json.dumps({"recipe": {**recipe, "training": {"loss": "MeanSquaredError"}}}))
    path.chmod(mode)
    path.parent.chmod(folder_mode)
    mine = path.stat().st_uid
    # Root's files are those of a user whom these tests do not run as, or of their own.
    monkeypatch.setattr(os, "geteuid", lambda: mine if owner == "mine" else mine + 1)
    graphs = archbuilder.load("digits_cnn").graphs()
    run_config = load_run_config(path.parent, graphs, Limits())
    trusted = (owner == "mine" or mine == 0) and (mode, folder_mode) == (0o644, 0o775)
    assert run_config.forbidden == (() if trusted else (tmp_path,))
    allowed = load_run_config(path.parent, graphs, Limits(), allow_dirs=[tmp_path])
    assert not allowed.forbidden
    inside = load_run_config(path.parent, graphs, Limits(), allow_dirs=[path.parent])
    assert inside.forbidden == run_config.forbidden


def test_run_config_does_not_search_data(tmp_path: Path):
    """Its record has the files of --data, so that what needs none of them works without them."""
    folder = tmp_path / "moved"
    source = Images(DataPath(str(folder / "train")), size=(3, 4), channels=1)
    training = TrainingConfig(
        SupervisedConfig(
            {"": from_plain("MeanSquaredError", SPAN)}, from_plain("Adam", SPAN), {}, {}
        )
    )
    data = DataConfig(source, None, tmp_path, str(folder))
    recipe = {**recipe_to_dict(data, training, []), "training": {"loss": "MeanSquaredError"}}
    (tmp_path / "run.json").write_text(json.dumps({"recipe": recipe}))
    graphs = archbuilder.load("digits_cnn").graphs()
    assert load_run_config(tmp_path, graphs, Limits()).data == data


def test_directory_swapped_while_reading_run_json(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The owner of the folder that takes its place has no part in whether it is trusted."""
    training = TrainingConfig(
        SupervisedConfig(
            {"": from_plain("MeanSquaredError", SPAN)}, from_plain("Adam", SPAN), {}, {}
        )
    )
    recipe = recipe_to_dict(DataConfig(Npz(FILE), None, Path("/etc")), training, [])
    text = json.dumps({"recipe": {**recipe, "training": {"loss": "MeanSquaredError"}}})
    for name in ("run", "mine"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text(text)
    (tmp_path / "run" / "run.json").chmod(0o666)
    read = JsonObject.read

    def swap(file: SandboxPath) -> JsonObject:
        content = read(file)
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "run").symlink_to(tmp_path / "mine")
        return content

    monkeypatch.setattr(JsonObject, "read", swap)
    graphs = archbuilder.load("digits_cnn").graphs()
    assert load_run_config(tmp_path / "run", graphs, Limits()).forbidden
