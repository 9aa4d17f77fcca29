"""What a classifier is worth on texts that it was not trained on, beside everything that could be had for less."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, replace
from time import perf_counter
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.scores import Scores, Status
from textclassify.core.types import TrainingData
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.pooling import BestSingle
from textclassify.ensemble.rows import complete
from textclassify.errors import ConfigError
from textclassify.runs.comparing import Answers, Comparison, compared, figures
from textclassify.runs.verdict import verdict_on
from textclassify.statistics.metrics import correct_per_row, ece, label_table, log_loss
from textclassify.statistics.resampling import Interval

if TYPE_CHECKING:
    import pandas as pd

FUSION = "fusion"
WITHOUT_LLM = "without the LLM"
METRIC_NAMES = {
    "accuracy": "accuracy",
    "subset_accuracy": "subset accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "log_loss": "log loss",
    "ece": "ECE",
}
"""What the metrics that every evaluation shows are called in words."""

_PRIOR_POOL = "prior_pool"
_PLAIN = ("name", "metrics", "coverage", "asks_llm", "best_single", "before_calibration")


@dataclass(frozen=True, eq=False)
class System:
    """How one way of answering did: the fusion, one of its sources alone, or the fusion without language models.

    Args:
        name: the source's name, "fusion" or "without the LLM".
        metrics: accuracy (multi-label: subset_accuracy, micro_f1), macro_f1, log_loss, ece and more.
        intervals: 95% intervals of some of these.
        coverage: share of the texts that have an answer; the others count as wrong.
        asks_llm: whether it asks a language model.
        best_single: whether it is the source that the training rows say is best.
        before_calibration: log_loss and ece of a source's scores as they come.
        comparison: the fusion against it, on the same texts; None for the fusion itself.
        answers: codes and probabilities, row by row.

    """

    name: str
    metrics: Mapping[str, float]
    intervals: Mapping[str, Interval]
    coverage: float
    asks_llm: bool = False
    best_single: bool = False
    before_calibration: Mapping[str, float] = field(default_factory=dict)
    comparison: Comparison | None = None
    answers: Answers = field(repr=False, kw_only=True)


@dataclass(frozen=True)
class Timing:
    """How long a source took to score the texts; answers of a language model may have come from the cache."""

    seconds: float
    texts_per_second: float


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Every system on the same texts, intervals, paired tests, and a sentence on whether the fusion was worth it.

    Args:
        systems: the evaluated classifier first.
        verdict: what the figures say, in words.
        notes: what to know about the figures.
        data: the texts and their gold answers.
        selected: the rung of the fusion that answers; empty where nothing is fused.
        timing: by source.

    """

    systems: tuple[System, ...]
    verdict: str
    notes: tuple[str, ...]
    data: TrainingData = field(repr=False)
    selected: str = ""
    timing: Mapping[str, Timing] = field(default_factory=dict)

    @property
    def headline(self) -> str:
        """The metric that systems are compared by."""
        return "micro_f1" if self.data.multi_label else "accuracy"

    def __getitem__(self, name: str) -> System:
        """Return the system of a name."""
        return next(system for system in self.systems if system.name == name)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per system: metrics, bounds of intervals, and the fusion's lead with its adjusted p value."""
        import pandas as pd  # noqa: PLC0415 - slow to load, and only needed here

        rows = []
        for system in self.systems:
            row: dict[str, Any] = {"system": system.name, **system.metrics, "coverage": system.coverage}
            for metric, interval in system.intervals.items():
                row |= {f"{metric}_low": interval.low, f"{metric}_high": interval.high}
            against = system.comparison
            row["fusion_ahead_by"] = math.nan if against is None else against.difference
            row["p_adjusted"] = math.nan if against is None else against.p_adjusted
            rows.append(row | {"best_single": system.best_single, "asks_llm": system.asks_llm})
        return pd.DataFrame(rows)

    def per_label(self, name: str | None = None) -> pd.DataFrame:
        """Return precision, recall, F1, support and predicted count of each label; None = the first system."""
        import pandas as pd  # noqa: PLC0415 - see to_pandas

        system = self.systems[0] if name is None else self[name]
        width = None if self.data.multi_label else len(self.data.schema)
        table = label_table(self.data.gold, system.answers.codes, n_labels=width, abstentions="wrong")
        columns = {what: getattr(table, what) for what in ("precision", "recall", "f1", "support", "predicted")}
        return pd.DataFrame({"label": list(self.data.schema.names), **columns})

    def to_dict(self) -> dict[str, Any]:
        """Return everything but the texts and the answers to them, as plain JSON values; NaN becomes None."""
        systems = []
        for system in self.systems:
            plain = {name: getattr(system, name) for name in _PLAIN}
            plain["intervals"] = {metric: asdict(interval) for metric, interval in system.intervals.items()}
            plain["comparison"] = None if system.comparison is None else asdict(system.comparison)
            systems.append(plain)
        return {
            "texts": len(self.data),
            "labels": list(self.data.schema.names),
            "multi_label": self.data.multi_label,
            "data_sha256": dataset.content_hash(self.data),
            "selected": self.selected,
            "verdict": self.verdict,
            "notes": list(self.notes),
            "systems": _json_safe(systems),
            "per_label": _json_safe(self.per_label().to_dict(orient="records")),
            "timing": _json_safe({name: asdict(one) for name, one in self.timing.items()}),
        }

    def __str__(self) -> str:
        metrics = [self.headline, "macro_f1", "log_loss", "ece"]
        width = max(len(_marked(system)) for system in self.systems)
        lines = [f"{len(self.data)} texts, 95% intervals", " " * width + "".join(f"{METRIC_NAMES[name]:>22}" for name in metrics)]
        for system in self.systems:
            cells = [_cell(system, metric) for metric in metrics]
            lines.append(f"{_marked(system):<{width}}" + "".join(f"{cell:>22}" for cell in cells))
        return "\n".join([*lines, self.verdict, *self.notes])


