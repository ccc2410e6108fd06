"""Layers, losses and learning rate schedules that archbuilder adds to Keras."""
