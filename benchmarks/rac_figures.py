"""Figures of the benchmark of retrieval-augmented classification, from gold answers, scores and answers of n rows."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import rankdata

from llm_client import machine
from textclassify.core.labels import Gold
from textclassify.statistics.metrics import macro_f1, micro_f1, subset_accuracy
from textclassify.statistics.resampling import (
    bootstrap_mean,
    bootstrap_statistic,
    holm,
    mcnemar_mid_p,
    wilson_interval,
)

Figures = dict[str, Any]

COVERAGE = 0.707
"""The share of texts that the paper's truncated method labels on Banking77."""
RANKS = (1, 3, 5, 10)
FEW = 10
"""Fewer hits or misses than this: Wilson's interval, which is right there, instead of resampled groups."""


def share(hits: ArrayLike, groups: ArrayLike | None = None) -> list[float]:
    """Return a share with its interval: [share, low, high], 95%; [NaN, 0, 1] of no rows.

    Args:
        hits: (n,) 0 or 1, or each row's mean over seeds.
        groups: (n,) rows that say the same.

    """
    values = np.asarray(hits, dtype=np.float64)
    successes = float(values.sum())
    if min(successes, len(values) - successes) < FEW:
        found = wilson_interval(min(successes, len(values)), len(values))
    else:
        found = bootstrap_mean(values, groups)
    return [found.estimate, found.low, found.high]


def most_certain(certainty: ArrayLike, coverage: float = COVERAGE) -> NDArray[np.bool_]:
    """Return which rows are the most certain share, (n,); ties go to earlier rows, rows without certainty come last."""
    values = np.nan_to_num(np.asarray(certainty, dtype=np.float64), nan=-np.inf)
    chosen = np.zeros(len(values), dtype=bool)
    chosen[np.argsort(-values, kind="stable")[: round(coverage * len(values))]] = True
    return chosen


def gold_ranks(values: NDArray[Any], gold: NDArray[Any]) -> NDArray[np.int64]:
    """Return how many labels score higher than the true one, (n,); of equal scores the earlier label counts as higher.

    Args:
        values: (n, K) scores; NaN ranks last.
        gold: (n,) codes.

    """
    filled = np.nan_to_num(np.asarray(values, dtype=np.float64), nan=-np.inf)
    own = filled[np.arange(len(gold)), gold][:, None]
    earlier = np.arange(filled.shape[1]) < np.asarray(gold)[:, None]
    return np.asarray(((filled > own) | ((filled == own) & earlier)).sum(axis=1))


def single_label(gold: Gold, values: NDArray[Any], certainty: ArrayLike, codes: ArrayLike) -> dict[str, NDArray[Any]]:
    """Return what each row adds to the figures of one label per text: columns (n,) by name.

    Args:
        gold: (n,) codes.
        values: (n, K) scores; NaN = none.
        certainty: (n,) how sure the best label is; NaN = no label.
        codes: (n,) the answers, -1 = none.

    """
    right = np.asarray(codes) == gold
    found: dict[str, NDArray[Any]] = {"right": right, "certain": most_certain(certainty)}
    ranks = gold_ranks(values, gold)
    return found | {f"recall_{k}": ranks < k for k in RANKS if k <= values.shape[1]}


def figures_of(rows: Sequence[Mapping[str, NDArray[Any]]], groups: NDArray[Any]) -> Figures:
    """Return the figures of one or several seeds that answered the same rows; a row's mean over the seeds counts once.

    Args:
        rows: what `single_label` returned, by seed.
        groups: (n,) rows that say the same.

    """
    right = np.array([one["right"] for one in rows], dtype=np.float64)
    certain = np.array([one["certain"] for one in rows], dtype=np.float64)
    figures: Figures = {
        "rows": len(groups),
        "seeds": len(rows),
        "accuracy": share(right.mean(axis=0), groups),
        "accuracy_at_coverage": _ratio((right * certain).mean(axis=0), certain.mean(axis=0), groups),
        "recall": {
            key.removeprefix("recall_"): share(np.mean([one[key] for one in rows], axis=0), groups)
            for key in rows[0]
            if key.startswith("recall_")
        },
    }
    if len(rows) > 1:
        figures["accuracy_by_seed"] = right.mean(axis=1).tolist()
        figures["accuracy_sd"] = float(right.mean(axis=1).std(ddof=1))
    return figures


