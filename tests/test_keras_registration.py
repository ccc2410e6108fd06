"""Our layers and schedules are known to Keras in whichever order both are imported."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
CLASSES = (
    "all(keras.saving.get_registered_object(f'archbuilder>{each}') is not None"
    " for each in ('SinePositionEncoding', 'Noam'))"
)


def run(code: str) -> str:
    """What a program prints."""
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout.strip()


REGISTER = "from archbuilder.keras_registration import register_classes; register_classes()"
ASKED_FIRST = f"{REGISTER}\n{REGISTER}\nimport importlib.util\nimportlib.util.find_spec('keras')"


@pytest.mark.parametrize(
    "code",
    [
        # Programs that open saved models, in `zoo.test_small_forms` and `test_contract`, do so.
        pytest.param(f"{REGISTER}\nimport keras", marks=pytest.mark.thorough),
        pytest.param(f"import keras\n{REGISTER}", marks=pytest.mark.thorough),
        f"{ASKED_FIRST}\nfrom keras import layers\nimport keras",
        f"{REGISTER}\nimport tensorflow as tf\ntf.keras.layers\nimport keras",
    ],
    ids=["before", "after", "twice, and asked for first", "through TensorFlow"],
)
def test_classes_are_registered_after_keras(code: str):
    """Whichever way Keras comes in, our classes are there behind it, and no hook is left."""
    result = run(
        f"{code}\nimport sys\nprint({CLASSES})\n"
        "print([type(each).__name__ for each in sys.meta_path if 'Wait' in type(each).__name__])"
    )
    assert result.splitlines() == ["True", "[]"]


def test_import_archbuilder_does_not_import_keras():
    """Waiting for Keras does not import it."""
    assert run(f"{REGISTER}\nimport sys\nprint('keras' in sys.modules)") == "False"
