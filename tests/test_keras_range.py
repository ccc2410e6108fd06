"""Tries older versions of Keras that pyproject.toml allows; other tests run with the newest.

`make check` puts the lowest of them beside the environment, and `make versions` all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
OLDER = re.search(r"^OLDER_KERAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
LOWEST, *BETWEEN = OLDER[1].split() if OLDER else ()

pytestmark = [
    pytest.mark.range,
    pytest.mark.parametrize(
        "version",
        [LOWEST, *(pytest.param(each, marks=pytest.mark.thorough) for each in BETWEEN)],
    ),
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


def with_keras(version: str, *arguments: str) -> str:
    """What a Python program prints that finds this version first."""
    folder = ROOT / ".venv" / f"keras-{version}"
    if not folder.is_dir():
        pytest.skip(f"Keras {version} is missing; 'make versions' gets it")
    path = os.pathsep.join([str(folder), str(ROOT)])
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


def test_library_compiles(version: str):
    """Every blueprint of the library keeps its promises."""
    assert "digits_cnn " in with_keras(version, "-c", LIBRARY, version)


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
def test_what_keras_does_for_us(version: str, suites: tuple[str, ...]):
    """The layers of archbuilder, the builder, and training in one process and in two pass."""
    plugins = ("-p", "no:cacheprovider", "-p", "no:xdist")
    found = with_keras(version, "-m", "pytest", "-q", "-k", "not applications", *plugins, *suites)
    assert " passed" in found
