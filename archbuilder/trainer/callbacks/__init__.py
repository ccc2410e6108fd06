"""Keras callbacks of a run, one file each."""
