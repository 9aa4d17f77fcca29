"""How frequent each label is in a corpus, from predictions for all of its texts and gold labels for a few."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from textclassify.core.labels import Gold, Label, LabelSchema
from textclassify.core.result import ClassificationResult, gold_for
from textclassify.core.score_matrices import vote_list
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.selection import as_chosen_by, may_judge
from textclassify.core.tables import is_table
from textclassify.core.texts import is_missing, listed, plain_list
from textclassify.errors import ConfigError, DataError, LabelError
from textclassify.statistics.resampling import row_groups, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

Floats = NDArray[np.float64]
_SEVERAL = (list, tuple, set, frozenset, np.ndarray)
_FIGURES = ("share", "low", "high", "gold_share", "gold_low", "gold_high", "predicted_share", "weight")
# Fewer gold rows leave no degree of freedom for how far predictions and gold agree.
FEWEST_GOLD = 3


@dataclass(frozen=True, slots=True, eq=False)
class PrevalenceEstimate:
    """Each label's share of a corpus, with intervals; all arrays (K,).

    Labels are estimated one by one, so that the shares of labels which exclude each other add up to 1 only nearly.

    Args:
        labels: the K labels.
        share: the estimate that uses predictions and gold.
        low: lower bound of its interval.
        high: upper bound of its interval.
        gold_share: the share among the gold rows alone.
        gold_low: lower bound of its Wilson interval.
        gold_high: upper bound of its Wilson interval.
        predicted_share: the share that the predictions alone claim; it has no valid interval.
        weight: how far the predictions are relied on: 0 = not at all, 1 = fully.
        confidence: of each interval by itself.
        n_predicted: texts without gold.
        n_gold: texts with gold.
        n_clusters: clusters of them, each of which counts once; n_gold where none belong together.
        n_failed: texts of both kinds without a prediction.

    """

    labels: tuple[Label, ...]
    share: Floats
    low: Floats
    high: Floats
    gold_share: Floats
    gold_low: Floats
    gold_high: Floats
    predicted_share: Floats
    weight: Floats
    confidence: float
    n_predicted: int
    n_gold: int
    n_clusters: int
    n_failed: int

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per label: its share with bounds, and what gold or predictions alone would say."""
        import pandas as pd

        label = pd.Series(list(self.labels), dtype=object)
        return pd.DataFrame({"label": label} | {name: getattr(self, name) for name in _FIGURES})

    def __str__(self) -> str:
        width = max(5, *(len(str(label)) for label in self.labels))
        failed = f"; {self.n_failed:,} of them had no prediction" if self.n_failed else ""
        gold = f"{self.n_gold:,} of them with gold"
        if self.n_clusters < self.n_gold:
            gold += f" in {self.n_clusters:,} clusters"
        lines = [
            f"Label shares of {self.n_predicted + self.n_gold:,} texts, {gold}{failed}.",
            f"{100 * self.confidence:g}% intervals, each label by itself; valid if the gold rows were drawn at random.",
            f"{'label':<{width}}  {'share':>6}  {'interval':>15}  {'gold alone':>15}  {'predicted':>9}",
        ]
        for k, label in enumerate(self.labels):
            interval = f"{self.low[k]:.1%} - {self.high[k]:.1%}"
            alone = f"{self.gold_low[k]:.1%} - {self.gold_high[k]:.1%}"
            estimates = f"{self.share[k]:>6.1%}  {interval:>15}  {alone:>15}  {self.predicted_share[k]:>9.1%}"
            lines.append(f"{label!s:<{width}}  {estimates}")
        return "\n".join(lines)


