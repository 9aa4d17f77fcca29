"""How one source is read: its scores as calibrated log-probabilities (multi-label: log-odds) that can be added up."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.labels import Gold
from textclassify.core.scales import Scale
from textclassify.core.scores import Scores
from textclassify.errors import ConfigError, NotFittedError
from textclassify.statistics.calibration import CALIBRATORS, Calibrator, CalibratorChoice, new_calibrator

Floats: TypeAlias = NDArray[np.float64]
Arrays: TypeAlias = dict[str, NDArray[Any]]

_NAME = "calibrator"
"""Key of the calibrator's name in a saved reading."""


class Reading(ABC):
    """One source's scores turned into evidence (n, K); learned on rows that the source was not trained on."""

    @abstractmethod
    def fit_read(self, scores: Scores, gold: Gold, weight: Floats, clusters: NDArray[np.int64] | None = None) -> Floats:
        """Learn, and return the evidence of the same rows, each without its own influence where that matters.

        `clusters` (n,) are rows that belong together, and are left out together where rows are held out.
        """

    @abstractmethod
    def read(self, scores: Scores) -> Floats:
        """Return the evidence (n, K); NaN rows where the source has no scores."""

    @abstractmethod
    def state(self) -> Arrays:
        """Return what was learned, as arrays."""

    @abstractmethod
    def load_state(self, state: Arrays) -> None:
        """Take over what another reading learned."""


def reading_for(scores: Scores, calibrator: CalibratorChoice = None) -> Reading:
    """Return the reading that fits the scale: votes through their confusion, all else through a calibrator.

    `calibrator`: one of `CALIBRATORS`, a class or callable that makes one; None = by the number of rows.
    """
    if scores.scale is Scale.VOTE_SHARE:
        return VoteReading(multi_label=scores.multi_label)
    return CalibratedReading(calibrator)


class CalibratedReading(Reading):
    """Log-probabilities or log-odds through a calibrator, which is chosen when the number of rows is known."""

    calibrator: Calibrator

    def __init__(self, choice: CalibratorChoice = None) -> None:
        self.choice = choice

    def fit_read(self, scores: Scores, gold: Gold, weight: Floats, clusters: NDArray[np.int64] | None = None) -> Floats:
        """Learn the calibrator, and return each row as the others would have it calibrated."""
        raw = raw_evidence(scores)
        n_rows = int((~np.isnan(raw).any(axis=1) & (weight > 0)).sum())
        self.calibrator = new_calibrator(self.choice, n_rows, raw.shape[1], multi_label=scores.multi_label)
        return self.calibrator.fit_held_out(raw, gold, weight, clusters=clusters)

    def read(self, scores: Scores) -> Floats:
        """Return the calibrated scores."""
        if not hasattr(self, "calibrator"):
            raise NotFittedError(
                "this reading has learned no calibrator yet; call fit_read(scores, gold, weight) first"
            )
        return self.calibrator.transform(raw_evidence(scores))

    def state(self) -> Arrays:
        """Return what the calibrator learned, and its name as the bytes of UTF-8."""
        name = np.frombuffer(self.calibrator.name.encode(), dtype=np.uint8)
        return {_NAME: name, **self.calibrator.state()}

    def load_state(self, state: Arrays) -> None:
        """Take over what another reading learned; a calibrator of one's own must be given again.

        Raises:
            ConfigError: it was learned by a calibrator that neither the library nor `choice` has.

        """
        name = bytes(state[_NAME]).decode() if _NAME in state else "temperature"  # once there was no other
        calibrator = self._named(name)
        self.calibrator = calibrator.load_state({key: array for key, array in state.items() if key != _NAME})

    def _named(self, name: str) -> Calibrator:
        if name in CALIBRATORS:
            return CALIBRATORS[name]()
        own = new_calibrator(self.choice, 0, 0, multi_label=False)
        if own.name != name:
            raise ConfigError(
                f"these scores were calibrated by {name!r}, which is not part of textclassify; pass "
                "calibrator= as it was in fit"
            )
        return own


