"""What Keras refuses, as mistakes of the blueprint."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

import tensorflow as tf

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.diagnostics.escape import escape_terminal
from archbuilder.diagnostics.span import Span

KERAS_ERRORS: Final[tuple[type[Exception], ...]] = (
    ValueError,  # most of what Keras checks; numpy's AxisError is one too
    TypeError,  # a value that Keras computes with before it checks it
    LookupError,  # an axis or a state that is not there
    ArithmeticError,  # a stride or a size of zero; a size beyond 64 bits
    AttributeError,  # a layer where a cell is wanted
    AssertionError,  # the few checks that are written as asserts
    NotImplementedError,  # what this layer does not do
    ImportError,  # a layer that needs scipy, which is not a dependency of Keras
    MemoryError,  # a constant that Keras computes while it builds
    tf.errors.OpError,  # what TensorFlow finds when it traces a call
)
"""What Keras and TensorFlow raise for arguments and shapes that they do not take.

Kept to calls of Keras alone: raised by our own code, each of these is our mistake.
"""

_EMPTY_OUTPUT: Final = re.compile(
    r"zero or negative|would be negative|negative dimension|smaller than the corresponding",
    re.IGNORECASE,
)
"""How Keras and TensorFlow say that nothing would be left of an input."""

_WRAPPED_ERROR: Final = re.compile(r"in user code:|Exception encountered when calling")
_ANSI_STYLE: Final = re.compile(r"\x1b\[\d*m")
_TRACEBACK_LINE: Final = re.compile(
    r"Graph execution error:|in user code:|Exception encountered when calling|Detected at node"
    r"|\s*File \"|.*<string>|\s*(?:Original )?[Ss]tack trace|\s*\[\[|\s*Hint:|\d+ root error"
    r"|\d+ successful operations|\d+ derived errors"
)
"""How lines of TensorFlow's messages begin that tell where it was, and not what."""
_LOCATION: Final = re.compile(
    r"^\s*\(\d+\) [A-Z_]+:\s*|\{\{function_node [^}]*\}\} ?| ?\[Op:[^\]]*\]( name:.*)?$"
)
_NODE_DEFINITION: Final = re.compile(r" for '\{\{node .*?\}\}.*?' with(?= input shapes)", re.DOTALL)
"""The definition of an operation with all attributes, before the shapes that it was given."""
_MAX_NOTE_LINES: Final = 3
_MAX_NOTE_CHARACTERS: Final = 300


class BuildError(Exception):
    """A mistake that ends the work on one node, and no more than that."""

    def __init__(self, code: str, message: str, span: Span, notes: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.span = span
        self.notes = notes

    def report(self, diagnostics: Diagnostics) -> None:
        """Keep it among the mistakes of the stage."""
        diagnostics.error(self.code, self.message, self.span, notes=self.notes)


@contextmanager
def translate_keras_errors(explain: Callable[[Exception], BuildError]) -> Iterator[None]:
    """Turns what Keras refuses in this context into what `explain` makes of it.

    Raises:
        Refusal: for each of `REFUSALS`.
    """
    try:
        yield
    except KERAS_ERRORS as error:
        raise explain(error) from error


def error_notes(error: Exception) -> tuple[str, ...]:
    """The first lines of what Keras says, as notes that are safe to show."""
    lines = [escape_terminal(line).strip() for line in _message_lines(innermost(error))]
    notes = [_truncate(line) for line in lines if line][:_MAX_NOTE_LINES]
    return (f"Keras says: {notes[0]}", *notes[1:]) if notes else ()


def innermost(error: BaseException) -> BaseException:
    """Return the error that Keras and autograph have wrapped into this one; itself if it is none.

    Both put the place in front of the message: `Exception encountered when calling Dense.call()`.
    """
    while error.__context__ is not None and _WRAPPED_ERROR.match(str(error)):
        error = error.__context__
    return error


def _message_lines(error: BaseException) -> list[str]:
    """Return the lines of a message without those that only say where TensorFlow was."""
    text = str(error.message if isinstance(error, tf.errors.OpError) else error)
    text = _ANSI_STYLE.sub("", text).partition("Arguments received by")[0]
    text = _NODE_DEFINITION.sub(" with", text)
    lines = [
        _LOCATION.sub("", line) for line in text.splitlines() if not _TRACEBACK_LINE.match(line)
    ]
    # Every replica has an error of its own, mostly the same.
    return [line for line in dict.fromkeys(lines) if line.strip()] or [type(error).__name__]


def is_empty_output_error(error: Exception) -> bool:
    """Whether Keras refuses because an output would have a size of zero or less."""
    return _EMPTY_OUTPUT.search(str(error)) is not None


def _truncate(line: str) -> str:
    return line if len(line) <= _MAX_NOTE_CHARACTERS else line[: _MAX_NOTE_CHARACTERS - 3] + "..."
