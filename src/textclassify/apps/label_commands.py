"""The commands about label files: what is wrong with one, and drafts of what it does not say."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textclassify.apps.options import CacheOnly, Json, MaxCost, Offline
from textclassify.errors import StorageError

if TYPE_CHECKING:
    from textclassify.apps.terminal import Say
    from textclassify.rac.cards.label_drafts import Drafts

LabelFile = Annotated[
    Path, typer.Argument(help="Labels: YAML, JSON, or a table with a row per label (CSV, TSV, JSON Lines).")
]

labels_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Check a label file before texts are labelled with it, and have missing descriptions drafted.",
)


@labels_app.command("check")
def check(
    ctx: typer.Context,
    file: LabelFile,
    encoder: Annotated[
        str | None, typer.Option("--encoder", help="Encoder that compares the labels; else the embedded one.")
    ] = None,
    near: Annotated[
        float | None,
        typer.Option("--near", min=-1, max=1, help="Cosine from which two labels are near; else by the label set."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Say which labels are one, which are close, and about which too little is said.

    Exits with 1 where labels are duplicates: by their names, their descriptions, or an example that two of them have.
    All else is a note, and the exit code 0.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj):
        from textclassify.core.labels import LabelSchema
        from textclassify.rac.cards.label_check import check_labels

        found = check_labels(LabelSchema.of(file), encoder=encoder, near=near)
    if as_json:
        _say_json(found.to_dict())
    else:
        typer.echo(found)
    if found.has_duplicates:
        raise typer.Exit(1)


@labels_app.command("describe")
def describe(
    ctx: typer.Context,
    file: LabelFile,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="File to write: .yaml (where drafts are marked), .json, .csv, .tsv, .jsonl."
        ),
    ],
    provider: Annotated[
        str, typer.Option("--provider", help="local, or a provider such as openai, deepseek, ollama.")
    ] = "local",
    model: Annotated[str | None, typer.Option("--model", help="Its model; else the provider's default.")] = None,
    base_url: Annotated[
        str | None, typer.Option("--base-url", help="Address of an OpenAI-compatible server, with the version path.")
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace an existing file, be it the input itself.")
    ] = False,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    as_json: Json = False,
) -> None:
    """Let a language model draft the descriptions that are missing, into a file for a person to edit.

    Labels go to the model by name with what else is known of them, examples included. What is described already stays
    as it is. Exits with 1 where nothing could be drafted.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.core.label_files import label_format
        from textclassify.core.labels import LabelSchema
        from textclassify.llm.llm_classifier import LLMClassifier
        from textclassify.llm.money.limits import limited
        from textclassify.rac.cards.label_drafts import draft_descriptions

        label_format(output)
        if output.exists() and not overwrite:
            raise StorageError(f"{str(output)!r} exists; pass --overwrite, or name another file with --output")
        schema = LabelSchema.of(file)
        if provider == "local" and model is None and len(schema.descriptions) < len(schema):
            say("note: the embedded model is small, its drafts are often wrong; name a --provider or a --model")
        llm = LLMClassifier(provider=provider, model=model, base_url=base_url)
        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            drafts = draft_descriptions(schema, llm)
        if drafts.drafted or not drafts.failed:
            _write(drafts, output, llm.model_used, say)
    if as_json:
        _say_json(_as_plain(drafts, output))
    else:
        _say_drafted(drafts, output)
    if drafts.failed and not drafts.drafted:
        raise typer.Exit(1)


def _write(drafts: Drafts, output: Path, model: str, say: Say) -> None:
    from textclassify.core.label_files import label_format, write_label_file

    output.parent.mkdir(parents=True, exist_ok=True)
    comments = dict.fromkeys(drafts.drafted, f"drafted by {model}; please edit")
    write_label_file(drafts.schema, output, comments=comments)
    if drafts.schema.multi_label and label_format(output) not in {"yaml", "json"}:
        say("note: a table cannot say that texts may have several labels; say so where it is used")


def _say_drafted(drafts: Drafts, output: Path) -> None:
    if not drafts.drafted and not drafts.failed:
        typer.echo(f"every label has a description; nothing was asked, and {output} says the same")
        return
    cost = f" for ${drafts.cost:.4f}" if drafts.cost > 0 else ""
    typer.echo(
        f"{len(drafts.drafted):,} of {len(drafts.drafted) + len(drafts.failed):,} missing descriptions drafted{cost}"
    )
    for name, reason in drafts.failed.items():
        typer.echo(f"  no draft for {name!r}: {reason}")
    if drafts.drafted:
        typer.echo(f"written to {output}; read and edit the drafts before you use it")


def _as_plain(drafts: Drafts, output: Path) -> dict[str, Any]:
    descriptions = drafts.schema.descriptions
    return {
        "file": str(output) if drafts.drafted or not drafts.failed else None,
        "drafted": [{"label": name, "description": descriptions[name]} for name in drafts.drafted],
        "failed": [{"label": name, "reason": reason} for name, reason in drafts.failed.items()],
        "cost": None if math.isnan(drafts.cost) else drafts.cost,
    }


def _say_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
