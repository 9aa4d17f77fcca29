"""Yes/no questions and lists together."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.core.scales import Status
from textclassify.errors import ConfigError
from textclassify.rac.verification import verify
from textclassify.rac.verifying.questions import Questions

from ..checking import Believer, candidates  # noqa: TID252 - a helper of several folders of tests

LABELS = LabelSchema(("cat", "bill", "dog"))
TRIED = candidates([[0, 1, 2]])


def likes(_text, name):
    return {"cat": 2.0, "bill": -1.0, "dog": 0.0}[name]


def asked(model, decision):
    return verify(["x"], TRIED, Questions(LABELS), model, decision)


def test_the_evidence_is_the_sum_of_what_each_kind_says():
    both, single, listed = (asked(Believer(likes), decision) for decision in ("both", "best", "listwise"))

    np.testing.assert_allclose(both.log_odds, single.log_odds + listed.log_odds)
    np.testing.assert_array_equal(both.said_yes, single.said_yes)
    assert both.calls.tolist() == [3 + 2]
    assert both.cost == pytest.approx(single.cost + listed.cost)


def test_where_one_kind_has_no_answer_the_other_counts_twice():
    model = Believer(likes, silent_about=[("x", "Label: cat")])

    found = asked(model, "both")

    np.testing.assert_allclose(found.log_odds[0, 0], 2 * asked(Believer(likes), "listwise").log_odds[0, 0])
    assert found.status[0] != Status.OK


def test_it_is_for_one_label_per_text():
    several = LabelSchema(LABELS.names, multi_label=True)

    with pytest.raises(ConfigError, match="'best'"):
        verify(["x"], TRIED, Questions(several), Believer(likes), "both")
