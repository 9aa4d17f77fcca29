"""The command that makes a page of a run."""

# ruff: noqa: FBT002 - flags are arguments with defaults, passed by name

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(
    ctx: typer.Context,
    run: Annotated[str, typer.Argument(help="Folder of a run, or its id (the beginning will do) or name.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="HTML file to write; else report.html in the run's folder.")
    ] = None,
    plots: Annotated[
        Path | None, typer.Option("--plots", help="Folder to write the figures to as well, as PNG and SVG.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file at --out.")] = False,
    folder: Annotated[Path, typer.Option("--folder", "-f", help="Where runs are looked for by id or name.")] = Path(),
    open_it: Annotated[bool, typer.Option("--open/--no-open", help="Show the page in a browser.")] = False,
) -> None:
    """Write a run's report as one page of HTML that needs no network, and print its path.

    The page holds the figures, what each source and each call of a language model is worth, and all rows with filters
    and search. It is smaller than 2 MB, so that it can be sent to whoever decides.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps.run_exports import check_output
        from textclassify.runs.page import write_page
        from textclassify.runs.plots import write_plots
        from textclassify.runs.results import ResultsManager

        found = ResultsManager(folder).open(run)
        if out is not None and out.is_dir():
            raise typer.BadParameter(f"{str(out)!r} is a folder; name a file, such as {str(out / 'report.html')!r}")
        if out is not None:
            check_output(found, out, overwrite=overwrite)
        path = write_page(found, path=out)
        if plots is not None:
            say(f"{len(write_plots(found, plots))} figures written to {plots}")
    typer.echo(path)
    if open_it:
        typer.launch(path.resolve().as_uri())
