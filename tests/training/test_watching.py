from __future__ import annotations

from archbuilder.training.watching import told


def test_numbers_are_told_shortly():
    """An accuracy is called that, whatever kind it is; other names stay."""
    numbers = {
        "loss": 0.5,
        "sparse_categorical_accuracy": 0.25,
        "main_binary_accuracy": 1.0,
        "sparse_top_k_categorical_accuracy": 0.125,
    }
    assert (
        told(numbers) == "loss 0.5000  accuracy 0.2500  main_accuracy 1.0000  top_k_accuracy 0.1250"
    )
