"""Codes of what goes wrong between the file and the positioned tree."""

from __future__ import annotations

from typing import Final

from archbuilder.diagnostics.codes.explanation import HEADER, HEADS_FILE, Explanation

EXPLANATIONS: Final = (
    Explanation(
        code="unreadable-file",
        title="A file is not there or cannot be read",
        text="""\
The blueprint, or a file that it imports, is missing, is a folder, or may not be read by you.
The path of an import counts from the folder of the file that it stands in.""",
        wrong=f"""\
{HEADER}imports:
  heads: ./haeds.yaml
layers:
  - Flatten
  - heads.classifier
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
    Explanation(
        code="outside-folder",
        title="An import leaves the folder of its file",
        text="""\
A blueprint may come from a stranger, so it reads no files but those in its own folder and
below. Move the imported file there, or, where you trust the blueprint, allow the other folder
yourself.""",
        wrong=f"""\
{HEADER}imports:
  heads: ../heads.yaml
layers:
  - Flatten
  - heads.classifier
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
    Explanation(
        code="encoding",
        title="The file is not UTF-8 text",
        text="""\
A blueprint is text in UTF-8, which is what editors write unless they are told otherwise. The
file holds bytes that are none: it was saved in another encoding, or is no text at all.""",
        wrong=f"""\
{HEADER}title: réseau
layers:
  - Flatten
""",
        right=f"""\
{HEADER}title: réseau
layers:
  - Flatten
""",
        encoding="latin-1",
    ),
    Explanation(
        code="yaml-syntax",
        title="The text is not YAML",
        text="""\
The file breaks a rule of YAML itself: a bracket that is not closed, indentation that does not
line up, a quote that does not end. Often the cause stands a line above the place that is
shown. Inside braces, ${width} and $(max(a, b)) are no YAML: write $width, and put the other
in quotes.""",
        wrong=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: [3, 3}}
""",
        right=f"""\
{HEADER}layers:
  - Conv2D: {{filters: 8, kernel_size: [3, 3]}}
""",
    ),
    Explanation(
        code="yaml-feature",
        title="A part of YAML that blueprints do not use",
        text="""\
Tags (!!int), merge keys (<<), directives (%YAML), several documents in one file, and an alias
within its own anchor are refused. Blocks and params do what merge keys do, and with better
messages.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Dense: !!int 10
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
""",
    ),
    Explanation(
        code="duplicate-key",
        title="A key is given twice",
        text="""\
YAML programs differ on what a key means that stands twice in one mapping; most take the last
one and say nothing. Here it is a mistake. Remove one of the two.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Dense: {{units: 10, activation: relu, units: 20}}
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: {{units: 20, activation: relu}}
""",
    ),
    Explanation(
        code="ambiguous-value",
        title="A value that YAML programs read differently",
        text="""\
Values such as 012, 1_000, 1:30 or 2024-01-01 are a number or a date to some YAML programs and
text to others. Write a number plainly (12, 1000), or put text in quotes ("012").""",
        wrong=f"""\
{HEADER}params:
  classes: 1_000
layers:
  - Flatten
  - Dense: $classes
""",
        right=f"""\
{HEADER}params:
  classes: 1000
layers:
  - Flatten
  - Dense: $classes
""",
    ),
    Explanation(
        code="invalid-number",
        title="A number that cannot be used",
        text="""\
Numbers are finite and whole numbers have a bounded count of digits: .inf, .nan and 1e999 are
refused, because no layer can do anything useful with them.""",
        wrong=f"""\
{HEADER}layers:
  - LeakyReLU: .inf
  - Flatten
""",
        right=f"""\
{HEADER}layers:
  - LeakyReLU: 0.1
  - Flatten
""",
    ),
    Explanation(
        code="invalid-character",
        title="A character that cannot be seen",
        text="""\
The text holds a control character, or one that changes the direction of writing or takes no
room. Such characters make a file look different from what it says. Delete it; it often comes
along when text is copied from a web page or a PDF.""",
        wrong=f"""\
{HEADER}title: "a\u202eb"
layers:
  - Flatten
""",
        right=f"""\
{HEADER}title: "ab"
layers:
  - Flatten
""",
    ),
    Explanation(
        code="limit",
        title="More than a blueprint may take",
        text="""\
A blueprint is read within bounds: of bytes, nesting, files, steps and the cost of
expressions, so that a file from a stranger cannot occupy the machine. The message names the
limit. Where you trust the file, raise that limit with --limit name=value, or with Limits() in
Python.""",
        wrong=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
    repeat: 1000000
""",
        right=f"""\
{HEADER}layers:
  - Flatten
  - Dense: 10
    repeat: 10
""",
    ),
)
