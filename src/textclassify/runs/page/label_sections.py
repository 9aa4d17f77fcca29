"""Sections on labels: which are confused, how each does, which are rare, and which gold answers look wrong."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from textclassify.core.result import NO_LABEL
from textclassify.runs.page.blocks import (
    HEATS,
    Cell,
    Section,
    ShowRows,
    Table,
    Words,
    figure_cell,
    joined,
    percent,
)
from textclassify.runs.run_measures import OTHER, Confusions, confusions, missed_and_added
from textclassify.runs.run_view import RunView
from textclassify.statistics.metrics import label_table

RARE = 20
"""Gold texts below which a label's figures rest on next to nothing."""
SHOWN_TEXT = 220
_SHOWN_LABELS = 40
_LONGEST_NAME = 40
"""Characters of a label's name where it is not the subject; the table of labels has it whole."""
_SHOWN_ERRORS = 15


def confused(view: RunView) -> Section | None:
    """Return which labels are taken for which."""
    title = "Which labels are confused"
    if view.schema.multi_label:
        pairs = missed_and_added(view) if view.has_gold else []
        if not pairs:
            return None
        words = "Pairs of a gold label that was missed and another that was given instead, in the same text."
        names = list(map(str, view.schema.names))
        rows = [
            [
                Cell(names[gold]),
                Cell(names[added]),
                Cell(f"{count:,}", count, rows={"gold": gold, "answer": added, "outcome": "wrong"}),
            ]
            for gold, added, count in pairs
        ]
        table = Table("Missed and added", ["missed", "added", "texts"], rows)
        return Section("confusion", title, (Words(words), table))
    found = confusions(view)
    if found is None:
        return None
    words = "Each row is a gold label, each column an answer; a cell is darker the larger its share of the row."
    if OTHER in found.gold and len(found.gold) < len(view.schema):
        words += f" The {len(found.gold) - 1} labels with most errors are shown; the others are counted together."
    return Section("confusion", title, (Words(words), _matrix(found), *_most_frequent(view)))


def _matrix(found: Confusions) -> Table:
    shares = found.shares
    rows = []
    for place, gold in enumerate(found.gold):
        row = [Cell(_short(gold))]
        for column in range(len(found.answers)):
            count, heat = int(found.counts[place, column]), round(HEATS * float(shares[place, column]))
            row.append(Cell(f"{count:,}" if count else "·", count, heat=heat))
        rows.append(row)
    return Table("Confusion matrix: gold labels by answers", ["gold \\ answer", *map(_breakable, found.answers)], rows)


def _most_frequent(view: RunView) -> Iterator[Table]:
    full = confusions(view, len(view.schema))
    if full is None:
        return
    wrong = full.counts.copy()
    np.fill_diagonal(wrong, 0)
    order = np.argsort(-wrong, axis=None, kind="stable")[:10]
    rows = []
    for place, column in zip(*np.unravel_index(order, wrong.shape), strict=True):
        count, answered = int(wrong[place, column]), column < len(full.gold)
        if count:
            filters = {"gold": int(place), "answer": int(column) if answered else NO_LABEL, "outcome": "wrong"}
            rows.append([Cell(full.gold[place]), Cell(full.answers[column]), Cell(f"{count:,}", count, rows=filters)])
    if rows:
        yield Table("Most frequent confusions", ["gold", "answer", "texts"], rows)


def each_label(view: RunView) -> Section | None:
    """Return every label's figures, and the rare labels by themselves."""
    if not view.has_gold:
        return _answered_labels(view)
    known = view.known
    width = None if view.schema.multi_label else len(view.schema)
    found = label_table(view.gold[known], view.first.codes[known], n_labels=width, abstentions="wrong")
    thresholds = view.facts.get("thresholds") or {}
    header = ["label", "F1", "precision", "recall", "gold texts", "answered", *(["threshold"] if thresholds else [])]
    rows = []
    for place, name in enumerate(map(str, view.schema.names)):
        rare = found.support[place] < RARE
        row = [Cell(name, mark="rare" if rare else "")]
        row += [figure_cell(float(column[place])) for column in (found.f1, found.precision, found.recall)]
        row += [
            Cell(f"{found.support[place]:,}", float(found.support[place]), rows={"gold": place}),
            Cell(f"{found.predicted[place]:,}", float(found.predicted[place]), rows={"answer": place}),
        ]
        rows.append([*row, *([figure_cell(thresholds.get(name))] if thresholds else [])])
    table = Table("Labels", header, rows, sortable=True, limit=_SHOWN_LABELS)
    rare = [(name, int(n)) for name, n in zip(view.schema.names, found.support, strict=True) if n < RARE]
    return Section("labels", "Each label", (table, Words(_rare_words(rare))))


