"""Tries the lowest Keras that pyproject.toml allows; all other tests run with the newest.

`make check` puts that version beside the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PREFIX = "lowest-keras-"
FOLDERS = sorted((ROOT / ".venv").glob(f"{PREFIX}*"))

pytestmark = [
    pytest.mark.range,
    pytest.mark.skipif(not FOLDERS, reason="the lowest Keras is missing; 'make check' gets it"),
]

LIBRARY = """
import sys
import keras

assert keras.__version__ == sys.argv[1], keras.__version__

import archbuilder
from archbuilder import library

for name in library.names():
    for network, analysis in archbuilder.load(name).analyse().items():
        print(name, network, analysis.parameters)
archbuilder.load("digits_cnn").compile()
"""


def with_lowest_keras(*arguments: str) -> str:
    """What a Python program prints that finds the lowest Keras first."""
    path = os.pathsep.join([str(FOLDERS[-1]), str(ROOT)])
    result = subprocess.run(
        [sys.executable, *arguments],
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-2000:] + result.stderr[-2000:]
    return result.stdout


def test_library_compiles():
    """Every blueprint of the library keeps its promises."""
    assert "digits_cnn " in with_lowest_keras("-c", LIBRARY, FOLDERS[-1].name.removeprefix(PREFIX))


@pytest.mark.parametrize(
    "suites",
    [
        ("tests/layers",),
        ("tests/backend/test_build.py", "tests/weights"),
        (
            "tests/training/test_train.py",
            "tests/training/test_distribution.py::test_the_command",
        ),
    ],
    ids=["layers", "building", "training"],
)
def test_what_keras_does_for_us(suites: tuple[str, ...]):
    """The layers of archbuilder, the builder, and training in one process and in two pass."""
    plugins = ("-p", "no:cacheprovider", "-p", "no:xdist")
    found = with_lowest_keras("-m", "pytest", "-q", "-k", "not applications", *plugins, *suites)
    assert " passed" in found
