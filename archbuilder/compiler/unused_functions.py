"""Warnings about the functions of a file that nothing uses."""

from __future__ import annotations

from collections.abc import Collection

from archbuilder.diagnostics.errors import Diagnostics
from archbuilder.expressions import FileFunctions
from archbuilder.language.call_graph import unused_roots


def warn_unused_functions(
    functions: FileFunctions, roots: Collection[str], diagnostics: Diagnostics
) -> None:
    """Warn about functions that no value calls, and about arguments that they do not read.

    `roots` are the functions that the values of the file call.
    """
    callees = {
        name: [each for each, _, _ in value.calls] for name, value in functions.values.items()
    }
    for name in unused_roots(functions.signatures, callees, roots):
        span = functions.signatures[name].span
        diagnostics.warning("unused-function", f"the function '{name}' is not called", span)
    for name, signature in functions.signatures.items():
        names_read = {each for each, _, _ in functions.values[name].references}
        for argument in signature.arguments:
            if argument not in names_read:
                diagnostics.warning(
                    "unused-parameter",
                    f"the argument '{argument}' of the function '{name}' is not used",
                    signature.span,
                )
