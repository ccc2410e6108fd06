"""The layers, losses and schedules that archbuilder adds to Keras."""
