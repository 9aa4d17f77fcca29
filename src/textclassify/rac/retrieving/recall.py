"""How often the right label is among the first k that retrieval ranks: the best that asking about these can reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.dataset import texts_of
from textclassify.core.labels import Gold, LabelSchema
from textclassify.core.result import gold_for
from textclassify.core.scales import SMALLEST_PROBABILITY
from textclassify.errors import DataError
from textclassify.rac.retrieving.candidates import NO_CANDIDATE, best_of, checked_k
from textclassify.rac.retrieving.label_texts import Floats
from textclassify.statistics.resampling import Interval, bootstrap_mean, wilson_interval

if TYPE_CHECKING:
    import pandas as pd

PROXY = "coverage_proxy"
PROXY_NOTE = (
    "the mean share of the probability that the k highest labels have, by the classifier's own account: "
    "a proxy for recall, not a measurement"
)
_TEXTS_AT_ONCE = 1024


def recall_report(
    classifier: TextClassifier,
    texts: Any,
    gold: Any = None,
    *,
    ks: Sequence[int] = (1, 3, 5, 10, 20),
    by_label: bool = False,
) -> pd.DataFrame:
    """Return how much of the right answer the k highest labels hold: a row per k, before anything is spent.

    Columns: `k`; with gold, `recall` (multi-label: the share of all gold labels) with its 95% interval `low` to `high`
    (Wilson's; multi-label: bootstrap over texts); `coverage_proxy`, the mean share of the probability that those labels
    have by the classifier's own account, which is a proxy and no measurement (also said in `.attrs`); `texts`.
    A blank text finds nothing, and is left out of the proxy. Values of k above the number of labels count as all.

    Args:
        classifier: scores the labels, usually a `SimilarityClassifier`.
        texts: n texts.
        gold: their true labels; None = only the proxy can be told.
        ks: numbers of labels.
        by_label: return a row per label that occurs in gold instead, most missed first: `label`, `texts` (with that
            gold label), and `recall_at_<k>` for each k.

    Raises:
        DataError: no texts, or `by_label` without gold.
        ConfigError: a k is below 1.
        LabelError: an unknown gold label.

    """
    import pandas as pd

    rows, wanted = texts_of(texts), sorted({checked_k(k) for k in ks})
    if not rows or not wanted:
        raise DataError("there is nothing to report on; pass at least one text and one k")
    if by_label and gold is None:
        raise DataError("what labels miss can only be told with true answers; pass gold=[...], one per text")
    ranked = _ranked(classifier, rows, wanted[-1])
    if gold is None:
        return _with_note(pd.DataFrame({"k": wanted, PROXY: ranked.proxies(wanted), "texts": len(rows)}))
    is_found, text_of, label_of = ranked.found(gold_for(gold, ranked.schema, len(rows)))
    if not len(text_of):
        raise DataError("no text has a gold label, so there is nothing to find; pass gold with at least one label")
    if by_label:
        return _with_note(_label_table(is_found, label_of, ranked.schema, wanted))
    within = [is_found[:, min(k, is_found.shape[1]) - 1] for k in wanted]
    intervals = [_interval(found, text_of, multi_label=ranked.schema.multi_label) for found in within]
    table = {
        "k": wanted,
        "recall": [interval.estimate for interval in intervals],
        "low": [interval.low for interval in intervals],
        "high": [interval.high for interval in intervals],
        PROXY: ranked.proxies(wanted),
        "texts": len(rows),
    }
    return _with_note(pd.DataFrame(table))


@dataclass(frozen=True, slots=True)
class _Ranked:
    """The highest labels of n texts: `codes` (n, k), and `shares` (n, k), the share of the probability up to each."""

    schema: LabelSchema
    codes: NDArray[np.int32]
    shares: Floats

    def proxies(self, ks: Sequence[int]) -> list[float]:
        """Return the mean share of the probability that the first k labels of a text have, for each k."""
        scored = self.codes[:, 0] != NO_CANDIDATE
        if not scored.any():
            return [float("nan")] * len(ks)
        means = self.shares[scored].mean(axis=0)
        return [float(means[min(k, len(means)) - 1]) for k in ks]

    def found(self, gold: Gold) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Return whether each gold label is among the first 1, 2, ... (m, k), and its text and label, (m,) each."""
        if self.schema.multi_label:
            text_of, label_of = np.nonzero(gold)
        else:
            text_of, label_of = np.arange(len(gold)), np.asarray(gold)
        is_found = np.logical_or.accumulate(self.codes[text_of] == label_of[:, None], axis=1)
        return is_found, text_of, label_of.astype(np.int64)


def _ranked(classifier: TextClassifier, texts: list[str], k: int) -> _Ranked:
    """Return the k highest labels of each text; the scores of all labels are held for a few texts at a time."""
    codes, shares = [], []
    for start in range(0, len(texts), _TEXTS_AT_ONCE):
        scores = classifier.predict_scores(texts[start : start + _TEXTS_AT_ONCE])
        candidates = best_of(scores.values, k)
        probabilities = scores.probabilities
        highest = np.take_along_axis(probabilities, np.maximum(candidates.codes, 0), axis=1)
        totals = np.maximum(probabilities.sum(axis=1, keepdims=True), SMALLEST_PROBABILITY)
        codes.append(candidates.codes)
        shares.append(np.cumsum(highest, axis=1) / totals)
    schema = LabelSchema(scores.labels, multi_label=scores.multi_label)
    return _Ranked(schema, np.concatenate(codes), np.concatenate(shares))


def _interval(found: NDArray[np.bool_], text_of: NDArray[np.int64], *, multi_label: bool) -> Interval:
    if not multi_label:
        return wilson_interval(int(found.sum()), len(found))
    return bootstrap_mean(found.astype(np.float64), text_of)


def _label_table(
    is_found: NDArray[np.bool_], label_of: NDArray[np.int64], schema: LabelSchema, ks: Sequence[int]
) -> pd.DataFrame:
    import pandas as pd

    occurs = np.unique(label_of)
    counts = np.bincount(label_of, minlength=len(schema))
    table: dict[str, Any] = {"label": [schema.names[code] for code in occurs.tolist()], "texts": counts[occurs]}
    hits = [np.bincount(label_of, is_found[:, min(k, is_found.shape[1]) - 1], len(schema)) for k in ks]
    table |= {f"recall_at_{k}": one[occurs] / counts[occurs] for k, one in zip(ks, hits, strict=True)}
    missed = (counts - hits[-1])[occurs], (counts - hits[0])[occurs]
    return pd.DataFrame(table).iloc[np.lexsort((-missed[1], -missed[0]))].reset_index(drop=True)


def _with_note(table: pd.DataFrame) -> pd.DataFrame:
    table.attrs[PROXY] = PROXY_NOTE
    return table
