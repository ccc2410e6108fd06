"""The learning rate schedules that Keras lacks, saved under the package name `archbuilder`."""

from __future__ import annotations

from archbuilder.schedules.noam import Noam

__all__ = ["Noam"]
