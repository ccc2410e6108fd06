"""Codes of files that are YAML but have not the form of a blueprint."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="unknown-key",
        title="A key that means nothing at its place",
        text="""\
Files, blocks, steps and declarations have a fixed set of keys. This one is not among them: it
is mistyped, or stands at the wrong indentation. A step does one thing, so a second layer in
one step is an unknown key too: begin it with '-'.""",
        wrong=f"""\
{HEADER}layres:
  - Conv2D: {{filters: 8, kernel_size: 3}}
layers:
  - Flatten
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
  - Flatten
""",
    ),
    Explanation(
        code="missing-key",
        title="A key is not there",
        text="""\
Every blueprint says which version of the language it is in (archbuilder: 1), and a network
has 'inputs' and 'layers'.""",
        wrong="""\
archbuilder: 1
layers:
  - Dense: 10
""",
        right="""\
archbuilder: 1
inputs:
  features: [20]
layers:
  - Dense: 10
""",
    ),
    Explanation(
        code="wrong-form",
        title="A value of another form than its key takes",
        text="""\
A mapping stands where a list is taken, a number where a name is, and so on. 'layers' is a
list of steps, each begun with '-'; 'inputs' of a network and 'params' are mappings.""",
        wrong=f"""\
{HEADER}layers:
  Flatten:
  Dense: 10
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
""",
    ),
    Explanation(
        code="unsupported-version",
        title="Another version of the language",
        text="""\
The first line of a blueprint names the version of the language that it is written in. This
archbuilder reads version 1; a newer version needs a newer archbuilder.""",
        wrong="""\
archbuilder: 2
inputs:
  image: [28, 28, 1]
layers:
  - Flatten
""",
        right=f"""\
{HEADER}layers:
  - Flatten
""",
    ),
    Explanation(
        code="invalid-name",
        title="A text that cannot be a name",
        text="""\
Names are made of letters, digits and '_', do not begin with a digit, and are not long. Those
of blocks and imports are in lower case, so that they never clash with the layers of Keras.
Names that expressions use for something else (max, if, true) cannot name a parameter.""",
        wrong=f"""\
{HEADER}blocks:
  my block:
    layers:
      - Flatten
layers:
  - my block
""",
        right=f"""\
{HEADER}blocks:
  my_block:
    layers:
      - Flatten
layers:
  - my_block
""",
    ),
    Explanation(
        code="duplicate-name",
        title="A name is used twice",
        text="""\
Within a block every step, input and output has a name of its own; loops and branches make no
new scope. In a loop, make the name different each time: name: skip$i.""",
        wrong=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
    name: features
  - Conv2D: {{filters: 8, kernel_size: 3}}
    name: features
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
    name: features1
  - Conv2D: {{filters: 8, kernel_size: 3}}
    name: features2
""",
    ),
)
