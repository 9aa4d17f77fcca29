"""Answers that a run kept, given again for the same texts, and never for others."""

from __future__ import annotations

import warnings
from typing import Any

from textclassify.core import dataset
from textclassify.core.result import ClassificationResult
from textclassify.errors import DataError
from textclassify.runs.recording.prediction_table import result_of_table
from textclassify.runs.recording.run_facts import data_facts, texts_hash
from textclassify.runs.recording.run_folder import RunFolder

_SHOWN = 12
"""Digits of a hash that messages show."""


def cached_predictions(
    run: RunFolder, texts: Any, labels: Any = None, *, strict: bool = False
) -> ClassificationResult | None:
    """Return the answers of a run to these texts; None, with a warning, where they are answers to others.

    What each source said of a text is not kept.

    Args:
        run: with predictions.
        texts: the texts in the order of the run, or whatever `dataset.texts_of` takes.
        labels: gold answers that the run must have been measured on; None = they do not matter.
        strict: whether answers to other data are an error.

    Raises:
        DataError: the run has no predictions, they were changed after the run, or, with `strict`, they are stale; the
            message names both hashes.

    """
    table = run.predictions
    stale = _staleness(run, texts, labels)
    if stale is None:
        return result_of_table(table, run.schema, source=f"run {run.id}")
    if strict:
        raise DataError(stale)
    warnings.warn(stale, UserWarning, stacklevel=3)
    return None


def _staleness(run: RunFolder, texts: Any, labels: Any) -> str | None:
    """Return in words why the answers are not to these data; None where they are."""
    known = run.facts["data"]["test"] or {}
    rows = dataset.texts_of(texts)
    found = texts_hash(rows)
    if found != known.get("texts_sha256"):
        counts = f"{known.get('rows')} texts, SHA-256 {_short(known.get('texts_sha256'))}"
        return _in_words(run, "texts", counts, f"{len(rows)} texts, SHA-256 {_short(found)}")
    if labels is None:
        return None
    data = dataset.labelled_data(rows, labels, schema=run.schema, multi_label=run.schema.multi_label)
    gold = (data_facts(data) or {})["sha256"]
    if gold != known.get("sha256"):
        return _in_words(run, "labels", f"SHA-256 {_short(known.get('sha256'))}", f"SHA-256 {_short(gold)}")
    return None


def _in_words(run: RunFolder, what: str, before: str, now: str) -> str:
    return (
        f"the predictions of run {run.id} are stale: the {what} have changed since ({before} then, {now} now); predict "
        "again, or pass the data of the run"
    )


def _short(digest: Any) -> str:
    return f"{digest[:_SHOWN]}…" if isinstance(digest, str) else "unknown"
