"""Run the command line as `python -m archbuilder`."""

from __future__ import annotations

from archbuilder.cli import run_command

if __name__ == "__main__":
    run_command()
