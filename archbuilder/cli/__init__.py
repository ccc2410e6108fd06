"""The command line `archbuilder`, with one module per command.

A module imports Keras and TensorFlow inside its command only, after `import_tensorflow`: their
import takes seconds, and most commands answer without them.
"""

from __future__ import annotations

from archbuilder.interrupts import exiting_on_interrupt

# These imports take a fraction of a second, in which a user may see that the command was wrong.
with exiting_on_interrupt():
    from archbuilder.cli.application import main, run_command

__all__ = ["main", "run_command"]
