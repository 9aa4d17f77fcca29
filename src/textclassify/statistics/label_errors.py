"""Which gold labels are probably wrong: confident learning on scores of rows that the source was not trained on.

Northcutt, Jiang and Chuang 2021, "Confident Learning: Estimating Uncertainty in Dataset Labels" (JAIR 70): a row counts
for another label where its probability is at least what rows of that label get on average. Single-label: probabilities
(n, K) and gold codes (n,). Multi-label: gold is a 0/1 array (n, K), and each label is a question of its own with the
answers no and yes. Rows with NaN are not judged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.errors import DataError

Floats = NDArray[np.float64]
Codes = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class LabelErrors:
    """What confident learning says of n rows.

    Args:
        suspect: (n,) whether the gold answer is probably wrong.
        suggested: the answer instead, codes (n,) or 0/1 (n, K); the gold answer where the row is not suspect.
        self_confidence: (n,) probability of the gold answer; multi-label: of its least probable suspect part, or, where
            none is suspect, of its least probable part. NaN = not judged.
        joint: how often each gold label (row) stands for each true one (column), as shares of the judged rows, (K, K);
            multi-label (K, 2, 2), one table per label.

    """

    suspect: NDArray[np.bool_]
    suggested: Codes
    self_confidence: Floats
    joint: Floats

    @property
    def order(self) -> NDArray[np.intp]:
        """The suspect rows, the one with the least probable gold answer first."""
        rows = np.flatnonzero(self.suspect)
        return rows[np.argsort(self.self_confidence[rows], kind="stable")]


def find_label_errors(gold: ArrayLike, probabilities: ArrayLike) -> LabelErrors:
    """Return which gold answers are probably wrong, and what they should be.

    Single-label: the confident joint says how many, and the rows with the least probable gold answer are taken, of
    those that another label suits better. Multi-label: those decisions that the confident joint counts as wrong, where
    the opposite is the more probable one.

    Raises:
        DataError: probabilities and gold do not fit together.

    """
    answers, shares = np.asarray(gold), np.asarray(probabilities, dtype=np.float64)
    fits = answers.shape == shares.shape if answers.ndim == 2 else answers.shape == shares.shape[:1]
    if shares.ndim != 2 or not fits:
        raise DataError(f"probabilities {shares.shape} do not fit gold {answers.shape}; pass (n, K) for the same rows")
    answers = answers.astype(np.int64)
    return _of_each_label(answers, shares) if answers.ndim == 2 else _of_one_label(answers, shares)


def conflicting(ids: ArrayLike, gold: ArrayLike) -> NDArray[np.bool_]:
    """Return which rows share their id (such as the hash of the text) with a row of another gold answer; (n,)."""
    _, same_text = np.unique(np.asarray(ids), return_inverse=True)
    _, answer = np.unique(np.asarray(gold), axis=0, return_inverse=True)
    pairs = np.unique(np.column_stack([same_text.ravel(), answer.ravel()]), axis=0)
    several = np.bincount(pairs[:, 0], minlength=1) > 1
    return np.asarray(several[same_text.ravel()], dtype=bool)


def _of_one_label(gold: Codes, shares: Floats) -> LabelErrors:
    n, n_labels = shares.shape
    judged = np.flatnonzero(~np.isnan(shares).any(axis=1))
    suspect, suggested, self_confidence = np.zeros(n, dtype=bool), gold.copy(), np.full(n, np.nan)
    known, answers = shares[judged], gold[judged]
    own = self_confidence[judged] = known[np.arange(len(judged)), answers]
    counted = _confident_labels(answers, known)
    wrong = _is_better(counted, answers, known)
    best = known.argmax(axis=1)
    doubtful = np.flatnonzero(best != answers)
    least = doubtful[np.argsort(own[doubtful], kind="stable")][: int(wrong.sum())]
    suspect[judged[least]] = True
    suggested[judged[least]] = best[least]
    return LabelErrors(suspect, suggested, self_confidence, _joint(answers, counted, n_labels))


def _of_each_label(gold: Codes, shares: Floats) -> LabelErrors:
    judged = np.flatnonzero(~np.isnan(shares).any(axis=1))
    wrong, joint = np.zeros(gold.shape, dtype=bool), np.zeros((gold.shape[1], 2, 2))
    for k in range(gold.shape[1]):
        answers = gold[judged, k]
        known = np.column_stack([1 - shares[judged, k], shares[judged, k]])
        counted = _confident_labels(answers, known)
        wrong[judged, k] = _is_better(counted, answers, known)
        joint[k] = _joint(answers, counted, 2)
    own = np.where(gold == 1, shares, 1 - shares)
    suspect = np.asarray(wrong.any(axis=1))
    self_confidence = np.where(wrong | ~suspect[:, None], own, np.inf).min(axis=1)
    return LabelErrors(suspect, np.where(wrong, 1 - gold, gold), self_confidence, joint)


def _confident_labels(gold: Codes, shares: Floats) -> Codes:
    """Return the label that each row counts for, (n,): the most probable one at or above its threshold; -1 = none.

    A label's threshold is the mean probability that rows with this gold label give it (equation 2); of a label that no
    row has, the mean probability of rows where it is the most probable one, so that a label may be missing by error.
    """
    n_labels = shares.shape[1]
    counts = np.bincount(gold, minlength=n_labels)
    sums = np.bincount(gold, weights=shares[np.arange(len(gold)), gold], minlength=n_labels)
    best, sure = shares.argmax(axis=1), shares.max(axis=1, initial=0.0)
    as_best = np.bincount(best, minlength=n_labels)
    typical = np.bincount(best, weights=sure, minlength=n_labels) / np.maximum(as_best, 1)
    unseen = np.where(as_best > 0, typical, np.inf)
    thresholds = np.where(counts > 0, sums / np.maximum(counts, 1), unseen)
    above = np.where(shares >= thresholds - 1e-12, shares, -1.0)  # rounding must not keep a row below its own mean
    return np.where(above.max(axis=1) >= 0, above.argmax(axis=1), -1)


def _is_better(counted: Codes, gold: Codes, shares: Floats) -> NDArray[np.bool_]:
    """Return where the label that a row counts for is another one than gold, and more probable; (n,)."""
    rows = np.arange(len(gold))
    return (counted >= 0) & (shares[rows, np.maximum(counted, 0)] > shares[rows, gold])


def _joint(gold: Codes, counted: Codes, n_labels: int) -> Floats:
    """Return the estimated joint of gold and true labels (equation 3): each gold label keeps its share of the rows."""
    sure = counted >= 0
    table = np.zeros((n_labels, n_labels))
    np.add.at(table, (gold[sure], counted[sure]), 1.0)
    empty = np.flatnonzero(table.sum(axis=1) == 0)
    table[empty, empty] = 1.0
    per_label = np.bincount(gold, minlength=n_labels) / max(len(gold), 1)
    return np.asarray(table / table.sum(axis=1, keepdims=True) * per_label[:, None])
