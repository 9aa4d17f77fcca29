"""The command that teaches a model without a language model by one that asks some."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import Annotated

import typer

from textclassify.apps.options import CacheOnly, Json, MaxCost, Offline, Seed, TextColumn


def distil(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder of the trained model that teaches.")],
    file: Annotated[str, typer.Argument(help="Unlabelled texts: CSV, JSON Lines, Parquet; - reads standard input.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder for the student.")],
    gold: Annotated[
        str | None,
        typer.Option("--gold", help="Labelled texts; half of those that are new to the model are measured on."),
    ] = None,
    student: Annotated[
        str | None,
        typer.Option("--student", help="linear or encoder; else the model's own encoder, or linear if it has none."),
    ] = None,
    text_column: TextColumn = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is one text.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier student in the folder.")] = False,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Teach a student that asks no language model by a model's answers to unlabelled texts, and say what is lost.

    A tenth of the texts is kept to measure how often both agree; with --gold, how often each is right.
    """
    from textclassify.apps.terminal import console, session

    with session(debug=ctx.obj):
        from textclassify.apps.distilling import distil_file
        from textclassify.llm.money.limits import limited

        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            report = distil_file(
                model,
                file,
                out,
                gold=gold,
                student=student,
                text_column=text_column,
                lines=lines,
                seed=seed or 0,
                overwrite=overwrite,
            )
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **report.to_dict()}, indent=1, ensure_ascii=False))
        return
    from textclassify.apps.screens import next_line

    console().print(str(report), markup=False)
    console().print(next_line(f"textclassify predict {shlex.quote(str(out))} TEXTS"), soft_wrap=True)
