"""What members say of rows that they were not trained on, calibrated where wanted, for whatever is learned on top."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import Gold
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.readings import CalibratedReading, Floats, Reading, VoteReading, reading_for
from textclassify.ensemble.combining.rows import complete, fusion_rows
from textclassify.ensemble.member_answers import from_evidence, probabilities_of

_READINGS = "readings.safetensors"


@dataclass(frozen=True, eq=False)
class HonestAnswers:
    """What M members say of n rows that they were not trained on, beside the rows' gold.

    Args:
        names: of the members that scored at least one row, sorted.
        probabilities: (M, n, K); NaN where a member has no scores.
        gold: codes (n,), or, multi-label, 0/1 (n, K).
        weight: (n,) weights of the rows, with mean 1.
        readings: how each member is calibrated, by name; empty where none is.

    """

    names: tuple[str, ...]
    probabilities: Floats
    gold: Gold
    weight: Floats
    readings: Mapping[str, Reading]

    @classmethod
    def of(
        cls, data: TrainingData, scores: Mapping[str, Scores], held_out: NDArray[np.intp], *, calibrated: bool
    ) -> Self:
        """Return the answers for the held-out rows.

        Args:
            data: all training rows.
            scores: of all of them, by member.
            held_out: the rows whose scores are honest.
            calibrated: whether each member's probabilities are learned from the others' rows.

        Raises:
            ScoresError: the scores do not fit together, a member was trained on a row, or none scored any.

        """
        rows = fusion_rows(
            {name: one.take(held_out) for name, one in scores.items()},
            data.schema.decode(data.gold[held_out]),
            groups=data.clusters[held_out],
            sample_weight=None if data.sample_weight is None else data.sample_weight[held_out],
        )
        if not calibrated:
            said = [probabilities_of(one) for one in rows.sources.values()]
            return cls(rows.names, np.stack(said), rows.gold, rows.weight, {})
        readings, said = {}, []
        for name, one in rows.sources.items():
            scored, evidence = np.flatnonzero(complete(one)), np.full(one.values.shape, np.nan)
            readings[name] = reading_for(one)
            evidence[scored] = readings[name].fit_read(
                one.take(scored), rows.gold[scored], rows.weight[scored], rows.clusters[scored]
            )
            said.append(from_evidence(evidence, multi_label=one.multi_label))
        return cls(rows.names, np.stack(said), rows.gold, rows.weight, readings)


def write_readings(folder: Path, readings: Mapping[str, Reading]) -> dict[str, Any]:
    """Write how members are calibrated into an existing folder; return what belongs into JSON."""
    arrays = {
        f"{number}.{key}": array
        for number, reading in enumerate(readings.values())
        for key, array in reading.state().items()
    }
    write_arrays(folder / _READINGS, arrays)
    return {name: isinstance(reading, VoteReading) for name, reading in readings.items()}


def read_readings(folder: Path, written: Mapping[str, bool], *, multi_label: bool) -> dict[str, Reading]:
    """Return what `write_readings` wrote."""
    arrays = {name: np.array(array) for name, array in read_arrays(folder / _READINGS).items()}
    readings: dict[str, Reading] = {}
    for number, (name, of_votes) in enumerate(written.items()):
        readings[name] = VoteReading(multi_label=multi_label) if of_votes else CalibratedReading()
        start = f"{number}."
        readings[name].load_state({key.removeprefix(start): a for key, a in arrays.items() if key.startswith(start)})
    return readings
