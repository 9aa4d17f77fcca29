"""The commands about runs that are done: which there are, what one found, two against each other, files for others."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from textclassify.apps.options import EscapeFormulas, Json, Seed

runs_app = typer.Typer(
    no_args_is_help=True, help="Look at the runs of `train`, `evaluate --output` and ResultsManager, and compare them."
)

Folder = Annotated[Path, typer.Option("--folder", "-f", help="Where runs are looked for by id or name.")]
RUN = "Folder of a run, or its id (the beginning will do) or name."


@runs_app.command("list")
def list_runs(
    ctx: typer.Context,
    folder: Annotated[Path, typer.Argument(help="Folder; runs are found up to two levels below it.")] = Path(),
    as_json: Json = False,
) -> None:
    """List the runs in a folder, the oldest first: when, on how many texts, how good, how expensive."""
    from textclassify.apps.terminal import console, session

    with session(debug=ctx.obj) as say:
        from textclassify.apps import run_screens
        from textclassify.runs.results import runs_in

        found = runs_in(folder)
        summaries = [run_screens.summary_of(run) for run in found]
        if not found and not as_json:
            say(f"no run in {str(folder)!r}; `textclassify train DATA --output FOLDER` makes one")
    if as_json:
        _print_json(summaries)
    elif found:
        console().print(run_screens.list_screen(summaries))


@runs_app.command("show")
def show_run(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help=RUN)],
    folder: Folder = Path(),
    as_json: Json = False,
) -> None:
    """Show what a run was made of, what it found and what it cost."""
    from textclassify.apps.terminal import console, session

    with session(debug=ctx.obj):
        from textclassify.apps import run_screens
        from textclassify.runs.results import ResultsManager

        found = ResultsManager(folder).open(run)
        whole = run_screens.whole_run(found)
        screen = run_screens.run_screen(found)
    if as_json:
        _print_json(whole)
    else:
        console().print(screen)


@runs_app.command("compare")
def compare(
    ctx: typer.Context,
    runs: Annotated[list[str], typer.Argument(help=f"Two or more; the first is compared with each other one. {RUN}")],
    folder: Folder = Path(),
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Compare runs on the same texts: differences with intervals, paired tests, and what else differs."""
    from textclassify.apps.terminal import console, session

    with session(debug=ctx.obj):
        from textclassify.apps import run_screens
        from textclassify.runs.results import ResultsManager

        found = ResultsManager(folder).compare(*runs, random_state=seed or 0)
    if as_json:
        _print_json(found.to_dict())
    else:
        console().print(run_screens.comparison_screen(found))


@runs_app.command("export")
def export(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help=RUN)],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else standard output.")] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="csv, jsonl or parquet: the predictions; json: everything. Else by the name of --out, or csv.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    escape_formulas: EscapeFormulas = False,
    folder: Folder = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format json.")] = False,
) -> None:
    """Write a run's predictions, or everything about it as one JSON, for other programs."""
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps import run_exports
        from textclassify.runs.results import ResultsManager

        if as_json and file_format not in (None, "json"):
            raise typer.BadParameter(f"--json and --format {file_format} exclude each other; leave one out")
        chosen = run_exports.format_for(out, "json" if as_json else file_format)
        found = ResultsManager(folder).open(run)
        n_rows = run_exports.export_run(found, out, chosen, overwrite=overwrite, escape_formulas=escape_formulas)
        if out is not None:
            say(f"{n_rows:,} rows written to {out}")


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
