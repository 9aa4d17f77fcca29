"""Runs against each other on the same texts: paired differences, tests, and what else is different about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import LabelSchema
from textclassify.core.seeds import check_seed
from textclassify.core.types import TrainingData
from textclassify.errors import DataError
from textclassify.runs.comparing import Answers, Comparison, compared
from textclassify.runs.recording.prediction_table import PROBABILITY, codes_of
from textclassify.runs.recording.run_folder import RunFolder
from textclassify.runs.systems import METRIC_NAMES, json_safe
from textclassify.statistics.metrics import correct_per_row, headline_metrics, log_loss_per_row
from textclassify.statistics.resampling import Interval, bootstrap_mean

if TYPE_CHECKING:
    import pandas as pd

_COMPARED = ("config", "packages", "seeds", "git", "environment", "thresholds")
"""Parts of `run.json` of which differences are told."""


@dataclass(frozen=True)
class ComparedRun:
    """One run, and how the first one does against it on the same texts.

    Args:
        id: of the run.
        name: what people call it; the name of its folder where they do not.
        metrics: of the headline system, all computed from the predictions in the same way.
        coverage: share of the texts that have an answer; the others count as wrong.
        cost_usd: US dollars that all its answers cost; None = a price is unknown.
        comparison: the first run against this one; None for the first itself.
        only_first: texts that only the first run got right.
        only_this: texts that only this run got right.
        log_loss_lead: how much smaller the first run's log loss is, with its 95% interval; None for the first itself.

    """

    id: str
    name: str
    metrics: Mapping[str, float]
    coverage: float
    cost_usd: float | None
    comparison: Comparison | None = None
    only_first: int = 0
    only_this: int = 0
    log_loss_lead: Interval | None = None


@dataclass(frozen=True)
class RunComparison:
    """Runs on the same texts, the first against each of the others.

    P values are two-sided and adjusted for all comparisons (Holm): McNemar's mid-p test where every text has one label
    and stands once, else a paired bootstrap by text. Rows without an answer count as wrong.

    Args:
        runs: the first, which is compared with the others.
        n_texts: on which they are compared.
        metric: that is tested: accuracy, or micro_f1 for multi-label.
        differences: what is different about the runs, by the part of `run.json` and key: a value for each run.
        notes: what to know about the figures.

    """

    runs: tuple[ComparedRun, ...]
    n_texts: int
    metric: str
    differences: Mapping[str, Mapping[str, list[Any]]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per run: metrics, and the first run's lead over it with interval and p values."""
        import pandas as pd

        rows = []
        for run in self.runs:
            row: dict[str, Any] = {"run": run.id, "name": run.name, **run.metrics, "coverage": run.coverage}
            against = run.comparison
            lead = ("difference", "low", "high", "p_value", "p_adjusted")
            row |= {name: np.nan if against is None else getattr(against, name) for name in lead}
            rows.append(row | {"only_first": run.only_first, "only_this": run.only_this, "cost_usd": run.cost_usd})
        return pd.DataFrame(rows)

    def to_dict(self) -> dict[str, Any]:
        """Return everything as plain JSON values."""
        plain: dict[str, Any] = json_safe(
            {
                "texts": self.n_texts,
                "metric": self.metric,
                "runs": [asdict(run) for run in self.runs],
                "differences": {part: dict(found) for part, found in self.differences.items()},
                "notes": list(self.notes),
            }
        )
        return plain

    def __str__(self) -> str:
        first, *others = self.runs
        named = METRIC_NAMES[self.metric]
        lines = [f"{first.name}: {named} {first.metrics[self.metric]:.3f} on {self.n_texts:,} texts"]
        for run in others:
            against = run.comparison
            if against is not None:
                lines.append(
                    f"against {run.name} ({run.metrics[self.metric]:.3f}): {against.difference:+.3f} "
                    f"[{against.low:+.3f}, {against.high:+.3f}], adjusted p {against.p_adjusted:.3g} ({against.test})"
                )
        return "\n".join([*lines, *self.notes])


def compare_runs(runs: Sequence[RunFolder], *, random_state: int = 0) -> RunComparison:
    """Return the first run against each of the others, on the same texts.

    Rows are brought together by their texts' hashes, so that they may stand in different orders.

    Args:
        runs: two or more, with predictions and gold answers.
        random_state: seeds the resampling.

    Raises:
        DataError: there are fewer than two, one is named twice or has no predictions or gold answers, or they were
            measured on different texts or gold answers; the message names both hashes and numbers of rows.
        ConfigError: the seed is out of range.

    """
    if len(runs) < 2:
        raise DataError(f"{len(runs) or 'no'} run given; name at least two to compare")
    folders = [run.folder.resolve() for run in runs]
    twice = next((run for run, folder in zip(runs, folders, strict=True) if folders.count(folder) > 1), None)
    if twice is not None:
        raise DataError(f"run {twice.id} in {str(twice.folder)!r} is named twice; name each run once")
    check_seed(random_state)
    order = _same_rows(runs)
    schema = _common_schema(runs)
    first = runs[0].predictions.iloc[order[0]]
    kept = bool(first["text"].notna().all())
    texts = first["text" if kept else "text_id"].tolist()  # hashes are equal where texts are
    gold = codes_of(first["gold"].tolist(), schema)
    data = TrainingData(texts, gold if schema.multi_label else schema.decode(gold), schema=schema)
    answers = [_answers(run, rows, schema) for run, rows in zip(runs, order, strict=True)]
    found = [None, *compared(data, answers[0], answers[1:], random_state)]
    return RunComparison(
        tuple(
            _compared_run(run, data, answers[0], one, comparison)
            for run, one, comparison in zip(runs, answers, found, strict=True)
        ),
        len(data),
        "micro_f1" if schema.multi_label else "accuracy",
        differences(runs),
        tuple(_notes(runs)),
    )


