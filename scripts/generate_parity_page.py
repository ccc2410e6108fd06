"""Writes docs/proofs.md from what `make proofs` measured: its report in JUnit's XML.

python scripts/generate_proofs_page.py REPORT.xml
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

OUTPUT: Final = Path(__file__).parent.parent / "docs" / "proofs.md"

HEAD: Final = """\
# Proofs

Networks of the library at published sizes, with the same random weights as an independent
implementation: those that were compared when this page was last written. The difference is the
largest between any two outputs, as a part of the largest output, in float32; `make proofs` fails
above 0.00001. Seconds are those of one processor core or two, and are here to say what to expect.

| blueprint | compared with | difference | seconds |
|---|---|---:|---:|
"""


def page_text(report: Path) -> str:
    """The page for a report."""
    # The report is our own, just written by pytest.
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    return HEAD + "".join(sorted(_lines(cases))) + "\nThis page is written by `make proofs`.\n"


def _lines(cases: Iterator[ET.Element]) -> Iterator[str]:
    for case in cases:
        told = {each.get("name"): each.get("value") for each in case.iter("property")}
        if "difference" in told:
            seconds = round(float(case.get("time", "0")))
            difference = float(told["difference"] or "nan")
            yield f"| {told['blueprint']} | {told['against']} | {difference:.1e} | {seconds} |\n"


if __name__ == "__main__":
    OUTPUT.write_text(page_text(Path(sys.argv[1])), encoding="utf-8")
