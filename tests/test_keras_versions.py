"""Tries older versions of Keras that pyproject.toml allows; other tests run with the newest.

`make check` puts the lowest of them beside the environment, and `make keras-versions` all.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from zoo.files import SIMILAR

from archbuilder import zoo

ROOT = Path(__file__).parent.parent
OLDER = re.search(r"^OLDER_KERAS := (.+)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
LOWEST, *BETWEEN = OLDER[1].split() if OLDER else ()

pytestmark = pytest.mark.keras_versions
SUITES = (
    "tests/keras_ext",
    "tests/keras_backend/test_build.py",
    "tests/weights",
    "tests/test_training.py",
    "tests/distribution/test_workers.py::test_sigterm_ends_all_workers",
)
CORE_SUITES = (
    "tests/keras_ext",
    "tests/keras_backend/test_build.py",
    "tests/weights/test_load.py",
    "tests/test_training.py::test_digits_accuracy",
    "tests/test_training.py::test_mirrored_training_on_one_device",
)
"""Two processes take the same path through Keras as replicas: `make keras-versions` starts them."""
LEFT_OUT = "not applications and not thousand_units"
"""The tests that download weights, and one that measures the time of numpy."""
REPETITIONS = (
    "not xla and not gradients and not training_step and not long_chains"
    " and not another_process and not two_builds and not spectral_radius"
)
"""Long tests that differ from the others in the path through TensorFlow or numpy, hardly in Keras.

Those of another process import TensorFlow once more.
"""
PROGRAM = """
import sys
import keras
import pytest

version, library, names, *suites = sys.argv[1:]
assert keras.__version__ == version, keras.__version__

import archbuilder

for name in library.split():
    for network, analysis in archbuilder.load(name).analyze().items():
        print(name, network, analysis.parameters)
archbuilder.load("digits_cnn").compile()
plugins = ("-p", "no:cacheprovider", "-p", "no:xdist")
sys.exit(pytest.main(["-q", "-k", names, *plugins, *suites]))
"""


@pytest.mark.parametrize(
    ("version", "library", "names", "suites"),
    [
        pytest.param(
            LOWEST,
            [each for each in zoo.names() if each not in SIMILAR],
            f"{LEFT_OUT} and {REPETITIONS}",
            CORE_SUITES,
            id=f"{LOWEST} core",
        ),
        *(
            pytest.param(each, zoo.names(), LEFT_OUT, SUITES, id=each, marks=pytest.mark.thorough)
            for each in (LOWEST, *BETWEEN)
        ),
    ],
)
def test_suites_with_an_older_keras(
    version: str, library: Sequence[str], names: str, suites: tuple[str, ...]
):
    """The library keeps its promises; the layers of archbuilder, the builder, and weights pass.

    So does training, on one device and in replicas or, with every version, in two processes.
    """
    folder = ROOT / ".venv" / f"keras-{version}"
    if not folder.is_dir():
        pytest.skip(f"Keras {version} is missing; 'make keras-versions' gets it")
    # One process for everything: it takes seconds to import TensorFlow.
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, version, " ".join(library), names, *suites],
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)])},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 0, result.stdout[-4000:] + result.stderr[-2000:]
    assert "digits_cnn " in result.stdout
    assert " passed" in result.stdout
