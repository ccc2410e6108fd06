"""The command `archbuilder`: one file for each of its commands."""

from __future__ import annotations

from archbuilder.cli.application import main, run_command

__all__ = ["main", "run_command"]