class RawReading(Reading):
    """Scores taken at their word, for when there are no rows to learn from."""

    def fit_read(
        self,
        scores: Scores,
        gold: Gold,  # noqa: ARG002 - nothing is learned
        weight: Floats,  # noqa: ARG002
        clusters: NDArray[np.int64] | None = None,  # noqa: ARG002
    ) -> Floats:
        """Return the scores as they are."""
        return raw_evidence(scores)

    def read(self, scores: Scores) -> Floats:
        """Return the scores as they are."""
        return raw_evidence(scores)

    def state(self) -> Arrays:
        """Return nothing."""
        return {}

    def load_state(self, state: Arrays) -> None:
        """Take over nothing."""


class VoteReading(Reading):
    """What a vote says about each label, learned from how often it was cast for texts of that label.

    Single-label: P(vote | label) with "no label" as a vote of its own. The prior of each label's row of the confusion
    matrix puts the source's overall accuracy on the label itself and spreads the errors by how often each vote occurs;
    it counts as `strength` rows. Multi-label: the same with two votes, for and against, per label.
    Rows that are learned from are read with their own count taken out, and that of rows that belong with them: counted
    and weighted on the same rows, a confusion matrix of many labels and few rows remembers the answers.
    """

    def __init__(self, *, multi_label: bool, strength: float = 5.0) -> None:
        self.multi_label = multi_label
        self.strength = strength
        self.tables_: Floats

    def fit_read(self, scores: Scores, gold: Gold, weight: Floats, clusters: NDArray[np.int64] | None = None) -> Floats:
        """Count votes by label, and return each row's evidence from the counts of all other clusters."""
        votes = self._votes(scores)
        answers = self._answers(gold, scores.values.shape[1])
        self.tables_ = _counted(votes, answers, weight)
        if clusters is None:
            return self._without_own_row(votes, answers, weight)
        _, cluster, size = np.unique(clusters, return_inverse=True, return_counts=True)
        single = size[cluster] == 1
        evidence = np.empty(scores.values.shape)
        if single.any():
            evidence[single] = self._without_own_row(votes[single], answers[single], weight[single])
        order = np.argsort(cluster, kind="stable")
        for rows in np.split(order, np.cumsum(size)[:-1]):
            if len(rows) > 1:
                own = _counted(votes[rows], answers[rows], weight[rows])
                evidence[rows] = self._evidence(votes[rows], np.maximum(self.tables_ - own, 0.0))
        return evidence

    def _without_own_row(self, votes: Floats, answers: Floats, weight: Floats) -> Floats:
        """Return the evidence of rows that stand alone, once for each kind of row."""
        if self.multi_label and np.isin(votes, (0.0, 1.0)).all() and (weight == weight[0]).all():
            return self._evidence_by_cell(votes, answers, weight[0])
        evidence = np.empty((len(votes), self.tables_.shape[0]))
        as_seen = np.concatenate(
            [votes.reshape(len(votes), -1), answers.reshape(len(votes), -1), weight[:, None]], axis=1
        )
        _, first, kind = np.unique(as_seen, axis=0, return_index=True, return_inverse=True)
        order = np.argsort(kind.ravel(), kind="stable")
        ends = np.cumsum(np.bincount(kind.ravel()))
        for row, rows in zip(first, np.split(order, ends[:-1]), strict=True):
            own = _counted(votes[[row]], answers[[row]], weight[[row]])
            evidence[rows] = self._evidence(votes[[row]], np.maximum(self.tables_ - own, 0.0))
        return evidence

    def _evidence_by_cell(self, votes: Floats, answers: Floats, weight: float) -> Floats:
        """Do the same for hard votes on many labels: a label's row has only four kinds, (answer, vote)."""
        evidence = np.empty(votes.shape[:2])
        for answer, vote in np.ndindex(2, 2):
            own = np.zeros((2, 2))
            own[answer, vote] = weight
            cast = np.broadcast_to(np.eye(2)[vote], (1, *votes.shape[1:]))
            each = self._evidence(cast, np.maximum(self.tables_ - own, 0.0))
            evidence = np.where((answers[..., answer] == 1) & (votes[..., vote] == 1), each, evidence)
        return evidence

    def read(self, scores: Scores) -> Floats:
        """Return the evidence from all counts; NaN rows where there was no vote."""
        evidence = np.full(scores.values.shape, np.nan)
        scored = scores.answered & scores.mask.all(axis=1)
        evidence[scored] = self._evidence(self._votes(scores.take(scored)), self.tables_)
        return evidence

    def state(self) -> Arrays:
        """Return the counts."""
        return {"tables": self.tables_}

    def load_state(self, state: Arrays) -> None:
        """Take over counts."""
        self.tables_ = state["tables"]

    def _votes(self, scores: Scores) -> Floats:
        """Return vote shares (n, K + 1) with "no label" last; multi-label (n, K, 2): against, for."""
        shares = scores.values.astype(np.float64)
        if self.multi_label:
            return np.stack([1 - shares, shares], axis=-1)
        return np.column_stack([shares, np.clip(1 - shares.sum(axis=1), 0.0, 1.0)])

    def _answers(self, gold: Gold, n_labels: int) -> Floats:
        """Return gold as one-hot rows (n, K); multi-label (n, K, 2): absent, present."""
        if self.multi_label:
            present = gold.astype(np.float64)
            return np.stack([1 - present, present], axis=-1)
        return np.asarray(np.eye(n_labels)[gold])

    def _evidence(self, votes: Floats, tables: Floats) -> Floats:
        if self.multi_label:
            logs = _posterior_logs(tables, votes, self.strength)
            return np.asarray(logs[..., 1] - logs[..., 0])
        return np.asarray(log_softmax(_posterior_logs(tables, votes, self.strength), axis=1))


