"""What an evaluation found, as values: the systems, their figures, and the sentence that sums them up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.core import dataset
from textclassify.core.result import ClassificationResult
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.calibration_report import CalibrationReport
from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.runs.comparing import Answers, Comparison
from textclassify.runs.promises import RiskCheck, SetCheck
from textclassify.statistics.metrics import label_table
from textclassify.statistics.resampling import Interval

if TYPE_CHECKING:
    import pandas as pd

METRIC_NAMES = {
    "accuracy": "accuracy",
    "subset_accuracy": "subset accuracy",
    "micro_f1": "micro-F1",
    "macro_f1": "macro-F1",
    "samples_f1": "samples-F1",
    "log_loss": "log loss",
    "ece": "ECE",
}
"""What the metrics that evaluations show are called in words."""

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
        calibration: of each source on these texts, before and after what was learned on the training rows.
        cost_curve: quality by the share of texts that language models are asked about; None = none is asked.
        risk: how a bounded risk came out; None = none was asked for.
        sets: how prediction sets came out; None = none were asked for.
        result: the first system's answers with their statuses, sources and costs; None = only `systems` knows them.

    """

    systems: tuple[System, ...]
    verdict: str
    notes: tuple[str, ...]
    data: TrainingData = field(repr=False)
    selected: str = ""
    timing: Mapping[str, Timing] = field(default_factory=dict)
    calibration: CalibrationReport | None = None
    cost_curve: CostCurve | None = None
    risk: RiskCheck | None = None
    sets: SetCheck | None = None
    result: ClassificationResult | None = field(default=None, repr=False)

    @property
    def headline(self) -> str:
        """The metric that systems are compared by."""
        return "micro_f1" if self.data.multi_label else "accuracy"

    def __getitem__(self, name: str) -> System:
        """Return the system of a name."""
        return next(system for system in self.systems if system.name == name)

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per system: metrics, bounds of intervals, and the fusion's lead with its adjusted p value."""
        import pandas as pd

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
        import pandas as pd

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
            "systems": json_safe(systems),
            "per_label": json_safe(self.per_label().to_dict(orient="records")),
            "timing": json_safe({name: asdict(one) for name, one in self.timing.items()}),
            "calibration": json_safe(
                [] if self.calibration is None else [asdict(one) for one in self.calibration.sources]
            ),
        } | {
            name: None if one is None else json_safe(one.to_dict())
            for name, one in (("cost_curve", self.cost_curve), ("risk", self.risk), ("sets", self.sets))
        }

    def __str__(self) -> str:
        metrics = [self.headline, "macro_f1", "log_loss", "ece"]
        width = max(len(_marked(system)) for system in self.systems)
        lines = [
            f"{len(self.data)} texts, 95% intervals",
            " " * width + "".join(f"{METRIC_NAMES[name]:>22}" for name in metrics),
        ]
        for system in self.systems:
            cells = [_cell(system, metric) for metric in metrics]
            lines.append(f"{_marked(system):<{width}}" + "".join(f"{cell:>22}" for cell in cells))
        checks = [str(check) for check in (self.risk, self.sets) if check is not None]
        return "\n".join([*lines, self.verdict, *checks, *self.notes])


def _marked(system: System) -> str:
    return f"{system.name} *" if system.best_single else system.name


def _cell(system: System, metric: str) -> str:
    value, interval = system.metrics[metric], system.intervals.get(metric)
    return f"{value:.3f}" if interval is None else f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def json_safe(value: Any) -> Any:
    """Return plain Python values, with None for numbers that JSON does not know."""
    if isinstance(value, Mapping):
        return {str(key): json_safe(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(one) for one in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value
