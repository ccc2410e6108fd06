"""Which examples are held out: by group, by class, by position and by a column."""

from __future__ import annotations

import csv
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from archbuilder.cli import main
from archbuilder.config.sources import Csv, DataPath, DataSource, Digits, Jsonl, Npz, Parquet
from archbuilder.config.split import SplitConfig, SplitPlan
from archbuilder.data.file_access import DataFileOpener
from archbuilder.data.source_dataset import SourceDataset, Split
from archbuilder.data.sources import load_source
from archbuilder.diagnostics.errors import RunError

KINDS = ("csv", "parquet", "jsonl", "npz")
COUNT = 40
PATIENTS = [7, 3, 9, 3, 12, 7, 3, 5] * 5
LABELS = [0] * 25 + [1] * 10 + [2] * 4 + [3]
ROLES = ["train", "train", "val", "test"] * 10


def write(folder: Path, kind: str, patients: Sequence[object] = PATIENTS) -> DataSource:
    """The examples in a file of a kind; the group is the last column."""
    columns = {
        "x": np.arange(COUNT) / 2,
        "y": LABELS,
        "role": ROLES,
        "patient": patients,
    }
    path = folder / f"table.{kind}"
    file = DataPath(str(path))
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    if kind == "npz":
        codes = np.array([["train", "val", "test"].index(each) for each in ROLES])
        np.savez(path, **{**columns, "role": codes})
        return Npz(file)
    if kind == "parquet":
        pq.write_table(pa.table({name: list(each) for name, each in columns.items()}), path)
        return Parquet(file, "y", inputs="x")
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return Jsonl(file)
    with path.open("w", newline="") as stream:
        writer = csv.DictWriter(stream, [*columns])
        writer.writeheader()
        writer.writerows(rows)
    return Csv(file, "y", inputs="x")


def load(source: DataSource, config: SplitConfig, *, seed: int = 0) -> tuple[SourceDataset, Split]:
    dataset = load_source(source, DataFileOpener(), plan=SplitPlan(config, seed=seed))
    assert dataset.split is not None
    return dataset, dataset.split


def held_out(split: Split) -> list[int]:
    """The rows for validation, of a split that loses none."""
    assert split.validation is not None
    assert sorted([*split.train, *split.validation]) == list(range(COUNT))
    return [*split.validation]


@pytest.mark.parametrize("kind", KINDS)
class TestKinds:
    def test_groups(self, tmp_path: Path, kind: str):
        """A fraction of the groups, none of which is on both sides; no network sees the column."""
        source = write(tmp_path, kind)
        dataset, split = load(source, SplitConfig(0.4, by="patient"))
        groups = {PATIENTS[row] for row in held_out(split)}
        assert len(groups) == 2  # of five
        assert groups.isdisjoint({PATIENTS[row] for row in split.train})
        assert split.note == " (random split by 'patient')"
        assert [each.shape for each in dataset.inputs.values()] == [()]
        again = load(source, SplitConfig(0.4, by="patient"))[1]
        assert held_out(again) == held_out(split)
        others = [
            load(source, SplitConfig(0.4, by="patient"), seed=seed)[1] for seed in range(1, 6)
        ]
        assert any(held_out(each) != held_out(split) for each in others)

    def test_column(self, tmp_path: Path, kind: str):
        """The rows with a value; others are left to train on."""
        value = 1 if kind == "npz" else "val"
        _, split = load(write(tmp_path, kind), SplitConfig(column="role", value=value))
        assert held_out(split) == list(range(2, COUNT, 4))
        assert split.note == f" (role = {value})"

    def test_classes(self, tmp_path: Path, kind: str):
        """The rounded share of each class; the only example of a class is for training."""
        _, split = load(write(tmp_path, kind), SplitConfig(0.25, stratify=True))
        counts = Counter(LABELS[row] for row in held_out(split))
        # 25 * 0.25 = 6.25, 10 * 0.25 = 2.5 and 4 * 0.25 = 1, of 40 * 0.25 = 10 examples.
        assert counts == {0: 6, 1: 3, 2: 1}
        assert split.note == " (stratified random split)"


def test_groups_of_text(tmp_path: Path):
    """Groups need not be numbers, and their column may be the last one, after the target."""
    names = [f"case {each}" for each in PATIENTS]
    source = write(tmp_path, "csv", names)
    assert isinstance(source, Csv)
    table = Csv(source.file, inputs="x")
    _, split = load(Csv(source.file, "y", inputs="x"), SplitConfig(0.4, by="patient"))
    assert {names[row] for row in held_out(split)}.isdisjoint({names[row] for row in split.train})
    dataset = load_source(table, DataFileOpener(), plan=SplitPlan(SplitConfig(0.4, by="patient")))
    # Without 'target' it is the last column that has no other role.
    assert dataset.preprocessing.schema.classes == {"": ("test", "train", "val")}


