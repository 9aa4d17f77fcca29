"""The same texts answered without and with the language model, and how a metric adds up over any mix of both."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse
from scipy.special import expit, logit

from textclassify.core.labels import Gold
from textclassify.ensemble.combining.readings import Floats
from textclassify.errors import ConfigError, ScoresError
from textclassify.statistics.metrics import log_loss_per_row

METRICS = ("accuracy", "macro_f1", "micro_f1", "subset_accuracy", "log_loss")

FEWEST_BELOW = 10.0
"""What the denominator of a label's F1 counts as at least where gains are learned: two rows are noise."""


@dataclass(frozen=True, eq=False)
class BothAnswers:
    """n texts with the scores and answers of the free fusion and of the one that asks, and the gold.

    Args:
        free: (n, K) log-probabilities (multi-label: log-odds) without language models; NaN rows = no free scores.
        fused: the same with them; NaN rows = not asked, or no answer.
        free_codes: answers: codes (n,) or 0/1 (n, K); -1 = none.
        fused_codes: the same with language models; where these gave no answer, the free one.
        gold: codes (n,) or 0/1 (n, K).
        clusters: (n,) rows of one number belong together.
        cuts: (2, K) log-odds from which on a label is given, of the free and of the asking fusion; 0 for single-label.
        multi_label: whether labels are judged independently of each other.

    """

    free: Floats
    fused: Floats
    free_codes: Gold
    fused_codes: Gold
    gold: Gold
    clusters: NDArray[np.int64]
    cuts: Floats
    multi_label: bool

    @classmethod
    def of(
        cls,
        free: ArrayLike,
        fused: ArrayLike,
        gold: ArrayLike,
        clusters: ArrayLike | None,
        *,
        multi_label: bool,
        thresholds: ArrayLike | None = None,
        free_codes: ArrayLike | None = None,
        fused_codes: ArrayLike | None = None,
    ) -> Self:
        """Return checked rows, with the answers that follow from the scores where none are given.

        Args:
            free: (n, K) scores.
            fused: (n, K) scores.
            gold: codes (n,) or 0/1 (n, K).
            clusters: (n,); None = every row is its own.
            multi_label: what the scores are.
            thresholds: probabilities from which on a label is given, (K,), or (2, K) for free and fused scores.
            free_codes: the free answers, where they are made otherwise (cross-fitted thresholds, no empty answers).
            fused_codes: the answers of the asking fusion.

        Raises:
            ScoresError: shapes do not fit together.
            ConfigError: a threshold is no probability.

        """
        scores = [np.asarray(free, dtype=np.float64), np.asarray(fused, dtype=np.float64)]
        answers, n = np.asarray(gold), len(np.asarray(gold))
        if scores[0].ndim != 2 or scores[0].shape != scores[1].shape or len(scores[0]) != n:
            raise ScoresError(
                f"free scores {scores[0].shape}, fused scores {scores[1].shape} and gold {answers.shape} do not fit "
                "together; pass (n, K), (n, K) and n rows"
            )
        if (answers.ndim == 2) != multi_label:
            raise ScoresError(f"gold has shape {answers.shape} but multi_label={multi_label}")
        cuts = _cuts(thresholds, scores[0].shape[1], multi_label=multi_label)
        missing = _missing(scores[1])
        codes = [
            _codes(one, cut, multi_label=multi_label) if given is None else np.asarray(given)
            for one, cut, given in zip(scores, cuts, (free_codes, fused_codes), strict=True)
        ]
        for given in codes:
            if given.shape != answers.shape:
                raise ScoresError(f"answers of shape {given.shape} do not fit gold {answers.shape}")
        codes[1] = np.where(missing[:, None] if multi_label else missing, codes[0], codes[1])
        together = np.arange(n) if clusters is None else np.asarray(clusters)
        if together.shape != (n,):
            raise ScoresError(f"clusters have shape {together.shape}; pass one number per text, ({n},)")
        return cls(scores[0], scores[1], codes[0], codes[1], answers, together, cuts, multi_label)

    def __len__(self) -> int:
        return len(self.gold)

    @property
    def has_free(self) -> NDArray[np.bool_]:
        """Where there are free scores; shape (n,)."""
        return ~_missing(self.free)

    @property
    def comparable(self) -> NDArray[np.bool_]:
        """Where both fusions gave scores; shape (n,)."""
        return self.has_free & ~_missing(self.fused)

    def take(self, rows: ArrayLike) -> Self:
        """Return the rows that an index array or mask selects."""
        chosen = np.arange(len(self))[np.asarray(rows)]
        columns = ("free", "fused", "free_codes", "fused_codes", "gold", "clusters")
        return replace(self, **{name: getattr(self, name)[chosen] for name in columns})

    def parts(self, metric: str) -> tuple[Any, Any]:
        """Return what the free and the fused answers add to the metric, sparse (n, 2 J) each; see `mean_of_ratios`.

        Log loss enters with its sign turned, so that more is better. A row without an answer misses its gold labels,
        and its forecast counts as knowing nothing.
        """
        if metric not in METRICS:
            raise ConfigError(f"unknown metric {metric!r}; known: {', '.join(METRICS)}")
        fused = np.where(_missing(self.fused)[:, None], self.free, self.fused)
        return self._parts(metric, self.free_codes, self.free), self._parts(metric, self.fused_codes, fused)

    def gains(self, metric: str) -> Floats:
        """Return what asking about each row adds to the metric, times n: (n,), so that their mean is the full gain.

        Exactly so for means over rows and micro-F1: r1 - r0 = (change above - (r0 + r1) / 2 * change below) / (mean
        below), r being the ratio of what is above and below the line; for macro-F1 but for labels that few rows have.
        """
        free, fused = self.parts(metric)
        sums = np.stack([np.asarray(one.sum(axis=0), dtype=np.float64) for one in (free, fused)])
        above, below = np.split(sums, 2, axis=1)
        ratio = np.divide(above, below, out=np.zeros_like(above), where=below > 0).mean(axis=0)
        present = np.asarray(below.sum(axis=0) > 0)
        fewest = FEWEST_BELOW if len(present) > 1 else 1e-12
        slope = present / (np.maximum(below.mean(axis=0), fewest) * max(int(present.sum()), 1))
        return np.asarray((fused - free) @ np.concatenate([slope, -slope * ratio])) * len(self)

    def _parts(self, metric: str, codes: Gold, scores: Floats) -> Any:
        if metric == "log_loss":
            forecasts = expit(scores) if self.multi_label else np.exp(scores)
            above = -log_loss_per_row(self.gold, forecasts, abstentions="wrong")
            return sparse.csr_array(np.column_stack([above, np.ones(len(above))]))
        if metric in {"accuracy", "subset_accuracy"}:
            right = (codes == self.gold).all(axis=1) if self.multi_label else codes == self.gold
            return sparse.csr_array(np.column_stack([right, np.ones(len(right))]))
        gold, given = (_indicator(one, scores.shape[1]) for one in (self.gold, codes))
        above, below = 2 * gold.multiply(given), gold + given
        if metric == "micro_f1":
            return sparse.csr_array(np.column_stack([above.sum(axis=1), below.sum(axis=1)]))
        return sparse.hstack([above, below], format="csr")