def _counted(votes: Floats, answers: Floats, weight: Floats) -> Floats:
    """Return how often each vote met each answer: (K, V), or per label (K, 2, 2)."""
    return np.asarray(np.einsum("n,n...a,n...v->...av", weight, answers, votes))


def _posterior_logs(tables: Floats, votes: Floats, strength: float) -> Floats:
    """Return log P(answer) + log P(votes | answer), up to a constant: (n, A), or per label (n, K, 2).

    The prior of P(vote | answer) puts the accuracy on the answer itself, and the rest on the other votes by frequency.
    """
    by_answer, by_vote = tables.sum(axis=-1), tables.sum(axis=-2)
    n_answers = tables.shape[-2]
    right = np.einsum("...aa->...a", tables[..., :n_answers])
    if tables.ndim == 2:  # one accuracy for all labels; per label there are two, of presence and of absence
        right, asked = right.sum(keepdims=True), by_answer.sum(keepdims=True)
    else:
        asked = by_answer
    accuracy = np.broadcast_to((right + 1.0) / (asked + 2.0), by_answer.shape)
    frequency = (by_vote + 0.5) / (by_vote + 0.5).sum(axis=-1, keepdims=True)
    spread = (1 - accuracy) / (1 - frequency[..., :n_answers])
    cast = np.flatnonzero(votes.any(axis=tuple(range(votes.ndim - 1))))  # only columns that were voted for matter
    own = cast == np.arange(n_answers)[:, None]
    prior = np.where(own, accuracy[..., None], spread[..., None] * frequency[..., None, cast])
    likely = (tables[..., cast] + strength * prior) / (by_answer[..., None] + strength)
    base = np.log((by_answer + 0.5) / (by_answer + 0.5).sum(axis=-1, keepdims=True))
    return np.asarray(base + np.einsum("n...v,...av->n...a", votes[..., cast], np.log(likely)))


def raw_evidence(scores: Scores) -> Floats:
    """Return log-probabilities (log-odds for multi-label) as the source gives them; votes become smoothed shares."""
    values = scores.values.astype(np.float64)
    if scores.scale is Scale.LOG_LIKELIHOOD:
        values = np.asarray(log_softmax(values, axis=1))
    elif scores.scale is Scale.VOTE_SHARE:
        smoothed = (values + 0.1) / (
            1.2 if scores.multi_label else values.sum(axis=1, keepdims=True) + 0.1 * values.shape[1]
        )
        values = np.log(smoothed) - np.log1p(-smoothed) if scores.multi_label else np.log(smoothed)
    values[~(scores.answered & scores.mask.all(axis=1))] = np.nan
    return values
