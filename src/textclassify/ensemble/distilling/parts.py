"""Which texts and gold rows teach a student, which calibrate it, and which are kept to measure on."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core import dataset
from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.splits import split
from textclassify.core.texts import blank_rows, hash_wordings
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.rows import complete
from textclassify.errors import DataError

MIN_TEXTS = 50
"""Answered texts below which nothing is taught: a tenth of them would be left to measure on."""
MIN_GOLD = 20
"""Gold rows to measure on, below which they all train."""
TRUSTED_SHARE = 0.6
"""Share of the texts, the surest of each label, that is worth teaching by where nobody ever checked an answer."""
_TEST_SHARE, _CALIBRATION_SHARE, _MOST_HELD_OUT = 0.1, 0.2, 2000


@dataclass(frozen=True, eq=False)
class GoldParts:
    """Gold rows that teach, and those that measure; None = there are none."""

    train: TrainingData | None = None
    test: TrainingData | None = None
    note: str = ""

    @classmethod
    def of(cls, gold: Any, schema: LabelSchema, teacher: Any, random_state: int) -> Self:
        """Return the parts of gold rows, half of which measures, where enough are new to the teacher."""
        if gold is None:
            return cls(note="no gold labels were given: how often the student is right is not known")
        data = dataset.labelled_data(gold, schema=schema, multi_label=schema.multi_label)
        trained = np.asarray(getattr(teacher, "training_row_ids_", ()), dtype=np.uint64)
        known = np.isin(data.wording_ids, trained) | np.isin(data.row_ids, teacher.seen_row_ids)
        measurable = np.flatnonzero(~np.isin(data.clusters, data.clusters[known]) & data.honest_rows)
        if len(measurable) < 2 * MIN_GOLD:
            return cls(
                data,
                note=f"only {len(measurable)} of {len(data)} gold rows are new to the teacher and drawn at random: all "
                f"teach, and how often the student is right is not known; it takes {2 * MIN_GOLD}",
            )
        _, test = split(data.take(measurable), 0.5, random_state=random_state)
        measured = data.clusters[measurable[np.isin(data.wording_ids[measurable], test.wording_ids)]]
        return cls(data.take(~np.isin(data.clusters, measured)), test)


@dataclass(frozen=True, eq=False)
class Plan:
    """Which texts teach, calibrate and measure, as row numbers; the others have no answer or repeat another."""

    train: NDArray[np.intp]
    calibrate: NDArray[np.intp]
    test: NDArray[np.intp]
    unanswered: dict[str, int]
    repeated: int
    dropped: int
    answered_share: float
    doubtful: int = 0

    @classmethod
    def of(
        cls, texts: list[str], result: ClassificationResult, gold: TrainingData | None, drop: float, random_state: int
    ) -> Self:
        """Return the parts of texts with their answers.

        Raises:
            DataError: too few texts have an answer.

        """
        blank = blank_rows(texts)
        answered = complete(result.scores) & (result.status == Status.OK) & ~blank
        words = result.reasons
        reasons = [words[row] or "incomplete scores" for row in np.flatnonzero(~answered)]
        ids = hash_wordings(texts)
        taken = np.zeros(0, dtype=np.uint64) if gold is None else gold.wording_ids
        rows = np.flatnonzero(answered & ~np.isin(ids, taken))
        rows = rows[np.sort(np.unique(ids[rows], return_index=True)[1])]
        if len(rows) < MIN_TEXTS:
            raise DataError(
                f"the teacher has an answer to {len(rows)} different texts, which are too few to teach by; pass more, "
                f"so that it answers at least {MIN_TEXTS}"
            )
        shuffled = np.random.default_rng(random_state).permutation(rows)
        test, calibrate = (min(int(share * len(rows)), _MOST_HELD_OUT) for share in (_TEST_SHARE, _CALIBRATION_SHARE))
        train = shuffled[test + calibrate :]
        dropped = int(drop * len(train))
        surest = train[np.argsort(-sureness(result)[train], kind="stable")[: len(train) - dropped]]
        counts = {reason: reasons.count(reason) for reason in dict.fromkeys(reasons)}
        repeated = int(answered.sum()) - len(rows)
        parts = (np.sort(surest), shuffled[test : test + calibrate], shuffled[:test])
        return cls(*parts, counts, repeated, dropped, float(answered.sum() / (~blank).sum()))

    def without_doubtful(self, result: ClassificationResult) -> Self:
        """Return the plan with the surest texts of each label to train on, `TRUSTED_SHARE` of all texts together.

        Of each label, so that a teacher who is less sure of some labels teaches them too. Multi-label: a text goes by
        its likeliest label and how likely that is; certainty about each label would favour texts without any.
        """
        shares = np.nan_to_num(result.probabilities[self.train], nan=0.0)
        likeliest, sure = shares.argmax(axis=1), shares.max(axis=1)
        kept = np.zeros(len(self.train), dtype=bool)
        for label in np.unique(likeliest):
            rows = np.flatnonzero(likeliest == label)
            size = np.ceil(min(1.0, TRUSTED_SHARE / self.answered_share) * len(rows)).astype(int)
            kept[rows[np.argsort(-sure[rows], kind="stable")[:size]]] = True
        return replace(self, train=self.train[kept], doubtful=int((~kept).sum()))


def sureness(result: ClassificationResult) -> NDArray[np.float64]:
    """Return how sure each answer is, (n,): its probability; multi-label, that of the least certain label."""
    shares = np.nan_to_num(result.probabilities, nan=0.0)
    return np.asarray(np.abs(2 * shares - 1).min(axis=1) if result.multi_label else shares.max(axis=1))
