"""What pages and plots look at: every system's answers row by row, from a run's folder or from an evaluation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.result import NO_LABEL
from textclassify.runs.recording.prediction_table import ANSWER, CONFIDENCE, PROBABILITY, codes_of, table_of_evaluation
from textclassify.runs.scored_texts import FUSION, WITHOUT_LLM
from textclassify.runs.systems import Evaluation
from textclassify.statistics.label_errors import LabelErrors, find_label_errors
from textclassify.statistics.metrics import correct_per_row

if TYPE_CHECKING:
    import pandas as pd

Codes = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class RecordedRun(Protocol):
    """What is read of a run: the files of its folder, as values."""

    @property
    def folder(self) -> Path:
        """Where the run is."""

    @property
    def facts(self) -> Mapping[str, Any]:
        """What `run.json` holds."""

    @property
    def metrics(self) -> Mapping[str, Any]:
        """What `metrics.json` holds."""

    @property
    def evaluation(self) -> Mapping[str, Any] | None:
        """What `evaluation.json` holds."""

    @property
    def costs(self) -> Any:
        """What `costs.json` holds."""

    @property
    def predictions(self) -> pd.DataFrame:
        """What `predictions.parquet` holds."""


@dataclass(frozen=True, eq=False)
class SystemAnswers:
    """One way of answering: the system that is reported, a source of it alone, or it without language models.

    Args:
        name: of the system.
        codes: (n,) label codes, -1 = no answer; multi-label (n, K) of 0 and 1, a row of -1 = no answer.
        confidence: (n,) probability of the answer; NaN where there is none.

    """

    name: str
    codes: Codes
    confidence: Floats

    @property
    def answered(self) -> Flags:
        """Where there is an answer; shape (n,)."""
        return has_answer(self.codes)


@dataclass(frozen=True, eq=False)
class RunView:
    """A run's rows and figures.

    Args:
        name: of the run.
        schema: its labels.
        texts: n of them; None where texts were not kept.
        gold: (n,) or (n, K) like answers, -1 = unknown.
        systems: the one that is reported first.
        probabilities: (n, K) of that one; NaN = no score.
        status: (n,) words.
        asked: (n,) whether a language model has answered.
        evaluation: as `Evaluation.to_dict` gives it; empty = there was none.
        metrics: {metric: {"value", "low", "high"}} of the first system.
        facts: about the run.
        costs: of language models.

    """

    name: str
    schema: LabelSchema
    texts: Sequence[str | None] = field(repr=False)
    gold: Codes
    systems: tuple[SystemAnswers, ...]
    probabilities: Floats
    status: Sequence[str] = field(repr=False)
    asked: Flags
    evaluation: Mapping[str, Any] = field(default_factory=dict, repr=False)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    facts: Mapping[str, Any] = field(default_factory=dict, repr=False)
    costs: Any = None

    @classmethod
    def of(cls, run: RecordedRun | Evaluation) -> Self:
        """Return the view of a run, or of an evaluation alone."""
        if isinstance(run, Evaluation):
            return cls._from_table(table_of_evaluation(run), run.data.schema, "Evaluation", run.to_dict())
        facts, table = run.facts, run.predictions
        name = str(facts.get("name") or facts.get("id") or run.folder.name)
        schema = LabelSchema.from_dict(facts["labels"])
        known = {"metrics": run.metrics or {}, "facts": facts, "costs": run.costs}
        return cls._from_table(table, schema, name, run.evaluation or {}, **known)

    @classmethod
    def _from_table(
        cls, table: pd.DataFrame, schema: LabelSchema, name: str, evaluation: Mapping[str, Any], **known: Any
    ) -> Self:
        n = len(table)
        names = [column.removeprefix(ANSWER) for column in table.columns if column.startswith(ANSWER)]
        measured = [system["name"] for system in evaluation.get("systems", [])]
        first = measured[0] if measured else "answer"
        nothing = [None] * n
        others = (
            SystemAnswers(
                name, codes_of(list(table[f"{ANSWER}{name}"]), schema), _numbers(table.get(f"{CONFIDENCE}{name}"), n)
            )
            for name in names
        )
        return cls(
            name=name,
            schema=schema,
            texts=list(table["text"]) if "text" in table else nothing,
            gold=codes_of(list(table.get("gold", nothing)), schema),
            systems=(
                SystemAnswers(first, codes_of(list(table["label"]), schema), _numbers(table["confidence"], n)),
                *others,
            ),
            probabilities=np.column_stack([_numbers(table.get(f"{PROBABILITY}{label}"), n) for label in schema.names]),
            status=list(table["status"]) if "status" in table else ["ok"] * n,
            asked=table["asked"].to_numpy(dtype=bool) if "asked" in table else np.zeros(n, dtype=bool),
            evaluation=evaluation,
            **known,
        )

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def first(self) -> SystemAnswers:
        """The system that is reported."""
        return self.systems[0]

    @property
    def sources(self) -> tuple[SystemAnswers, ...]:
        """The sources alone: neither the reported system nor it without language models."""
        return tuple(one for one in self.systems[1:] if one.name not in {FUSION, WITHOUT_LLM})

    @cached_property
    def known(self) -> Flags:
        """Where the gold answer is known, (n,)."""
        return has_answer(self.gold)

    @property
    def has_gold(self) -> bool:
        """Whether any gold answer is known."""
        return bool(self.known.any())

    @cached_property
    def correct(self) -> Flags:
        """Where the reported answer is wholly right, (n,); False where the gold answer is unknown."""
        found = self.known.copy()
        found[found] = correct_per_row(self.gold[found], self.first.codes[found])
        return found

    @cached_property
    def kinds_of_answers(self) -> NDArray[np.int64]:
        """How many different answers the sources give to each text, (n,); a source without an answer has no say."""
        if len(self.sources) < 2:
            return np.ones(len(self), dtype=np.int64)
        numbers = _numbered([one.codes for one in self.sources])
        numbers[~np.stack([one.answered for one in self.sources], axis=1)] = NO_LABEL
        ordered = np.sort(numbers, axis=1)
        is_new = np.diff(ordered, axis=1, prepend=NO_LABEL) != 0
        return np.asarray(is_new.sum(axis=1))

    @property
    def disagreed(self) -> Flags:
        """Where sources give different answers, (n,)."""
        return np.asarray(self.kinds_of_answers > 1)

    @cached_property
    def label_errors(self) -> LabelErrors | None:
        """Which gold answers are probably wrong, judged by the reported system; None where nothing can be judged.

        Its arrays are of the rows whose gold answer is known.
        """
        rows = self.known & ~np.isnan(self.probabilities).any(axis=1)
        if not rows.any() or len(self.schema) < 2:
            return None
        return find_label_errors(self.gold[self.known], self.probabilities[self.known])

    @cached_property
    def suspect(self) -> Flags:
        """Where the gold answer is probably wrong, (n,)."""
        found = np.zeros(len(self), dtype=bool)
        if self.label_errors is not None:
            found[self.known] = self.label_errors.suspect
        return found

    def labels_of(self, codes: Codes) -> list[tuple[str, ...] | None]:
        """Return the names behind answers, none or several for multi-label; None = no answer."""
        names = [str(name) for name in self.schema.names]
        if codes.ndim == 1:
            return [None if code == NO_LABEL else (names[code],) for code in codes]
        return [
            tuple(names[k] for k in np.flatnonzero(row)) if there else None
            for row, there in zip(codes, has_answer(codes), strict=True)
        ]


def has_answer(codes: Codes) -> Flags:
    """Return where there is an answer in codes (n,) or (n, K)."""
    return np.asarray(codes != NO_LABEL if codes.ndim == 1 else (codes != NO_LABEL).all(axis=1))


def _numbered(several: Sequence[Codes]) -> Codes:
    """Return one number for each row and system, (n, systems), equal where answers are."""
    if several[0].ndim == 1:
        return np.stack(several, axis=1)
    packed = np.packbits(np.concatenate(several) > 0, axis=1)
    _, numbers = np.unique(packed, axis=0, return_inverse=True)
    return np.asarray(numbers.reshape(len(several), -1).T, dtype=np.int64)


def _numbers(column: Any, n: int) -> Floats:
    return np.full(n, np.nan) if column is None else np.asarray(column, dtype=np.float64)
