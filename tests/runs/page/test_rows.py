"""Rows in a page: what is kept where not everything fits."""

from __future__ import annotations

import numpy as np
import pytest

from textclassify.runs.page.rows import FEWEST_CHARACTERS, INTERESTING, embedded_rows
from textclassify.runs.run_view import RunView

from .test_writing import unpacked


def in_page(rows):
    return f'id="row-columns">{rows.columns}< id="row-texts">{rows.texts}<'


def test_everything_is_kept_where_there_is_room(made_up_run):
    """And nothing is said of cuts."""
    run = made_up_run(40, labels=3)
    rows = embedded_rows(RunView.of(run), 500_000)

    assert unpacked(in_page(rows), "texts") == list(run.predictions["text"])
    assert (rows.limit, rows.words) == (None, "")


def test_texts_of_wrong_answers_are_kept_longer(made_up_run):
    """They are the ones to read."""
    view = RunView.of(made_up_run(300, labels=3))
    rows = embedded_rows(view, 30_000)

    assert len(rows.columns) + len(rows.texts) <= 30_000
    lengths = np.array([len(text) for text in unpacked(in_page(rows), "texts")])
    wrong = view.suspect | ~view.correct
    assert lengths[~wrong].max() <= rows.limit + 1 < lengths[wrong].max() <= INTERESTING * rows.limit + 1
    assert f"{rows.limit:,} characters ({INTERESTING * rows.limit:,} where the answer is wrong" in rows.words


def test_rows_are_left_out_before_texts_cannot_be_read(made_up_run):
    """Wrong answers and suspect gold are the last to go."""
    view = RunView.of(made_up_run(2000, labels=3))
    rows = embedded_rows(view, 60_000)

    shown = unpacked(in_page(rows), "columns")["row"]
    assert rows.shown == len(shown) < 2000
    assert rows.limit >= FEWEST_CHARACTERS
    assert set(np.flatnonzero(view.suspect | ~view.correct)) <= set(shown)
    assert f"{rows.shown:,} of 2,000 rows are in this page" in rows.words


@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_are_numbers_of_a_table(made_up_run, multi_label):
    """Several labels, none and no answer included."""
    run = made_up_run(60, labels=4, multi_label=multi_label)
    columns = unpacked(in_page(embedded_rows(RunView.of(run), 500_000)), "columns")

    for numbers, column in ((columns["gold"], "gold"), (columns["said"][0], "label")):
        read = [None if one < 0 else [columns["labels"][k] for k in columns["answers"][one]] for one in numbers]
        assert read == [one if one is None or multi_label else [one] for one in run.predictions[column]]
