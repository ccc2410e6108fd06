"""Write docs/parity.md from the JUnit XML report of `make parity`.

python scripts/generate_parity_page.py REPORT.xml
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

OUTPUT: Final = Path(__file__).parent.parent / "docs" / "parity.md"

HEAD: Final = """\
# Parity

Networks of the library at published sizes, compared with an independent implementation that has the
same random weights. The difference is the largest absolute difference between two outputs, relative
to the largest output; `make parity` fails above 0.00001. Networks compute in float32, and in
float64 where the rounding errors of float32 alone come close to that bound. Seconds were measured
on one or two processor cores and give an idea of the duration.

| blueprint | compared with | difference | seconds |
|---|---|---:|---:|
"""


def page_text(report: Path) -> str:
    """Return the text of the page for a report."""
    # pytest has just written this report, so its XML is trusted.
    cases = ET.parse(report).getroot().iter("testcase")  # noqa: S314
    lines: list[str] = []
    for case in cases:
        properties = {each.get("name"): each.get("value") for each in case.iter("property")}
        if "difference" in properties:
            seconds = round(float(case.get("time", "0")))
            difference = float(properties["difference"] or "nan")
            lines.append(
                f"| {properties['blueprint']} | {properties['reference']} | {difference:.1e} |"
                f" {seconds} |\n"
            )
    return HEAD + "".join(sorted(lines)) + "\nThis page is written by `make parity`.\n"


if __name__ == "__main__":
    OUTPUT.write_text(page_text(Path(sys.argv[1])), encoding="utf-8")
