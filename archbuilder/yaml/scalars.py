"""Values of plain YAML scalars (core schema of YAML 1.2), and readable YAML syntax errors."""

from __future__ import annotations

import math
import re
from typing import Final

import yaml

from archbuilder.diagnostics.code import Code
from archbuilder.diagnostics.errors import Diagnostic, Diagnostics, quote
from archbuilder.diagnostics.span import SourceText, Span
from archbuilder.limits import Limits
from archbuilder.plain_data import ScalarValue

UNPRINTABLE: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff0-\ufffb"
    "\ud800-\udfff\ufffe\uffff]"
)
"""Control characters, and those that hide the text around them or change its direction.

Lone surrogates are among them, which a `str` from Python may contain and UTF-8 cannot encode.
"""

# The resolution table of YAML 1.2.2, section 10.3.2. YAML 1.1 also reads yes, no, on and off as
# booleans; here they are strings.
_CONSTANTS: Final[dict[str, bool | None]] = {
    "": None,
    "~": None,
    **dict.fromkeys(("null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
_OCTAL_OR_HEX: Final = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT: Final = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
# Valid in YAML but not in JSON, and no argument in the registry accepts them.
_NOT_FINITE: Final = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
# Values that YAML 1.1 and YAML 1.2 read differently, line by line: 010 (octal 8 or decimal 10) and
# 1_000; 1:30 (base 60: 90) and 0b11; dates, and '=', which have types of their own in YAML 1.1.
_AMBIGUOUS: Final = re.compile(
    r"[-+]?0[0-9]+(?:\.[0-9]*)?|[-+]?[0-9][0-9_]*_[0-9_]*(?:\.[0-9_]*)?"
    r"|[-+]?[0-9]+(?::[0-5]?[0-9])+(?:\.[0-9]*)?|0b[01_]+"
    r"|[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}(?:[Tt ].*)?|="
)


def is_ascii_digits(text: str) -> bool:
    """Whether text consists of the digits 0 to 9; `str.isdigit` accepts those of all scripts."""
    return text.isascii() and text.isdigit()


def resolve_plain_scalar(
    text: str, span: Span, limits: Limits, diagnostics: Diagnostics
) -> ScalarValue:
    """Return the value of a plain scalar; report values that YAML versions read differently.

    After an error, returns a value with which the compiler can look for further errors.
    """
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    # All patterns below begin with one of these; most scalars are names and need no pattern.
    if text[0] not in "0123456789+-.=":
        return text
    if _AMBIGUOUS.fullmatch(text):
        diagnostics.error(
            "ambiguous-value",
            f"YAML programs disagree about the meaning of {quote(text)}",
            span,
            label="put it in quotes if it is a string",
        )
        return text
    if _INTEGER.fullmatch(text) or _OCTAL_OR_HEX.fullmatch(text):
        return _integer(text, span, limits, diagnostics)
    if _NOT_FINITE.fullmatch(text):
        diagnostics.error("invalid-number", f"numbers must be finite, not {text}", span)
        return None
    if _FLOAT.fullmatch(text):
        number = float(text)
        # `float` returns infinity for 1e999.
        if math.isfinite(number):
            return number
        diagnostics.error("invalid-number", f"the number {quote(text)} is too large", span)
        return None
    return text


def _integer(text: str, span: Span, limits: Limits, diagnostics: Diagnostics) -> int | None:
    # Octal and hexadecimal integers have the digits of their value. A decimal one is not converted
    # first: `int` raises a ValueError for more than 4300 digits.
    is_too_long = (
        int(text, 0) >= 10**limits.integer_digits
        if text[:2] in ("0o", "0x")
        else len(text.lstrip("+-")) > limits.integer_digits
    )
    if is_too_long:
        diagnostics.error(
            "invalid-number",
            f"an integer can have at most {limits.integer_digits} digits",
            span,
            notes=("raise it with --limit integer_digits=N",),
        )
        return None
    return int(text, 0)


def check_split_expression(text: str, span: Span, diagnostics: Diagnostics) -> None:
    """Report an expression within `{}` or `[]` that a comma or a bracket cut in two."""
    if "$(" not in text:
        return
    if text.count("(") > text.count(")"):
        diagnostics.error(
            "expression-syntax",
            "a comma or bracket inside {} or [] ends a value, so this expression is incomplete",
            span,
            label="put the whole value in quotes",
        )


def yaml_syntax_error(error: yaml.MarkedYAMLError, source: SourceText) -> Diagnostic:
    """Return a diagnostic for a syntax error, in words for users who do not know YAML."""
    problem = error.problem or ""
    mark = error.problem_mark or error.context_mark
    # For a quote or a bracket that is not closed, the problem is at the end of the file. The
    # context is where it was opened.
    if "unexpected end of stream" in problem or _is_open_at_end(error, source):
        mark = error.context_mark
    line, column = (mark.line, mark.column) if mark else (0, 0)
    # A mark at the end of the stream may be in the line after the last.
    line = min(line, len(source.lines) - 1)
    line_text = source.lines[line]
    span = Span(source, line + 1, column + 1, line + 1, column + 2)
    code: Code = "yaml-syntax"
    message = f"invalid YAML: {problem or 'unknown error'}"
    for fragment, translation in _PROBLEM_MESSAGES:
        if fragment in problem:
            message = translation
            break
    if _is_open_at_end(error, source):
        message = "the bracket opened here is not closed"
    notes: tuple[str, ...] = ()
    if error.context_mark is not None and error.context_mark.line != line:
        notes = (f"{error.context} that starts on line {error.context_mark.line + 1}",)
    # Common causes, which explain more than a rule of the grammar: `${name}` as in a shell, tabs,
    # and a missing colon.
    if "${" in line_text:
        column = line_text.index("${")
        span = Span(source, line + 1, column + 1, line + 1, column + 3)
        code, message = "expression-syntax", "write $name or $(expression), without braces"
        notes = ()
    elif "\t" in line_text[: len(line_text) - len(line_text.lstrip())]:
        message, notes = "indent lines with spaces, not tabs", ()
    elif any(each in problem for each in ("mapping values", "'-' indicator")):
        notes = _missing_colon_hint(source, line) or notes
    return Diagnostic(code, message, span, notes=notes)


def _missing_colon_hint(source: SourceText, line: int) -> tuple[str, ...]:
    """Return a hint for a ':' in a line that cannot have one, by the lines around it."""
    line_text = source.lines[line]
    above = next((text for text in reversed(source.lines[:line]) if text.strip()), "")
    if match := _BARE_STEP.fullmatch(above):
        return (f"end a step that has keys below it with ':', as in '- {match[1]}:'",)
    if match := _STEP_WITHOUT_COLON.match(line_text):
        return (f"write ':' after the name: '- {match[1]}: {{...}}'",)
    if _TEXT_WITH_COLON.match(line_text):
        return ("put a text that contains ': ' in quotes",)
    return ("put an expression that contains ': ' in quotes",) if "$(" in line_text else ()


_BARE_STEP: Final = re.compile(r"\s*-\s+([A-Za-z_][\w.]*)\s*(?:#.*)?")
_TEXT_WITH_COLON: Final = re.compile(r"\s*(?:title|description): [^\"'{\[].*: ")
_STEP_WITHOUT_COLON: Final = re.compile(r"\s*-\s+([A-Za-z_][\w.]*)\s*\{")


def _is_open_at_end(error: yaml.MarkedYAMLError, source: SourceText) -> bool:
    """Whether the error is that the text ends within a bracket."""
    # libyaml then complains about a missing comma, with a mark after the last line.
    mark = error.problem_mark
    if mark is None or "did not find expected ','" not in (error.problem or ""):
        return False
    return mark.column == 0 and not "".join(source.lines[mark.line :]).strip()


# Fragments of the messages of libyaml; the first that matches counts.
_PROBLEM_MESSAGES: Final = (
    ("mapping values are not allowed", "unexpected ':', or wrong indentation"),
    ("did not find expected ',' or '}'", "missing ',' or '}' before this"),
    ("did not find expected ',' or ']'", "missing ',' or ']' before this"),
    (
        "did not find expected key",
        "the indentation of this line does not match the lines before it",
    ),
    (
        "did not find expected '-' indicator",
        "missing '-', or wrong indentation",
    ),
    ("could not find expected ':'", "missing ':' after the key on the line before"),
    ("unexpected end of stream", "the quote opened here is not closed"),
    ("cannot start any token", "a value cannot start with this character; put the value in quotes"),
    ("did not find expected node content", "missing value or closing bracket"),
    (
        "did not find expected alphabetic",
        "'&' and '*' are special characters in YAML; put the value in quotes",
    ),
    ("block sequence entries are not allowed", "a list must start on a new line"),
    ("found duplicate anchor", "this anchor is defined twice"),
    ("undefined tag handle", "'!' is a special character in YAML; put the value in quotes"),
)
