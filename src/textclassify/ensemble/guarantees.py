"""Promises that hold: sets of labels that seldom miss, and answers of which few are wrong; made on guard rows.

Guard rows are labelled texts that nothing else was learned from: no source, combiner, calibrator or threshold. What
they promise is promised for the scores and answers of one policy: change the fusion, the share of texts that a language
model is asked about or the thresholds, and it has to be made anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Self, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.labels import Gold, Label
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.texts import listed
from textclassify.errors import ConfigError, DataError
from textclassify.statistics.conformal import (
    Coverage,
    Method,
    SetRule,
    coverage,
    missed_label_sets,
    prediction_sets,
)
from textclassify.statistics.metrics import correct_per_row
from textclassify.statistics.resampling import row_groups
from textclassify.statistics.risk_bounds import RiskBound, bounded_risk

if TYPE_CHECKING:
    import pandas as pd

N_PARTS = 10
"""Parts of the guard: the sets of each are made by the others' rows, to see how often they hold the gold label."""


@dataclass(frozen=True, eq=False)
class PredictionSets(Sequence[Any]):
    """A list of labels for each of n texts, which holds the right ones as often as promised.

    Args:
        scores: the scores that the sets were made from.
        indicator: (n, K) which labels are in each set; a text without scores has none.
        guarantee: what was promised, and on which rows.

    Items are lists of labels, the most probable first; None for a text without scores.
    """

    scores: Scores
    indicator: NDArray[np.bool_]
    guarantee: SetGuarantee

    @property
    def labels(self) -> tuple[Label, ...]:
        """The K labels, in the order of the columns of `indicator`."""
        return self.scores.labels

    @property
    def alpha(self) -> float:
        """The share of misses that was promised."""
        return self.guarantee.alpha

    @property
    def method(self) -> str:
        """How labels were chosen: "lac" or "aps"."""
        return self.guarantee.rule.method

    @property
    def sizes(self) -> NDArray[np.int64]:
        """(n,) labels in each set; 0 also for a text without scores (see `status`)."""
        return np.asarray(self.indicator.sum(axis=1), dtype=np.int64)

    @property
    def status(self) -> NDArray[np.uint8]:
        """(n,) `Status` of each row: OK, or why there is no set."""
        return self.scores.status

    @property
    def coverage(self) -> Coverage:
        """How often sets made in the same way held the gold answers of guard rows that they were not made from."""
        return self.guarantee.coverage

    @cached_property
    def sets(self) -> list[list[Label] | None]:
        """The sets as plain lists."""
        order = np.argsort(-self.scores.probabilities, axis=1, kind="stable")
        return [
            [self.labels[k] for k in ranked if held[k]] if ok else None
            for ranked, held, ok in zip(order, self.indicator, self.scores.answered, strict=True)
        ]

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per text: its set, the set's size, and status."""
        import pandas as pd

        status = [Status(code).name.lower() for code in self.status]
        return pd.DataFrame({"labels": pd.Series(self.sets, dtype=object), "size": self.sizes, "status": status})

    def __len__(self) -> int:
        return len(self.indicator)

    @overload
    def __getitem__(self, row: int) -> list[Label] | None: ...
    @overload
    def __getitem__(self, row: slice) -> PredictionSets: ...
    def __getitem__(self, row: int | slice) -> Any:
        if isinstance(row, slice):
            return PredictionSets(self.scores.take(row), self.indicator[row], self.guarantee)
        return self.sets[row]

    def __iter__(self) -> Iterator[list[Label] | None]:
        return iter(self.sets)


