"""The losses that Keras lacks, saved under the package name `archbuilder`."""

from __future__ import annotations

from archbuilder.losses.capsule_margin import CapsuleMargin

__all__ = ["CapsuleMargin"]
