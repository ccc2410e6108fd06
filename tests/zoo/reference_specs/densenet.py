"""DenseNet against `keras.applications`."""

from __future__ import annotations

from typing import Final

from zoo.parity import Application, Family

FAMILY: Final = Family(
    form={"image_size": 32, "classes": 5, "depths": [2, 3, 2, 1], "growth": 4},
    reference="`keras.applications`",
    small={
        "121": Application("densenet:121", {"image_size": 32, "classes": 10}, model="DenseNet121")
    },
    full={
        size: Application(f"densenet:{size}", model=f"DenseNet{size}")
        for size in ("121", "169", "201")
    },
    follows="Dropout, which the paper has for small data sets, is left out, as it is for ImageNet.",
)
