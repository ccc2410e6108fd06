"""Steps of training as XLA programs, for machines that have a GPU and JAX, but no TensorFlow."""
