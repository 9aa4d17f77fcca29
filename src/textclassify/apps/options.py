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