def multi_label(gold: Gold, values: NDArray[Any], codes: NDArray[Any], groups: NDArray[Any]) -> Figures:
    """Return figures of rows that may have several labels: (n, K) gold, scores and answers."""
    order = np.argsort(-np.nan_to_num(values, nan=-np.inf), axis=1, kind="stable")
    hits = np.take_along_axis(np.asarray(gold), order, axis=1).cumsum(axis=1)
    given = np.maximum(np.asarray(gold).sum(axis=1), 1)
    labelled = codes.any(axis=1)
    return {
        "rows": len(groups),
        "micro_f1": micro_f1(gold, codes),
        "macro_f1": macro_f1(gold, codes),
        "subset_accuracy": subset_accuracy(gold, codes),
        "best_label_right": share(hits[:, 0] > 0, groups),
        "coverage": share(labelled, groups),
        "recall": {str(k): share(hits[:, k - 1] / given, groups) for k in RANKS if k <= values.shape[1]},
    }


def auroc(inside: ArrayLike, outside: ArrayLike) -> float:
    """Return the probability that a row of the schema's labels is surer than one of none of them; ties count half."""
    own, other = np.asarray(inside, dtype=np.float64), np.asarray(outside, dtype=np.float64)
    ranks = rankdata(np.concatenate([own, other]))
    above = ranks[: len(own)].sum() - len(own) * (len(own) + 1) / 2
    return float(above / (len(own) * len(other)))


def compared(right: Mapping[str, NDArray[Any]], reference: str, groups: NDArray[Any]) -> Figures:
    """Return how every system differs from a reference on the same rows: interval, mid-p, Holm over the systems.

    Args:
        right: (n,) of 0 and 1 by system; the reference is one of them.
        reference: its name.
        groups: (n,) rows that say the same.

    """
    others = [name for name in right if name != reference]
    raw = [mcnemar_mid_p(right[name], right[reference]) for name in others]
    adjusted = holm(raw) if raw else np.array([])
    found: Figures = {}
    for name, p, corrected in zip(others, raw, adjusted, strict=True):
        lead = bootstrap_mean(right[name].astype(float) - right[reference].astype(float), groups)
        found[name] = {
            "difference": [lead.estimate, lead.low, lead.high],
            "better_in": int((right[name] & ~right[reference]).sum()),
            "worse_in": int((right[reference] & ~right[name]).sum()),
            "mid_p": p,
            "mid_p_holm": float(corrected),
        }
    return found


def lead_at_coverage(
    mine: Mapping[str, NDArray[Any]], reference: Mapping[str, NDArray[Any]], groups: NDArray[Any]
) -> Any:
    """Return how far one system's accuracy on its most certain rows lies above another's on its own: [mean, low, high].

    Args:
        mine: columns `right` and `certain` of `single_label`.
        reference: those of the other.
        groups: (n,) rows that say the same.

    """

    def lead(rows: NDArray[np.int64]) -> float:
        shares = [one["right"][rows][one["certain"][rows]] for one in (mine, reference)]
        return float(shares[0].mean() - shares[1].mean()) if all(map(len, shares)) else float("nan")

    found = bootstrap_statistic(lead, len(groups), groups)
    return [found.estimate, found.low, found.high]


def kept_figures(target: Path) -> Figures:
    """Return what a file of figures holds; nothing when there is none."""
    found: Figures = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    return found


def write_figures(target: Path, part: str, figures: Mapping[str, Any]) -> None:
    """Add figures to one part of the file, whole or not at all; other parts, and this one's other entries, stay."""
    found = kept_figures(target)
    found["machine"] = machine() | {"threads": os.environ.get("OMP_NUM_THREADS")}
    found[part] = {**found.get(part, {}), **figures}
    _write(target, found)


def forget(target: Path, part: str) -> None:
    """Take one part out of the file."""
    _write(target, {name: figures for name, figures in kept_figures(target).items() if name != part})


def _write(target: Path, found: Mapping[str, Any]) -> None:
    """Write the file whole, numbers of a few digits."""
    rounded = json.loads(json.dumps(found), parse_float=lambda number: float(f"{float(number):.5g}"))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_suffix(f".{os.getpid()}.tmp")
    temporary.write_text(json.dumps(rounded, indent=1) + "\n", encoding="utf-8")
    temporary.replace(target)


def _ratio(above: NDArray[Any], below: NDArray[Any], groups: NDArray[Any]) -> list[float]:
    """Return sum(above) / sum(below) with its percentile interval over resampled groups."""

    def ratio(rows: NDArray[np.int64]) -> float:
        under = below[rows].sum()
        return float(above[rows].sum() / under) if under else float("nan")

    found = bootstrap_statistic(ratio, len(above), groups)
    return [found.estimate, found.low, found.high]


def written(figure: float | Sequence[float]) -> str:
    """Return a figure, with its interval where it has one."""
    return f"{figure:.3f}" if isinstance(figure, float | int) else "{:.3f} [{:.3f}, {:.3f}]".format(*figure)
