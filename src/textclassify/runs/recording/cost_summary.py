"""What a run's language models were asked and what it cost, as plain values for `costs.json`."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from textclassify.llm.store.spending import Spending
from textclassify.runs.systems import json_safe

_COUNTED = ("calls", "tries", "answers", "cached", "failed", "prompt_tokens", "cached_tokens", "completion_tokens")


def costs_of(parts: Mapping[str, Spending]) -> dict[str, Any]:
    """Return the ledger of a run.

    `models` has an entry for each model in each part of the run, with the fields of `ModelSpending` and the part's
    name; `total` adds them up, `parts` those of each part. A sum of US dollars is None where one price is unknown.

    Args:
        parts: what was asked, by the part of the run: "training", "evaluation".

    """
    models = [{"part": part, **asdict(one)} for part, spending in parts.items() for one in spending.by_model()]
    by_part = {part: _sum([one for one in models if one["part"] == part]) for part in parts}
    found: dict[str, Any] = json_safe({"models": models, "parts": by_part, "total": _sum(models)})
    return found


def _sum(models: list[dict[str, Any]]) -> dict[str, Any]:
    costs = [one["cost_usd"] for one in models]
    return {
        **{name: sum(one[name] for one in models) for name in _COUNTED},
        "cost_usd": None if None in costs else math.fsum(costs),
        "seconds": math.fsum(one["seconds"] for one in models),
    }
