"""The command that labels a file of texts by what its labels mean, without training data."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textclassify.apps.options import CacheOnly, EscapeFormulas, MaxCost, Offline, Seed, TextColumn

if TYPE_CHECKING:
    from textclassify.apps.estimating import RunEstimate

_ASKING, _LEAVING, _MEASURING, _OUTPUT = "Asking a language model", "Leaving rows unlabelled", "Measuring", "Output"


def label(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="Texts: CSV, JSON Lines, Parquet; - reads standard input.")],
    labels: Annotated[
        Path, typer.Option("--labels", "-l", help="The label file: names with descriptions, in YAML, CSV or JSON.")
    ],
    text_column: TextColumn = None,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is one text.")] = False,
    examples: Annotated[
        Path | None, typer.Option("--examples", help="Labelled texts that show what the labels mean; a few help much.")
    ] = None,
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--single-label", help="Whether a text may have several labels; else as the file says."
        ),
    ] = None,
    provider: Annotated[
        str | None,
        typer.Option(
            "--provider",
            rich_help_panel=_ASKING,
            help="Who checks the labels: local, or openai, ollama, ...; without it nobody is asked.",
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", rich_help_panel=_ASKING, help="Its model; else the provider's default.")
    ] = None,
    base_url: Annotated[
        str | None,
        typer.Option("--base-url", rich_help_panel=_ASKING, help="Address of a server; else the provider's."),
    ] = None,
    top_k: Annotated[
        int | None,
        typer.Option(
            "--top-k", "-k", min=1, rich_help_panel=_ASKING, help="Labels per text that are tried; 5 if left out."
        ),
    ] = None,
    decision: Annotated[
        str | None,
        typer.Option(
            "--decision",
            rich_help_panel=_ASKING,
            help="best: a question about each label. first_yes: until the first yes. listwise: all in one question, in "
            "two orders. pairwise: then the two best against each other. both: best and listwise together.",
        ),
    ] = None,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", rich_help_panel=_ASKING, help="Say what would be asked and what it costs, and stop."),
    ] = False,
    min_probability: Annotated[
        float | None,
        typer.Option(
            "--min-probability",
            min=0,
            max=1,
            rich_help_panel=_LEAVING,
            help="Least probability of a label that is given.",
        ),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin", min=0, max=1, rich_help_panel=_LEAVING, help="Least lead over the second label, in probability."
        ),
    ] = None,
    back_off: Annotated[
        bool,
        typer.Option(
            "--back-off",
            rich_help_panel=_LEAVING,
            help="Give the narrowest broader label (`parent` in the file) that reaches --min-probability.",
        ),
    ] = False,
    other: Annotated[
        str | None,
        typer.Option(
            "--other", rich_help_panel=_LEAVING, help="The label, one of the file, for texts that fit no other."
        ),
    ] = None,
    gold: Annotated[
        str | None,
        typer.Option(
            "--gold",
            rich_help_panel=_MEASURING,
            help="Right labels to measure by: a column of the file that holds some, or a file of other labelled texts.",
        ),
    ] = None,
    min_precision: Annotated[
        float | None,
        typer.Option(
            "--min-precision",
            min=0,
            max=1,
            rich_help_panel=_MEASURING,
            help="Choose by --gold how many labels to try and from which probability on to label, so that about this "
            "share of the labels is right, such as 0.9: a target, no guarantee.",
        ),
    ] = None,
    max_calls: Annotated[
        float | None,
        typer.Option(
            "--max-calls",
            min=0,
            rich_help_panel=_MEASURING,
            help="The same for the number of questions per text, such as 3.",
        ),
    ] = None,
    then_train: Annotated[
        Path | None,
        typer.Option("--then-train", help="Folder for a student that is taught by the labels and asks nobody."),
    ] = None,
    student: Annotated[str | None, typer.Option("--student", help="linear or encoder; linear if left out.")] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            rich_help_panel=_OUTPUT,
            help="File to write: .csv, .jsonl or .parquet; else standard output.",
        ),
    ] = None,
    file_format: Annotated[
        str | None,
        typer.Option(
            "--format", rich_help_panel=_OUTPUT, help="csv, jsonl or parquet; else by the name of --out, or csv."
        ),
    ] = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", rich_help_panel=_OUTPUT, help="Replace an existing file or student.")
    ] = False,
    escape_formulas: EscapeFormulas = False,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json",
            rich_help_panel=_OUTPUT,
            help="With --out or --dry-run: the figures as JSON on standard output; else the rows as JSON Lines.",
        ),
    ] = False,
    seed: Seed = None,
) -> None:
    """Label texts by what the labels mean: no training data, any number of labels.

    The labels that are most like a text are found by their names, descriptions and examples. With --provider, a
    language model is asked about the first of them; without, nothing leaves this machine and nothing is spent. A row
    that nothing fits stays unlabelled, and its reason says why. Every answer of a language model is kept, so that a
    run which was stopped goes on when it is typed again.

    Each row comes out once, in its place, with label (labels where it may have several), confidence, status, reason,
    the candidates that were tried with their probabilities, and calls, the number of questions.

        textclassify label tickets.csv --labels labels.yaml --out labelled.csv

        textclassify label tickets.csv -l labels.yaml --provider openai --dry-run

        textclassify label tickets.csv -l labels.yaml --gold topic --min-precision 0.9 --then-train student
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj, bars=out is not None) as say:
        from textclassify.apps.labelling_run import LabellingRun
        from textclassify.llm.money.limits import limited

        run = LabellingRun(
            file=file,
            labels=labels,
            asking={"provider": provider, "model": model, "base_url": base_url, "top_k": top_k, "decision": decision},
            leaving={
                "min_probability": min_probability,
                "margin": margin,
                "other": other,
                "back_off": back_off or None,
            },
            examples=examples,
            multi_label=multi_label,
            gold=gold,
            targets={"min_precision": min_precision, "max_calls": max_calls},
            out=out,
            file_format="jsonl" if as_json and out is None and file_format is None else file_format,
            escape_formulas=escape_formulas,
            overwrite=overwrite,
            student_folder=then_train,
            student=student,
            text_column=text_column,
            lines=lines,
            seed=seed or 0,
            say=say,
        )
        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            estimate = run.estimate() if dry_run else None
            figures = {} if dry_run else run.label()
    if estimate is not None:
        _show_estimate(estimate, as_json=as_json)
    elif as_json and out is not None:
        _print_json(figures)
    elif then_train is not None:
        say(f"next: textclassify predict {shlex.quote(str(then_train))} TEXTS")


def _show_estimate(estimate: RunEstimate, *, as_json: bool) -> None:
    if as_json:
        _print_json(estimate.to_dict())
        return
    from textclassify.apps.estimating import estimate_screen
    from textclassify.apps.terminal import console

    console().print(estimate_screen(estimate))


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
