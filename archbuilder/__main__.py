"""`python -m archbuilder` is the command `archbuilder`."""

from __future__ import annotations

import sys

from archbuilder.cli import main

if __name__ == "__main__":
    sys.exit(main())
