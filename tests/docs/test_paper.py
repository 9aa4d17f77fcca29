"""The software paper: its references are complete, and its figures are those of the benchmarks."""

from __future__ import annotations

import re

from .blocks import ROOT

PAPER = (ROOT / "paper" / "paper.md").read_text(encoding="utf-8")
RESULTS = (ROOT / "benchmarks" / "RESULTS.md").read_text(encoding="utf-8")


def test_what_is_cited_is_in_the_bibliography_and_the_other_way_round() -> None:
    """A missing key is printed as a question mark, an entry that nobody cites is a leftover."""
    entries = re.findall(r"^@\w+\{(\w+),", (ROOT / "paper" / "paper.bib").read_text(encoding="utf-8"), re.MULTILINE)

    assert len(entries) == len(set(entries))
    assert set(re.findall(r"@(\w+)", PAPER)) == set(entries)


def test_every_figure_of_the_paper_stands_among_the_results() -> None:
    """Figures in the paper are measured ones: three digits, or the same as a percentage with one or two."""
    figures = set(re.findall(r"\b0\.\d{3}\b", PAPER))

    assert figures
    assert not {figure for figure in figures if figure not in RESULTS and f"{100 * float(figure):.1f}" not in RESULTS}
