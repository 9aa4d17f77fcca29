"""Which texts deserve a call of a language model: what asking is expected to gain, from the free scores alone."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.ensemble.combining.readings import Arrays, Floats
from textclassify.ensemble.deferring.both_answers import BothAnswers
from textclassify.ensemble.deferring.deferral_features import features, frequent_labels, given_labels
from textclassify.ensemble.deferring.deferral_ranking import Blend, folds_of
from textclassify.ensemble.deferring.llm_budget import BudgetLike, ShareOfTexts, best_first, read_budget
from textclassify.errors import NotFittedError, ScoresError

DIGITS = 9
"""Digits that ranks are compared at: the last bits of a sum depend on how many rows are summed at once."""


class Deferral:
    """Learns for which texts a language model is worth asking, and says so for others before it is asked.

    Learned: `learned_weight_` (0 = the ranking is that of the entropy, 1 = learned alone), `n_rows_` (rows that both
    fusions answered).

    >>> free = np.log([[0.5, 0.5], [0.9, 0.1]] * 20)
    >>> fused = np.log([[0.1, 0.9], [0.9, 0.1]] * 20)
    >>> deferral = Deferral().fit(free, fused, [1, 0] * 20, multi_label=False, metric="accuracy")
    >>> deferral.mask(free[:2], "1 call")
    array([ True, False])

    """

    multi_label_: bool
    n_rows_: int
    learned_weight_: float
    cuts_: Floats
    centre_: Floats
    spread_: Floats
    labels_: NDArray[np.int64]
    coefficients_: Floats
    line_: Floats
    ranks_: Floats

    def fit(
        self,
        free: ArrayLike,
        fused: ArrayLike,
        gold: ArrayLike,
        clusters: ArrayLike | None = None,
        *,
        multi_label: bool,
        metric: str,
        thresholds: ArrayLike | None = None,
        free_codes: ArrayLike | None = None,
        fused_codes: ArrayLike | None = None,
    ) -> Self:
        """Learn from cross-fitted scores of the fusion without language models and of the deployed one.

        Rows without fused scores teach no gain, but count for the thresholds of shares, as do rows without free scores.

        Args:
            free: (n, K) log-probabilities or log-odds without language models; NaN rows = none.
            fused: (n, K) with them; NaN rows = not asked.
            gold: codes (n,) or 0/1 (n, K).
            clusters: (n,) rows of one number belong together; None = every row is its own.
            multi_label: whether labels are judged independently of each other.
            metric: what asking shall improve: "accuracy", "macro_f1", "micro_f1", "subset_accuracy" or "log_loss".
            thresholds: probabilities from which on a label is given, (K,), or (2, K) for free and fused scores.
            free_codes: the free answers where they do not follow from scores and thresholds.
            fused_codes: the answers with language models, likewise.

        Raises:
            ScoresError: the shapes do not fit together, or no row has free scores.
            ConfigError: the metric is unknown.

        """
        given = {"thresholds": thresholds, "free_codes": free_codes, "fused_codes": fused_codes}
        return self.fit_answers(BothAnswers.of(free, fused, gold, clusters, multi_label=multi_label, **given), metric)

    def fit_answers(self, answers: BothAnswers, metric: str) -> Self:
        """Learn from checked rows; see `fit`."""
        has_free, known = answers.has_free, answers.take(answers.comparable)
        if not has_free.any():
            raise ScoresError("no row has free scores: there is nothing to tell by which texts to ask about")
        gains = known.gains(metric)
        self.multi_label_, self.n_rows_, self.cuts_ = answers.multi_label, len(known), answers.cuts[0]
        raw = features(answers.free[has_free], self.cuts_, multi_label=self.multi_label_)
        self.centre_, self.spread_ = raw.mean(axis=0), raw.std(axis=0)
        self.labels_ = frequent_labels(answers.free[has_free], self.cuts_, multi_label=self.multi_label_)
        evidence = self._evidence(known.free)
        blend = Blend.of(evidence, gains, known.clusters)
        self.learned_weight_, self.coefficients_, self.line_ = blend.weight, blend.coefficients, blend.line
        return self.with_shares_of(answers.free)

    def with_shares_of(self, free_scores: ArrayLike) -> Self:
        """Take the places of these texts (n, K) as what a share means; no gold is needed.

        The scores must come from what is going to be used: cross-fitted ones, which gains are learned from, can rank
        differently from those of the combiner that is deployed.
        """
        scores = np.asarray(free_scores, dtype=np.float64)
        scored = ~np.isnan(scores).any(axis=1)
        ranks = np.full(len(scores), np.inf)
        ranks[scored] = self._rank(scores[scored])
        self.ranks_ = np.sort(ranks)
        return self

    def value(self, free_scores: ArrayLike) -> Floats:
        """Return what asking about each text is expected to add to the metric, (n,); infinite without free scores.

        In units of the metric for that one text: 0.2 = one more right answer in five calls.
        """
        ranks = self._ranks(free_scores)
        return np.asarray(self.line_[0] + self.line_[1] * ranks)

    def share_needed(self, free_scores: ArrayLike, row_ids: ArrayLike | None = None) -> Floats:
        """Return the smallest share of calls at which each text is asked about, (n,) from 0 to 1.

        It is the text's place among the rows of the fit, whatever other texts are scored with it. Texts that rank
        equal to rows of the fit are spread over their places by `row_ids`, or take the last one, so that not more is
        asked than was granted. Texts without free scores have 0: there is nothing else to answer them with.

        Args:
            free_scores: (n, K) as in `fit`.
            row_ids: (n,) hash of each text; None = unknown.

        """
        ranks = self._ranks(free_scores)
        last = np.searchsorted(self.ranks_, ranks, side="right")
        equal = last - np.searchsorted(self.ranks_, ranks, side="left")
        spread = 1.0 if row_ids is None else _uniform(row_ids, len(ranks))
        needed = (len(self.ranks_) - last + spread * (equal + 1)) / (len(self.ranks_) + 1)
        return np.where(np.isposinf(ranks), 0.0, needed)

    def mask(
        self,
        free_scores: ArrayLike,
        budget: BudgetLike,
        *,
        cost_per_call: ArrayLike | None = None,
        row_ids: ArrayLike | None = None,
    ) -> NDArray[np.bool_]:
        """Return which texts to ask the language model about; shape (n,).

        A share is a threshold fixed in `fit`: whether a text is asked about does not depend on the others, and the
        share asked of these very texts can differ from it; 0 asks about none and 1 about all. A number of calls or
        money is spent to the end on the texts that come first in this call, see `llm_budget.best_first`.
        Texts without free scores come first under any budget above 0.

        Args:
            free_scores: (n, K) as in `fit`; NaN rows = none.
            budget: see `llm_budget`.
            cost_per_call: expected US dollars, one number or (n,); needed for a budget of money, else without effect.
            row_ids: (n,) hash of each text: equal ones are one call.

        Raises:
            ConfigError: the budget is none, or a price is unknown.
            ScoresError: shapes do not fit.

        """
        limit = read_budget(budget)
        if isinstance(limit, ShareOfTexts):
            needed = self.share_needed(free_scores, row_ids)
            return np.asarray((needed <= limit.share) & (limit.share > 0))
        value = self.value(free_scores)
        ids = None if row_ids is None else _checked_ids(row_ids, len(value))
        return best_first(value, limit.prices(cost_per_call, len(value)), limit.limit, ids)

    def state(self) -> Arrays:
        """Return all that was learned, as arrays by name."""
        return {name: np.asarray(value) for name, value in vars(self).items() if name.endswith("_")}

    def load_state(self, state: Arrays) -> Self:
        """Take over what another deferral learned; it then asks about the same texts."""
        for name, value in state.items():
            setattr(self, name, value.item() if value.ndim == 0 else value)
        return self

    def _ranks(self, free_scores: ArrayLike) -> Floats:
        if not hasattr(self, "ranks_"):
            raise NotFittedError("this Deferral has learned nothing yet; call fit(free, fused, gold, ...) first")
        scores = np.asarray(free_scores, dtype=np.float64)
        if scores.ndim != 2 or scores.shape[1] != len(self.cuts_):
            raise ScoresError(f"free scores have shape {scores.shape}; pass (texts, {len(self.cuts_)} labels)")
        scored = ~np.isnan(scores).any(axis=1)
        ranks = np.full(len(scores), np.inf)
        ranks[scored] = self._rank(scores[scored])
        return ranks

    def _rank(self, scores: Floats) -> Floats:
        # Not a matrix product: its last bits depend on the number of rows, and a text's answer must not.
        return np.asarray(np.round((self._evidence(scores) * self.coefficients_).sum(axis=1), DIGITS))

    def _evidence(self, scores: Floats) -> Floats:
        """Return standardised features, entropy first, and the labels given; shape (n, F + L)."""
        raw = features(scores, self.cuts_, multi_label=self.multi_label_)
        varies = self.spread_ > 0
        scaled = np.where(varies, (raw - self.centre_) / np.where(varies, self.spread_, 1.0), 0.0)
        return np.column_stack([scaled, given_labels(scores, self.cuts_, self.labels_, multi_label=self.multi_label_)])


def cross_fitted_ranking(
    free: ArrayLike,
    fused: ArrayLike,
    gold: ArrayLike,
    clusters: ArrayLike | None = None,
    *,
    multi_label: bool,
    metric: str,
    random_state: int = 0,
    **given: Any,
) -> Floats:
    """Return for each row when a deferral that was fitted without it would ask, (n,); higher = sooner, 0 = first.

    It is minus the share of calls that the row needs, so that folds can be compared: the `value` of `cost_curve`.

    Args:
        free: as in `Deferral.fit`.
        fused: as in `Deferral.fit`.
        gold: as in `Deferral.fit`.
        clusters: as in `Deferral.fit`; rows of one number are held out together.
        multi_label: as in `Deferral.fit`.
        metric: as in `Deferral.fit`.
        random_state: seeds the folds.
        **given: `thresholds`, `free_codes`, `fused_codes`, as in `Deferral.fit`.

    """
    answers = BothAnswers.of(free, fused, gold, clusters, multi_label=multi_label, **given)
    folds = folds_of(answers.clusters, random_state)
    ranking = np.zeros(len(answers))
    for fold in np.unique(folds):
        own = folds == fold
        if answers.has_free[~own].any():
            deferral = Deferral().fit_answers(answers.take(~own), metric)
            ranking[own] = -deferral.share_needed(answers.free[own])
    return ranking


def _checked_ids(row_ids: ArrayLike, n_rows: int) -> NDArray[np.uint64]:
    ids = np.asarray(row_ids, dtype=np.uint64)
    if ids.shape != (n_rows,):
        raise ScoresError(f"row_ids have shape {ids.shape}; pass one per text, ({n_rows},)")
    return ids


def _uniform(row_ids: ArrayLike, n_rows: int) -> Floats:
    """Return a number in (0, 1] for each id, the same in every call (multiplicative hashing, Knuth 1973)."""
    mixed = _checked_ids(row_ids, n_rows) * np.uint64(0x9E3779B97F4A7C15)
    return np.asarray(((mixed >> np.uint64(11)).astype(np.float64) + 1.0) / 2.0**53)
