"""The commands about language models: what a run would cost, what a model is shown, and the cache of its answers."""

# ruff: noqa: FBT002 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from textclassify.apps.options import Json, TextColumn
from textclassify.errors import StorageError

CacheDir = Annotated[
    Path | None, typer.Option("--cache-dir", help="Folder of the cache; else the user's, or TEXTCLASSIFY_CACHE_DIR.")
]

cache_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Look into the cache of paid answers, shrink it, export it, check it, empty it.",
)


def estimate(
    ctx: typer.Context,
    model: Annotated[
        Path | None, typer.Argument(help="Folder of a trained model, or a configuration that labels without training.")
    ] = None,
    file: Annotated[str, typer.Argument(help="Texts: CSV, JSON Lines, Parquet; - reads standard input.")] = "-",
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Say what `train --config` would cost.")] = None,
    text_column: TextColumn = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is one text.")] = False,
    as_json: Json = False,
) -> None:
    """Say what a prediction, or a training run, would ask of language models and cost. Nothing is asked.

    Name a MODEL and a FILE as for `predict`, or a --config as for `train`.
    """
    from textclassify.apps.terminal import console, session

    if (model is None) == (config is None):
        raise typer.BadParameter("name a MODEL and a FILE of texts, or a training --config", param_hint="MODEL")
    with session(debug=ctx.obj) as say:
        from textclassify.apps import estimating
        from textclassify.apps.models import load_model
        from textclassify.apps.training_data import data_of

        if model is not None:
            found = estimating.estimate_file(load_model(model), file, text_column=text_column, lines=lines)
        else:
            found = estimating.estimate_training(*data_of(config, say))
    if as_json:
        _print_json(found.to_dict())
    else:
        console().print(estimating.estimate_screen(found))


def prompt(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder of a trained model, or a configuration.")],
    text: Annotated[str, typer.Argument(help="The text to ask about.")] = "Where is my parcel?",
) -> None:
    """Show word for word what a model's language models are asked about a text. Nothing is asked."""
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj):
        from textclassify.apps.asked_models import language_models
        from textclassify.apps.models import load_model

        asked = list(language_models(load_model(model)))
    for name, classifier in asked:
        print(f"=== {name}: {classifier.model_used}\n{classifier.preview(text)}\n")
    if not asked:
        print("no language model is asked", file=sys.stderr)


@cache_app.command("stats")
def cache_stats(cache_dir: CacheDir = None, as_json: Json = False) -> None:
    """Show how many answers are kept, their size, and what every run asked and cost."""
    from textclassify.apps import cache_screens, caching
    from textclassify.apps.terminal import console

    found = caching.cache_stats(cache_dir)
    if as_json:
        _print_json(caching.plain(found))
    else:
        console().print(cache_screens.stats_screen(found))


@cache_app.command("prune")
def cache_prune(
    older_than: Annotated[
        str | None, typer.Option("--older-than", help="Remove answers older than an age: 12h, 30d, 2w.")
    ] = None,
    max_size: Annotated[
        str | None,
        typer.Option("--max-size", help="Remove the oldest answers until the cache has a size: 500MB, 2GiB."),
    ] = None,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Remove old answers; what is removed would be paid for again."""
    from textclassify.apps import caching

    _say_removed(caching.prune_cache(cache_dir, older_than=older_than, max_size=max_size), as_json=as_json)


@cache_app.command("export")
def cache_export(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else standard output.")] = None,
    cache_dir: CacheDir = None,
) -> None:
    """Write every answer as a line of JSON: key, when it came, and the raw reply."""
    from textclassify.apps import caching

    if out is None:
        caching.export_cache(sys.stdout, cache_dir)
        return
    if out.exists():
        raise StorageError(f"{str(out)!r} exists; name another file with --out")
    with out.open("w", encoding="utf-8") as stream:
        count = caching.export_cache(stream, cache_dir)
    print(f"{count:,} answers written to {out}", file=sys.stderr)


@cache_app.command("verify")
def cache_verify(
    remove: Annotated[
        bool, typer.Option("--remove", help="Remove what cannot be read, so that it is asked for anew.")
    ] = False,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Read every answer, and check the file itself; exit with 1 where something is wrong."""
    from textclassify.apps import cache_screens, caching

    found = caching.verify_cache(cache_dir, remove=remove)
    if as_json:
        _print_json(caching.plain(found))
    else:
        print(cache_screens.verified_in_words(found, removed=remove))
    if not found.is_whole:
        raise typer.Exit(1)


@cache_app.command("purge")
def cache_purge(
    text: Annotated[
        bool, typer.Option("--text", help="Remove the raw answers, which may quote texts, and keep the scores.")
    ] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask before everything is removed.")] = False,
    cache_dir: CacheDir = None,
    as_json: Json = False,
) -> None:
    """Empty the cache; with --text, keep the scores."""
    from textclassify.apps import caching

    if not text and not yes:
        typer.confirm("Remove every kept answer? They would be paid for again.", abort=True, err=True)
    _say_removed(caching.purge_cache(cache_dir, text_only=text), as_json=as_json)


def _say_removed(removed: Any, *, as_json: bool) -> None:
    from textclassify.apps import cache_screens, caching

    if as_json:
        _print_json(caching.plain(removed))
    else:
        print(cache_screens.removed_in_words(removed))


def _print_json(value: Any) -> None:
    print(json.dumps(value, indent=1, ensure_ascii=False))
