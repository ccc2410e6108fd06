"""Codes of what Keras finds when the graph is built without weights."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="shape-mismatch",
        title="Shapes that do not fit together",
        text="""\
A layer is given a shape that it cannot take: another number of axes, or sizes that differ
where they must be equal. The message names the shapes and the steps that made them.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Conv2D: {{filters: 8, kernel_size: 3}}
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
  - Flatten
""",
    ),
    Explanation(
        code="empty-shape",
        title="Nothing is left of the input",
        text="""\
An output would have a size of zero or less: the image is smaller than the kernel that goes
over it, often behind too many poolings. Use a larger input, padding: same, or fewer poolings.""",
        wrong=f"""\
{HEADER}layers:
  - MaxPooling2D: 4
  - MaxPooling2D: 4
  - Conv2D: {{filters: 8, kernel_size: 3}}
""",
        right=f"""\
{HEADER}layers:
  - MaxPooling2D: 4
  - Conv2D: {{filters: 8, kernel_size: 3}}
""",
    ),
    Explanation(
        code="keras-refused",
        title="Keras refuses the layer",
        text="""\
Every argument has the right type, but Keras does not take them together, or not with this
input. The message is that of Keras.""",
        wrong=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3, groups: 3}}
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 9, kernel_size: 3, groups: 1}}
""",
    ),
    Explanation(
        code="wrong-axis",
        title="Keras would add along a wrong axis",
        text="""\
Keras on TensorFlow takes a tensor with one long axis for a bias, and looks for the axis that it
belongs to by its length. Where another axis has the same length, the sum is wrong, without a
word. archbuilder adds in another way where it can, and reports the rest: biases within layers,
and sums of several tensors that go wrong in every order.""",
        wrong="""\
archbuilder: 1
inputs:
  image: [3, 28, 28]
layers:
  - Conv2D: {filters: 28, kernel_size: 1, data_format: channels_first}
""",
        right="""\
archbuilder: 1
inputs:
  image: [28, 28, 3]
layers:
  - Conv2D: {filters: 28, kernel_size: 1}
""",
    ),
    Explanation(
        code="too-large",
        title="The model would not fit into memory",
        text="""\
The weights, or the activations of one example, would take more memory than this machine has
or than the limit memory_bytes allows. It is found before any memory is taken. Often a Flatten
stands before a Dense where a pooling was meant.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 100000000000
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 100
""",
    ),
    Explanation(
        code="needs-newer-keras",
        title="The installed Keras does not have this",
        text="""\
archbuilder knows this layer or argument, but the Keras that is installed here is older and
lacks it. Install a newer Keras, or do without.""",
    ),
    Explanation(
        code="expectation",
        title="The model is not what the file promises",
        text="""\
Under 'expect' the file says how many parameters the model has, or which shape its output, and
it is otherwise. Either a change of the architecture went further than it was meant to, or the
promise is out of date. 'archbuilder show' tells the numbers of every step.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
expect:
  default: {{parameters: 7840}}
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
expect:
  default: {{parameters: 7850}}
""",
    ),
)