def estimate_prevalence(
    predicted_unlabelled: Any,
    predicted_labelled: Any,
    gold: Any,
    *,
    labels: Any = None,
    confidence: float = 0.95,
    chosen_by: str | Iterable[Any] | None = None,
    clusters: ArrayLike | None = None,
) -> PrevalenceEstimate:
    """Return each label's share of a corpus with valid intervals, from predictions and a few gold rows.

    Prediction-powered inference (Angelopoulos et al. 2023) with power tuning (PPI++, Angelopoulos, Duchi and Zrnic
    2024): the predictions' share over the corpus, times a weight, plus what gold says of their error. The weight is
    learned from how gold and predictions go together, so useless predictions end near the gold rows alone. However
    wrong the predictions are, the interval stays valid; the better they are, the narrower it is.

    With few gold rows, normal intervals hold far less than they promise (all gold rows predicted rightly: no width at
    all). So before the weight and the error's spread are measured, one imagined row of each kind is added (with the
    label or not, predicted with certainty or not), as Agresti and Coull 1998 do for a single share; and the interval
    is Wilson's with Student's quantile for as many rows as would have given that spread without predictions.

    A text without a prediction (None, NaN) is never given a label. It stays in the corpus and counts with the mean
    prediction, which says nothing about it, for gold rows and others alike: leaving it out would lose validity where
    failures go with labels. `n_failed` counts such texts.

    Gold rows of one cluster (copies of a text, one author's texts) are no independent evidence: each cluster counts
    once, with the means of its rows, and there are as many rows as clusters.

    Args:
        predicted_unlabelled: predictions for the texts without gold: hard labels (lists of labels for multi-label),
            probabilities (n, K), 0/1 columns (n, K) or a `ClassificationResult`, of which the probabilities count.
        predicted_labelled: predictions of the same kind, from the same source, for the texts with gold. Neither the
            source nor its prompt may have been made with these texts.
        gold: their gold labels, or lists of labels or a 0/1 matrix for multi-label.
        labels: the label names; None = from a result or a table's columns, else 0 to K - 1, or what occurs. Results
            bring theirs, which these must equal.
        confidence: of each label's interval by itself.
        chosen_by: how the gold rows were chosen, one word or one per row: "random", "ranking" or "unknown".
        clusters: which gold rows belong together, one name or number per row; None = none do.

    Raises:
        DataError: gold rows were chosen by ranking, are too few, or predictions of two kinds are mixed.
        LabelError: a gold label is missing or unknown, or `labels` are not those of the results.

    >>> shares = estimate_prevalence(["spam", "ham", "ham"] * 300, ["ham", "spam"] * 25, ["ham", "spam"] * 25)
    >>> dict(zip(shares.labels, shares.share.round(2).tolist()))
    {'ham': 0.65, 'spam': 0.35}

    """
    if not 0 < confidence < 1:
        raise ConfigError(f"confidence={confidence} is not between 0 and 1; 0.95 is usual")
    schema = _schema(labels, predicted_unlabelled, predicted_labelled, gold)
    of_corpus = _shares(predicted_unlabelled, schema, "predicted_unlabelled")
    of_gold_rows = _shares(predicted_labelled, schema, "predicted_labelled")
    is_gold = _indicator(gold_for(gold, schema, len(of_gold_rows)), schema)
    _refuse_chosen(chosen_by, len(is_gold))
    cluster, n_clusters = row_groups(clusters, len(is_gold)) if len(is_gold) else (np.empty(0, dtype=np.int64), 0)
    if n_clusters < FEWEST_GOLD:
        raise DataError(
            f"{n_clusters} gold rows (that are no copies of each other) are too few for an interval; label at least "
            f"{FEWEST_GOLD}, better 50"
        )
    columns = [
        _one_share(of_corpus[:, k], of_gold_rows[:, k], is_gold[:, k], cluster, confidence) for k in range(len(schema))
    ]
    n_failed = int(np.isnan(of_corpus).any(axis=1).sum() + np.isnan(of_gold_rows).any(axis=1).sum())
    figures = dict(zip(_FIGURES, np.asarray(columns).T, strict=True))
    return PrevalenceEstimate(
        labels=schema.names,
        confidence=confidence,
        n_predicted=len(of_corpus),
        n_gold=len(of_gold_rows),
        n_clusters=n_clusters,
        n_failed=n_failed,
        **figures,
    )


def _one_share(
    of_corpus: Floats, of_gold_rows: Floats, is_gold: Floats, cluster: NDArray[np.int64], confidence: float
) -> tuple[float, ...]:
    """Return the figures of one label, in the order of `_FIGURES`; `cluster` (n_gold,) counts from 0 on."""
    size = np.bincount(cluster)
    n, n_all = len(size), len(of_corpus) + len(size)
    claimed = _claimed_share(np.append(of_corpus, of_gold_rows), np.append(np.ones(len(of_corpus)), 1 / size[cluster]))
    filled = np.where(np.isnan(of_gold_rows), claimed, of_gold_rows)
    predicted, is_gold = (np.bincount(cluster, weights=rows) / size for rows in (filled, is_gold))
    pooled = np.append(np.where(np.isnan(of_corpus), claimed, of_corpus), predicted)
    # One imagined row of each kind, so that perfect agreement on a few rows is not taken for perfect predictions.
    x, y = np.append(predicted, [0, 0, 1, 1]), np.append(is_gold, [0, 1, 0, 1])
    dx, dy = x - x.mean(), y - y.mean()
    slope = float(dx @ dy / (dx @ dx))
    spread = float(((dy - slope * dx) ** 2).mean())
    gap = claimed - float(predicted.mean())
    share = min(max(float(is_gold.mean()) + slope * gap, 0.0), 1.0)
    variance = spread / n * (1 + n * gap**2 / float(dx @ dx)) + slope**2 * float(pooled.var()) / n_all
    alike = float(y.mean() * (1 - y.mean())) / variance
    t = float(special.stdtrit(n - 2, 0.5 + confidence / 2))
    # The normal quantile that equals t, as far as floats can tell its confidence from 1.
    interval = wilson_interval(share * alike, alike, confidence=1 - 2 * max(float(special.ndtr(-t)), 1e-15))
    alone = wilson_interval(min(float(is_gold.sum()), n), n, confidence=confidence)  # a sum may be a bit above
    weight = slope * len(of_corpus) / n_all
    return share, interval.low, interval.high, alone.estimate, alone.low, alone.high, claimed, weight


