"""What a freshly fitted fusion says of its own use."""

from __future__ import annotations

import json

import pytest

from textclassify import FusionEnsemble, LinearClassifier
from textclassify.ensemble.policy import Policy
from textclassify.runs.advice import Advice, advice_on
from textclassify.runs.systems import json_safe

from ..asking import asking_fusion  # noqa: TID252 - a helper of several folders of tests


@pytest.fixture(scope="module")
def advice() -> Advice:
    return advice_on(asking_fusion(), cost_per_call=0.01)


@pytest.fixture(scope="module")
def small() -> FusionEnsemble:
    """Return a fusion without a language model, and without enough rows for a guard."""
    texts = [f"{word} {row}" for row in range(20) for word in ("invoice", "parcel")]
    fusion = FusionEnsemble({"linear": LinearClassifier()}, fusion_epochs=3, fusion_lr=0.1)
    return fusion.fit(texts, ["billing", "delivery"] * 20)


def test_the_recommended_budget_can_be_typed(advice: Advice) -> None:
    """It is the share that the curve recommends."""
    assert advice.curve is not None
    assert advice.budget == "30%"
    assert advice.curve.recommended.share == 0.3
    assert "$2.52" in str(advice.curve.recommended)


def test_what_the_guard_supports(advice: Advice) -> None:
    """A user learns beforehand which flag works."""
    assert advice.guard.n_rows == 210
    assert "max_risk 5% is supported" in str(advice.guard)
    assert "210 guard rows" in advice.guard.words


def test_a_risk_that_is_not_supported_says_what_it_would_take() -> None:
    """An error after training would be of no use."""
    guard = advice_on(asking_fusion(), Policy(max_risk=0.001)).guard

    assert guard.share_accepted is None
    assert "it takes" in str(guard)


def test_a_guarantee_is_judged_under_the_budget_it_is_sold_with() -> None:
    """Where few texts are asked about, fewer answers are sure enough."""
    asked, hardly = (advice_on(asking_fusion(), Policy(budget, 0.05)).guard for budget in (None, 0.05))

    assert asked.share_accepted is not None
    assert hardly.share_accepted is not None
    assert hardly.share_accepted < asked.share_accepted


def test_a_fusion_that_asks_nobody_has_no_curve(small: FusionEnsemble) -> None:
    """And nothing to save."""
    advice = advice_on(small)

    assert (advice.curve, advice.budget) == (None, None)
    assert "at least 1,000 rows" in str(advice.guard)


def test_settings_without_effect_are_called_as_in_the_configuration(small: FusionEnsemble) -> None:
    """The names that a user wrote down, not those of a class inside."""
    assert advice_on(small, Policy("20%")).without_effect == ("fusion_lr", "fusion_epochs", "llm_budget")


def test_it_can_be_written_as_json(advice: Advice) -> None:
    """Programs read it, too."""
    found = json.loads(json.dumps(json_safe(advice.to_dict()), allow_nan=False))

    assert found["recommended_llm_budget"] == "30%"
    assert found["cost_curve"]["points"][0]["share"] == 0
    assert found["guard"]["n_rows"] == 210
