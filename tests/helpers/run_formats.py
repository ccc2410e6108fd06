"""The files of a run, which another person may have written, and how archbuilder reads them."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Final

import numpy as np
from helpers.file_formats import Format, length_of_head

import archbuilder
from archbuilder.cli import main
from archbuilder.compiler.ir import Graph
from archbuilder.config.run_config import RUN_JSON, load_run_config
from archbuilder.config.sources import TokenizerConfig, TokenizerType
from archbuilder.data.bad_records import BadRecords
from archbuilder.data.text.tokenizer import TextTokenizer
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.sandbox import SandboxPath
from archbuilder.limits import Limits
from archbuilder.runs.checkpoint_manager import CHECKPOINTS_DIR, CheckpointManager

NET: Final = """
archbuilder: 1
name: net
inputs: {x: [3]}
layers: [{Dense: {units: 2, activation: softmax}}]
data: {npz: data.npz}
training: {loss: SparseCategoricalCrossentropy, metrics: [SparseCategoricalAccuracy],
  optimizer: {Adam: 0.01}, epochs: 2}
"""
CHECKPOINT: Final = "epoch-00002-batch-0000000"


@cache
def run() -> dict[str, bytes]:
    """The files of a run of two epochs, by their names."""
    with tempfile.TemporaryDirectory() as folder:
        blueprint, out = Path(folder, "net.yaml"), Path(folder, "run")
        blueprint.write_text(NET)
        np.savez(Path(folder, "data.npz"), x=np.eye(3, dtype=np.float32), y=np.array([0, 1, 0]))
        assert main(["train", str(blueprint), "--run-dir", str(out)]) == 0
        files = (out / RUN_JSON, *(out / CHECKPOINTS_DIR / CHECKPOINT).iterdir())
        return {path.name: path.read_bytes() for path in files}


@cache
def graphs() -> dict[str, Graph]:
    """The network of the run."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "net.yaml")
        path.write_text(NET)
        return dict(archbuilder.load(path).graphs())


def _read_record(path: Path) -> None:
    load_run_config(path.parent, graphs(), Limits())


def _read_checkpoint(path: Path) -> None:
    """Read a checkpoint in which this file is another one, with a manifest that vouches for it."""
    checkpoint = path.parent / "run" / CHECKPOINTS_DIR / CHECKPOINT
    checkpoint.mkdir(parents=True, exist_ok=True)
    files = {**run(), path.name: path.read_bytes()}
    names = ("progress.json", "variables.safetensors")
    sums = {name: hashlib.sha256(files[name]).hexdigest() for name in names}
    if path.name in names:
        files["manifest.json"] = json.dumps({"sha256": sums}).encode()
    for name in (*names, "manifest.json"):
        (checkpoint / name).write_bytes(files[name])
    fingerprint = json.loads(run()["progress.json"])["fingerprint"]
    reports: list[str] = []
    if (
        CheckpointManager(SandboxPath(path.parent / "run"), fingerprint).latest(reports.append)
        is None
    ):
        raise RunError(reports[0])


@cache
def _vocabularies() -> Sequence[bytes]:
    text = ["the cat and the dog and a bird\n" * 3]
    kinds: tuple[TokenizerType, ...] = ("characters", "words", "bpe", "wordpiece")
    specs = (TokenizerConfig(kind, 300, lowercase=kind != "bpe") for kind in kinds)
    tokenizers = (TextTokenizer.train(each, lambda: iter(text), "text") for each in specs)
    return [each.to_json().encode() for each in tokenizers]


def _read_vocabulary(path: Path) -> None:
    """Read a vocabulary, and turn text into tokens and back as `generate` does."""
    vocabulary = TextTokenizer.load(SandboxPath(path.parent).joinpath(path.name))
    (tokens,) = vocabulary.encode(["the dog"])
    vocabulary.decode(tokens)


def _skipped_lines() -> Sequence[bytes]:
    bad_records = BadRecords("skip", "lines")
    bad_records.add(RunError("line 3 of 'text.txt' is not valid UTF-8"))
    with tempfile.TemporaryDirectory() as folder:
        path = SandboxPath(Path(folder)).joinpath("training-skipped.json")
        bad_records.write(path)
        return (path.path.read_bytes(),)


def _read_skipped_lines(path: Path) -> None:
    """Read the skipped lines of a run's text, and report them."""
    bad_records = BadRecords("skip", "lines")
    bad_records.restore(SandboxPath(path.parent).joinpath(path.name))
    bad_records.notes()


RUN: Final = (
    Format("tokenizer.json", _vocabularies, _read_vocabulary),
    Format("training-skipped.json", _skipped_lines, _read_skipped_lines),
    Format(RUN_JSON, lambda: (run()[RUN_JSON],), _read_record),
    Format("manifest.json", lambda: (run()["manifest.json"],), _read_checkpoint, cases=100),
    Format("progress.json", lambda: (run()["progress.json"],), _read_checkpoint, cases=100),
    Format(
        "variables.safetensors",
        lambda: (run()["variables.safetensors"],),
        _read_checkpoint,
        length_of_head,
        cases=100,
    ),
)
