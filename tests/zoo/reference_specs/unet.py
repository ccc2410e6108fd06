"""U-Net against PyTorch."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_SMALL: Final = {"filters": 4, "depth": 2}

FAMILY: Final = Family(
    form={"image_size": 44, "filters": 4, "depth": 2},
    reference="PyTorch, written by hand",
    small={
        "cropped": Reference(
            "unet", {"image_size": 44, **_SMALL}, module="unet", options={"depth": 2, "padding": 0}
        ),
        "same": Reference(
            "unet:same",
            {"image_size": 8, **_SMALL},
            module="unet",
            options={"depth": 2, "padding": 1},
        ),
    },
    full={
        "cropped": Reference("unet", module="unet", options={"depth": 4, "padding": 0}),
        "same": Reference("unet:same", module="unet", options={"depth": 4, "padding": 1}),
    },
    follows="It crops its skips, as the paper does; the variant `same` pads instead.",
)
