"""Answers to pieces of a file under one policy: what it allows to ask, what it promises, and what came of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from textclassify.core.contract import TextClassifier
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.ensemble.deferring.llm_budget import ShareOfTexts, read_budget
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.guarantees import SetGuarantee
from textclassify.ensemble.policy import Policy, acceptance_rule, n_asked, set_guarantee
from textclassify.errors import ConfigError, DataError
from textclassify.runs.config import Config

MOST_AT_ONCE = 100_000
"""Rows that are read at once where an answer depends on all of them."""
_NO_POLICY = Policy()


def policy_for(
    classifier: TextClassifier,
    llm_budget: str | None = None,
    max_risk: float | None = None,
    confidence: float = 0.95,
    *,
    label_shift: bool = False,
) -> Policy:
    """Return what was asked for on top of what a model's configuration says.

    Raises:
        ConfigError: a value is out of range, or two exclude each other.

    """
    config = getattr(classifier, "config_", None) or Config.of(None)
    policy: Policy = config.policy(llm_budget, max_risk, confidence, label_shift=label_shift)
    return policy


@dataclass
class Answering:
    """Answers texts piece by piece, and counts.

    Args:
        classifier: what answers.
        policy: what it answers under; see `policy_for`.
        alpha: share of prediction sets that may miss; None = no sets.

    Raises:
        ConfigError: a classifier that is no fusion is to keep a budget or give a guarantee.
        DataError: the model cannot give the guarantee; the message names the rows it would take.

    """

    classifier: TextClassifier
    policy: Policy = _NO_POLICY
    alpha: float | None = None
    n_rows: int = field(default=0, init=False)
    n_answered: int = field(default=0, init=False)
    n_abstained: int = field(default=0, init=False)
    n_asked: int = field(default=0, init=False)
    _said: dict[str, str] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        fusion = getattr(self.classifier, "ensemble_", self.classifier)
        self._fusion = fusion if isinstance(fusion, FusionEnsemble) else None
        self._guarantee: SetGuarantee | None = None
        if self._fusion is None:
            self._refuse_policy()
            return
        score_fusion = self._fusion.fusion_
        acceptance_rule(score_fusion, self.policy)  # what cannot be promised is refused before anything is read
        if self.alpha is not None:
            if self.policy.label_shift:
                raise ConfigError(
                    "--sets and --label-shift exclude each other: sets are promised for texts like the "
                    "guard's, with their label shares"
                )
            self._guarantee = set_guarantee(score_fusion, self.policy, self.alpha)

    @property
    def needs_all_rows(self) -> bool:
        """Whether the answer to a row depends on the others, so that all have to be there."""
        budget = self.policy.llm_budget
        counted = budget is not None and not isinstance(read_budget(budget), ShareOfTexts)
        return self.policy.label_shift or counted

    def pieces(self, pieces: Iterator[list[Any]]) -> Iterator[list[Any]]:
        """Return the pieces to answer: those that are given, or one of all rows where that is needed.

        Raises:
            DataError: there are too many rows for one.

        """
        if not self.needs_all_rows:
            yield from pieces
            return
        rows: list[Any] = []
        for piece in pieces:
            rows += piece
            if len(rows) > MOST_AT_ONCE:
                raise DataError(
                    f"{self._why_all()} is for all rows together, and there are more than {MOST_AT_ONCE:,}; give "
                    "--llm-budget as a share such as 20%, leave --label-shift out, or split the file"
                )
        if rows:
            yield rows

    def answer(self, texts: Sequence[str]) -> tuple[ClassificationResult, list[Any] | None]:
        """Return the answers to texts, and their prediction sets where these were asked for."""
        if self._fusion is None:
            result = self.classifier.predict(list(texts))
        else:
            result = self._fusion.predict(list(texts), **vars(self.policy))
            self.n_asked += n_asked(result.sources, self._fusion.fusion_.llm_sources_)
        self.n_rows += len(result)
        self.n_answered += int((result.status == Status.OK).sum())
        declined = np.zeros(len(result), bool) if result.declined is None else result.declined
        self.n_abstained += int((declined & (result.status == Status.ABSTAINED)).sum())
        self._said |= {name: result.metadata[name] for name in ("guarantee", "label_shift") if name in result.metadata}
        return result, None if self._guarantee is None else self._guarantee.apply(result.scores).sets

    def summary(self) -> Iterator[str]:
        """Return what to say in the end: how many texts were asked about, how many have no answer, what is promised."""
        if self.policy.llm_budget is not None:
            share = f" ({self.n_asked / self.n_rows:.1%})" if self.n_rows else ""
            asked = f"a language model answered about {self.n_asked:,} of {self.n_rows:,} rows{share}"
            nobody = "this model asks no language model, so that a budget changes nothing"
            yield f"llm_budget {self.policy.llm_budget}: {asked if self._asks else nobody}"
        if self.n_answered < self.n_rows:
            withheld = f", {self.n_abstained:,} of them withheld to keep max_risk" if self.n_abstained else ""
            missing = self.n_rows - self.n_answered
            yield f"{missing:,} of {self.n_rows:,} rows have no answer{withheld}; their status says why"
        yield from self._said.values()
        if self._guarantee is not None:
            yield str(self._guarantee)

    @property
    def _asks(self) -> bool:
        return self._fusion is not None and self._fusion.fusion_.patterns_.asks_llm

    def _refuse_policy(self) -> None:
        if self.policy != _NO_POLICY or self.alpha is not None:
            raise ConfigError(
                f"{type(self.classifier).__name__} keeps no --llm-budget and gives no guarantee; these take a fusion "
                "that was trained"
            )

    def _why_all(self) -> str:
        return "label shift" if self.policy.label_shift else f"llm_budget {self.policy.llm_budget}"