def _claimed_share(predicted: Floats, weight: Floats) -> float:
    """Return the mean prediction of the texts that have one."""
    known = ~np.isnan(predicted)
    return float(np.average(predicted[known], weights=weight[known])) if known.any() else 0.5


def _refuse_chosen(chosen_by: str | Iterable[Any] | None, n_rows: int) -> None:
    if chosen_by is None:
        return
    ways = as_chosen_by([chosen_by] * n_rows if isinstance(chosen_by, str) else chosen_by, n_rows)
    drawn = may_judge(ways, n_rows)
    if not drawn.all():
        raise DataError(
            f"{int((~drawn).sum()):,} of {n_rows:,} gold rows were not drawn at random (chosen_by: "
            f"{listed(np.unique(ways[~drawn]))}); a model's hardest texts would bias the shares: pass random rows only"
        )


def _schema(labels: Any, unlabelled: Any, labelled: Any, gold: Any) -> LabelSchema:
    """Return the label set, and whether a text may have several: as a result says, else as gold is written."""
    results = [one for one in (unlabelled, labelled) if isinstance(one, ClassificationResult)]
    if len(results) == 1 or _is_matrix(unlabelled) != _is_matrix(labelled):
        raise DataError("predictions of two kinds cannot be compared; pass both as labels, probabilities or results")
    if results:
        check_same_labels(results[0].classes, results[1].classes, "predicted_labelled")
        _refuse_other_labels(labels, results[0].classes)
        return LabelSchema(results[0].classes, multi_label=results[0].multi_label)
    several = _is_matrix(gold) or any(isinstance(answer, _SEVERAL) for answer in plain_list(gold))
    if labels is not None:
        return LabelSchema.of(labels, multi_label=several)
    if _is_matrix(unlabelled):
        names = tuple(unlabelled.columns) if is_table(unlabelled) else tuple(range(np.shape(unlabelled)[1]))
        return LabelSchema(names, multi_label=several)
    answers = [*plain_list(unlabelled), *plain_list(labelled), *(() if _is_matrix(gold) else plain_list(gold))]
    return LabelSchema.from_gold([answer for answer in answers if not is_missing(answer)], multi_label=several)


def _refuse_other_labels(labels: Any, of_results: tuple[Label, ...]) -> None:
    if labels is None:
        return
    given = LabelSchema.of(labels).names
    if given != of_results:
        raise LabelError(
            f"labels=[{listed(map(repr, given), 12)}] are not those of the results, "
            f"[{listed(map(repr, of_results), 12)}]; leave labels out, the shares come in the results' order"
        )


def _shares(predicted: Any, schema: LabelSchema, name: str) -> Floats:
    """Return how far each text is predicted to have each label, (n, K) from 0 to 1; NaN rows without a prediction."""
    if isinstance(predicted, ClassificationResult):
        return predicted.probabilities
    if _is_matrix(predicted):
        scores = Scores.from_probabilities(predicted, schema.names, source=name, multi_label=schema.multi_label)
        return scores.probabilities
    named = vote_list(predicted, name)
    missing = np.fromiter(map(is_missing, named), bool, len(named))
    blank: Any = [] if schema.multi_label else schema.names[0]  # only keeps the place of a text without a prediction
    shares = _indicator(schema.encode([blank if is_missing(vote) else vote for vote in named]), schema)
    shares[missing] = np.nan
    return shares


def _indicator(gold: Gold, schema: LabelSchema) -> Floats:
    return (gold if schema.multi_label else gold[:, None] == np.arange(len(schema))).astype(np.float64)


def _is_matrix(values: ArrayLike) -> bool:
    return not isinstance(values, ClassificationResult) and (is_table(values) or getattr(values, "ndim", 1) == 2)
