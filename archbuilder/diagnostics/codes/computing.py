"""Codes of what goes wrong while a network computes."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="augmentation-mismatch",
        title="A layer under 'augment' does not fit the images or targets of the data",
        text="""\
Layers that change colors need the range of the values: 'value_range' is left out where the
data tells it (0 to 1 for bytes that are divided by 255), and is written where it does not.
Layers for hue and saturation need images with three channels. Layers that move the parts of
an image, such as RandomFlip, move a target with it that has a value for every pixel. Beside
other targets that may be places in the image, such as boxes and keypoints, they are refused.""",
    ),
    Explanation(
        code="unusable-data",
        title="Data is damaged, or does not fit the recipe or the network",
        text="""\
The message names the file and, where there is one, the column and the line of the value. The
place is where the blueprint or recipe names the file. Common causes: a column, array or field
that the file does not have; a value that is not a number; shapes or labels that the network
does not take. 'archbuilder inspect-data' shows what a network is given.""",
    ),
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
