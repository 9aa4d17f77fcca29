"""Cells that a spreadsheet would run as a formula: marked, and nothing else is."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.csv_cells import escaped_cell, unescaped_cell

FORMULAS = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "="]
FORMULAS += ["+49 170 1", "- a list", "\uff1d1+1", "-inf"]
OTHERS = ["", "a = b", "1-2", "-5", "+3.5", "-1,234.50", "-1e-5", "-12 %", "'=x", -5, 1.5, None, True]


@pytest.mark.parametrize("text", FORMULAS)
def test_what_a_spreadsheet_would_run_is_marked(text):
    """Texts come from strangers, and somebody opens the file with a double click."""
    assert escaped_cell(text) == f"'{text}"


@pytest.mark.parametrize("value", OTHERS)
def test_numbers_and_other_texts_stay(value):
    """A number with a quotation mark is a text, and sums leave it out."""
    assert escaped_cell(value) is value


@given(st.text(alphabet="=+-@'\t1a ") | st.text())
def test_a_marked_cell_can_be_unmarked(text):
    """A review file goes back into the data, where its texts must be found again."""
    if escaped_cell(text) != text:
        assert unescaped_cell(escaped_cell(text)) == text
