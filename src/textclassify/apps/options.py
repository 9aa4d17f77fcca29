"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Any

import typer

MaxCost = Annotated[
    float | None,
    typer.Option(
        "--max-cost",
        min=0,
        help="US dollars that all language models together may cost; a run that needs more stops with exit code 3.",
    ),
]
Offline = Annotated[bool, typer.Option("--offline", help="Allow language models on this machine only.")]
CacheOnly = Annotated[
    bool,
    typer.Option(
        "--cache-only",
        help="Answer from what is kept, without any key; rows that nobody was asked about come out as not_called.",
    ),
]
LlmBudget = Annotated[
    str | None,
    typer.Option(
        "--llm-budget",
        help="How much to ask language models, where it pays most: 20%, '200 calls' or '$1.50'. A share is a threshold "
        "from training and works piece by piece; calls and money are for all rows together, at most 100,000.",
    ),
]
MaxRisk = Annotated[
    float | None,
    typer.Option(
        "--max-risk",
        min=0,
        max=1,
        help="Give answers of which at most this share is wrong, such as 0.05; rows that are not sure enough come out "
        "as abstained. 1 lifts the bound of a configuration.",
    ),
]
Confidence = Annotated[
    float, typer.Option("--confidence", min=0.5, max=0.9999, help="How sure the bound of --max-risk is to hold.")
]
Sets = Annotated[
    float | None,
    typer.Option(
        "--sets",
        min=0,
        max=1,
        help="Also give each text a set of labels; at most this share of the sets misses the right one, such as 0.1.",
    ),
]
EscapeFormulas = Annotated[
    bool,
    typer.Option(
        "--escape-formulas",
        help="In CSV, put a ' before texts and column names that a spreadsheet would run as a formula, as they begin "
        "with = + - @ or a tab. Numbers stay as they are. Without it, every text comes out as it went in.",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Write JSON to standard output instead of a table.")]
Seed = Annotated[int | None, typer.Option("--seed", help="Seed of everything random.")]
TextColumn = Annotated[str | None, typer.Option("--text-column", help="Column of the texts; else recognised.")]
LabelColumns = Annotated[
    list[str] | None,
    typer.Option(
        "--label-column",
        "--label-columns",
        help="Column of the labels; repeat it, or separate by commas, for 0/1 columns.",
    ),
]
MultiLabel = Annotated[
    bool | None,
    typer.Option("--multi-label/--single-label", help="Whether a text may have several labels; else as the data show."),
]
MlModel = Annotated[
    str | None,
    typer.Option(
        "--ml-model",
        help="Encoder to fine-tune: a name or folder; or embedding:minilm,smollm2 to learn from models that stay "
        "as they are, embedding:features:FOLDER from features that are kept.",
    ),
]
LlmProvider = Annotated[
    str | None,
    typer.Option("--llm-provider", help="local, none, openai, deepseek, gemini, ...; several by commas."),
]
LlmModel = Annotated[str | None, typer.Option("--llm-model", help="Model of that provider; several by commas.")]


def names_in(values: list[str] | None) -> list[str] | None:
    """Return repeated and comma-separated names as one list."""
    return [name.strip() for value in values for name in value.split(",")] if values else None


def given(**flags: Any) -> dict[str, Any]:
    """Return the settings that flags stand for, without those that were not typed.

    `llm_provider` and `llm_model` may name several, by commas; "none" asks no language model.
    """
    settings = {name: value for name, value in flags.items() if value is not None}
    for name in ("llm_provider", "llm_model"):
        if name in settings:
            named = [one.strip() for one in settings[name].split(",")]
            settings[name] = named[0] if len(named) == 1 else named
    if settings.get("llm_provider") in ("none", ""):
        settings["llm_provider"] = None
    return settings


def typed() -> str:
    """Return what the user typed."""
    return shlex.join(["textclassify", *sys.argv[1:]])
