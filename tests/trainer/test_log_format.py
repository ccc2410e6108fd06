from __future__ import annotations

from archbuilder.trainer.log_format import format_metrics


def test_metric_names_on_the_console():
    """The console shows the names that the files of a run have."""
    numbers = {"loss": 0.5, "main_sparse_categorical_accuracy": 0.25}
    assert format_metrics(numbers) == "loss: 0.5000 - main_sparse_categorical_accuracy: 0.2500"
