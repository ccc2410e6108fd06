"""Checks of the arguments of Python functions against the declarations of settings."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, get_args

from archbuilder.argument_trees import argument_tree
from archbuilder.config.save_best import WeightsChoice
from archbuilder.config.settings import settings_of
from archbuilder.config.training import TrainingConfig
from archbuilder.config.value_types import SectionContext, ValueType, choice, integer, number
from archbuilder.diagnostics.errors import Diagnostics, UsageError
from archbuilder.language.parser.fields import FieldReader
from archbuilder.limits import Limits

ARGUMENT_TYPES: Final[Mapping[str, ValueType[Any]]] = {
    # Functions and commands override some of these.
    **{each.name: each.value_type for each in settings_of(TrainingConfig)},
    "max_new_tokens": integer(1, 1_000_000),
    "temperature": number(minimum=0, maximum=100),
    "top_k": integer(1, 1_000_000),
    "num_beams": integer(1, 1_000),
    "weights": choice(*get_args(WeightsChoice)),
}
"""Types of arguments by name."""
SAMPLE_TYPES: Final[Mapping[str, ValueType[Any]]] = {
    "num_samples": integer(1, 100_000),
    # TensorFlow's stateless random functions take seeds of 32 bits with a sign.
    "seed": integer(0, 2**31 - 1),
    "weights": ARGUMENT_TYPES["weights"],
}
"""Types of the arguments of `sample`."""


def check_arguments(
    arguments: Mapping[str, object],
    limits: Limits,
    types: Mapping[str, ValueType[Any]] = ARGUMENT_TYPES,
) -> dict[str, Any]:
    """Return the arguments that are not None, after checking their types and bounds.

    Raises:
        UsageError: if an argument has another type or is out of bounds.
    """
    diagnostics = Diagnostics()
    context = SectionContext(FieldReader(limits, diagnostics))
    values = {
        name: types[name].parse(argument_tree(f"'{name}'", value), f"'{name}'", context)
        for name, value in arguments.items()
        if value is not None
    }
    messages = [each.message for each in diagnostics]
    if messages:
        raise UsageError("; ".join(messages))
    return values
