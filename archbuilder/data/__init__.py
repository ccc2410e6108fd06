"""Read examples from files and turn them into batches for a model."""
