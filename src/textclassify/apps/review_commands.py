"""The commands that put rows before a person: which to label, which labels to doubt, and the way back into the data."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from textclassify.apps.options import (
    CacheOnly,
    EscapeFormulas,
    Json,
    LabelColumns,
    MaxCost,
    Offline,
    Seed,
    TextColumn,
    names_in,
)

if TYPE_CHECKING:
    from rich.console import RenderableType

    from textclassify.apps.reviewing import Review

Out = Annotated[Path, typer.Option("--out", "-o", help="File to write: .csv, .jsonl or .parquet.")]
Overwrite = Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")]
Llm = Annotated[bool, typer.Option("--llm/--no-llm", help="Whether to ask language models.")]
_SHOWN, _WIDTH = 5, 70


def review(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    file: Annotated[str, typer.Argument(help="Unlabelled texts: CSV, JSON Lines, Parquet; - reads standard input.")],
    out: Out,
    n: Annotated[int, typer.Option("--n", "-n", min=1, help="Rows to write.")] = 200,
    random_share: Annotated[
        float,
        typer.Option("--random-share", min=0, max=1, help="Share of them that is drawn at random, to measure on."),
    ] = 0.1,
    text_column: TextColumn = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is one text.")] = False,
    overwrite: Overwrite = False,
    llm: Llm = True,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    seed: Seed = None,
    escape_formulas: EscapeFormulas = False,
    as_json: Json = False,
) -> None:
    """Write the texts whose gold label would teach a model most, for a person to label.

    Texts come first where the answer is unsure, the sources disagree and many texts are alike. A share is drawn at
    random instead: labels of rows that were picked for being hard say nothing about the others, so that only these are
    measured and calibrated on later (column chosen_by).
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj):
        from textclassify.apps.reviewing import write_rows_to_label
        from textclassify.llm.money.limits import limited

        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            found = write_rows_to_label(
                model,
                file,
                out,
                n=n,
                random_share=random_share,
                text_column=text_column,
                lines=lines,
                llm=llm,
                seed=seed or 0,
                overwrite=overwrite,
                escape_formulas=escape_formulas,
            )
    _show(found, as_json=as_json)


def suspect_labels(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    file: Annotated[str, typer.Argument(help="Labelled texts, such as the training data: CSV, JSON Lines, Parquet.")],
    out: Out,
    n: Annotated[int | None, typer.Option("--n", "-n", min=1, help="Rows to write at most; else all suspects.")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    overwrite: Overwrite = False,
    llm: Llm = True,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    escape_formulas: EscapeFormulas = False,
    as_json: Json = False,
) -> None:
    """Write the rows whose label is probably wrong, for a person to decide.

    Rows that the model was trained on are judged by the scores that were held out in training, or else by linear models
    that are trained on the other rows. Equal texts with different labels come first.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj):
        from textclassify.apps.reviewing import write_label_errors
        from textclassify.llm.money.limits import limited

        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            found = write_label_errors(
                model,
                file,
                out,
                n=n,
                text_column=text_column,
                label_columns=names_in(label_column),
                llm=llm,
                overwrite=overwrite,
                escape_formulas=escape_formulas,
            )
    _show(found, as_json=as_json, data=file)


def apply_review(
    ctx: typer.Context,
    data: Annotated[str, typer.Argument(help="Labelled texts, such as the training data: CSV, JSON Lines, Parquet.")],
    filled_in: Annotated[
        Path, typer.Argument(help="File that `review` or `label-errors` wrote, with labels filled in.")
    ],
    out: Out,
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    overwrite: Overwrite = False,
) -> None:
    """Write labelled data with the labels that a person filled in: corrected where the text is known, else added."""
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps.review_applying import apply_review as apply

        say(
            apply(
                data,
                filled_in,
                out,
                text_column=text_column,
                label_columns=names_in(label_column),
                overwrite=overwrite,
            )
        )


def _show(found: Review, *, as_json: bool, data: str = "TRAINING_DATA") -> None:
    if as_json:
        rows = json.loads(found.table.to_json(orient="records"))
        typer.echo(json.dumps({"out": str(found.out), "notes": list(found.notes), "rows": rows}, indent=1))
        return
    from textclassify.apps.screens import next_line
    from textclassify.apps.terminal import console

    console().print(_screen(found))
    if len(found.table):
        back = found.out.with_name(f"{found.out.stem}_applied{found.out.suffix}")
        words = ["textclassify", "apply-review", data, str(found.out), "--out", str(back)]
        console().print(f"{len(found.table):,} rows in {found.out}: fill in its column `label`, then", markup=False)
        console().print(next_line(shlex.join(words)), soft_wrap=True)


def _screen(found: Review) -> RenderableType:
    from rich import box
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    notes = [Text(note) for note in found.notes]
    if not len(found.table):
        return Group(*notes)
    title = Text(f"The first {min(_SHOWN, len(found.table))} of {len(found.table):,} rows", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("row", justify="right")
    table.add_column("text")
    table.add_column("why")
    for _, row in found.table.head(_SHOWN).iterrows():
        text = " ".join(row["text"].split())
        short = text if len(text) <= _WIDTH else f"{text[: _WIDTH - 3]}..."
        table.add_row(str(row["row"]), Text(short), Text(row["why"]))
    return Group(*notes, table)
