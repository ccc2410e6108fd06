"""Perceiver IO against Hugging Face's transformers."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {
    "image_size": 6, "bands": 3, "position_width": 4, "latents": 5, "width": 8, "heads": 2,
    "depth": 2, "blocks": 2, "classes": 3,
}  # fmt: skip
_OPTIONS: Final = {"depth": 2, "blocks": 2, "heads": 2, "bands": 3}
_FULL: Final = {"depth": 6, "blocks": 8, "heads": 8}

FAMILY: Final = Family(
    form=_SMALL,
    reference="`transformers.PerceiverModel`",
    small={
        "fourier": Reference("perceiver", _SMALL, module="perceiver", options=_OPTIONS),
        "learned": Reference(
            "perceiver:learned",
            _SMALL,
            module="perceiver",
            options={**_OPTIONS, "learned": True},
        ),
    },
    full={
        "fourier": Reference("perceiver:fourier", module="perceiver", options=_FULL),
        "learned": Reference(
            "perceiver:learned", module="perceiver", options={**_FULL, "learned": True}
        ),
    },
)
