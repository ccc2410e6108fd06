"""Codes of parameters, variants and the names of steps."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="unknown-parameter",
        title="There is no parameter of this name",
        text="""\
A formula ($name), a variant, an import or --set names a parameter that is not declared. A
block sees its own params and those of the file that it is written in, and the variables of
'for' and 'repeat' around the step.""",
        wrong=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{clases: 1000}}
""",
        right=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
""",
    ),
    Explanation(
        code="missing-parameter",
        title="A parameter without a default is not given",
        text="""\
The blueprint declares a parameter and no default for it, so whoever uses it must give a
value: with --set name=value, by a variant, or in the import. Or give it a default.""",
        wrong=f"""\
{HEADER}params:
  classes:
layers:
  - Flatten
  - Dense: $classes
""",
        right=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
""",
    ),
    Explanation(
        code="unknown-name",
        title="No earlier step has this name",
        text="""\
'from', 'use' and 'outputs' name inputs of the block and steps with a 'name' that stand
before. Names inside a block are its own and are not seen from outside.""",
        wrong=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 1, kernel_size: 3, padding: same}}
    name: features
  - Add:
    from: [feature, image]
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 1, kernel_size: 3, padding: same}}
    name: features
  - Add:
    from: [features, image]
""",
    ),
    Explanation(
        code="unknown-output",
        title="A step has no output of this name",
        text="""\
Behind the dot stands an output: one that the block names under 'outputs', or the number of
one of a layer with several outputs, counted from 0 (lstm.1).""",
        wrong="""\
archbuilder: 1
inputs:
  words: [20, 8]
layers:
  - LSTM: {units: 4, return_state: true}
    name: lstm
  - Dense: 10
    from: lstm.hidden
""",
        right="""\
archbuilder: 1
inputs:
  words: [20, 8]
layers:
  - LSTM: {units: 4, return_state: true}
    name: lstm
  - Dense: 10
    from: lstm.1
""",
    ),
    Explanation(
        code="unknown-variant",
        title="The blueprint has no variant of this name",
        text="""\
The name behind the colon (resnet:50), behind --variant, or under 'expect' is none of those
under 'variants'. 'archbuilder list' shows the variants of the library.""",
        wrong=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
expect:
  larger: {{output: [null, 1000]}}
""",
        right=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: $classes
variants:
  large: {{classes: 1000}}
expect:
  large: {{output: [null, 1000]}}
""",
    ),
    Explanation(
        code="wrong-inputs",
        title="Too many or too few inputs",
        text="""\
A layer or block is given another number of inputs than it takes. A step with several outputs,
such as 'branches' without 'merge', gives all of them to the next one: join them with 'merge',
or name the inputs that are meant with 'from'.""",
        wrong=f"""\
{HEADER}layers:
  - branches:
      - - MaxPooling2D: 2
      - - AveragePooling2D: 2
  - Flatten
""",
        right=f"""\
{HEADER}layers:
  - branches:
      - - MaxPooling2D: 2
      - - AveragePooling2D: 2
    merge: Concatenate
  - Flatten
""",
    ),
    Explanation(
        code="unequal-lists",
        title="The lists of a loop have different lengths",
        text="""\
The lists of one 'for' run side by side, so all of them have the same length. For every
combination, put one loop inside the other.""",
        wrong=f"""\
{HEADER}layers:
  - for: {{filters: [8, 16, 32], size: [5, 3]}}
    layers:
      - Conv2D: {{filters: $filters, kernel_size: $size}}
""",
        right=f"""\
{HEADER}layers:
  - for: {{filters: [8, 16, 32], size: [5, 3, 3]}}
    layers:
      - Conv2D: {{filters: $filters, kernel_size: $size}}
""",
    ),
)
