"""MobileNet v3 against `keras.applications`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from zoo.parity import Application, Family, Params


def _application(variant: str, params: Params) -> Application:
    """A variant, which is called after its table and, behind a dash, after what is changed."""
    table, _, changed = variant.partition("-")
    return Application(
        f"mobilenet_v3:{variant}",
        params,
        model=f"MobileNetV3{table.capitalize()}",
        options={"include_preprocessing": False, **_CHANGES[changed]},
    )


_CHANGES: Final[Mapping[str, Params]] = {
    "": {},
    "0.75": {"alpha": 0.75},
    "minimalistic": {"minimalistic": True},
}
_VARIANTS: Final = [
    "-".join(filter(None, (table, change))) for table in ("large", "small") for change in _CHANGES
]

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "alpha": 0.25, "last": 16},
    reference="`keras.applications`",
    small={
        variant: _application(variant, {"image_size": 64, "classes": 10})
        for variant in ("large-0.75", "small-minimalistic")
    },
    full={variant: _application(variant, {}) for variant in _VARIANTS},
    follows="Pixels are scaled by whoever gives them. Keras leaves the first convolution at 16"
    " channels whatever `alpha`, which differs from this, and from TF-slim, below 0.75.",
)
