"""Tree -> Document: decides whether a file has the form of a blueprint and what it says.

Names are not resolved here; `archbuilder.compiler.semantic_check` does that.
"""

from __future__ import annotations

from archbuilder.language.parser.document import decode_document

__all__ = ["decode_document"]
