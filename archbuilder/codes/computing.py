"""Codes of what goes wrong while a network computes."""

from __future__ import annotations

from typing import Final

from archbuilder.codes.explanation import Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="step-failed",
        title="A step fails while the network computes",
        text="""\
The network can be built, but Keras or TensorFlow stops at this step in training, in evaluation
or in prediction. Common causes: a value that the step cannot take, such as an index beyond the
table of an Embedding; a size that is only known with the data, such as a length left open; a
regularizer that expects another rank; too little memory for the batch; a learning rate so large
that weights become infinite. The notes have the reason as Keras gives it.""",
    ),
)
