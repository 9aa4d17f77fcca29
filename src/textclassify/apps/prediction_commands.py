"""The commands on what a model, or this machine, can do: label texts, be measured, be looked at."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from textclassify.apps.options import (
    CacheOnly,
    Confidence,
    EscapeFormulas,
    Json,
    LabelColumns,
    LlmBudget,
    MaxCost,
    MaxRisk,
    Offline,
    Seed,
    Sets,
    TextColumn,
    names_in,
    typed,
)


def predict(
    ctx: typer.Context,
    model: Annotated[
        Path, typer.Argument(help="Folder of a trained model, or a configuration that labels without training.")
    ],
    file: Annotated[str, typer.Argument(help="Texts: CSV, JSON Lines, Parquet; - reads standard input.")] = "-",
    text_column: TextColumn = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File to write: .csv, .jsonl or .parquet; else standard output.")
    ] = None,
    file_format: Annotated[
        str | None, typer.Option("--format", help="csv, jsonl or parquet; else by the name of --out, or csv.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    lines: Annotated[bool, typer.Option("--lines", help="Every line is one text.")] = False,
    probabilities: Annotated[
        bool, typer.Option("--probabilities", help="Add a column p_LABEL for every label.")
    ] = False,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on with a run that stopped: a file at --out is replaced; kept answers are used in any case.",
        ),
    ] = False,
    llm_budget: LlmBudget = None,
    max_risk: MaxRisk = None,
    confidence: Confidence = 0.95,
    sets: Sets = None,
    label_shift: Annotated[
        bool,
        typer.Option(
            "--label-shift",
            help="Estimate how frequent the labels are among these very rows, at most 100,000, and answer accordingly.",
        ),
    ] = False,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    escape_formulas: EscapeFormulas = False,
    as_json: Annotated[bool, typer.Option("--json", help="Same as --format jsonl.")] = False,
) -> None:
    """Label texts: every row comes out once, in its place, with label, probability, status and source.

    All columns of the input are kept. A row without an answer has an empty label, and its status says why. Every answer
    of a language model is kept, so that a run which was stopped goes on when it is typed again. From standard input,
    rows are answered as they come.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj, bars=out is not None or not sys.stdout.isatty()) as say:
        from textclassify.apps import predicting
        from textclassify.apps.answering import Answering, policy_for
        from textclassify.apps.models import load_model
        from textclassify.llm.money.limits import limited

        if as_json and file_format not in (None, "jsonl"):
            raise typer.BadParameter(f"--json and --format {file_format} exclude each other; leave one out")
        chosen = predicting.format_for(out, "jsonl" if as_json else file_format)
        if chosen == "parquet" and out is None and sys.stdout.isatty():
            raise typer.BadParameter("Parquet is binary; name a file with --out", param_hint="--format")
        if out is not None:
            predicting.check_output(out, file, overwrite=overwrite or resume)
        classifier = load_model(model)
        policy = policy_for(classifier, llm_budget, max_risk, confidence, label_shift=label_shift)
        answering = Answering(classifier, policy, sets)
        if file == "-" and sys.stdin is not None and sys.stdin.isatty():
            say("reading from the terminal; end with Ctrl-D")
        limits = limited(max_cost=max_cost, cache_only=cache_only, offline=offline)
        with limits, predicting.output_stream(out) as stream:
            predicting.predict_stream(
                answering,
                file,
                stream,
                file_format=chosen,
                text_column=text_column,
                lines=lines,
                probabilities=probabilities,
                escape_formulas=escape_formulas,
            )
        for sentence in answering.summary():
            say(sentence)
        if out is not None:
            say(f"{answering.n_rows:,} rows written to {out}")


def evaluate(
    ctx: typer.Context,
    model: Annotated[Path, typer.Argument(help="Folder of a trained model.")],
    file: Annotated[str, typer.Argument(help="Labelled texts: CSV, JSON Lines, Parquet, or hf:name/split.")],
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for report.md and evaluation.json.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier report in the folder.")] = False,
    llm: Annotated[bool, typer.Option("--llm/--no-llm", help="Whether to ask language models.")] = True,
    llm_budget: LlmBudget = None,
    max_risk: MaxRisk = None,
    confidence: Confidence = 0.95,
    sets: Sets = None,
    cost_curve: Annotated[
        Path | None,
        typer.Option("--cost-curve", help="CSV file for the quality by the share of texts that are asked about."),
    ] = None,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Measure a trained model on labelled texts, beside each of its sources alone.

    Where the model asks a language model, all texts are asked about to show what each share of calls would buy;
    --llm-budget holds for the row of the fusion. --max-risk and --sets show how these promises come out here.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps.evaluating import evaluate_file
        from textclassify.llm.money.limits import limited

        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            evaluation, report = evaluate_file(
                model,
                file,
                text_column=text_column,
                label_columns=names_in(label_column),
                output=output,
                overwrite=overwrite,
                llm=llm,
                policy=(llm_budget, max_risk, confidence),
                sets=sets,
                curve_file=cost_curve,
                seed=seed or 0,
                command=typed(),
            )
        if report is not None:
            say(f"report: {report}")
    if as_json:
        print(json.dumps(evaluation.to_dict(), indent=1, ensure_ascii=False))
        return
    from textclassify.apps.advice_screens import checks_screen
    from textclassify.apps.screens import evaluation_screen
    from textclassify.apps.terminal import console

    console().print(evaluation_screen(evaluation), checks_screen(evaluation))


def doctor(
    data: Annotated[str | None, typer.Option("--data", help="Texts to check as well.")] = None,
    text_column: TextColumn = None,
    as_json: Json = False,
) -> None:
    """Say what is installed, which models and keys are found, and what to do about what is missing."""
    from textclassify.apps.doctor import diagnose

    diagnosis = diagnose(data, text_column=text_column)
    if as_json:
        print(json.dumps(diagnosis.to_dict(), indent=1, ensure_ascii=False))
    else:
        from textclassify.apps.screens import doctor_screen
        from textclassify.apps.terminal import console

        console().print(doctor_screen(diagnosis))
    if not diagnosis.can_train:
        raise typer.Exit(1)
