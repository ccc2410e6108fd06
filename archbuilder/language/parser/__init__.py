"""The parser: turns the YAML tree of a file into a `Document` and checks its structure.

Names are not resolved here; `archbuilder.compiler.semantic_check` does that. The structure is
checked by hand rather than with a JSON Schema: instead of the one error and its location, a schema
of the whole file would report every branch of every alternative.
"""

from __future__ import annotations

from archbuilder.language.parser.document import decode_document

__all__ = ["decode_document"]
