"""What all tests share: how thoroughly properties are searched, and quiet machine learning."""

from __future__ import annotations

import gc
import os
import signal

import pytest
from hypothesis import HealthCheck, settings

# Before anything imports TensorFlow.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
os.environ.setdefault("ABSL_MIN_LOG_LEVEL", "3")
os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("CUDA_VISIBLE_DEVICES", "")
# The networks of tests are so small that threads which wait for parts of one operation spend more
# time than they save, and pytest-xdist keeps the other cores busy.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

# A shell starts background jobs with SIGINT ignored, which the commands that tests start would
# inherit: Ctrl-C would not reach them.
signal.signal(signal.SIGINT, signal.default_int_handler)

_QUIET = (HealthCheck.too_slow, HealthCheck.data_too_large)
settings.register_profile("default", max_examples=100, deadline=None, suppress_health_check=_QUIET)
settings.register_profile("long", max_examples=2_000, deadline=None, suppress_health_check=_QUIET)
settings.load_profile("default")


LONG = (
    "test_workers.py",
    "test_strategy.py",
    "test_small_forms.py",
    "test_examples.py",
    "test_optimization_options.py",
    "test_keras_versions.py",
    "test_gallery.py",
    "test_library_runs.py",
    "test_keras_io_examples.py",
    "test_loss_reduction.py",
    "test_fuzz.py",
    "test_resume.py",
    "test_language_models.py",
    "test_evaluate.py",
    "test_references.py",
    "test_damaged_files.py",
)
"""Files that take longest begin first, so that none is left alone at the end."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Put the long files in front; the others keep their order."""
    places = {name: rank for rank, name in enumerate(LONG)}
    items.sort(key=lambda item: places.get(item.path.name, len(places)))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Let the garbage collector leave out what stays until the end: TensorFlow and the tests."""
    gc.collect()
    gc.freeze()
