"""Figures of a run, drawn with matplotlib: for files as they are, and in the report's page with its own colours."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.core.texts import did_you_mean, listed
from textclassify.errors import ConfigError, StorageError
from textclassify.runs.run_measures import confusions, coverage_risk, reliability
from textclassify.runs.run_view import RecordedRun, RunView
from textclassify.runs.systems import METRIC_NAMES, Evaluation

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, MUTED, GRID, PAPER = "#1b1c1f", "#5b5e67", "#dfe1e6", "#fdfdfe"
FIRST, SECOND, THIRD = "#1d5fc2", "#b3530a", "#1c7a50"
"""Colours by what they are for; each is used for nothing else, so that a page can put its own in their place."""

FORMATS = ("png", "svg", "pdf")
_WIDTH, _HEIGHT = 5.0, 3.3
_SHOWN_NAME = 26
_CELLS_WITH_COUNTS = 16
_CURVE = tuple(np.linspace(0.02, 1, 99))
_LOOK: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GRID,
    "axes.facecolor": "none",
    "axes.grid": True,
    "axes.labelcolor": MUTED,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "figure.facecolor": PAPER,
    "font.size": 10.5,
    "grid.color": GRID,
    "legend.frameon": False,
    "legend.labelcolor": INK,
    "savefig.facecolor": PAPER,
    "svg.fonttype": "none",  # text stays text: it can be read aloud, searched and restyled
    "svg.hashsalt": "textclassify",  # the same figure is the same file
    "text.color": INK,
    "text.parse_math": False,  # a label may hold dollar signs
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.size": 0,
    "ytick.major.size": 0,
}


def plots_of(run: RecordedRun | RunView | Evaluation) -> dict[str, Figure]:
    """Return the figures that a run has the figures for, by name; no state outside them is touched.

    "sources" (the headline metric of every system), "cost_curve" (quality by share of texts that are asked about),
    "reliability", "coverage_risk" (errors by share of texts that are answered), "confusion" (one label per text).

    Args:
        run: of a folder, its view, or an evaluation.

    """
    view = run if isinstance(run, RunView) else RunView.of(run)
    draw = {
        "sources": _sources,
        "cost_curve": _cost_curve,
        "reliability": _reliability,
        "coverage_risk": _coverage_risk,
        "confusion": _confusion,
    }
    with _look():
        drawn = {name: one(view) for name, one in draw.items()}
        figures = {name: figure for name, figure in drawn.items() if figure is not None}
        for figure in figures.values():
            figure.draw_without_rendering()
            figure.set_layout_engine("none")  # laid out once, so that no format depends on those before it
    return figures


def write_plots(
    run: RecordedRun | RunView | Evaluation, folder: str | Path, formats: Sequence[str] = ("png", "svg")
) -> list[Path]:
    """Return the files of a run's figures, written into a folder: `<name>.<format>`.

    Raises:
        ConfigError: a format is not known.
        StorageError: the folder cannot be written.

    """
    for one in formats:
        if one not in FORMATS:
            raise ConfigError(f"unknown format {one!r}{did_you_mean(one, FORMATS)}; choose from {listed(FORMATS)}")
    folder, written = Path(folder), []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, figure in plots_of(run).items():
            for one in formats:
                save_plot(figure, folder / f"{name}.{one}", one)
                written.append(folder / f"{name}.{one}")
    except OSError as error:
        raise StorageError(
            f"cannot write plots to {str(folder)!r}: {error.strerror}; name a folder that you may write to"
        ) from error
    return written


def save_plot(figure: Figure, target: Any, file_format: str) -> None:
    """Write a figure to a path or a stream, the same bytes every time."""
    undated = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    with _look():
        figure.savefig(target, format=file_format, dpi=160, metadata=undated.get(file_format))


@contextmanager
def _look() -> Iterator[None]:
    import matplotlib as mpl

    look: Any = dict(_LOOK)
    with mpl.rc_context(look), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing")  # a label in a script that the font lacks
        yield


def _figure(height: float = _HEIGHT, width: float = _WIDTH) -> tuple[Figure, Axes]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _short(name: object) -> str:
    line = " ".join(str(name).split())
    return line if len(line) <= _SHOWN_NAME else f"{line[: _SHOWN_NAME - 1]}…"


def _sources(view: RunView) -> Figure | None:
    systems = view.evaluation.get("systems", [])
    metric = "micro_f1" if view.schema.multi_label else "accuracy"
    if len(systems) < 2:
        return None
    figure, axes = _figure(0.9 + 0.42 * len(systems))
    for place, system in enumerate(systems):
        value, interval = system["metrics"][metric], system["intervals"].get(metric)
        colour = FIRST if place == 0 else MUTED
        if interval is not None:
            axes.plot([interval["low"], interval["high"]], [place, place], color=colour, lw=2.2, solid_capstyle="round")
        axes.plot([value], [place], "o", color=colour, ms=8 if place == 0 else 6.5)
        axes.annotate(f"{value:.3f}", (1.0, place), xycoords=("axes fraction", "data"), ha="left", va="center")
    axes.axvline(systems[0]["metrics"][metric], color=FIRST, lw=1, ls=(0, (3, 3)))
    axes.set_yticks(range(len(systems)), [_short(system["name"]) for system in systems], color=INK)
    axes.set_ylim(len(systems) - 0.5, -0.5)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)
    axes.set_xlabel(f"{METRIC_NAMES[metric]}, 95% intervals")
    return figure


def _cost_curve(view: RunView) -> Figure | None:
    curve = view.evaluation.get("cost_curve")
    if not curve:
        return None
    points = curve["points"]
    share = [100 * point["share"] for point in points]
    figure, axes = _figure()
    low, high = ([_number(point[f"quality_{end}"]) for point in points] for end in ("low", "high"))
    axes.fill_between(share, low, high, color=FIRST, alpha=0.14, lw=0)
    axes.plot(share, [_number(point["quality"]) for point in points], "-o", color=FIRST, ms=4.5, label="where it pays")
    for key, label, colour, dashes in (
        ("max_entropy", "most uncertain first", SECOND, (0, (5, 2))),
        ("random", "chosen at random", THIRD, (0, (1.2, 1.8))),
    ):
        axes.plot(share, [_number(point[key]) for point in points], color=colour, ls=dashes, lw=1.6, label=label)
    if curve.get("recommended_share"):
        axes.axvline(100 * curve["recommended_share"], color=MUTED, lw=1, label="recommended")
    name = curve["metric"].replace("_", " ")
    axes.set_xlabel("% of the texts that the language model is asked about")
    axes.set_ylabel(METRIC_NAMES.get(curve["metric"], name))
    axes.legend(loc="best", fontsize=9.5)
    return figure


def _reliability(view: RunView) -> Figure | None:
    found = reliability(view)
    if found is None:
        return None
    figure, axes = _figure(3.8)
    axes.plot([0, 1], [0, 1], color=MUTED, lw=1, ls=(0, (3, 3)), label="as claimed")
    true = [one.estimate for one in found.came_true]
    low = [one.estimate - one.low for one in found.came_true]
    high = [one.high - one.estimate for one in found.came_true]
    axes.errorbar(found.claimed, true, (low, high), fmt="-o", color=FIRST, ms=5, lw=1.3, elinewidth=1.3, label="found")
    what = "label probability" if view.schema.multi_label else "confidence of the answer"
    axes.set(xlim=(0, 1.01), ylim=(0, 1.01), xlabel=what, ylabel="share that is right")
    axes.legend(loc="lower right", fontsize=9.5)
    return figure


def _coverage_risk(view: RunView) -> Figure | None:
    points = coverage_risk(view, _CURVE) if view.has_gold else []
    if len(points) < 2:
        return None
    figure, axes = _figure()
    coverage = [100 * point.coverage for point in points]
    bounds = ([100 * point.risk.low for point in points], [100 * point.risk.high for point in points])
    axes.fill_between(coverage, *bounds, color=FIRST, alpha=0.14, lw=0)
    axes.plot(coverage, [100 * point.risk.estimate for point in points], color=FIRST, lw=2)
    top = max(point.risk.high for point in points if point.coverage > 0.05) if len(points) > 5 else 1.0
    axes.set(xlim=(0, 100), ylim=(0, min(100.0, 112 * top)))
    axes.set_xlabel("% of the texts that are answered, the surest first")
    axes.set_ylabel("% of these answers that are wrong")
    return figure


def _confusion(view: RunView) -> Figure | None:
    found = confusions(view)
    if found is None:
        return None
    from matplotlib.colors import LinearSegmentedColormap

    n_rows, n_columns = found.counts.shape
    figure, axes = _figure(1.6 + 0.34 * n_rows, 2.6 + 0.42 * n_columns)
    axes.pcolormesh(found.shares, cmap=LinearSegmentedColormap.from_list("share", [PAPER, FIRST]), vmin=0, vmax=1)
    axes.grid(visible=False)
    axes.set_xticks(np.arange(n_columns) + 0.5, [_short(name) for name in found.answers], rotation=45, ha="right")
    axes.set_yticks(np.arange(n_rows) + 0.5, [_short(name) for name in found.gold])
    axes.set(ylim=(n_rows, 0), xlabel="answer", ylabel="gold label")
    for row, column in zip(*np.nonzero(found.counts), strict=True):
        if max(n_rows, n_columns) <= _CELLS_WITH_COUNTS + 2:
            colour = PAPER if found.shares[row, column] > 0.55 else INK
            where = (column + 0.5, row + 0.5)
            axes.annotate(f"{found.counts[row, column]}", where, ha="center", va="center", fontsize=8, color=colour)
    return figure


def _number(value: float | None) -> float:
    """Return a figure of a JSON file; NaN where there is none."""
    return math.nan if value is None else value
