"""The algorithm apart from the model's quality: checks with known error rates, beside what the analytic model says."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rich.console import Console

import rac_peers as peers
import rac_texts
from rac_figures import Figures, write_figures
from rac_loopback import Rates, Server, running
from textclassify import LLMClassifier, RACClassifier
from textclassify.rac.tuning.analytic import AnalyticModel, Prediction

PART = "algorithm"
RATES = (Rates(0.9, 0.05), Rates(0.9, 0.2), Rates(0.7, 0.05))
TOP_K = (1, 3, 10)
FIGURES = ("coverage", "precision", "calls")
KEY = "sk-for-the-loopback-server"


def measured_algorithm(target: Path, *, rows: int = 1000) -> None:
    """Write measured and predicted figures for each pair of rates and each number of candidates.

    Args:
        target: the file.
        rows: texts.

    """
    console = Console(stderr=True, soft_wrap=True)
    peers.remember_vectors()
    numbers = range(rows)
    texts, gold = [rac_texts.text_of(number) for number in numbers], rac_texts.gold_of(numbers)
    recall = recall_by_rank(texts, gold, max(TOP_K))
    console.print(f"{rows} texts, retrieval finds the label at once in {recall[0]:.3f}, in ten in {recall.sum():.3f}")
    for rates in RATES:
        model = AnalyticModel(recall, true_positive_rate=rates.true_yes, false_positive_rate=rates.false_yes)
        for top_k in TOP_K:
            with running(rates) as server:
                measured, requests = checked(server, texts, gold, top_k)
            figures = beside(model, measured, top_k, rows) | {"requests_per_text": requests / rows}
            write_figures(target, PART, {_key(rates, top_k): figures | {"rows": rows, "labels": len(rac_texts.NAMES)}})
            console.print(f"{_key(rates, top_k)}: {'agrees' if figures['agrees'] else 'DISAGREES'}")
    write_figures(target, PART, {"recall_by_rank": recall.tolist()})


def recall_by_rank(texts: list[str], gold: NDArray[np.int64], k: int) -> NDArray[np.float64]:
    """Return how often the true label is the first, the second, ... the k-th candidate, (k,)."""
    ranked = RACClassifier(rac_texts.schema()).rank_labels(texts, k)
    places = [names.index(rac_texts.NAMES[code]) for names, code in zip(ranked, gold, strict=True) if _in(names, code)]
    return np.bincount(places, minlength=k) / len(texts)


def checked(server: Server, texts: list[str], gold: NDArray[np.int64], top_k: int) -> tuple[Prediction, int]:
    """Return what labelling with `first_yes` came to, and how many requests the server counted."""
    with tempfile.TemporaryDirectory() as cache:
        classifier = RACClassifier(rac_texts.schema(), loopback_model(server, cache), top_k=top_k, decision="first_yes")
        result = classifier.predict(texts)
    codes = np.asarray(result.codes)
    labelled, right = codes >= 0, codes == gold
    precision = float(right.sum() / labelled.sum()) if labelled.any() else float("nan")
    calls = float(result.details["calls"].mean())
    return Prediction(float(labelled.mean()), precision, float(right.mean()), calls), server.requests()


def loopback_model(server: Server, cache: str, *, concurrency: int = 64) -> LLMClassifier:
    """Return the language model that the loopback server stands for."""
    return LLMClassifier(
        provider="openai",
        model="loopback",
        base_url=server.base_url,
        api_key=KEY,
        cache_dir=cache,
        concurrency=concurrency,
    )


def beside(model: AnalyticModel, measured: Prediction, top_k: int, rows: int) -> Figures:
    """Return measured figures beside predicted ones with the interval of so many rows, and whether all lie inside."""
    predicted = model.range_at(top_k, n_rows=rows)
    found: dict[str, Any] = {}
    for name in FIGURES:
        bounds = getattr(predicted, name)
        found[name] = {"measured": getattr(measured, name), "predicted": [bounds.estimate, bounds.low, bounds.high]}
    return found | {"agrees": not predicted.outside(measured)}


def _key(rates: Rates, top_k: int) -> str:
    return f"{rates.true_yes}/{rates.false_yes}, k={top_k}"


def _in(names: list[Any], code: int) -> bool:
    return rac_texts.NAMES[code] in names
