"""Words with which an objective says what the logs have, and what the trained network is for."""

from __future__ import annotations

from typing import Final, Literal, TypeAlias

GeneratedText: TypeAlias = Literal["continuation", "translation"]
"""What `archbuilder generate` gets from a network: how a text goes on, or another text for it."""
GENERATED_TEXTS: Final[tuple[GeneratedText, ...]] = ("continuation", "translation")
METRIC_FUNCTIONS: Final = ("exp", "log", "sqrt")
"""The functions of `keras.ops` that a metric may be, of the mean of a step."""
