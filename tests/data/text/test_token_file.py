"""Files of tokens in the directory of a run, which another person may have written."""

from __future__ import annotations

from pathlib import Path

import pytest

from archbuilder.data.text.token_file import read_tokens
from archbuilder.diagnostics.errors import RunError
from archbuilder.files.sandbox import SandboxPath


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<u2', 'fortran_order': False, 'shape': (-1,)}",
        "{'descr': '|O', 'fortran_order': False, 'shape': (2,)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (2**40,)}",
        "{'descr': '<u2', 'fortran_order': False, 'shape': (",
        "  {'descr': 1",
        "{[]: 1}",
    ],
)
def test_damaged_headers(header: str, tmp_path: Path):
    """Each is an error that names the file."""
    file = tmp_path / "tokens.npy"
    text = header.encode().ljust(117) + b"\n"
    file.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(64))
    with pytest.raises(RunError, match=r"tokens\.npy' is not a token file"):
        read_tokens(SandboxPath(tmp_path).joinpath("tokens.npy"))
