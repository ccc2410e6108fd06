"""Translate exceptions of Keras and TensorFlow into diagnostics of the blueprint.

This module is for the build of a model. `trial_call` translates those of its first call, and
`archbuilder.trainer.step_errors` those of the steps of a run.
"""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import tensorflow as tf

from archbuilder import keras_ext
from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.span import Span

KERAS_ERRORS: Final[tuple[type[Exception], ...]] = (
    ValueError,  # most of what Keras checks; numpy's AxisError is one too
    TypeError,  # a value that Keras computes with before it checks it
    LookupError,  # an axis or a state that does not exist
    ArithmeticError,  # a stride or a size of zero; a size beyond 64 bits
    AttributeError,  # a layer in place of a recurrent cell
    AssertionError,  # the few checks that are written as asserts
    NotImplementedError,  # a combination of arguments that the layer does not support
    ImportError,  # a layer that needs scipy, which is not a dependency of Keras
    MemoryError,  # a constant that Keras computes while it builds
    tf.errors.OpError,  # errors that TensorFlow raises when it traces a call
)
"""Exceptions that Keras and TensorFlow raise for invalid arguments and shapes.

Catch them around calls of Keras only: raised by archbuilder's code, each of them is a bug.
"""

_EMPTY_OUTPUT: Final = re.compile(
    r"zero or negative|would be negative|negative dimension|smaller than the corresponding",
    re.IGNORECASE,
)
"""Messages of Keras and TensorFlow for an output with a size of zero or less."""

_WRAPPED_ERROR: Final = re.compile(r"in user code:|Exception encountered when calling")
_ANSI_STYLE: Final = re.compile(r"\x1b\[\d*m")
_TRACEBACK_LINE: Final = re.compile(
    r"Graph execution error:|in user code:|Exception encountered when calling|Detected at node"
    r"|; NodeDef:|\s*File \"|.*<string>|\s*(?:Original )?[Ss]tack trace|\s*\[\[|\s*Hint:"
    r"|\d+ root error|\d+ successful operations|\d+ derived errors"
)
"""Beginnings of lines in TensorFlow's messages that say where an error was, not what it was."""
_LOCATION: Final = re.compile(
    r"^\s*\(\d+\) [A-Z_]+:\s*|\{\{function_node [^}]*\}\} ?| ?\[Op:[^\]]*\]( name:.*)?$"
)
_NODE_DEFINITION: Final = re.compile(r" for '\{\{node .*?\}\}.*?' with(?= input shapes)", re.DOTALL)
"""Definition of an operation with all its attributes, which precedes its input shapes."""
_MAX_NOTE_LINES: Final = 3
_MAX_NOTE_CHARACTERS: Final = 300


class BuildError(Exception):
    """An error of the blueprint that stops the build of one node; the other nodes go on."""

    def __init__(self, code: Code, message: str, span: Span, notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.notes = notes

    def report(self, diagnostics: Diagnostics) -> None:
        """Add the error to the diagnostics."""
        diagnostics.error(self.code, self.message, self.span, notes=self.notes)


@contextmanager
def translate_keras_errors(make_error: Callable[[Exception], BuildError]) -> Iterator[None]:
    """Replace an exception of Keras raised in this context with the error from `make_error`.

    Raises:
        BuildError: in place of any of `KERAS_ERRORS`.
    """
    try:
        yield
    except KERAS_ERRORS as error:
        raise make_error(error) from error


def error_notes(error: Exception) -> tuple[str, ...]:
    """Return the first lines of the message as notes, escaped and truncated.

    Tracebacks, styles and locations in TensorFlow's source are left out.
    """
    original = innermost(error)
    text = str(original.message if isinstance(original, tf.errors.OpError) else original)
    # Keras prints the message in bold and appends the values of all arguments of the call.
    text = _ANSI_STYLE.sub("", text).partition("Arguments received by")[0]
    text = _NODE_DEFINITION.sub(" with", text)
    message_lines = [
        _LOCATION.sub("", line) for line in text.splitlines() if not _TRACEBACK_LINE.match(line)
    ]
    # Under a strategy every replica reports the error: `dict.fromkeys` drops duplicate lines.
    lines = [escape_terminal(line).strip() for line in dict.fromkeys(message_lines)]
    if not any(lines):
        lines = [type(original).__name__]
    notes = [
        line if len(line) <= _MAX_NOTE_CHARACTERS else line[: _MAX_NOTE_CHARACTERS - 3] + "..."
        for line in lines
        if line
    ][:_MAX_NOTE_LINES]
    if not notes or _is_raised_by_own_layer(original):
        return tuple(notes)
    return (f"Keras says: {notes[0]}", *notes[1:])


def _is_raised_by_own_layer(error: BaseException) -> bool:
    """Return whether archbuilder's layers, losses or metrics raised an error, and not Keras."""
    modules = [
        str(frame.f_globals.get("__name__")) for frame, _ in traceback.walk_tb(error.__traceback__)
    ]
    return bool(modules) and modules[-1].startswith(f"{keras_ext.__name__}.")


def innermost(error: BaseException) -> BaseException:
    """Return the original error that Keras or AutoGraph wrapped, or `error` if it is not wrapped.

    Both prefix the message with a location: `Exception encountered when calling Dense.call()`.
    """
    while error.__context__ is not None and _WRAPPED_ERROR.match(str(error)):
        error = error.__context__
    return error


def is_empty_output_error(error: Exception) -> bool:
    """Return whether an error says that an output would have a size of zero or less."""
    return _EMPTY_OUTPUT.search(str(error)) is not None
