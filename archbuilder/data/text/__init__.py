"""Text as numbers: what a tokeniser knows, and files of tokens."""
