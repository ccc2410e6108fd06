"""Codes of what is declared and never used: warnings, since the model is right without it."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, HEADS_FILE, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="unused-parameter",
        title="A parameter that nothing reads",
        text="""\
The parameter is declared and no formula reads it, so setting it changes nothing. Use it or
remove it.""",
        severity="warning",
        wrong=f"""\
{HEADER}params:
  classes: 10
layers:
  - Flatten
  - Dense: 10
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
        code="unused-step",
        title="A step whose output goes nowhere",
        text="""\
No later step takes the output of this one, and it is no output of the block, so the model is
built without it. Often a 'from' behind it jumps over it.""",
        severity="warning",
        wrong=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
  - Flatten:
    from: image
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: 3}}
  - Flatten
""",
    ),
    Explanation(
        code="unused-block",
        title="A block that no step uses",
        text="""\
The block is declared and neither the network nor another block in use has a step of it. Use
it or remove it.""",
        severity="warning",
        wrong=f"""\
{HEADER}blocks:
  fire:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 1}}
layers:
  - Flatten
""",
        right=f"""\
{HEADER}blocks:
  fire:
    layers:
      - Conv2D: {{filters: 8, kernel_size: 1}}
layers:
  - fire
  - Flatten
""",
    ),
    Explanation(
        code="unused-import",
        title="An import that no step uses",
        text="""\
The file is imported and no step uses it or a block of it. Use it or remove it.""",
        severity="warning",
        wrong=f"""\
{HEADER}imports:
  heads: ./heads.yaml
layers:
  - Flatten
""",
        right=f"""\
{HEADER}imports:
  heads: ./heads.yaml
layers:
  - Flatten
  - heads.classifier
""",
        imported_files=(HEADS_FILE,),
    ),
)