def evaluate(
    classifier: TextClassifier,
    texts: Any,
    labels: Any = None,
    *,
    groups: Iterable[Any] | None = None,
    seen_row_ids: ArrayLike | None = None,
    llm: bool = True,
    random_state: int = 0,
) -> Evaluation:
    """Return how a classifier does on labelled texts; of a fusion, also each source and the fusion without an LLM.

    A source is shown in its calibrated form, as the fusion would answer from it alone. The best single source is the
    one that the training rows name, not the one that happens to win here. Rows without an answer count as wrong.

    Args:
        classifier: fitted; one that has an `ensemble_` is taken for that fusion.
        texts: texts, or a table, path or `TrainingData` that holds the labels too.
        labels: gold labels; None when `texts` holds them.
        groups: (n,) group names; intervals and tests count rows of one group as one story, as they do equal texts.
        seen_row_ids: hashes of the training texts, to report an overlap; None = those that the fusion learned from.
        llm: whether to ask language models; without, the fusion answers from its other sources.
        random_state: seeds the resampling.

    Raises:
        LabelError: a gold label is missing or unknown to the classifier; the message names row and label.

    """
    classifier = getattr(classifier, "ensemble_", classifier)
    schema = classifier._require_schema()  # noqa: SLF001 - classifiers that need no training have no `schema_`
    data = dataset.labelled_data(texts, labels, schema=schema, multi_label=schema.multi_label, groups=groups)
    if not isinstance(classifier, FusionEnsemble):
        return _of_one(classifier, data, random_state)
    scores, timing = _source_scores(classifier, data.texts, llm=llm)
    systems = _systems(classifier, data, scores, random_state)
    seen = _seen_by(classifier) if seen_row_ids is None else np.asarray(seen_row_ids, dtype=np.uint64)
    notes = [*_unanswered(systems, len(data)), *_overlap(data, seen, systems[0])]
    if not llm and classifier.fusion_.llm_sources_:
        notes.append("no language model was asked: the first row is what this fusion answers without one")
    verdict = verdict_on(
        systems, len(data), classifier.selected_, sorted(classifier.fusion_.llm_sources_ & set(scores)), WITHOUT_LLM
    )
    return Evaluation(tuple(systems), verdict, tuple(notes), data, classifier.selected_, timing)


def _of_one(classifier: TextClassifier, data: TrainingData, random_state: int) -> Evaluation:
    start = perf_counter()
    result = classifier.predict(data.texts)
    timing = {type(classifier).__name__: _timing(perf_counter() - start, len(data))}
    answers = Answers.of(result)
    system = System(
        type(classifier).__name__,
        *figures(data, answers, random_state),
        answers.coverage,
        classifier.asks_llm,
        answers=answers,
    )
    notes = _unanswered([system], len(data))
    return Evaluation((system,), "One classifier, nothing to compare it with.", tuple(notes), data, "", timing)


def _source_scores(
    ensemble: FusionEnsemble, texts: list[str], *, llm: bool
) -> tuple[dict[str, Scores], dict[str, Timing]]:
    """Return the scores of every source that the fusion knows something of, and how long each took."""
    fusion = ensemble.fusion_
    names = [name for name in fusion.rows_.names if llm or name not in fusion.llm_sources_]
    scores, timing = {}, {}
    for number, name in enumerate(names, start=1):
        start = perf_counter()
        with doing(f"evaluation: source {number} of {len(names)} ({name}): "):
            scores |= ensemble.source_scores(texts, [name])
        timing[name] = _timing(perf_counter() - start, len(texts))
    if not names:
        raise ConfigError("every source asks a language model; evaluate with llm=True")
    return scores, timing


def _timing(seconds: float, n: int) -> Timing:
    return Timing(seconds, n / max(seconds, 1e-9))


