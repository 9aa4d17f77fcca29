"""How much of the language model's gain a budget of calls keeps, beside asking at random and by entropy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from replay_data import Cell
from replay_statistics import Figures, Floats, Resamples, bounds, ratio, ratio_rows
from textclassify import ScoreFusion
from textclassify.core.labels import Gold

SHARES = (0.1, 0.2, 0.3, 0.5)
GAIN_AIM, AIM_AT = 0.9, 0.3


def cost_curve(fusion: ScoreFusion, cell: Cell, full: Gold, resamples: Resamples) -> dict[str, Figures] | None:
    """Return, by headline metric, the gain of asking about every row and what each budget keeps of it.

    The rows are those of `rows_to_ask`, whose share among the test rows need not be the budget: the other policies ask
    about as many rows as it did. Random is its expectation: both sums of the metric move linearly with the share. None
    where the fusion knows no budgets.
    """
    ask: Any = getattr(fusion, "rows_to_ask", None)
    if ask is None:
        return None
    free_sources = {"encoder": cell.test.sources["encoder"]}
    free = fusion.predict(free_sources)
    unsure = entropy(free.probabilities, multi_label=cell.task.multi_label)
    masks = {share: np.asarray(ask(free_sources, budget=share), dtype=bool) for share in SHARES}
    return {
        metric: _curve(
            ratio_rows(metric, cell.test.gold, free.codes),
            ratio_rows(metric, cell.test.gold, full),
            masks,
            unsure,
            resamples,
        )
        for metric in cell.task.headlines
    }


def reported_curve(fusion: ScoreFusion, cell: Cell) -> Figures | None:
    """Return what the fusion's own `cost_curve` says of the test rows: by budget, the share of the gain kept.

    It asks the exact share of the rows that are worth most, where `rows_to_ask` has a threshold fixed in fitting; its
    metric is the fusion's. None where the fusion draws no curves.
    """
    draw: Any = getattr(fusion, "cost_curve", None)
    if draw is None:
        return None
    table = draw(cell.test.sources, cell.test.gold).set_index("share")
    return {f"{share:.0%}": _nearest(table, share) for share in SHARES}


def entropy(probabilities: Floats, *, multi_label: bool) -> Floats:
    """Return how unsure each row of probabilities is, in nats (n,): of its distribution, or summed over its labels."""
    parts = probabilities[..., None]
    if multi_label:
        parts = np.concatenate([parts, 1 - parts], axis=-1)
    return np.asarray(-np.where(parts > 0, parts * np.log(np.maximum(parts, 1e-300)), 0.0).sum(axis=(1, 2)))


def _curve(
    free: Floats, full: Floats, masks: dict[float, NDArray[np.bool_]], unsure: Floats, resamples: Resamples
) -> Figures:
    drawn_free, drawn_full = resamples.ratios(free), resamples.ratios(full)
    gain = ratio(full) - ratio(free)
    points = {}
    for share, mask in masks.items():
        policies = {
            "deferral": np.where(mask[:, None], full, free),
            "random": free + mask.mean() * (full - free),
            "entropy": np.where(_most(unsure, int(mask.sum()))[:, None], full, free),
        }
        drawn = {name: resamples.ratios(rows) for name, rows in policies.items()}
        point: Figures = {"asked": float(mask.mean())}
        for name, rows in policies.items():
            point[name] = ratio(rows)
            point[f"{name}_kept"] = _share(ratio(rows) - ratio(free), gain)
        with np.errstate(divide="ignore", invalid="ignore"):
            point["kept_bounds"] = bounds((drawn["deferral"] - drawn_free) / (drawn_full - drawn_free))
        for rival in ("random", "entropy"):
            point[f"over_{rival}"] = bounds(drawn["deferral"] - drawn[rival])
        points[f"{share:.0%}"] = point
    return {"free": ratio(free), "full": ratio(full), "gain": gain, **bounds(drawn_full - drawn_free), "at": points}


def summary(curves: dict[str, Figures]) -> Figures:
    """Return how the curves do at each budget over the cells whose full gain is significant."""
    worth = {name: curve for name, curve in curves.items() if curve["low"] > 0}
    at = {}
    for share in (f"{share:.0%}" for share in SHARES):
        points = [curve["at"][share] for curve in worth.values()]
        at[share] = {
            "mean_kept": _mean([point["deferral_kept"] for point in points]),
            "mean_kept_random": _mean([point["random_kept"] for point in points]),
            "mean_kept_entropy": _mean([point["entropy_kept"] for point in points]),
            "mean_asked": _mean([point["asked"] for point in points]),
            "reaching_aim": sum(point["deferral_kept"] >= GAIN_AIM for point in points),
            "not_above_random": [
                name for name, curve in worth.items() if not _above(curve["at"][share], "random", strictly=True)
            ],
            "below_entropy": [
                name for name, curve in worth.items() if not _above(curve["at"][share], "entropy", strictly=False)
            ],
            "significantly_below_entropy": [
                name for name, curve in worth.items() if curve["at"][share]["over_entropy"]["high"] < 0
            ],
        }
    return {"cells_with_a_significant_gain": sorted(worth), "cells": len(curves), "at": at}


def _nearest(table: pd.DataFrame, share: float) -> list[float]:
    """Return the share of the gain kept, with its bounds, at the drawn point nearest to a budget."""
    row = table.iloc[int(np.abs(table.index.to_numpy() - share).argmin())]
    return [float(row[column]) for column in ("kept", "kept_low", "kept_high")]


def _above(point: Figures, rival: str, *, strictly: bool) -> bool:
    ours, theirs = point["deferral"], point[rival]
    return bool(ours > theirs if strictly else ours >= theirs)


def _most(unsure: Floats, n: int) -> NDArray[np.bool_]:
    """Return the n most unsure rows as a mask; ties go to the earlier row."""
    chosen = np.zeros(len(unsure), dtype=bool)
    chosen[np.argsort(-unsure, kind="stable")[:n]] = True
    return chosen


def _share(part: float, whole: float) -> float:
    return part / whole if whole else float("nan")


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else float("nan")