def mean_of_ratios(sums: Floats) -> Floats:
    """Return metrics (...,) for sums (..., 2 J) of parts: what is above J lines, then what is below them.

    Each metric is the mean of J ratios of sums: one for means over rows and micro-F1, one per label for macro-F1, where
    labels that occur neither in gold nor in the answers have no say.
    """
    above, below = np.split(sums, 2, axis=-1)
    present = below > 0
    ratios = np.divide(above, below, out=np.zeros_like(above), where=present)
    n_present = present.sum(axis=-1)
    means = np.full(n_present.shape, np.nan)
    np.divide(ratios.sum(axis=-1), n_present, out=means, where=n_present > 0)
    return means


def _cuts(thresholds: ArrayLike | None, n_labels: int, *, multi_label: bool) -> Floats:
    if thresholds is None or not multi_label:
        return np.zeros((2, n_labels))
    given = np.asarray(thresholds, dtype=np.float64)
    if given.shape not in {(n_labels,), (2, n_labels)}:
        raise ScoresError(f"thresholds have shape {given.shape}; pass ({n_labels},), or (2, {n_labels})")
    if not ((given >= 0) & (given <= 1)).all():
        raise ConfigError("thresholds are probabilities from 0 to 1; see statistics.tune_thresholds")
    # One that nothing reaches (or all do) is an infinite cut; a finite one does the same and can be calculated with.
    return np.array(np.broadcast_to(np.clip(logit(given), -50.0, 50.0), (2, n_labels)))


def _missing(scores: Floats) -> NDArray[np.bool_]:
    return np.asarray(np.isnan(scores).any(axis=1))


def _codes(scores: Floats, cut: Floats, *, multi_label: bool) -> Gold:
    missing = _missing(scores)
    if multi_label:
        return np.where(missing[:, None], -1, scores >= cut).astype(np.int64)
    codes = np.full(len(scores), -1, dtype=np.int64)
    codes[~missing] = scores[~missing].argmax(axis=1)
    return codes


def _indicator(codes: Gold, n_labels: int) -> Any:
    if codes.ndim == 2:
        return sparse.csr_array((codes > 0).astype(np.float64))
    rows = np.flatnonzero(codes >= 0)
    return sparse.csr_array((np.ones(len(rows)), (rows, codes[rows])), shape=(len(codes), n_labels))
