"""Options that several commands share."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

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


def names_in(values: list[str] | None) -> list[str] | None:
    """Return repeated and comma-separated names as one list."""
    return [name.strip() for value in values for name in value.split(",")] if values else None


def typed() -> str:
    """Return what the user typed."""
    return shlex.join(["textclassify", *sys.argv[1:]])
