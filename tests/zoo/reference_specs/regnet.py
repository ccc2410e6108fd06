"""RegNetX and RegNetY against timm, which has all models of the paper."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family, Reference

_X: Final = {"d": 6, "w_0": 8, "w_a": 13.0, "w_m": 2.2, "g": 8}
# The widths 16, 32, 48 and 96, of which groups of 12 make 12, 36, 48 and 96.
_Y: Final = {"d": 5, "w_0": 16, "w_a": 20.0, "w_m": 1.8, "g": 12, "se_ratio": 0.25}
_TIMM_NAMES: Final = {
    "d": "depth", "w_0": "w0", "w_a": "wa", "w_m": "wm", "g": "group_size", "se_ratio": "se_ratio",
}  # fmt: skip


def _small(numbers: dict[str, float], image_size: int) -> Reference:
    return Reference(
        "regnet",
        {"image_size": image_size, "classes": 7, **numbers},
        module="regnet",
        options={_TIMM_NAMES[name]: number for name, number in numbers.items()},
    )


FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, **_X, "se_ratio": 0.25},
    reference="timm",
    small={"x": _small(_X, 65), "y": _small(_Y, 64)},
    full={
        f"{letter}-{size}": Reference(
            f"regnet:{letter}-{size}",
            module="regnet",
            options={"model": f"regnet{letter}_{number}"},
            # Random gates amplify the rounding of float32 from block to block.
            dtype="float64" if letter == "y" else "float32",
        )
        for letter in "xy"
        for size, number in (
            ("200mf", "002"),
            ("400mf", "004"),
            ("600mf", "006"),
            ("800mf", "008"),
            ("1.6gf", "016"),
            ("3.2gf", "032"),
            ("4.0gf", "040"),
            ("6.4gf", "064"),
            ("8.0gf", "080"),
            ("12gf", "120"),
            ("16gf", "160"),
            ("32gf", "320"),
        )
    },
    follows="Widths become the nearest whole number of groups, as in the authors' code. torchvision"
    " narrows no stage by more than a tenth (`within_tenth: true`), which changes X-400MF, Y-800MF"
    " and Y-8.0GF.",
)
