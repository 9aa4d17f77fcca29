"""Texts that none of the labels fits: how well certainty and abstention tell them from the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import softmax

import rac_peers as peers
from rac_data import OUTSIDE, Rows, drawn_examples, read_rows, without_labels
from rac_figures import Figures, auroc, kept_figures, share, write_figures
from textclassify import RACClassifier

PART = "out_of_scope"
HELD_OUT = 0.25
"""Share of the labels that is taken out of the schema."""
OTHER = "other"
"""The label for what fits no other one, added to the schema."""
THRESHOLDS = (0.1, 0.2, 0.3, 0.5)
"""Of `min_probability`: the same for every label set."""
FAR = ("ag_news", "trec6")
FAR_ROWS = 1000


def measured_scope(
    name: str,
    target: Path,
    *,
    root: str | None = None,
    seeds: Sequence[int] = (0,),
    rows: int | None = None,
    far: Sequence[str] = FAR,
    per_label: int = 0,
) -> None:
    """Write figures of a data set: labels held out, and texts of other data sets.

    Args:
        name: the data set.
        target: the file of figures.
        root: folder of the data sets.
        seeds: of the labels that are held out.
        rows: test rows; None = all.
        far: data sets whose texts no label fits.
        per_label: examples per label, drawn from the training part with the first seed.

    """
    console = Console(stderr=True, soft_wrap=True)
    peers.remember_vectors()
    done = kept_figures(target).get(PART, {})
    test = read_rows(name, "test", root, rows=rows)
    if per_label:
        examples = drawn_examples(read_rows(name, "train", root), per_label, seeds[0], unlike=test)
        test = replace(test, schema=test.schema.with_examples(examples))
        name = f"{name}, {per_label} per label"
    near = f"{name}, {HELD_OUT:.0%} of the labels held out"
    if near not in done:
        by_seed = []
        for seed in seeds:
            reduced = without_labels(test, HELD_OUT, seed)
            by_seed.append(scope_figures(reduced))
            console.print(f"{near}, seed {seed}: {_in_words(by_seed[-1])}")
        write_figures(target, PART, {near: _over_seeds(by_seed)})
    for other in far:
        key = f"{name}, texts of {other}"
        if key in done or other == name.split(",")[0]:
            continue
        strange = read_rows(other, "test", root, rows=FAR_ROWS)
        mixed = Rows(
            test.schema, test.texts + strange.texts, np.concatenate([test.gold, np.full(len(strange), OUTSIDE)])
        )
        figures = scope_figures(mixed)
        console.print(f"{key}: {_in_words(figures)}")
        write_figures(target, PART, {key: figures})


def scope_figures(rows: Rows) -> Figures:
    """Return AUROC of ours and of two floors, and what abstention below each threshold detects and costs.

    Args:
        rows: of the schema's labels, and of none of them (OUTSIDE).

    """
    result = RACClassifier(rows.schema).predict(rows.texts)
    certainty = np.nan_to_num(result.scores.probabilities.max(axis=1), nan=0.0)
    cosines = peers.card_cosines(rows.schema, rows.texts)
    bare = softmax(cosines.astype(np.float64) / peers.TEMPERATURE, axis=1).max(axis=1)
    outside = rows.gold == OUTSIDE
    by_label, with_label = _with_label(rows)
    certainties = {
        "ours: highest probability": certainty,
        "ours: 1 - probability of the label for all others": by_label,
        "floor: highest cosine": cosines.max(axis=1),
        "floor: highest softmax of cosines": bare,
    }
    nothing = np.zeros(len(rows), dtype=bool)
    return {
        "rows": {"inside": int((~outside).sum()), "outside": int(outside.sum())},
        "auroc": {name: auroc(values[~outside], values[outside]) for name, values in certainties.items()},
        "abstention": {
            f"min_probability={threshold}": abstention(rows.gold, result.codes, certainty < threshold)
            for threshold in (0.0, *THRESHOLDS)
        }
        | {f"other={OTHER!r}": abstention(rows.gold, with_label, nothing)},
    }


def _with_label(rows: Rows) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return certainties and codes where the schema has a label for what fits no other; those answers are OUTSIDE."""
    schema = replace(rows.schema, names=(*rows.schema.names, OTHER))
    result = RACClassifier(schema, other=OTHER).predict(rows.texts)
    last = len(rows.schema)
    codes = np.asarray(result.codes, dtype=np.int64)
    return 1 - np.nan_to_num(result.scores.probabilities[:, last], nan=1.0), np.where(codes == last, OUTSIDE, codes)


def abstention(gold: NDArray[Any], codes: NDArray[Any], withheld: NDArray[np.bool_]) -> Figures:
    """Return what abstaining detects and costs: shares with intervals.

    Args:
        gold: (n,) codes, OUTSIDE = of no label.
        codes: (n,) the answers, -1 = none.
        withheld: (n,) answers that a threshold takes back.

    """
    none = (codes == OUTSIDE) | withheld
    outside = gold == OUTSIDE
    return {
        "detected": share(none[outside]),
        "false_alarms": share(none[~outside]),
        "right_where_labelled": share((codes == gold)[~none]),
    }


def _over_seeds(by_seed: Sequence[Figures]) -> Figures:
    """Return means over the seeds, and each seed's figures of what varies most."""
    first = by_seed[0]
    return {
        "seeds": len(by_seed),
        "rows": [one["rows"] for one in by_seed],
        "auroc": {name: float(np.mean([one["auroc"][name] for one in by_seed])) for name in first["auroc"]},
        "auroc_by_seed": {name: [one["auroc"][name] for one in by_seed] for name in first["auroc"]},
        "abstention": {
            at: {what: _mean_share([one["abstention"][at][what] for one in by_seed]) for what in figures}
            for at, figures in first["abstention"].items()
        },
    }


def _mean_share(shares: Sequence[Sequence[float]]) -> list[float]:
    """Return the mean of a share over the seeds, with the lowest and the highest of them."""
    values = [one[0] for one in shares]
    return [float(np.mean(values)), min(values), max(values)]


def _in_words(figures: Figures) -> str:
    return ", ".join(f"{name} {value:.3f}" for name, value in figures["auroc"].items())
