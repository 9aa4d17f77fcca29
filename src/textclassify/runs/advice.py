"""What a fitted fusion says of its own use: what asking buys, what can be promised, which settings did nothing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.ensemble.deferring.llm_budget import ShareOfTexts, read_budget
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.policy import Policy, acceptance_rule
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.errors import ConfigError, DataError

USUAL_RISK = 0.05
"""Share of wrong answers that advice is given for where none is configured."""
_SETTINGS = {
    "hidden_dims": "fusion_hidden_dims",
    "learning_rate": "fusion_lr",
    "epochs": "fusion_epochs",
    "batch_size": "fusion_batch_size",
}


@dataclass(frozen=True)
class GuardAdvice:
    """What the rows that nothing was learned from can promise.

    Args:
        n_rows: how many there are; 0 = none were kept.
        max_risk: share of wrong answers that was asked for.
        share_accepted: share of the answers that would be given; None = it cannot be promised.
        words: the guarantee, or what it would take.

    """

    n_rows: int
    max_risk: float
    share_accepted: float | None
    words: str

    def __str__(self) -> str:
        if not self.n_rows:
            return self.words
        kept = f"{self.n_rows:,} rows were kept for guarantees"
        if self.share_accepted is None:
            return f"{kept}. {self.words}"
        risk = f"{100 * self.max_risk:g}%"
        return f"{kept}; max_risk {risk} is supported: {self.share_accepted:.0%} of the answers would be accepted"


@dataclass(frozen=True)
class Advice:
    """What a user should know before predicting.

    Args:
        curve: quality by the share of texts that language models are asked about, cross-fitted on the training rows;
            None = this fusion asks none, or has nothing else to answer with.
        guard: what can be promised.
        without_effect: settings that were given and changed nothing.

    """

    curve: CostCurve | None
    guard: GuardAdvice
    without_effect: tuple[str, ...]

    @property
    def budget(self) -> str | None:
        """The recommended `llm_budget`; None where there is nothing to save."""
        if self.curve is None or self.curve.recommended.share == 1:
            return None
        return f"{100 * self.curve.recommended.share:g}%"

    def to_dict(self) -> dict[str, Any]:
        """Return plain values."""
        return {
            "cost_curve": None if self.curve is None else self.curve.to_dict(),
            "recommended_llm_budget": self.budget,
            "guard": vars(self.guard),
            "settings_without_effect": list(self.without_effect),
        }


def advice_on(ensemble: FusionEnsemble, policy: Policy | None = None, *, cost_per_call: float | None = None) -> Advice:
    """Return what a freshly fitted fusion has to say on its own use.

    Args:
        ensemble: fitted in this process; a loaded one no longer knows its cross-fitted scores.
        policy: what it will predict under; None = every text may be asked about, and a risk of 5% is looked at.
        cost_per_call: expected US dollars of asking about a text; None = unknown, or nothing.

    """
    policy = policy or Policy()
    fusion = ensemble.fusion_
    idle = [_SETTINGS[name] for name in fusion.unused_settings_]
    if policy.llm_budget is not None and not fusion.patterns_.asks_llm:
        idle.append("llm_budget")
    return Advice(fusion.training_curve(cost_per_call=cost_per_call), _guard_advice(fusion, policy), tuple(idle))


def _guard_advice(fusion: ScoreFusion, policy: Policy) -> GuardAdvice:
    """Return what can be promised under the policy's share of calls; other budgets allow no promise: not looked at."""
    given = policy.llm_budget
    share = given if given is not None and isinstance(read_budget(given), ShareOfTexts) else None
    wanted = USUAL_RISK if policy.max_risk is None else policy.max_risk
    n_rows = 0 if fusion.guard_ is None else len(fusion.guard_)
    try:
        rule = acceptance_rule(fusion, Policy(share, wanted, policy.confidence))
    except (ConfigError, DataError) as error:
        return GuardAdvice(n_rows, wanted, None, str(error))
    accepted = None if rule is None else rule.bound.share_accepted.estimate
    return GuardAdvice(n_rows, wanted, accepted, str(rule))
