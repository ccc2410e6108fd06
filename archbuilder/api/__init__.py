"""The Python API: train networks and use them, as the commands of the same names do.

The functions import TensorFlow when they are called, after the blueprint and the recipe have been
checked. Arguments have the names of the commands' options.
"""

from __future__ import annotations

from archbuilder.api.cross_validation import cross_validate, resume_cross_validation
from archbuilder.api.inference import evaluate, generate, load_weights, predict, sample
from archbuilder.api.training import resume, train
from archbuilder.api.validation import validate

__all__ = [
    "cross_validate",
    "evaluate",
    "generate",
    "load_weights",
    "predict",
    "resume",
    "resume_cross_validation",
    "sample",
    "train",
    "validate",
]