def _rare_words(rare: list[tuple[Any, int]]) -> str:
    if not rare:
        return f"No label is rare here: each has {RARE} gold texts or more."
    names = ", ".join(f"{_short(str(name))} ({count:,})" for name, count in sorted(rare, key=lambda one: one[1]))
    return (
        f"Rare labels, with fewer than {RARE} gold texts, whose figures rest on next to nothing: {names}. More "
        "labelled texts of these tell most."
    )


def _answered_labels(view: RunView) -> Section | None:
    if not len(view):
        return None
    codes = view.first.codes
    counts = (codes > 0).sum(axis=0) if codes.ndim == 2 else np.bincount(codes[codes >= 0], minlength=len(view.schema))
    rows = [
        [Cell(str(name)), Cell(f"{count:,}", float(count), rows={"answer": place})]
        for place, (name, count) in enumerate(zip(view.schema.names, counts, strict=True))
    ]
    table = Table("Answers by label", ["label", "answers"], rows, sortable=True, limit=_SHOWN_LABELS)
    return Section("labels", "Each label", (table,))


def suspects(view: RunView) -> Section | None:
    """Return the gold answers that are probably wrong."""
    found, title = view.label_errors, "Gold answers that may be wrong"
    if found is None:
        return None
    rows = np.flatnonzero(view.known)[found.order]
    if not len(rows):
        return Section("suspects", title, (Words("No gold answer looks wrong to the model."),))
    words = (
        f"{len(rows):,} of {int(view.known.sum()):,} gold answers (confident learning on the probabilities of "
        f"{view.first.name!r}). Least probable gold answers first. A model's errors look like this as well: a person "
        "decides."
    )
    shown = rows[:_SHOWN_ERRORS]
    gold, suggested = (
        view.labels_of(codes) for codes in (view.gold[shown], found.suggested[found.order[: len(shown)]])
    )
    sure = found.self_confidence[found.order]
    cells = [
        [
            Cell(str(row)),
            Cell(_shortened(view.texts[row])),
            Cell(joined(gold[at])),
            Cell(joined(suggested[at])),
            Cell(_little(float(sure[at])), float(sure[at])),
        ]
        for at, row in enumerate(shown)
    ]
    table = Table("Least probable gold answers", ["row", "text", "gold", "rather", "probability of gold"], cells)
    button = ShowRows(f"Show all {len(rows):,} rows", {"suspect": True, "order": "sure"})
    return Section("suspects", title, (Words(words), table, button))


def _breakable(name: str) -> str:
    """Return a name that a narrow column may break behind its underscores."""
    return _short(name).replace("_", "_\N{ZERO WIDTH SPACE}")


def _short(name: str) -> str:
    """Return the beginning of a long name, such that its direction of writing ends with it."""
    cut = name if len(name) <= _LONGEST_NAME else f"{name[:_LONGEST_NAME]}…"
    return cut if cut.isascii() else f"\N{FIRST STRONG ISOLATE}{cut}\N{POP DIRECTIONAL ISOLATE}"


def _little(share: float) -> str:
    return "< 0.1%" if share < 0.001 else percent(share)


def _shortened(text: str | None) -> str:
    if text is None:
        return "(text not kept)"
    line = " ".join(text[: 4 * SHOWN_TEXT].split())
    return line if len(line) <= SHOWN_TEXT else f"{line[: SHOWN_TEXT - 1]}…"
