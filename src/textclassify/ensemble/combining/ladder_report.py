"""What the ladder compared, and why the deployed combiner was taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class RungReport:
    """How one rung did on rows that it was not fitted on."""

    rung: str
    log_loss: float
    behind_best: float
    standard_error: float

    def __str__(self) -> str:
        behind = f"{self.behind_best:+.4f} +- {self.standard_error:.4f}"
        return f"{self.rung:<15} log loss {self.log_loss:.4f}, behind the best {behind}"


@dataclass(frozen=True)
class Gate:
    """Whether the chosen rung earns its place over the reference."""

    rung: str
    reference: str
    gain: float
    """Log loss saved per row, in nats."""
    standard_error: float
    metric: str
    metric_gain: float
    metric_standard_error: float
    objection: str = ""
    """Why it did not pass; empty if it did."""

    @property
    def passed(self) -> bool:
        """Whether the rung is deployed; otherwise the reference is."""
        return not self.objection

    @property
    def outcome(self) -> str:
        """What was decided, in words."""
        return "passed" if self.passed else f"not passed: {self.objection}; {self.reference} answers"

    def __str__(self) -> str:
        gain = f"{self.gain:+.4f} +- {self.standard_error:.4f} nats"
        change = f"{self.metric} {self.metric_gain:+.4f} +- {self.metric_standard_error:.4f}"
        return f"{self.rung} against {self.reference}: gain {gain}, {change}: {self.outcome}"


@dataclass(frozen=True)
class LadderReport:
    """What was compared, on how many rows, and why the deployed combiner was taken."""

    n_rows: int
    rungs: tuple[RungReport, ...] = ()
    gate: Gate | None = None
    selected: str = ""
    weights: Mapping[str, float] = field(default_factory=dict)
    """Each source's weight in what was selected, where it has one number for it."""
    pool_weights: Mapping[str, float] = field(default_factory=dict)
    """Each source's weight in the log-linear pool, whether that was selected or not."""
    log_loss: float | None = None
    """Cross-fitted log loss of what was selected."""
    notes: tuple[str, ...] = ()

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per rung."""
        import pandas as pd

        return pd.DataFrame([vars(rung) | {"selected": rung.rung == self.selected} for rung in self.rungs])

    def __str__(self) -> str:
        lines = [f"selected: {self.selected} ({len(self.rungs)} rungs compared on {self.n_rows} rows)"]
        lines += [f"  {rung}" for rung in self.rungs]
        for what, weights in (("weights", self.weights), ("pool weights", self.pool_weights)):
            if weights:
                lines.append(f"{what}: " + ", ".join(f"{name} {weight:.2f}" for name, weight in weights.items()))
        return "\n".join(lines + ([f"gate: {self.gate}"] if self.gate else []) + list(self.notes))