@dataclass(frozen=True, eq=False)
class SetGuarantee:
    """Makes sets of labels that miss as seldom as promised, for texts like the guard's.

    Args:
        labels: the K labels.
        multi_label: whether a text may have any number of labels.
        rule: which labels a set holds.
        class_conditional: whether the promise is made for the texts of each label by themselves.
        at_least_one: whether an empty set gets the most probable label.
        coverage: of sets on guard rows that they were not made from, in `N_PARTS` parts.

    >>> guard = Scores.from_probabilities([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]] * 100, ["ham", "spam"])
    >>> list(SetGuarantee.fit(guard, np.array([0, 1, 1] * 100), alpha=0.05).apply(guard.take([0, 1])))
    [['ham'], ['ham', 'spam']]

    """

    labels: tuple[Label, ...]
    multi_label: bool
    rule: SetRule
    class_conditional: bool
    at_least_one: bool
    coverage: Coverage

    @classmethod
    def fit(
        cls,
        guard: Scores,
        gold: Gold,
        *,
        alpha: float = 0.1,
        method: Method = "lac",
        class_conditional: bool = False,
        clusters: ArrayLike | None = None,
        at_least_one: bool | None = None,
        random_state: int | None = None,
    ) -> Self:
        """Return the guarantee that guard rows support.

        Args:
            guard: scores of rows that nothing else was learned from, made in the way that is going to be used; rows
                without scores are left out, and counted.
            gold: their label codes (n,), or 0/1 (n, K).
            alpha: share of texts whose set may miss the right label; multi-label: of right labels that may be missed.
            method: "lac" or "aps"; multi-label takes "lac" only.
            class_conditional: promise it for the texts of each label by themselves.
            clusters: (n,) rows that belong together count once.
            at_least_one: give an empty set the most probable label; None = for one label per text.
            random_state: seed of the randomised "aps", which needs scores with `row_ids`.

        Raises:
            DataError: the rows are too few for this alpha.

        """
        _check_gold(guard, gold)
        fill = not guard.multi_label if at_least_one is None else at_least_one
        if guard.multi_label and (method != "lac" or random_state is not None):
            raise ConfigError(
                f"method={method!r} is for one label per text; multi-label sets take 'lac', not randomised"
            )
        options: dict[str, Any] = {"alpha": alpha, "class_conditional": class_conditional}
        if not guard.multi_label:
            options |= {"method": method, "random_state": random_state}
        groups = np.arange(len(guard)) if clusters is None else np.asarray(clusters)
        rule = _rule(guard, gold, groups, **options)
        held = _held_out(guard, gold, groups, fill=fill, **options)
        seen = coverage(held, gold, scored=guard.answered, clusters=groups)
        return cls(guard.labels, guard.multi_label, rule, class_conditional, fill, seen)

    @property
    def alpha(self) -> float:
        """The share of misses that is promised."""
        return self.rule.alpha

    @property
    def always_included(self) -> tuple[Label, ...]:
        """Labels in every set: their guard rows are too few to leave them out."""
        return tuple(label for label, always in zip(self.labels, self.rule.always_included, strict=True) if always)

    def apply(self, scores: Scores) -> PredictionSets:
        """Return the sets of texts that come from where the guard's came from.

        Raises:
            ScoresError: the scores are of other labels.

        """
        check_same_labels(self.labels, scores.labels, scores.source)
        return PredictionSets(scores, _held(self.rule, scores, fill=self.at_least_one), self)

    def __str__(self) -> str:
        share = f"at most {self.alpha:.1%}"
        if self.multi_label:
            of_all, of_each = f"Sets miss on average {share} of a text's labels", f"Each label is missed by {share} of"
            what = f"{of_each} the texts that have it" if self.class_conditional else of_all
        else:
            each = ", for the texts of each label by themselves" if self.class_conditional else ""
            what = f"{share.capitalize()} of the sets miss the label{each}"
        seen, overall = self.coverage, self.coverage.overall
        words = f"{what} ({self.rule.method}, {seen.n_rows:,} guard rows). "
        words += f"Seen on guard rows by sets made without them: {overall.estimate:.1%} held "
        words += f"({overall.low:.1%} to {overall.high:.1%}), {seen.mean_size:.2f} labels per set."
        if self.always_included:
            words += f" In every set, for want of guard rows: {listed(self.always_included, 12)}."
        if seen.n_unscored:
            words += f" {seen.n_unscored:,} guard rows had no scores; nothing is promised for such texts."
        return words


