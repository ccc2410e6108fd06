"""What an explanation of a code is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from archbuilder.diagnostics.errors import Severity

MAIN_FILE: Final = "blueprint.yaml"
"""The name of the blueprint in an example; other files of the example stand beside it."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code with what it means and a pair of examples.

    `wrong` and `right` are the texts of a blueprint; `beside` are files that both import. `wrong`
    is empty where the mistake is not one of the text alone, as that of a newer Keras. `encoding`
    is the one that the wrong example is saved in.
    """

    code: str
    title: str
    text: str
    wrong: str = ""
    right: str = ""
    severity: Severity = "error"
    imported_files: tuple[tuple[str, str], ...] = ()
    encoding: str = "utf-8"


HEADER: Final = """\
archbuilder: 1
inputs:
  image: [28, 28, 1]
"""
"""How most examples begin."""

HEADS_FILE: Final = (
    "heads.yaml",
    """\
archbuilder: 1
blocks:
  classifier:
    layers:
      - Dense: 10
""",
)
"""A file of blocks for the examples that import one."""
