"""Errors with locations, their text for terminals and tools, and an explanation of each code."""
