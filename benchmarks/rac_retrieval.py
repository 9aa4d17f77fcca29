"""Retrieval alone, without a language model: zero-shot and with a few examples per label, peers beside it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from scipy.special import softmax

import rac_peers as peers
from rac_data import Rows, drawn_examples, read_rows
from rac_figures import Figures, figures_of, kept_figures, multi_label, single_label, write_figures
from textclassify import RACClassifier

OURS = "retrieval (ours)"
FLOOR = "floor: cosine of text and label card"
PART = "retrieval"

Answers = tuple[NDArray[Any], NDArray[Any]]
"""Scores (n, K) that rank the labels, and the answers: codes (n,) or, for several labels a text, (n, K) of 0 and 1."""


def measured_retrieval(
    names: Sequence[str],
    target: Path,
    *,
    root: str | None = None,
    per_label: Sequence[int] = (),
    seeds: Sequence[int] = (0,),
    setfit_seeds: Sequence[int] = (),
    rows: int | None = None,
    part: str = PART,
) -> None:
    """Write figures of every data set that the file does not hold yet, zero-shot and for each number of examples.

    Args:
        names: of data sets.
        target: the file.
        root: the data folder.
        per_label: numbers of examples per label.
        seeds: of their draw.
        setfit_seeds: those of the seeds that SetFit is run with; it takes minutes each.
        rows: test rows, drawn with seed 0; None = all.
        part: of the file.

    """
    console = Console(stderr=True, soft_wrap=True)
    peers.remember_vectors()
    for name in names:
        test = read_rows(name, "test", root, rows=rows)
        if name not in kept_figures(target).get(part, {}):
            started = time.perf_counter()
            write_figures(target, part, {name: zero_shot(test)})
            console.print(f"{name}, {len(test)} rows, zero-shot: {time.perf_counter() - started:.0f} s")
        for count in per_label:
            key = f"{name}, {count} per label"
            if test.schema.multi_label or key in kept_figures(target).get(part, {}):
                continue
            train = read_rows(name, "train", root)
            figures = with_examples(train, test, count, seeds, setfit_seeds, say=console.print)
            write_figures(target, part, {key: figures})


def ours(test: Rows, **options: Any) -> Answers:
    """Return scores and answers of the classifier without a language model."""
    result = RACClassifier(test.schema, **options).predict(test.texts)
    return result.scores.values, result.codes


def floor(test: Rows) -> Answers:
    """Return bare cosines of texts and label cards, and the nearest label."""
    cosines = peers.card_cosines(test.schema, test.texts)
    nearest = cosines.argmax(axis=1)
    if test.schema.multi_label:
        return cosines, np.eye(len(test.schema), dtype=np.uint8)[nearest]
    return np.asarray(softmax(cosines.astype(np.float64) / peers.TEMPERATURE, axis=1)), nearest


def zero_shot(test: Rows) -> Figures:
    """Return figures of retrieval by label cards alone, and of its floor."""
    systems: dict[str, Callable[[Rows], Answers]] = {OURS: ours, FLOOR: floor}
    if test.schema.multi_label:
        return {name: multi_label(test.gold, *answer(test), groups=test.groups) for name, answer in systems.items()}
    return {name: figures_of([_rows_of(test, *answer(test))], test.groups) for name, answer in systems.items()}


def with_examples(
    train: Rows,
    test: Rows,
    per_label: int,
    seeds: Sequence[int],
    setfit_seeds: Sequence[int],
    *,
    say: Callable[[str], None],
) -> Figures:
    """Return figures of ours and its peers with the same examples of every label, over seeds."""
    found: dict[str, list[dict[str, NDArray[Any]]]] = {}
    seconds: dict[str, list[float]] = {}
    for seed in seeds:
        examples = drawn_examples(train, per_label, seed, unlike=test)
        for name, answer in _systems(test, examples, seed, with_setfit=seed in setfit_seeds).items():
            started = time.perf_counter()
            rows = _rows_of(test, *answer())
            seconds.setdefault(name, []).append(time.perf_counter() - started)
            found.setdefault(name, []).append(rows)
            say(f"  {per_label} per label, seed {seed}: {name} {rows['right'].mean():.4f} ({seconds[name][-1]:.0f} s)")
    return {name: figures_of(rows, test.groups) | {"seconds": seconds[name]} for name, rows in found.items()}


def _systems(test: Rows, examples: peers.Examples, seed: int, *, with_setfit: bool) -> dict[str, Callable[[], Answers]]:
    schema, texts = test.schema, test.texts

    def of(probabilities: NDArray[Any]) -> Answers:
        return probabilities, probabilities.argmax(axis=1)

    systems: dict[str, Callable[[], Answers]] = {
        OURS: lambda: ours(test, examples=examples),
        "centroids of card and examples": lambda: of(peers.centroids(schema, examples, texts)),
        "centroids of examples": lambda: of(peers.centroids(schema, examples, texts, cards=False)),
        "linear model": lambda: of(peers.linear(schema, examples, texts)),
        "logistic regression on frozen vectors": lambda: of(peers.frozen_regression(schema, examples, texts)),
    }
    if with_setfit and peers.setfit_runs():
        systems[peers.SETFIT] = lambda: of(peers.setfit_itself(schema, examples, texts, seed))
    return systems


def _rows_of(test: Rows, values: NDArray[Any], codes: NDArray[Any]) -> dict[str, NDArray[Any]]:
    return single_label(test.gold, values, values.max(axis=1), codes)
