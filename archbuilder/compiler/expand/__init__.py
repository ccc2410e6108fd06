"""The expansion of programs into graphs: binds parameters, inlines blocks and unrolls loops."""

from __future__ import annotations

from archbuilder.compiler.expand.networks import expand

__all__ = ["expand"]
