"""Tables of the emotions benchmark, and the fusion against each source on the same test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from emotions_answers import Answers
from emotions_data import part_of
from emotions_fusion import FUSION, ON_FOUR_FIFTHS, SOURCES
from emotions_systems import SYSTEMS
from rac_figures import kept_figures, write_figures
from textclassify.core.texts import hash_texts
from textclassify.statistics.resampling import bootstrap_mean, holm, mcnemar_mid_p

ORDER = (*SYSTEMS, *(ON_FOUR_FIFTHS.format(name) for name in SOURCES), FUSION)


def printed(target: Path, datasets: Sequence[str], *, root: str | None, cache: Path, markdown: bool) -> None:
    """Print one table per data set, after the comparisons were written to the file."""
    for dataset in datasets:
        test = part_of(root, dataset, "test")
        answers = Answers(cache / "answers", target, dataset, test.gold)
        comparisons = compared(answers, hash_texts(test.texts))
        if comparisons:
            write_figures(target, "comparisons", {dataset: comparisons})
        figures = kept_figures(target).get(dataset, {})
        rows = [_row(name, figures[name], comparisons.get(name)) for name in ORDER if name in figures]
        _print(f"{dataset}, {len(test.texts)} test rows", rows, markdown=markdown)


def compared(answers: Answers, groups: NDArray[np.uint64]) -> dict[str, Any]:
    """Return the fusion's lead over each system: mean over their common seeds with its interval, and a test.

    The interval resamples test rows (each row's mean over the seeds counts once); p is McNemar's mid-p of the first
    seed, corrected by Holm over the systems.
    """
    fused, gold = answers.by_seed(FUSION), answers.gold
    found: dict[str, Any] = {}
    raw: list[float] = []
    for name in ORDER[:-1]:
        other = answers.by_seed(name)
        if not other or not fused:
            continue
        pairs = [(right(fused[seed], gold), right(other.get(seed, other[min(other)]), gold)) for seed in fused]
        lead = bootstrap_mean(np.mean([mine.astype(float) - theirs for mine, theirs in pairs], axis=0), groups)
        raw.append(mcnemar_mid_p(*pairs[0]))
        found[name] = {"lead": [lead.estimate, lead.low, lead.high]}
    for name, p in zip(found, holm(raw) if raw else [], strict=True):
        found[name]["mid_p_holm"] = float(p)
    return found


def right(probabilities: NDArray[Any], gold: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which rows are answered rightly, (n,)."""
    return np.asarray(probabilities.argmax(axis=1) == gold)


def _row(name: str, by_seed: Mapping[str, Any], comparison: Mapping[str, Any] | None) -> list[str]:
    cells = [name, str(len(by_seed))]
    for metric in ("accuracy", "weighted_f1"):
        values = 100 * np.array([one[metric] for one in by_seed.values()])
        spread = f" ± {values.std(ddof=1):.2f}" if len(values) > 1 else ""
        cells.append(f"{values.mean():.2f}{spread}")
    cells.append(f"{np.mean([one['log_loss'] for one in by_seed.values()]):.3f}")
    cells.append(f"{np.mean([one['seconds']['cpu'] for one in by_seed.values()]):.0f}")
    if comparison is None:
        return [*cells, ""]
    lead, low, high = (100 * value for value in comparison["lead"])
    return [*cells, f"{lead:+.2f} [{low:.2f}, {high:.2f}], p {comparison['mid_p_holm']:.2g}"]


def _print(title: str, rows: list[list[str]], *, markdown: bool) -> None:
    headings = ["system", "seeds", "accuracy", "weighted F1", "log loss", "CPU s", "fusion ahead by"]
    console = Console(soft_wrap=True)
    if markdown:
        lines = [headings, ["---"] * len(headings), *rows]
        console.print(f"{title}\n\n" + "\n".join(f"| {' | '.join(line)} |" for line in lines) + "\n", markup=False)
        return
    table = Table(title=title)
    for heading in headings:
        table.add_column(heading)
    for row in rows:
        table.add_row(*row)
    console.print(table)
