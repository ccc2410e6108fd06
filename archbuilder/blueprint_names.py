"""Names and paths of blueprints, as users write them."""

from __future__ import annotations

import os
from pathlib import Path

from archbuilder import zoo
from archbuilder.diagnostics.errors import UsageError, closest_match, quote
from archbuilder.files import path_status
from archbuilder.files.blueprint_files import YAML_SUFFIXES, check_exists


def resolve_blueprint(blueprint: str) -> tuple[Path, str | None]:
    """Return the path and the variant of `squeezenet`, `resnet:50` or `nets/my.yaml:tiny`.

    The variant is None if none is named.

    Raises:
        UsageError: if there is neither such a file nor a blueprint of that name in the library, or
            if nothing follows after the colon.
    """
    if not blueprint:
        raise UsageError(
            "a blueprint must be a file or the name of one in the library, not an empty string"
        )
    head, colon, tail = blueprint.rpartition(":")
    # The name of an existing file may itself contain a colon.
    if _is_path(blueprint) or not colon:
        head, variant = blueprint, None
    else:
        variant = tail
    if variant == "":
        raise UsageError(f"the variant is missing after the colon in {quote(blueprint)}")
    if _is_path(head):
        return Path(head), variant
    if head in zoo.names() or head in zoo.example_names():
        return zoo.path(head), variant
    near = closest_match(head, (*zoo.names(), *zoo.example_names()))
    if near is None and os.sep in head:
        check_exists(Path(head))
    hint = f"did you mean '{near}'?" if near else "to see the library, run 'archbuilder list'"
    raise UsageError(f"{quote(head)} is neither a file nor a blueprint in the library; {hint}")


def _is_path(text: str) -> bool:
    """Return whether a text is the path of a file, rather than a name in the library."""
    # By suffix too: a missing file should be reported as missing, not as an unknown name.
    return text.endswith(YAML_SUFFIXES) or path_status.exists(text)