def _answers(ensemble: FusionEnsemble, scores: Mapping[str, Scores]) -> dict[str, Answers]:
    """Return every system's answers, the fusion's first."""
    fusion = ensemble.fusion_
    free = {name: one for name, one in scores.items() if name not in fusion.llm_sources_}
    answers = {FUSION: Answers.of(fusion.predict(_used(ensemble, scores)))}
    if free and len(free) < len(fusion.rows_.names):
        answers[WITHOUT_LLM] = Answers.of(fusion.predict(free))
    return answers | {name: Answers.of(fusion.predict({name: one})) for name, one in scores.items()}


def _used(ensemble: FusionEnsemble, known: Mapping[str, Scores]) -> dict[str, Scores]:
    """Return the scores that a prediction rests on: those needed, and free ones only where one of these is missing."""
    needed = {name: known[name] for name in ensemble.fusion_.needs_ if name in known}
    if not needed:
        return {name: one for name, one in known.items() if name not in ensemble.fusion_.llm_sources_}
    missing = ~np.all([complete(one) for one in needed.values()], axis=0)
    stand_ins = {
        name: _only(one, missing)
        for name, one in known.items()
        if name not in needed and name not in ensemble.fusion_.llm_sources_
    }
    return needed | (stand_ins if missing.any() else {})


def _only(scores: Scores, rows: NDArray[np.bool_]) -> Scores:
    """Return the scores of some rows, NOT_CALLED elsewhere."""
    values, status = scores.values.copy(), scores.status.copy()
    values[~rows], status[~rows] = np.nan, Status.NOT_CALLED
    return replace(scores, values=values, status=status)


def _systems(
    ensemble: FusionEnsemble, data: TrainingData, scores: Mapping[str, Scores], random_state: int
) -> list[System]:
    answers = _answers(ensemble, scores)
    others = [name for name in answers if name != FUSION]
    comparisons = compared(data, answers[FUSION], [answers[name] for name in others], random_state)
    against = dict(zip(others, comparisons, strict=True))
    best = _best_single(ensemble)
    uses_llm = bool(set(ensemble.fusion_.needs_) & ensemble.fusion_.llm_sources_ & set(scores))
    return [
        System(
            name,
            *figures(data, one, random_state),
            one.coverage,
            asks_llm=uses_llm if name == FUSION else name in ensemble.fusion_.llm_sources_,
            best_single=name == best,
            before_calibration=_before_calibration(data, scores[name]) if name in scores else {},
            comparison=against.get(name),
            answers=one,
        )
        for name, one in answers.items()
    ]


def _best_single(ensemble: FusionEnsemble) -> str | None:
    """Return the source with the smallest loss on the rows that the fusion learned from; None = too few to tell."""
    if ensemble.selected_ == _PRIOR_POOL:
        return None
    rows = ensemble.fusion_.rows_
    names = [name for name, one in rows.sources.items() if complete(one).any()]
    common = rows.only(names)
    return BestSingle().fit(common).needs[0] if len(common) else None


def _before_calibration(data: TrainingData, scores: Scores) -> dict[str, float]:
    raw = np.where(scores.mask.all(axis=1)[:, None], scores.probabilities, np.nan)
    return {
        "log_loss": log_loss(data.gold, raw, abstentions="wrong"),
        "ece": ece(data.gold, raw, abstentions="wrong"),
    }


def _seen_by(ensemble: FusionEnsemble) -> NDArray[np.uint64]:
    ids = [one.row_ids for one in ensemble.fusion_.rows_.sources.values() if one.row_ids is not None]
    return ids[0] if ids else np.zeros(0, dtype=np.uint64)


def _unanswered(systems: Iterable[System], n: int) -> list[str]:
    return [
        f"{system.name!r} has no answer for {round((1 - system.coverage) * n)} of {n} texts; these count as wrong"
        for system in systems
        if system.coverage < 1
    ]


def _overlap(data: TrainingData, seen: NDArray[np.uint64], first: System) -> list[str]:
    shared = np.isin(data.row_ids, seen)
    if not shared.any():
        return []
    correct = correct_per_row(data.gold, first.answers.codes)
    row = int(np.flatnonzero(shared)[0])
    text = data.texts[row] if len(data.texts[row]) <= 50 else f"{data.texts[row][:47]}..."
    rest = "" if shared.all() else f"; without them {first.name} gets {correct[~shared].mean():.3f} right"
    return [
        f"{int(shared.sum())} of {len(data)} test texts are training texts too, e.g. row {row}: {text!r}; "
        f"figures on them are too good{rest}"
    ]


def _marked(system: System) -> str:
    return f"{system.name} *" if system.best_single else system.name


def _cell(system: System, metric: str) -> str:
    value, interval = system.metrics[metric], system.intervals.get(metric)
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _json_safe(value: Any) -> Any:
    """Return plain Python values, with None for numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): _json_safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_json_safe(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
