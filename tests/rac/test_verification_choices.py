"""Choices among candidates: a model's liking for a place cancels out, its knowledge does not."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import log_softmax

from textclassify import LabelSchema
from textclassify.core.scales import Status
from textclassify.rac.verification import verify
from textclassify.rac.verifying.listwise import orders_of
from textclassify.rac.verifying.questions import Questions

from .checking import Believer, candidates

NAMES = ("ant", "bill", "cat", "dog", "parcel")
LABELS = LabelSchema(NAMES)
BELIEFS = st.lists(st.floats(-4, 4), min_size=5, max_size=5)
PLACES = st.lists(st.floats(-3, 3), min_size=5, max_size=5)


def believing(odds, **options):
    return Believer(lambda _, name: odds[NAMES.index(name)] if name in NAMES else 0.0, **options)


@settings(max_examples=40, deadline=None)
@given(BELIEFS, st.permutations(range(5)), st.integers(1, 6))
def test_without_a_liking_for_places_the_order_of_candidates_changes_nothing(odds, order, orders):
    found = verify(["text"], candidates([order]), Questions(LABELS), believing(odds), "listwise", orders=orders)

    expected = log_softmax(np.array(odds)[order]) + np.log(5)
    np.testing.assert_allclose(found.log_odds[0], expected, atol=1e-6)


@settings(max_examples=40, deadline=None)
@given(PLACES)
def test_a_model_that_only_likes_places_says_nothing(places):
    """Every candidate stands at every place once in all cyclic orders."""
    model = believing([0.0] * 5, places=places)

    found = verify(["text"], candidates([[3, 1, 0, 4, 2]]), Questions(LABELS), model, "listwise", orders=5)

    np.testing.assert_allclose(found.log_odds, np.zeros((1, 5)), atol=1e-9)


def test_the_reversed_order_takes_out_most_of_a_liking_for_the_first_place():
    """One order puts all the liking on the candidate that stands first."""
    places = (2.0, 1.0, 0.0)
    spread = [
        np.ptp(
            verify(
                ["text"],
                candidates([[0, 1, 2]]),
                Questions(LABELS),
                believing([0.0] * 5, places=places),
                "listwise",
                orders=orders,
            ).log_odds
        )
        for orders in (1, 2)
    ]

    assert spread[0] == pytest.approx(2.0)
    assert spread[1] == pytest.approx(0.0, abs=1e-9)


@pytest.mark.parametrize("orders", [1, 2, 3, 5, 9])
def test_no_order_is_asked_twice(orders):
    shown = [tuple(order) for order in orders_of(5, orders)]

    assert len(set(shown)) == len(shown) == min(orders, 5)
    assert all(sorted(order) == [0, 1, 2, 3, 4] for order in shown)


def test_with_none_of_these_evidence_is_measured_against_it():
    found = verify(
        ["text"], candidates([[0, 1]]), Questions(LABELS), believing([2.0, -1.0, 0, 0, 0]), "listwise", none_option=True
    )

    np.testing.assert_allclose(found.log_odds, [[2.0, -1.0]], atol=1e-9)
    assert found.said_yes.tolist() == [[1, 0]]


def test_without_none_of_these_nothing_is_turned_down():
    """The best of a choice is no yes, and the others are no "no"."""
    found = verify(["text"], candidates([[0, 1]]), Questions(LABELS), believing([2.0, -1.0, 0, 0, 0]), "listwise")

    assert np.isnan(found.said_yes).all()


def test_a_lone_candidate_is_only_asked_about_beside_none_of_these():
    model = believing([1.5, 0, 0, 0, 0])

    alone = verify(["text"], candidates([[0, -1]]), Questions(LABELS), model, "listwise")
    beside = verify(["text"], candidates([[0, -1]]), Questions(LABELS), model, "listwise", none_option=True)

    assert np.isnan(alone.log_odds).all()
    assert alone.calls.tolist() == [0]
    np.testing.assert_allclose(beside.log_odds, [[1.5, np.nan]])
    assert beside.calls.tolist() == [1]


def test_an_order_without_an_answer_is_left_out():
    """What the other order said stands, and the row is not called failed."""
    odds = [1.0, 0.0, -1.0, 0, 0]
    model = believing(odds, silent_about=[("text", "A: cat")])

    found = verify(["text"], candidates([[0, 1, 2]]), Questions(LABELS), model, "listwise")

    np.testing.assert_allclose(found.log_odds[0], log_softmax(odds[:3]) + np.log(3), atol=1e-9)
    assert found.status.tolist() == [Status.OK]
    assert found.calls.tolist() == [2]


def pair_judge(lead):
    """Return a model that finds all alike in a list, and in a pair the first in schema order better by `lead`."""
    model = believing([0.0] * 5)
    listwise = model._answer

    def answer(asked, choice):
        if "two labels" not in asked:
            return listwise(asked, choice)
        first, second = (asked.index(f": {name}\n") for name in ("ant", "bill"))
        return log_softmax([lead, 0.0] if first < second else [0.0, lead])

    model._answer = answer
    return model


def test_a_pair_asked_about_shares_out_what_the_two_have_together():
    """The same model compares the same two twice: half of the second reading counts, and the third keeps its share."""
    found = verify(
        ["text"], candidates([[1, 0, 2]]), Questions(LABELS), pair_judge(3.0), "pairwise", prior=[[-1, -1, -5]]
    )

    shares = np.exp(found.log_odds[0]) / 3
    assert shares.sum() == pytest.approx(1)
    assert shares[2] == pytest.approx(1 / 3)
    assert found.log_odds[0, 1] - found.log_odds[0, 0] == pytest.approx(1.5)


def test_the_pair_is_the_best_two_by_prior_and_evidence():
    model = believing([0.0, 0.0, 3.0, 0.0, 0.0])

    verify(["text"], candidates([[0, 1, 2]]), Questions(LABELS), model, "pairwise", prior=[[-1.0, -4.0, -3.0]])

    asked = [choice.messages[-1].content for choice in model.waves[1]]
    assert len(asked) == 2
    assert all("ant" in words and "cat" in words and "bill" not in words for words in asked)


@pytest.mark.parametrize(("weight", "with_ant"), [(1.0, False), (0.1, True)])
def test_what_the_evidence_counts_has_a_say_in_who_is_compared(weight, with_ant):
    model = believing([-2.0, 0.0, 1.0, 0.0, 0.0])

    verify(
        ["text"],
        candidates([[0, 1, 2]]),
        Questions(LABELS),
        model,
        "pairwise",
        prior=[[-1.0, -2.0, -2.0]],
        weight=weight,
    )

    assert ("ant" in model.waves[1][0].messages[-1].content) == with_ant


def test_a_pair_without_an_answer_leaves_what_the_list_said():
    odds = [1.0, 0.0, -1.0, 0, 0]
    model = believing(odds, silent_about=[("text", "two labels")])

    found = verify(["text"], candidates([[0, 1, 2]]), Questions(LABELS), model, "pairwise")

    np.testing.assert_allclose(found.log_odds[0], log_softmax(odds[:3]) + np.log(3), atol=1e-9)
    assert found.status.tolist() == [Status.OK]
