"""Trains networks on one machine: `train` is the whole of a run.

The rooms in it, in the order of the way: `sources` read examples, `adapt` and `targets` fit them to
a network, `order` and `batches` make the stream that Keras is fed with, `distribution` chooses
devices, `objectives` train, and `run` is the folder that keeps what came of it.
"""

from __future__ import annotations

from archbuilder.training.run import RunFolder
from archbuilder.training.train import Origin, RunResult, train

__all__ = ["Origin", "RunFolder", "RunResult", "train"]
