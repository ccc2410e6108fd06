"""The version of archbuilder, the only place where it is written."""

from typing import Final

__version__: Final = "0.1.0"
