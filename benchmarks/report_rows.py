"""A made-up run of any size, as its folder would be read: for the report's benchmark and its tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from textclassify.statistics.metrics import headline_metrics
from textclassify.statistics.resampling import wilson_interval

SOURCES = ("linear", "encoder", "deepseek", "similarity")
"""Systems beside the fusion; the third asks a language model."""
_GROUPS = 4
"""Labels under one parent."""


@dataclass
class MadeUpRun:
    """A run whose files are values."""

    folder: Path
    facts: dict[str, Any]
    metrics: dict[str, Any]
    evaluation: dict[str, Any] | None
    costs: Any
    predictions: pd.DataFrame = field(repr=False)
    id: str = "20300101-000000-made-up"


def made_up_run(
    n_rows: int,
    *,
    labels: Sequence[str] | int = 20,
    multi_label: bool = False,
    n_sources: int = 4,
    n_words: int = 40,
    texts: Sequence[str] | None = None,
    gold: bool = True,
    seed: int = 0,
    name: str = "Made-up news",
) -> MadeUpRun:
    """Return a run of texts of the length of a news item, some of them abstained, some without a gold answer.

    Args:
        n_rows: texts.
        labels: their names, or how many.
        multi_label: whether a text has any number of them.
        n_sources: of the fusion.
        n_words: of a text on average.
        texts: of the first rows, in the place of made-up ones.
        gold: whether gold answers are known.
        seed: of everything.
        name: of the run.

    """
    rng = np.random.default_rng(seed)
    names = [f"topic {number:02d}" for number in range(labels)] if isinstance(labels, int) else list(labels)
    true = _gold(rng, n_rows, len(names), multi_label=multi_label)
    skills = {"fusion": 4.0} | {source: 3.0 + 0.25 * place for place, source in enumerate(SOURCES[:n_sources])}
    shares = {
        one: _probabilities(rng, true, skill, len(names), multi_label=multi_label) for one, skill in skills.items()
    }
    codes = {one: _decided(share, multi_label=multi_label) for one, share in shares.items()}
    status = np.where(rng.random(n_rows) < 0.02, "abstained", "ok")
    codes["fusion"][status != "ok"] = -1
    if not multi_label:  # some gold answers are wrong, as ever
        true = np.where(rng.random(n_rows) < 0.02, rng.integers(0, len(names), n_rows), true)
    table = _table(rng, names, true, shares, codes, status, words=n_words, texts=texts)
    if not gold:
        table = table.drop(columns="gold")
    evaluation = _evaluation(names, true, shares, codes, multi_label=multi_label) if gold else None
    first = evaluation["systems"][0] if evaluation else {"metrics": {}, "intervals": {}}
    metrics = {
        metric: {"value": value, **_bounds(first["intervals"].get(metric))}
        for metric, value in first["metrics"].items()
    }
    facts = _facts(name, names, n_rows, multi_label=multi_label)
    return MadeUpRun(Path(name.replace("/", "_")), facts, metrics, evaluation, _costs(n_rows), table)


def made_up_texts(rng: np.random.Generator, n: int, n_words: int) -> list[str]:
    """Return texts of words that are as frequent as those of a language, about as hard to compress."""
    letters = np.array(list("etaoinshrdlucmfwyp"))
    vocabulary = ["".join(rng.choice(letters, size)) for size in rng.integers(2, 10, 12_000)]
    share = 1 / np.arange(5, len(vocabulary) + 5)
    sizes = np.maximum(3, rng.normal(n_words, n_words / 4, n)).astype(int)
    drawn = rng.choice(len(vocabulary), size=int(sizes.sum()), p=share / share.sum())
    ends = np.cumsum(sizes)
    return [
        " ".join(vocabulary[word] for word in drawn[end - size : end]).capitalize() + "."
        for end, size in zip(ends, sizes, strict=True)
    ]


def _gold(rng: np.random.Generator, n: int, n_labels: int, *, multi_label: bool) -> NDArray[np.int64]:
    share = 1 / np.arange(2, n_labels + 2)
    if multi_label:
        return (rng.random((n, n_labels)) < np.minimum(0.6, share)).astype(np.int64)
    return rng.choice(n_labels, size=n, p=share / share.sum())


def _probabilities(
    rng: np.random.Generator, gold: NDArray[np.int64], skill: float, n_labels: int, *, multi_label: bool
) -> NDArray[np.float32]:
    is_gold = gold if multi_label else np.eye(n_labels)[gold]
    logits = 1.6 * (rng.normal(0, 1.1, is_gold.shape) + skill * is_gold)
    if multi_label:
        return np.asarray(1 / (1 + np.exp(-(logits - 2.4))), dtype=np.float32)
    powers = np.exp(logits)
    return np.asarray(powers / powers.sum(axis=1, keepdims=True), dtype=np.float32)


def _decided(shares: NDArray[np.float32], *, multi_label: bool) -> NDArray[np.int64]:
    return (shares >= 0.5).astype(np.int64) if multi_label else shares.argmax(axis=1)


def _confidence(shares: NDArray[np.float32], codes: NDArray[np.int64]) -> NDArray[np.float32]:
    if codes.ndim == 2:
        return np.where((codes < 0).any(axis=1), np.nan, np.where(codes > 0, shares, 1 - shares).min(axis=1))
    chosen = np.take_along_axis(shares, np.maximum(codes, 0)[:, None], axis=1)[:, 0]
    return np.where(codes < 0, np.nan, chosen).astype(np.float32)


def _named(names: Sequence[str], codes: NDArray[np.int64]) -> list[Any]:
    if codes.ndim == 1:
        return [None if code < 0 else names[code] for code in codes.tolist()]
    return [None if row.min() < 0 else [names[k] for k in np.flatnonzero(row).tolist()] for row in codes]


def _table(
    rng: np.random.Generator,
    names: Sequence[str],
    gold: NDArray[np.int64],
    shares: Mapping[str, NDArray[np.float32]],
    codes: Mapping[str, NDArray[np.int64]],
    status: NDArray[Any],
    *,
    words: int,
    texts: Sequence[str] | None,
) -> pd.DataFrame:
    n = len(gold)
    given = list(texts or [])[:n]
    written = given + made_up_texts(rng, n - len(given), words)
    columns: dict[str, Any] = {
        "row": np.arange(n),
        "text": pd.Series(written, dtype=object),
        "text_id": pd.Series([f"{row:016x}" for row in range(n)], dtype=object),
        "gold": pd.Series(_named(names, gold), dtype=object),
        "label": pd.Series(_named(names, codes["fusion"]), dtype=object),
        "confidence": _confidence(shares["fusion"], codes["fusion"]),
        "status": pd.Series(status, dtype=object),
        "asked": rng.random(n) < 0.35,
        "cost": np.full(n, 1e-5),
    }
    columns |= {f"p_{name}": shares["fusion"][:, k] for k, name in enumerate(names)}
    for one in list(codes)[1:]:
        columns[f"answer:{one}"] = pd.Series(_named(names, codes[one]), dtype=object)
        columns[f"confidence:{one}"] = _confidence(shares[one], codes[one])
    return pd.DataFrame(columns)


def _evaluation(
    names: Sequence[str],
    gold: NDArray[np.int64],
    shares: Mapping[str, NDArray[np.float32]],
    codes: Mapping[str, NDArray[np.int64]],
    *,
    multi_label: bool,
) -> dict[str, Any]:
    systems: list[dict[str, Any]] = []
    share = "subset_accuracy" if multi_label else "accuracy"
    for place, (one, answers) in enumerate(codes.items()):
        metrics = headline_metrics(gold, answers, shares[one], multi_label, abstentions="wrong")
        wide = wilson_interval(metrics[share] * len(gold), len(gold))
        half = (wide.high - wide.low) / 2
        metric = "micro_f1" if multi_label else "accuracy"
        lead = 0.0 if not systems else systems[0]["metrics"][metric] - metrics[metric]
        systems.append(
            {
                "name": one,
                "metrics": metrics,
                "coverage": float((answers >= 0).all(axis=1).mean() if multi_label else (answers >= 0).mean()),
                "asks_llm": one in {"fusion", "deepseek"},
                "best_single": place == len(codes) - 1,
                "before_calibration": {} if place == 0 else {"log_loss": 0.9, "ece": 0.08},
                "intervals": {
                    name: {
                        "estimate": value,
                        "low": max(0.0, value - half),
                        "high": value + half if name == "log_loss" else min(1.0, value + half),
                        "confidence": 0.95,
                    }
                    for name, value in metrics.items()
                    if name != "ece"
                },
                "comparison": None
                if not place
                else {
                    "metric": metric,
                    "difference": lead,
                    "standard_error": half / 2,
                    "p_value": 0.0004,
                    "p_adjusted": 0.002,
                    "method": "McNemar mid-p",
                },
            }
        )
    return {
        "texts": len(gold),
        "labels": list(names),
        "multi_label": multi_label,
        "data_sha256": "0" * 64,
        "selected": "pool",
        "verdict": f"The fusion is significantly better than {list(codes)[-1]!r} alone, its best single source.",
        "notes": ["made-up figures: they say nothing about any model"],
        "systems": systems,
        "timing": {one: {"seconds": 12.5 * k, "texts_per_second": 2000 / k} for k, one in enumerate(codes, start=1)},
        "calibration": [],
        "cost_curve": _curve(systems[0]["metrics"]["micro_f1" if multi_label else "accuracy"], len(gold)),
        "risk": None,
        "sets": None,
    }


def _curve(best: float, n: int) -> dict[str, Any]:
    points = []
    for share in np.linspace(0, 1, 11):
        gain = 0.06 * (1 - np.exp(-4 * share)) / (1 - np.exp(-4))
        quality = best - 0.06 + gain
        points.append(
            {
                "share": float(share),
                "calls": int(share * n),
                "quality": quality,
                "quality_low": quality - 0.006,
                "quality_high": quality + 0.006,
                "gain": gain,
                "gain_low": gain - 0.004,
                "gain_high": gain + 0.004,
                "kept": gain / 0.06,
                "kept_low": gain / 0.06 - 0.05,
                "kept_high": gain / 0.06 + 0.05,
                "random": best - 0.06 + 0.06 * share,
                "max_entropy": quality - 0.008 * share * (1 - share) * 4,
            }
        )
    return {
        "metric": "accuracy",
        "n_rows": n,
        "confidence": 0.95,
        "points": points,
        "recommended_share": 0.6,
        "recommended": "ask about 60% of the texts: that keeps 93% of the gain",
        "price_of_last_point": "the last point of accuracy costs 812.0 calls per 20,000 texts, at 60% of them",
    }


def _facts(name: str, names: Sequence[str], n_rows: int, *, multi_label: bool) -> dict[str, Any]:
    tops = names[::_GROUPS]
    cards = [
        {"name": one} | ({} if one in tops else {"parent": tops[place // _GROUPS]}) for place, one in enumerate(names)
    ]
    return {
        "format": 1,
        "id": "20300101-000000-made-up",
        "name": name,
        "status": "finished",
        "started": "2030-01-01T00:00:00+00:00",
        "seconds": {"training": 182.4, "evaluation": 61.2},
        "command": "textclassify train news.csv --output runs/made-up",
        "config": {"data": "news.csv", "llm_provider": ["deepseek"], "ml_model": "roberta-base", "random_state": 0},
        "origins": {"data": "flag", "llm_provider": "file", "ml_model": "default", "random_state": "environment"},
        "labels": {"labels": cards, "multi_label": multi_label},
        "data": {
            "training": {"file": "news.csv", "rows": 8 * n_rows, "sha256": "1" * 64},
            "test": {"file": "news_test.csv", "rows": n_rows, "sha256": "2" * 64},
        },
        "seeds": {"random_state": 0},
        "packages": {"textclassify": "0.0", "numpy": "2.0", "torch": "2.0"},
        "git": {"commit": "0123456789abcdef0123456789abcdef01234567", "dirty": True},
        "environment": {"python": "3.11", "platform": "Linux", "cpus": 2, "threads": 1, "device": "cpu"},
        "thresholds": dict.fromkeys(names, 0.5) if multi_label else None,
        "files": {"predictions.parquet": "3" * 64, "metrics.json": "4" * 64},
    }


def _costs(n_rows: int) -> dict[str, Any]:
    spent = {
        "calls": int(0.35 * n_rows),
        "tries": int(0.36 * n_rows),
        "answers": int(0.35 * n_rows),
        "cached": int(0.05 * n_rows),
        "failed": 3,
        "prompt_tokens": 180 * n_rows,
        "cached_tokens": 0,
        "completion_tokens": 3 * n_rows,
        "cost_usd": 0.00002 * n_rows,
        "seconds": 41.0,
    }
    asked = {"part": "evaluation", "provider": "deepseek", "model": "deepseek-chat"}
    model = {**asked, **spent, "latency_median": 0.61, "latency_p95": 1.74}
    return {"models": [model], "parts": {"evaluation": spent}, "total": spent}


def _bounds(interval: Mapping[str, float] | None) -> dict[str, float | None]:
    return {end: None if interval is None else interval[end] for end in ("low", "high")}
