"""Tree -> Document: decides whether a file has the form of a blueprint and what it says.

Names are not resolved here; `archbuilder.check` does that.
"""

from __future__ import annotations

from archbuilder.decode.file import decode_document

__all__ = ["decode_document"]