@dataclass(frozen=True, slots=True)
class AcceptanceRule:
    """Accepts the answers that are sure enough for at most a promised share of the accepted ones to be wrong.

    Args:
        bound: the threshold and the guard rows' evidence for it.
        multi_label: whether an answer is a set of labels, wrong as soon as one label is wrong or missing.

    >>> from textclassify.core.result import decide
    >>> guard = decide(Scores.from_probabilities([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8]] * 100, ["ham", "spam"]))
    >>> AcceptanceRule.fit(guard, np.array([0, 1, 1] * 100), max_risk=0.05).accepts(guard[:3])
    array([ True, False,  True])

    """

    bound: RiskBound
    multi_label: bool

    @classmethod
    def fit(
        cls,
        guard: ClassificationResult,
        gold: Gold,
        *,
        max_risk: float,
        confidence: float = 0.95,
        clusters: ArrayLike | None = None,
        random_state: int = 0,
    ) -> Self:
        """Return the rule that guard rows support.

        Args:
            guard: answers to rows that nothing else was learned from, decided in the way that is going to be used. A
                row without an answer is never accepted, right or wrong.
            gold: their label codes (n,), or 0/1 (n, K).
            max_risk: share of wrong answers among the accepted.
            confidence: how often such a promise is kept, over draws of guard rows.
            clusters: (n,) rows that belong together; one of each is drawn.
            random_state: seeds that draw.

        Raises:
            DataError: the rows cannot support the bound; the message names how many could, and what these can.

        """
        _check_gold(guard.scores, gold)
        bound = bounded_risk(
            guard.confidence,
            ~correct_per_row(gold, guard.codes),
            max_risk=max_risk,
            confidence=confidence,
            clusters=clusters,
            random_state=random_state,
        )
        return cls(bound, guard.multi_label)

    def accepts(self, result: ClassificationResult) -> NDArray[np.bool_]:
        """Return which answers are accepted, (n,); no text without an answer is."""
        return self.bound.accepts(result.confidence)

    def __str__(self) -> str:
        bound = self.bound
        what = "sets of labels are not exactly right" if self.multi_label else "answers are wrong"
        failed = f" ({bound.n_unanswered:,} had no answer)" if bound.n_unanswered else ""
        share = bound.share_accepted
        return (
            f"At most {bound.max_risk:.1%} of the accepted {what}, promised with {bound.confidence:.0%} confidence: "
            f"accepted from a confidence of {bound.threshold:.4f} on. Of {bound.n_rows:,} guard rows{failed} "
            f"{bound.n_accepted:,} were accepted ({share.estimate:.1%}, {share.low:.1%} to {share.high:.1%}), "
            f"{bound.n_errors:,} of them wrong (at most {bound.upper_bound:.1%})."
        )


def _rule(guard: Scores, gold: Gold, clusters: NDArray[Any], **options: Any) -> SetRule:
    if guard.multi_label:
        return missed_label_sets(guard.probabilities, gold, clusters=clusters, **options)
    return prediction_sets(guard.probabilities, gold, clusters=clusters, keys=guard.row_ids, **options)


def _held(rule: SetRule, scores: Scores, *, fill: bool) -> NDArray[np.bool_]:
    return rule.apply(scores.probabilities, keys=scores.row_ids, at_least_one=fill)


def _held_out(guard: Scores, gold: Gold, clusters: NDArray[Any], *, fill: bool, **options: Any) -> NDArray[np.bool_]:
    """Return sets of guard rows, each made by rows of other parts, (n, K); clusters stay whole."""
    inverse, n_clusters = row_groups(clusters, len(guard))
    part = np.random.default_rng(0).permutation(n_clusters)[inverse] % N_PARTS
    held = np.zeros(guard.mask.shape, dtype=bool)
    for own in (part == number for number in np.unique(part)):
        try:
            rule = _rule(guard.take(~own), gold[~own], clusters[~own], **options)
        except DataError:  # just enough rows altogether: without this part every label is in every set
            held[own] = guard.answered[own, None]
        else:
            held[own] = _held(rule, guard.take(own), fill=fill)
    return held


def _check_gold(scores: Scores, gold: Gold) -> None:
    expected = scores.mask.shape if scores.multi_label else scores.mask.shape[:1]
    if np.shape(gold) != expected:
        raise DataError(
            f"gold of shape {np.shape(gold)} does not fit the guard's scores; pass codes of shape {expected}"
        )
