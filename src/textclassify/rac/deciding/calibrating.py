"""What a few labelled rows tell: how much a language model's answers about candidates count."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.types import TrainingData
from textclassify.rac.deciding.posterior import fitted_weight
from textclassify.rac.labelling import Labeller

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Calibration:
    """What was learned from labelled rows.

    Args:
        weight: what a log-odd of the model counts; 0 = its answers are not used.
        decision: how candidates were checked; other checks' answers count as they do without labelled rows.
        rows: labelled rows that were asked about.
        recall: share of them whose label is among the candidates.

    """

    weight: float
    decision: str
    rows: int
    recall: float


def calibrated(labeller: Labeller, data: TrainingData) -> Calibration:
    """Return what labelled rows tell that the labeller's retriever has not seen.

    Args:
        labeller: with the default weight.
        data: rows to ask about; those without an answer are left out.

    """
    found = labeller.find(list(data.texts))
    scored = found.scores.answered
    gold = np.asarray(data.gold)[scored]
    among = _hits(found.candidates.codes[scored], gold)
    if found.evidence is None or not scored.any():
        recall = float(among.mean()) if len(among) else 0.0
        return Calibration(labeller.weight, labeller.decision, int(scored.sum()), recall)
    weight = fitted_weight(
        found.prior[scored],
        found.candidates.take(scored),
        found.evidence.take(scored),
        gold,
        labeller.weight,
        multi_label=labeller.schema.multi_label,
    )
    logger.info("%d labelled rows: the language model's answers count %.1f", scored.sum(), weight)
    return Calibration(weight, labeller.decision, int(scored.sum()), float(among.mean()))


def _hits(codes: NDArray[Any], gold: NDArray[Any]) -> NDArray[np.float64]:
    """Return the share of each row's gold labels that are among its candidates, (n,); 1 where it has none to miss."""
    if gold.ndim == 1:
        return np.asarray((codes == gold[:, None]).any(axis=1), dtype=np.float64)
    tried = np.zeros((len(codes), gold.shape[1] + 1), dtype=bool)  # the last column takes in what is no label
    np.put_along_axis(tried, codes.astype(np.int64), values=True, axis=1)
    wanted = gold == 1
    missed = (wanted & ~tried[:, :-1]).sum(axis=1)
    return np.asarray(1 - missed / np.maximum(wanted.sum(axis=1), 1))
