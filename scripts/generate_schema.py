"""Writes schemas/blueprint-v1.schema.json from the registry: `make schema`."""

from __future__ import annotations

from pathlib import Path

from archbuilder import registry
from archbuilder.config.json_schema import full_schema_text

OUTPUT = Path(__file__).parent.parent / "schemas" / "blueprint-v1.schema.json"

if __name__ == "__main__":
    OUTPUT.parent.mkdir(exist_ok=True)
    OUTPUT.write_text(full_schema_text(registry.load()), encoding="utf-8")
