"""Runs the command as a user does, and keeps what it prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from archbuilder.cli import main

LENET = """\
archbuilder: 1
title: A small network
params: {classes: 10}
inputs: {image: [28, 28, 1]}
blocks:
  stage:
    params: {filters: }
    layers:
      - Conv2D: {filters: $filters, kernel_size: 3, activation: relu}
      - MaxPooling2D: 2
layers:
  - for: {width: [4, 8]}
    layers:
      - stage: $width
  - Flatten
  - Dense: $classes
variants:
  large: {classes: 1000}
expect:
  default: {parameters: 2346, output: [null, 10]}
"""

WRONG = """\
archbuilder: 1
inputs: {image: [28, 28, 1]}
layers:
  - Flatten
  - Dense: {unit: 10, units: 10}
"""


@dataclass(frozen=True)
class Result:
    """What a command did: its exit code and both outputs."""

    code: int
    out: str
    err: str


Run = Callable[..., Result]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """The command in this process: `run("validate", path)`."""

    def command(*arguments: str | Path) -> Result:
        code = main([str(argument) for argument in arguments])
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return Result(code, out, err)

    return command


@pytest.fixture
def lenet(tmp_path: Path) -> Path:
    """A blueprint without mistakes, with a variant and an expectation."""
    path = tmp_path / "lenet.yaml"
    path.write_text(LENET)
    return path


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    """A blueprint with one mistake, at 5:13."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    return path
