"""The families of the library, one module each, with the name of its blueprint."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping
from typing import Final

from zoo.parity import Family

FAMILIES: Final[Mapping[str, Family]] = {
    module.name: importlib.import_module(f"zoo.reference_specs.{module.name}").FAMILY
    for module in pkgutil.iter_modules(__path__)
}
