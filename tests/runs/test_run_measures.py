"""What is drawn and listed of a run's rows."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.runs.run_measures import confusions, coverage_risk, level_figures, missed_and_added, reliability
from textclassify.runs.run_view import RunView, SystemAnswers

NAMES = ("a", "b", "c")


def view_of(gold, codes, probabilities, *, parents=None, sources=(), multi_label=False) -> RunView:
    gold, codes, shares = (np.array(one) for one in (gold, codes, probabilities))
    n = len(gold)
    sure = np.where(codes < 0, np.nan, shares.max(axis=1)) if not multi_label else shares.max(axis=1)
    systems = (SystemAnswers("fusion", codes, sure), *sources)
    schema = LabelSchema(NAMES, parents=parents or {}, multi_label=multi_label)
    return RunView("r", schema, ["t"] * n, gold, systems, shares.astype(float), ["ok"] * n, np.zeros(n, dtype=bool))


@pytest.fixture
def view() -> RunView:
    shares = [[0.9, 0.05, 0.05], [0.2, 0.5, 0.3], [0.1, 0.3, 0.6], [0.8, 0.1, 0.1], [np.nan] * 3]
    return view_of([0, 2, 2, -1, 1], [0, 1, 2, 0, -1], shares, parents={"b": "c"})


def test_claims_are_held_against_known_gold_only(view):
    """Neither a text without gold nor one without an answer says anything."""
    found = reliability(view)

    assert sum(found.counts) == 3
    assert found.claimed == pytest.approx([2 / 3])
    assert found.came_true[0].estimate == pytest.approx(2 / 3)
    assert found.gap == pytest.approx(0)


def test_the_surest_answers_come_first(view):
    """A text without an answer is not covered."""
    points = coverage_risk(view, shares=(0.25, 0.5, 1.0))

    assert [(point.answered, point.confidence) for point in points] == [(1, 0.9), (2, 0.6), (3, 0.5)]
    assert [point.coverage for point in points] == [0.25, 0.5, 0.75]
    assert [round(point.risk.estimate, 3) for point in points] == [0, 0, 0.333]


def test_confusions_count_every_known_row(view):
    """No answer is a column of its own."""
    found = confusions(view)

    assert found.answers == ("a", "b", "c", "no answer")
    assert found.counts.tolist() == [[1, 0, 0, 0], [0, 0, 0, 1], [0, 1, 1, 0]]


def test_many_labels_are_merged_without_losing_a_row(view):
    """Those with most errors stay."""
    found = confusions(view, limit=1)

    assert (found.gold, found.answers) == (("b", "other labels"), ("b", "other labels", "no answer"))
    assert found.counts.tolist() == [[0, 0, 1], [1, 2, 0]]


def test_broader_labels_are_right_more_often(view):
    """`b` stands under `c`, so taking one for the other is right there."""
    top, leaves = level_figures(view)

    assert (top.labels, leaves.labels) == (2, 3)
    assert (top.right.estimate, leaves.right.estimate) == (0.75, 0.5)


def test_missed_labels_are_paired_with_those_that_came_instead():
    """In the same text, the most frequent pair first."""
    view = view_of([[1, 0, 0]] * 3, [[0, 1, 0], [0, 1, 0], [1, 0, 1]], [[0.5] * 3] * 3, multi_label=True)

    assert missed_and_added(view) == [(0, 1, 2)]


def test_sources_disagree_where_answers_differ():
    """A source without an answer has no say, and neither has the fusion without its language models."""
    one = SystemAnswers("one", np.array([0, 0, 1]), np.ones(3))
    two = SystemAnswers("two", np.array([0, 1, -1]), np.ones(3))
    without = SystemAnswers("without the LLM", np.array([2, 2, 2]), np.ones(3))

    view = view_of([0, 0, 0], [0, 0, 0], [[0.8, 0.1, 0.1]] * 3, sources=(one, two, without))

    assert view.disagreed.tolist() == [False, True, False]


def test_sources_disagree_on_sets_of_labels_as_well():
    """Equal sets agree; the empty one is an answer."""
    one = SystemAnswers("one", np.array([[1, 0, 1], [0, 0, 0], [1, 0, 0]]), np.ones(3))
    two = SystemAnswers("two", np.array([[1, 0, 1], [0, 0, 1], [-1, -1, -1]]), np.ones(3))

    view = view_of([[0, 0, 0]] * 3, [[0, 0, 0]] * 3, [[0.1] * 3] * 3, sources=(one, two), multi_label=True)

    assert view.disagreed.tolist() == [False, True, False]


def test_a_view_reads_a_run_by_its_columns(made_up_run):
    """Labels as text, None where there is none."""
    run = made_up_run(30, labels=4)
    view = RunView.of(run)

    names = [one.name for one in view.systems]
    assert names == ["fusion", "linear", "encoder", "deepseek", "similarity"]
    pd.testing.assert_series_equal(
        pd.Series([None if one is None else one[0] for one in view.labels_of(view.first.codes)], dtype=object),
        run.predictions["label"],
        check_names=False,
    )
    assert view.correct.tolist() == (run.predictions["gold"] == run.predictions["label"]).tolist()
