"""Training steps as XLA programs, for machines that have a GPU and JAX, but not TensorFlow."""
