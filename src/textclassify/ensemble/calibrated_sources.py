"""Every source of a fusion calibrated by itself, on the rows that the fusion learned from: none was trained on them."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy.special import log_softmax

from textclassify.core.scales import SMALLEST_PROBABILITY, Scale, Status
from textclassify.core.scores import Scores
from textclassify.ensemble.combining.readings import CalibratedReading, Reading, reading_for
from textclassify.ensemble.combining.rows import complete
from textclassify.ensemble.learned_fusion import LearnedFusion


def calibrated_sources(fusion: LearnedFusion, sources: Mapping[str, Scores]) -> dict[str, Scores]:
    """Return each source's scores as calibrated log-probabilities, multi-label log-odds; `calibration` says how.

    The calibrator is the fusion's `calibrator`; votes are read by how often each met each label. A source that the
    fusion could learn nothing about keeps its scores, and its `calibration` of None.

    Args:
        fusion: fitted.
        sources: {name: Scores}, none of rows that it learned from.

    """
    return {name: _calibrated(fusion, name, scores) for name, scores in sources.items()}


def _calibrated(fusion: LearnedFusion, name: str, scores: Scores) -> Scores:
    rows = fusion.rows_
    if not fusion.learns_ or name not in rows.sources:
        return scores
    scored = rows.scored_by([name])

    def learned() -> Reading:
        reading = reading_for(rows.sources[name], calibrator=fusion.calibrator)
        reading.fit_read(rows.sources[name].take(scored), rows.gold[scored], rows.weight[scored], rows.clusters[scored])
        return reading

    reading = rows.learned(("calibrated", name, str(fusion.calibrator)), learned)
    how = reading.calibrator.name if isinstance(reading, CalibratedReading) else "confusion of votes"
    values = reading.read(scores)
    if not scores.multi_label:
        values = np.maximum(log_softmax(values, axis=1), np.log(SMALLEST_PROBABILITY))
    unscored = np.where(scores.status == Status.OK, Status.NOT_CALLED, scores.status)
    return Scores.build(
        values,
        scores.labels,
        Scale.LOG_ODDS if scores.multi_label else Scale.LOG_PROBABILITY,
        source=scores.source,
        method=scores.method,
        status=np.where(complete(scores), Status.OK, unscored),
        fold=scores.fold,
        cost=scores.cost,
        row_ids=scores.row_ids,
        calibration=f"{how} on {len(scored)} rows",
    )
