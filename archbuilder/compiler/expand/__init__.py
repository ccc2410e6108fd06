"""Program -> Graph: gives parameters their values, inlines blocks and unrolls loops."""

from __future__ import annotations

from archbuilder.compiler.expand.networks import expand

__all__ = ["expand"]
