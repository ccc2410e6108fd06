"""`objective: ridge`: the last layer in closed form."""

from __future__ import annotations

from typing import Final, cast

from archbuilder.recipe.objectives.form import ObjectiveForm
from archbuilder.recipe.objectives.reader import ObjectiveReader, Written
from archbuilder.recipe.spec import Ridge
from archbuilder.tree import Plain, Scalar

_OPTIONS: Final[dict[str, dict[str, Plain]]] = {
    "penalty": {"type": "number", "minimum": 0},
    "washout": {"type": "integer", "minimum": 0, "maximum": 1_000_000},
}
_SQUARED_ERROR: Final = "MeanSquaredError"


def _read(reader: ObjectiveReader, written: Written) -> Ridge:
    given = reader.options("ridge", _OPTIONS, written.options)
    metrics = reader.metrics(written.trees.get("metrics"))
    squared = Scalar(_SQUARED_ERROR, written.place)
    reader.agree(dict.fromkeys(reader.outputs, squared), metrics)
    defaults = Ridge(metrics)
    return Ridge(
        metrics,
        penalty=float(cast(float, given.get("penalty", defaults.penalty))),
        washout=cast(int, given.get("washout", defaults.washout)),
    )


RIDGE: Final = ObjectiveForm(Ridge, ("metrics",), _read)