def differences(runs: Sequence[RunFolder]) -> dict[str, dict[str, list[Any]]]:
    """Return what `run.json` says differently of runs: for each part and key, a value per run (None = not there)."""
    parts = {part: [run.facts.get(part) or {} for run in runs] for part in _COMPARED}
    parts["data"] = [_data_facts(run) for run in runs]
    found: dict[str, dict[str, list[Any]]] = {}
    for part, values in parts.items():
        keys = dict.fromkeys(key for one in values for key in one)
        unlike = {key: [one.get(key) for one in values] for key in keys}
        unlike = {key: row for key, row in unlike.items() if any(value != row[0] for value in row)}
        if unlike:
            found[part] = unlike
    return found


def _data_facts(run: RunFolder) -> dict[str, Any]:
    return {
        f"{part}.{key}": value
        for part, facts in run.facts["data"].items()
        for key, value in (facts or {}).items()
        if key in {"file", "rows", "sha256"}
    }


def _same_rows(runs: Sequence[RunFolder]) -> list[NDArray[np.int64]]:
    """Return, for each run, the order of rows in which all runs have the same texts with the same gold answers."""
    keys = [_row_keys(run) for run in runs]
    counts = [Counter(one) for one in keys]
    for run, found in zip(runs[1:], counts[1:], strict=True):
        if found != counts[0]:
            raise DataError(_unlike(runs[0], counts[0], run, found))
    return [np.array(sorted(range(len(one)), key=one.__getitem__), dtype=np.int64) for one in keys]


def _row_keys(run: RunFolder) -> list[tuple[str, str]]:
    """Return the text's hash and the gold answer of each row."""
    table = run.predictions
    if "gold" not in table.columns:
        raise DataError(
            f"run {run.id} has no gold answers; save its predictions with them: save_predictions(result, texts, gold)"
        )
    golds = (gold if isinstance(gold, str) else "\x00".join(sorted(gold)) for gold in table["gold"])
    return list(zip(table["text_id"], golds, strict=True))


def _unlike(
    first: RunFolder, ours: Counter[tuple[str, str]], other: RunFolder, theirs: Counter[tuple[str, str]]
) -> str:
    """Return in words how the test data of two runs differ."""
    texts, other_texts = (Counter({text for text, _ in rows}) for rows in (ours, theirs))
    said = [
        f"run {run.id} has {rows.total()} rows, SHA-256 {str((run.facts['data']['test'] or {}).get('sha256'))[:12]}…"
        for run, rows in ((first, ours), (other, theirs))
    ]
    if texts == other_texts and ours.total() == theirs.total():
        what = f"{(ours - theirs).total()} of the texts have another gold answer"
    else:
        what = f"{(texts & other_texts).total()} texts are in both"
    return (
        f"the runs were measured on different test data: {said[0]}; {said[1]}; {what}. Evaluate both on the same "
        "file, then compare"
    )


def _common_schema(runs: Sequence[RunFolder]) -> LabelSchema:
    """Return the labels of all runs, those of the first in its order."""
    schemas = [run.schema for run in runs]
    if len({schema.multi_label for schema in schemas}) > 1:
        raise DataError("some runs give one label per text and some several; compare runs of one kind")
    names = list(dict.fromkeys(str(name) for schema in schemas for name in schema.names))
    return LabelSchema(tuple(names), multi_label=schemas[0].multi_label)


def _answers(run: RunFolder, rows: NDArray[np.int64], schema: LabelSchema) -> Answers:
    """Return a run's answers in the common order of rows and labels; a label that is new to it has probability 0."""
    table = run.predictions.iloc[rows]
    probabilities = np.zeros((len(table), len(schema)))
    for k, name in enumerate(schema.names):
        if f"{PROBABILITY}{name}" in table.columns:
            probabilities[:, k] = table[f"{PROBABILITY}{name}"]
    probabilities[np.isnan(probabilities).any(axis=1)] = np.nan
    answered = (table["status"] == "ok").to_numpy()
    labels = [label if ok else None for label, ok in zip(table["label"], answered, strict=True)]
    return Answers(codes_of(labels, schema), probabilities)


def _compared_run(
    run: RunFolder, data: TrainingData, first: Answers, answers: Answers, comparison: Comparison | None
) -> ComparedRun:
    metrics = headline_metrics(data.gold, answers.codes, answers.probabilities, data.multi_label, abstentions="wrong")
    cost = ((run.costs or {}).get("total") or {}).get("cost_usd")
    name = run.name or run.folder.resolve().name
    if comparison is None:
        return ComparedRun(run.id, name, metrics, answers.coverage, cost)
    ours, theirs = correct_per_row(data.gold, first.codes), correct_per_row(data.gold, answers.codes)
    losses = [log_loss_per_row(data.gold, one.probabilities, abstentions="wrong") for one in (answers, first)]
    return ComparedRun(
        run.id,
        name,
        metrics,
        answers.coverage,
        cost,
        comparison,
        only_first=int((ours & ~theirs).sum()),
        only_this=int((theirs & ~ours).sum()),
        log_loss_lead=bootstrap_mean(losses[0] - losses[1], data.clusters),
    )


def _notes(runs: Sequence[RunFolder]) -> list[str]:
    notes = [f"run {run.id} is {run.status}, not finished" for run in runs if run.status != "finished"]
    training = [run.facts["data"]["training"] for run in runs]
    hashes = {(one or {}).get("sha256") for one in training} - {None}
    if len(hashes) > 1:
        notes.append("the runs learned from different data")
    return notes
