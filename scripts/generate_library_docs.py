"""Writes docs/library.md, the table of the blueprints in the library: `make library`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

import archbuilder
from archbuilder import library

OUTPUT: Final = Path(__file__).parent.parent / "docs" / "library.md"

PROOFS: Final[Mapping[str, str]] = {
    "digits_cnn": "no publication; `make demo` trains it",
    "googlenet": "PyTorch, written by hand",
    "lenet5": "numpy, written by hand",
    "mlp": "numpy, written by hand",
    "perceptron": "numpy, written by hand",
    "resnet": "`keras.applications`",
    "squeezenet": "torchvision",
    "transformer_encoder": "`torch.nn.TransformerEncoderLayer`",
    "unet": "PyTorch, written by hand",
    "vgg": "`keras.applications` (16, 19), table 1 of the paper (11, 13)",
}
"""What each blueprint is compared with, by tests/library; the rest is counted."""

HEAD: Final = """\
# The library

The blueprints that come with archbuilder, in `blueprints/`. `archbuilder compile resnet:50` makes
one of them; `archbuilder show resnet:50` shows it. Their promises are published numbers, or
arithmetic from the paper's table, and never what archbuilder counted itself.

Multiply-adds are those of convolutions and dense layers for one example (one token for the
Transformer). "Proven against" names the independent implementation that gives the same outputs with
the same weights, to a part in 100,000 of the largest. `make test` compares small forms with it,
`make proofs` full sizes.

| blueprint | variant | parameters | multiply-adds | proven against |
|---|---|---:|---:|---|
"""

TAIL: Final = """
What the files follow where papers and their code differ:

- **resnet** has the stride of a stage in its first 1x1 convolution, as the paper does, pads as
  `keras.applications` does, and has biases in its convolutions only with `use_bias: true`.
  Parameters are counted with the statistics of batch normalisation.
- **squeezenet** 1.0 pads conv10 by 1, as the authors' file does; `final_padding: 0` leaves it out.
- **googlenet** rounds up where it pools, as Caffe does, which is `same` on maps of even size, and
  divides the `alpha` of its response normalisation by 5, as Caffe does.
- **unet** crops its skips, as the paper does; the variant `same` pads instead.
- **lenet5** is the form of the textbooks; the paper's has 60,000 parameters.
- **transformer_encoder** has biases in its attention; tensor2tensor has none.

This page is written by `make library`.
"""


def library_text() -> str:
    """The page."""
    rows = [row for name in library.names() for row in _rows(name)]
    return HEAD + "\n".join(rows) + "\n" + TAIL


def _rows(name: str) -> Iterator[str]:
    blueprint = archbuilder.load(library.path(name))
    titled = f"[{name}](../blueprints/{name}.yaml)<br>{blueprint.title}"
    proof = PROOFS[name]
    for variant, label in _labels(blueprint):
        (analysis,) = blueprint.analyse(variant=variant).values()
        counts = f"{analysis.parameters:,} | {analysis.multiply_adds:,}"
        yield f"| {titled} | {label} | {counts} | {proof} |"
        titled = proof = ""


def _labels(blueprint: archbuilder.Blueprint) -> Iterator[tuple[str, str]]:
    """The variants with what to call them; the default stands alone if it is none of them."""
    default = blueprint.expand()
    same = [name for name in blueprint.variants if blueprint.expand(variant=name) == default]
    if not same:
        yield "default", "default"
    for name in blueprint.variants:
        yield name, f"{name} (default)" if name in same else name


if __name__ == "__main__":
    OUTPUT.write_text(library_text(), encoding="utf-8")