def test_last(tmp_path: Path):
    """The last examples, whether training is shuffled or not."""
    _, split = load(write(tmp_path, "npz"), SplitConfig(last=0.25))
    assert held_out(split) == list(range(30, 40))
    assert split.note == " (last examples)"


def test_fraction(tmp_path: Path):
    """A plain fraction is what it always was: published results depend on it."""
    source = write(tmp_path, "npz")
    _, split = load(source, SplitConfig(0.1), seed=3)
    assert held_out(split) == [0, 20, 28, 31]
    assert split.note == " (random split)"


class TestTrainSplit:
    """A part of what the other sets leave to train on."""

    @staticmethod
    def train(folder: Path, config: SplitConfig, **others: SplitConfig) -> Split:
        plan = SplitPlan(**others, train=config)
        split = load_source(write(folder, "npz"), DataFileOpener(), plan=plan).split
        assert split is not None
        return split

    def test_fraction(self, tmp_path: Path):
        """It is a fraction of all examples, and the other sets stay the same."""
        validation = SplitConfig(0.25)
        split = self.train(tmp_path, SplitConfig(0.5), validation=validation)
        assert split.validation is not None
        assert [*split.validation] == held_out(load(write(tmp_path, "npz"), validation)[1])
        assert len({*split.train}) == len(split.train) == 20
        assert {*split.train}.isdisjoint(split.validation)
        assert split.note == " (random split; training: random split, of 30)"
        smaller = self.train(tmp_path, SplitConfig(0.25), validation=validation)
        # The examples of a learning curve contain each other.
        assert {*smaller.train} < {*split.train}

    def test_classes(self, tmp_path: Path):
        """The rounded share of each class, and at least one example of it."""
        split = self.train(tmp_path, SplitConfig(0.2, stratify=True))
        # 25 * 0.2 = 5, 10 * 0.2 = 2, 4 * 0.2 = 0.8 and 1 * 0.2.
        assert Counter(LABELS[row] for row in split.train) == {0: 5, 1: 2, 2: 1, 3: 1}
        assert split.validation is None

    def test_other_ways(self, tmp_path: Path):
        """The last examples, groups, and those with a value in a column."""
        validation = SplitConfig(last=0.25)
        last = self.train(tmp_path, SplitConfig(last=0.25), validation=validation)
        assert [*last.train] == [*range(20, 30)]
        groups = self.train(tmp_path, SplitConfig(0.4, by="patient"), validation=validation)
        chosen = {PATIENTS[row] for row in groups.train}
        assert len(chosen) == 2
        assert [*groups.train] == [row for row in range(30) if PATIENTS[row] in chosen]
        named = self.train(tmp_path, SplitConfig(column="role", value=0), validation=validation)
        assert [*named.train] == [row for row in range(30) if ROLES[row] == "train"]

    def test_all_that_is_left(self, tmp_path: Path):
        """Fractions whose sum is 1 leave nothing out."""
        others = {"validation": SplitConfig(0.2), "test": SplitConfig(0.1)}
        for config in (SplitConfig(0.7), SplitConfig(0.7, stratify=True)):
            assert len(self.train(tmp_path, config, **others).train) == 28
        with pytest.raises(RunError, match=r"takes 0.8 of the examples, and .* leave 0.7"):
            self.train(tmp_path, SplitConfig(0.8), **others)
        with pytest.raises(RunError, match="'train_split' leaves no examples of "):
            self.train(
                tmp_path,
                SplitConfig(column="role", value=1),
                validation=SplitConfig(column="role", value=1),
            )


@pytest.mark.parametrize(
    ("source", "config", "message"),
    [
        (Digits(), SplitConfig(0.2, by="writer"), "has no column 'writer' to split by; the sourc"),
        ("csv", SplitConfig(0.2, by="patent"), "has no column 'patent'; did you mean 'patient'?"),
        ("npz", SplitConfig(0.2, by="patent"), "has no array 'patent'; it has "),
        ("npz", SplitConfig(0.2, by="x"), "has float64 of the shape [] per example; a column to s"),
        (
            "csv",
            SplitConfig(column="role", value="dev"),
            "has no value 'dev'; it has 'train', ",
        ),
        ("jsonl", SplitConfig(column="role", value="x"), "the field 'role' of "),
        ("npz", SplitConfig(0.2, stratify="z"), "no target for 'z' with one class per example"),
    ],
)
def test_invalid_splits(
    tmp_path: Path, source: str | DataSource, config: SplitConfig, message: str
):
    """They are errors that name the column."""
    data = write(tmp_path, source) if isinstance(source, str) else source
    with pytest.raises(RunError, match=re.escape(message)):
        load(data, config)


@pytest.mark.parametrize(
    ("patients", "message"),
    [
        ([1] * COUNT, "column 'patient' of .*table.csv' has one group, which cannot be split"),
        ([1] * 20 + [""] + [2] * 19, "line 22 of .*table.csv' has no group in column 'patient'"),
    ],
)
def test_invalid_groups(tmp_path: Path, patients: list[object], message: str):
    """One group cannot be split, and an example without a group could be on either side."""
    with pytest.raises(RunError, match=message):
        load(write(tmp_path, "csv", patients), SplitConfig(0.2, by="patient"))


