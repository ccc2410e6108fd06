"""The network of `make demo`, which is no publication's."""

from __future__ import annotations

from typing import Final

from zoo.parity import Family

FAMILY: Final = Family(form={}, reference="no publication; `make demo` trains it", small={})
