"""Keras callbacks, one file each."""
