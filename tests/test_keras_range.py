"""Compiles the library with the lowest Keras that pyproject.toml allows.

`make check` puts that version beside the environment; the tests run with the newest.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PREFIX = "lowest-keras-"

COMPILE = """
import sys
import keras

assert keras.__version__ == sys.argv[1], keras.__version__

import archbuilder
from archbuilder import library

for name in library.names():
    blueprint = archbuilder.load(name)
    for analysis in blueprint.analyse().values():
        print(name, analysis.parameters)
"""


@pytest.mark.range
def test_library_compiles_with_the_lowest_keras():
    """Every blueprint of the library keeps its promises with the oldest Keras of the range."""
    folders = sorted((ROOT / ".venv").glob(f"{PREFIX}*"))
    if not folders:
        pytest.skip("the lowest Keras is not installed; 'make check' does it")
    version = folders[-1].name.removeprefix(PREFIX)
    path = os.pathsep.join([str(folders[-1]), str(ROOT)])
    result = subprocess.run(
        [sys.executable, "-c", COMPILE, version],
        env={**os.environ, "PYTHONPATH": path},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-2000:]
    assert "digits_cnn " in result.stdout
