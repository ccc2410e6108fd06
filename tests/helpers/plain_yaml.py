"""YAML as PyYAML reads it, for tests that compare with it or need its data."""

from __future__ import annotations

from typing import Any

import yaml

# Built on libyaml, ten times as fast. PyYAML can be built without it, its wheels are not.
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def load_plain(text: str) -> Any:
    """Return the data of a document, like `yaml.safe_load`."""
    loader = _LOADER(text)
    try:
        return loader.get_single_data()
    finally:
        loader.dispose()