def test_classes_of_several_targets(tmp_path: Path):
    """The output whose classes count has to be named."""
    source = write(tmp_path, "npz")
    assert isinstance(source, Npz)
    several = Npz(source.file, targets={"label": "y", "size": "x"})
    with pytest.raises(RunError, match=r"targets for 'label', 'size'; write .*'stratify: label'"):
        load(several, SplitConfig(0.25, stratify=True))
    assert len(held_out(load(several, SplitConfig(0.25, stratify="label"))[1])) == 10
    with pytest.raises(RunError, match="no target for 'size' with one class per example"):
        load(several, SplitConfig(0.25, stratify="size"))


@pytest.mark.parametrize(
    "config",
    [SplitConfig(), SplitConfig(by="patient"), SplitConfig(stratify=True), SplitConfig(last=0.5)],
    ids=("random", "by group", "by class", "in order"),
)
def test_folds(tmp_path: Path, config: SplitConfig):
    """Each example is held out once, with its group, and in its share of each class."""
    source = write(tmp_path, "npz")
    plan = SplitPlan(shuffle=config.last is None)
    folds = []
    for fold in range(1, 4):
        settings = replace(config, last=None, folds=3, fold=fold)
        dataset = load_source(source, DataFileOpener(), plan=replace(plan, validation=settings))
        assert dataset.split is not None
        assert dataset.split.note.startswith(f" (fold {fold} of 3, ")
        folds.append(held_out(dataset.split))
    assert sorted(row for rows in folds for row in rows) == list(range(COUNT))
    if config.by:
        groups = [{PATIENTS[row] for row in rows} for rows in folds]
        assert sum(map(len, groups)) == len({*PATIENTS})
        return
    assert sorted(map(len, folds)) == [13, 13, 14]
    if config.stratify:
        counts = np.array([np.bincount(np.array(LABELS)[rows], minlength=4) for rows in folds])
        assert (np.ptp(counts, axis=0) <= 1).all()
    if config.last:
        assert folds[0] == list(range(14))


def test_too_many_folds(tmp_path: Path):
    """A fold has an example, or a group."""
    for settings, unit in (({}, "40 examples"), ({"by": "patient"}, "5 groups by 'patient'")):
        with pytest.raises(RunError, match=f"has {unit}, fewer than the 50 folds"):
            load(write(tmp_path, "npz"), SplitConfig(folds=50, fold=1, **settings))


NET = """
archbuilder: 1
name: net
inputs: {x: [1]}
layers: [{Dense: {units: 4, activation: softmax}}]
data: {csv: {file: table.csv, inputs: {x: {columns: [x], normalize: true}}, target: y}}
training:
  loss: SparseCategoricalCrossentropy
  epochs: 2
  batch_size: 8
  checkpoint_every_seconds: 0
  validation_split: {fraction: 0.4, by: patient}
"""


def test_run_with_groups(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    """Features learn from the other groups, and a resumed run and `evaluate` split alike."""
    monkeypatch.chdir(tmp_path)
    write(tmp_path, "csv")
    Path("net.yaml").write_text(NET)
    assert main(["train", "net.yaml", "--run-dir", "whole"]) == 0
    assert main(["train", "net.yaml", "--run-dir", "run", "--epochs", "1"]) == 0
    assert main(["train", "--resume", "run", "--epochs", "2"]) == 0
    uninterrupted, run = (
        json.loads(Path(each, "run.json").read_text()) for each in ("whole", "run")
    )
    assert run["validation_metrics"] == uninterrupted["validation_metrics"]
    assert run["recipe"]["training"]["validation_split"] == {"fraction": 0.4, "by": "patient"}
    split = load(Csv(DataPath("table.csv"), "y", inputs="x"), SplitConfig(0.4, by="patient"))[1]
    mean = np.mean([row / 2 for row in split.train])
    assert run["schema"]["features"]["x"]["mean"] == pytest.approx([mean])
    numbers = f"{len(split.train)} training / {len(held_out(split))} validation examples"
    assert f"{numbers} (random split by 'patient')\n" in capsys.readouterr().out
    assert main(["evaluate", "run"]) == 0
    assert f"{uninterrupted['validation_metrics']['loss']:.5f}" in capsys.readouterr().out
    assert main(["inspect-data", "net.yaml"]) == 0
    assert "(random split by 'patient')\n" in capsys.readouterr().out
    # Another table has the column or not.
    assert main(["evaluate", "run", "--data", "table.csv"]) == 0
    # One example changes its group: the split is another one.
    text = Path("table.csv").read_text()
    Path("table.csv").write_text(text.replace("0.5,0,train,3", "0.5,0,train,7"))
    assert main(["train", "--resume", "run", "--epochs", "3"]) == 1
    assert "the data has changed since the run started" in capsys.readouterr().err
