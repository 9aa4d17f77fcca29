"""Answers under a policy: what is asked, what is withheld, and what is said in the end."""

from __future__ import annotations

import pytest

from textclassify.apps import answering as module
from textclassify.apps.answering import Answering, policy_for
from textclassify.core.scales import Status
from textclassify.ensemble.policy import Policy
from textclassify.errors import ConfigError, DataError
from textclassify.testing import FixedClassifier

from ..asking import TEST, asking_classifier, asking_fusion  # noqa: TID252 - a helper of several folders of tests


def in_pieces(answering: Answering, size: int = 70) -> list[list[str]]:
    cut = (TEST[start : start + size] for start in range(0, len(TEST), size))
    return list(answering.pieces(cut))


def test_a_share_works_piece_by_piece() -> None:
    """It is a threshold: where the cuts are changes no answer."""
    answering = Answering(asking_fusion(), Policy("20%"))

    found = [answer for piece in in_pieces(answering) for answer in answering.answer(piece)[0].predictions]

    assert not answering.needs_all_rows
    assert found == asking_fusion().predict(TEST, llm_budget="20%").predictions
    assert answering.n_asked == asking_fusion().predict(TEST, llm_budget="20%").metadata["asked"]


@pytest.mark.parametrize("policy", [Policy("20 calls"), Policy("$1.50"), Policy(7), Policy(label_shift=True)])
def test_what_is_for_all_rows_together_waits_for_all(policy: Policy) -> None:
    """Twenty calls in each piece would be many times twenty."""
    answering = Answering(asking_fusion(), policy)

    assert answering.needs_all_rows
    assert in_pieces(answering) == [TEST]


def test_more_rows_than_fit_into_memory_are_refused_with_a_remedy(monkeypatch) -> None:
    """Before anything is asked."""
    monkeypatch.setattr(module, "MOST_AT_ONCE", 100)

    with pytest.raises(DataError, match=r"20 calls is for all rows together.*more than 100; give --llm-budget as a"):
        in_pieces(Answering(asking_fusion(), Policy("20 calls")))


def test_withheld_answers_are_counted_apart_from_failures() -> None:
    """One is a choice, the other is not."""
    answering = Answering(asking_fusion(), Policy(0.05, 0.05))

    result, _ = answering.answer([*TEST, ""])

    withheld = int((result.status == Status.ABSTAINED).sum())
    assert answering.n_abstained == withheld > 20
    words = list(answering.summary())
    assert f"{withheld + 1} of 301 rows have no answer, {withheld} of them withheld to keep max_risk" in words[1]
    assert "promised with 95% confidence" in words[2]


def test_a_guarantee_that_cannot_be_given_is_known_before_anything_is_asked() -> None:
    """Not after the first ten thousand paid answers."""
    llm = asking_fusion().sources_["llm"]
    llm.asked.clear()

    with pytest.raises(DataError, match="cannot be promised"):
        Answering(asking_fusion(), Policy(max_risk=0.001))
    assert llm.asked == []


def test_sets_come_with_what_they_promise_and_cost_nothing_more() -> None:
    """A language model is asked once for both."""
    llm = asking_fusion().sources_["llm"]
    llm.asked.clear()
    answering = Answering(asking_fusion(), Policy("30%"), alpha=0.1)

    result, sets = answering.answer(TEST)

    assert sets == asking_fusion().predict_set(TEST, 0.1, llm_budget="30%").sets
    assert llm.asked[: answering.n_asked] == [
        text for text, asked in zip(TEST, result.sources["llm"].answered, strict=True) if asked
    ]
    assert any("of the sets miss the label" in sentence for sentence in answering.summary())


def test_sets_are_not_promised_for_shifted_labels() -> None:
    """The guard's texts have other shares."""
    with pytest.raises(ConfigError, match="--sets and --label-shift exclude each other"):
        Answering(asking_fusion(), Policy(label_shift=True), alpha=0.1)


@pytest.mark.parametrize(("policy", "alpha"), [(Policy("20%"), None), (Policy(max_risk=0.1), None), (Policy(), 0.1)])
def test_only_a_fusion_keeps_a_policy(policy: Policy, alpha: float | None) -> None:
    """A budget that were ignored would be paid for."""
    with pytest.raises(ConfigError, match="FixedClassifier keeps no --llm-budget"):
        Answering(FixedClassifier({"a": [1, 0]}), policy, alpha)


def test_flags_count_more_than_the_configuration() -> None:
    """And what no flag names is the configuration's."""
    classifier = asking_classifier(llm_budget="20%", max_risk=0.1)

    assert policy_for(classifier) == Policy("20%", 0.1)
    assert policy_for(classifier, "50%", 1) == Policy("50%", None)
    assert policy_for(asking_fusion(), max_risk=0.2, confidence=0.9) == Policy(None, 0.2, 0.9)


def test_a_bound_of_the_configuration_is_lifted_by_a_flag() -> None:
    """The classifier itself would put it back."""
    classifier = asking_classifier(llm_budget=0.05, max_risk=0.05)

    result, _ = Answering(classifier, policy_for(classifier, max_risk=1)).answer(TEST)

    assert (result.status == Status.OK).all()
