"""A cost curve as it is read: a table, the share of calls it recommends, and the price of the last point gained."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.optimize import isotonic_regression

from textclassify.ensemble.combining.readings import Floats
from textclassify.llm.money.estimates import dollars
from textclassify.statistics.resampling import Interval

if TYPE_CHECKING:
    import pandas as pd

AIM = 0.9
"""Share of the full gain that a recommended budget keeps."""
POINT = 0.01
"""What counts as one point of a metric; for log loss a hundredth of a nat."""


@dataclass(frozen=True)
class CurvePoint:
    """What one share of calls buys."""

    share: float
    """Of the texts that the language model is asked about."""
    calls: int
    quality: Interval
    gain: Interval
    """Over asking about none; above 0 is better, for log loss too."""
    kept: Interval
    """Share of the gain of asking about all; NaN where that gain is not significant."""
    random: float
    """Quality when the same number of texts is chosen by chance."""
    max_entropy: float
    """Quality when the most uncertain texts are asked about."""
    over_random: Interval
    over_max_entropy: Interval

    def to_dict(self) -> dict[str, float]:
        """Return plain numbers: each interval as `name`, `name_low` and `name_high`."""
        plain: dict[str, float] = {}
        for name, found in vars(self).items():
            if isinstance(found, Interval):
                plain |= {name: found.estimate, f"{name}_low": found.low, f"{name}_high": found.high}
            else:
                plain[name] = found
        return plain


@dataclass(frozen=True)
class Recommendation:
    """How much to ask, and why."""

    share: float
    calls: int
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class PriceOfPoint:
    """What one more point of the metric costs at the margin of a share of calls."""

    share: float
    """The share of calls at whose end the price is taken."""
    share_per_point: float
    """Share of the texts that must be asked about for one point; infinite where more calls gain nothing."""
    calls: float
    """The same in calls, for as many texts as the curve was drawn from."""
    dollars: float
    """The same in US dollars; NaN = unknown price."""
    words: str

    def __str__(self) -> str:
        return self.words


@dataclass(frozen=True)
class CostCurve:
    """Quality against share of calls; made by `cost_curve`.

    Args:
        metric: what quality is.
        n_rows: texts it was measured on.
        confidence: of its intervals.
        points: by rising share, from 0 to 1.
        cost_per_call: expected US dollars; None = unknown.

    """

    metric: str
    n_rows: int
    confidence: float
    points: tuple[CurvePoint, ...]
    cost_per_call: float | None = None

    @property
    def is_significant(self) -> bool:
        """Whether asking about all texts is better than about none, beyond the interval."""
        return self.points[-1].gain.low > 0

    @property
    def recommended(self) -> Recommendation:
        """The smallest share from which on at least 90% of a significant gain is kept; 0 where there is none."""
        full = self.points[-1]
        gain = f"{full.gain.estimate:+.3f} [{full.gain.low:+.3f}, {full.gain.high:+.3f}]"
        if not self.is_significant:
            words = f"ask about no text: the gain of asking about all is {gain} {self._name}, which may be none"
            return Recommendation(0.0, 0, words)
        enough = [point.kept.estimate >= AIM for point in self.points]
        first = len(enough) - (enough[::-1].index(False) if False in enough else len(enough))
        point = self.points[first]
        words = f"ask about {point.share:.0%} of the texts ({point.calls} of {self.n_rows}{self._money(point.calls)})"
        words += f": that keeps {_percent(point.kept)} of the gain of {gain} {self._name}"
        return Recommendation(point.share, point.calls, words)

    @property
    def price_of_last_point(self) -> PriceOfPoint:
        """What a point costs in the last calls of the recommended share; infinitely much where that is 0.

        By the slope of the best non-rising fit to the gain of each step: single steps are noise.
        """
        end = self.recommended.share
        step = int(np.searchsorted(self._shares, end)) - 1
        gain_per_share = float(self._slopes()[step]) if end else 0.0
        if gain_per_share <= 1e-9:
            words = f"no number of calls is known to buy a point of {self._name}"
            return PriceOfPoint(end, math.inf, math.inf, math.nan if self.cost_per_call is None else math.inf, words)
        needed = POINT / gain_per_share
        calls = needed * self.n_rows
        money = math.nan if self.cost_per_call is None else calls * self.cost_per_call
        words = f"the last point of {self._name} costs {calls:,.1f} calls per {self.n_rows:,} texts{self._money(calls)}"
        return PriceOfPoint(end, needed, calls, money, f"{words}, at {end:.0%} of them")

    def to_pandas(self) -> pd.DataFrame:
        """Return one row per share."""
        import pandas as pd

        return pd.DataFrame([point.to_dict() for point in self.points])

    def to_dict(self) -> dict[str, Any]:
        """Return all of it as plain numbers and text, for JSON."""
        return {
            "metric": self.metric,
            "n_rows": self.n_rows,
            "confidence": self.confidence,
            "points": [point.to_dict() for point in self.points],
            "recommended_share": self.recommended.share,
            "recommended": self.recommended.words,
            "price_of_last_point": self.price_of_last_point.words,
        }

    def __str__(self) -> str:
        what = f"{self._name} by share of texts asked about ({self.n_rows:,} texts, {self.confidence:.0%} intervals)"
        lines = [what, f"{'asked':>6} {'calls':>7}  {'quality':<22}{'gain kept':<20}{'random':<8}most uncertain"]
        for point in self.points:
            quality = f"{point.quality.estimate:.3f} [{point.quality.low:.3f}, {point.quality.high:.3f}]"
            kept = "" if math.isnan(point.kept.estimate) else _percent(point.kept)
            rivals = f"{point.random:<8.3f}{point.max_entropy:.3f}"
            lines.append(f"{point.share:>6.0%} {point.calls:>7,}  {quality:<22}{kept:<20}{rivals}")
        return "\n".join([*lines, str(self.recommended), str(self.price_of_last_point)])

    @property
    def _name(self) -> str:
        return self.metric.replace("_", " ")

    @property
    def _shares(self) -> Floats:
        return np.array([point.share for point in self.points])

    def _slopes(self) -> Floats:
        """Return gain per share in each step, made non-rising; shape (S - 1,)."""
        widths = np.diff(self._shares)
        slopes = np.diff([point.gain.estimate for point in self.points]) / widths
        return np.asarray(isotonic_regression(slopes, weights=widths, increasing=False).x)

    def _money(self, calls: float) -> str:
        return "" if self.cost_per_call is None else f", {dollars(calls * self.cost_per_call)}"


def _percent(kept: Interval) -> str:
    return f"{kept.estimate:.0%} [{kept.low:.0%}, {kept.high:.0%}]"
