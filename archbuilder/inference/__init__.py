"""Evaluate trained networks, predict, generate text and sample images."""
