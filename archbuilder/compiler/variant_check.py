"""Checks of the variants of a file, and of the expectations about them."""

from __future__ import annotations

from archbuilder.compiler.parameters import ParameterOwner, ParameterValue, check_parameter_values
from archbuilder.diagnostics.errors import Diagnostics, closest_match, quote
from archbuilder.language.document import Document


def check_variants(document: Document, diagnostics: Diagnostics) -> None:
    """Report values of variants that their parameters do not take, and unknown variants.

    Values of variants are plain: `$` in them is text. Whether a variant gives all required
    parameters is checked when it is expanded.
    """
    for variant in document.variants.values():
        check_parameter_values(
            document.params,
            [ParameterValue(name, tree, span) for name, tree, span in variant.values],
            ParameterOwner("the blueprint", "parameter"),
            diagnostics,
            allow_expressions=False,
        )
    variants = ["default", *document.variants]
    for name, expectation in document.expectations.items():
        if name not in variants:
            diagnostics.error(
                "unknown-variant",
                f"there is no variant {quote(name)}",
                expectation.span,
                suggestion=closest_match(name, variants),
                notes=(f"the variants are: {', '.join(variants)}",),
            )
