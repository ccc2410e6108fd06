"""The blueprint language: syntax tree, parser, imports and JSON Schema."""
