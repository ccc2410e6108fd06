"""The command line `archbuilder`, with one module per command.

A module imports Keras and TensorFlow inside its command only, after `import_tensorflow`: their
import takes seconds, and most commands answer without them.
"""

from __future__ import annotations

from archbuilder.cli.application import main, run_command

__all__ = ["main", "run_command"]
