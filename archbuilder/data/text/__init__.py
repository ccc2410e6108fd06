"""Text: reading lines, tokenizers, and files of tokens."""
