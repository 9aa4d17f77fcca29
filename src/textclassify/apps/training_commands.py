"""The commands on the way to a model: a demonstration, a training run."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textclassify.apps.options import (
    CacheOnly,
    Json,
    LabelColumns,
    LlmModel,
    LlmProvider,
    MaxCost,
    MlModel,
    MultiLabel,
    Offline,
    Seed,
    TextColumn,
    given,
    names_in,
    typed,
)

if TYPE_CHECKING:
    from textclassify.apps.training import TrainedRun


def demo(
    ctx: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; else textclassify_demo.")
    ] = None,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Train and evaluate a real fusion on example data: no network, no key, at most a few minutes."""
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps.demo import DEFAULT_OUTPUT, demo_settings
        from textclassify.apps.training import train as run_training

        folder = output or DEFAULT_OUTPUT
        settings = demo_settings(seed or 0)
        say("customer messages in 8 labels; a fine-tuned encoder, a small local language model and two free sources")
        run = run_training(settings, output=folder, overwrite=True, command=typed(), say=say)
    _show_run(run, as_json=as_json)


def train(
    ctx: typer.Context,
    data: Annotated[
        str | None, typer.Argument(help="Labelled texts: CSV, JSON Lines, Parquet, or hf:name/split.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML configuration; flags count more than what it says.")
    ] = None,
    labels: Annotated[str | None, typer.Option("--labels", help="Label schema: a YAML or JSON file.")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    multi_label: MultiLabel = None,
    test_data: Annotated[str | None, typer.Option("--test-data", help="Held-out texts; else 20% are held out.")] = None,
    ml_model: MlModel = None,
    llm_provider: LlmProvider = None,
    llm_model: LlmModel = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="Folder of the run; else the configuration's, or textclassify_run."),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an earlier run in the folder.")] = False,
    max_cost: MaxCost = None,
    cache_only: CacheOnly = False,
    offline: Offline = False,
    seed: Seed = None,
    as_json: Json = False,
) -> None:
    """Train a fusion, measure what it is worth, and save model and report.

    Where language models are paid for, `textclassify estimate --config FILE` says beforehand what to expect. Answers
    are kept: a run that was stopped asks for none of them again.
    """
    flags = given(
        data=data,
        labels=labels,
        text_column=text_column,
        label_columns=names_in(label_column),
        multi_label=multi_label,
        test_data=test_data,
        ml_model=ml_model,
        llm_provider=llm_provider,
        llm_model=llm_model,
        random_state=seed,
    )
    limits = {"max_cost": max_cost, "cache_only": cache_only, "offline": offline}
    train_and_show(
        flags, config, output, command=typed(), overwrite=overwrite, limits=limits, as_json=as_json, debug=ctx.obj
    )


def train_and_show(
    flags: Mapping[str, Any],
    config: Path | None,
    output: Path | None,
    *,
    command: str,
    overwrite: bool,
    limits: Mapping[str, Any],
    as_json: bool = False,
    debug: bool = False,
) -> None:
    """Train by flags, environment and configuration file, and show what came of it.

    Args:
        flags: the settings that were typed.
        config: the file; None = there is none.
        output: folder of the run; None = the configured one.
        command: what was typed, for the report.
        overwrite: whether an earlier run in it may be replaced.
        limits: what `textclassify.llm.money.limits.limited` takes.
        as_json: whether JSON is wanted in the place of tables.
        debug: whether tracebacks and all messages are.

    """
    from textclassify.apps.terminal import session

    with session(debug=debug) as say:
        from textclassify.apps.training import DEFAULT_OUTPUT
        from textclassify.apps.training import train as run_training
        from textclassify.llm.money.limits import limited
        from textclassify.runs.settings import resolved

        found = resolved(config, flags)
        folder = output or found.config.output_dir or DEFAULT_OUTPUT
        with limited(**limits):
            run = run_training(
                found.settings,
                output=folder,
                overwrite=overwrite,
                command=command,
                say=say,
                config_file=config,
                origins=found.origins,
            )
    _show_run(run, as_json=as_json)


def _show_run(run: TrainedRun, *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(run.to_dict(), indent=1, ensure_ascii=False))
        return
    from textclassify.apps.screens import next_line, run_screen
    from textclassify.apps.terminal import console
    from textclassify.runs.report_sections import with_budget

    console().print(run_screen(run))
    if run.advice.budget is not None:
        console().print(next_line(with_budget(run.predict_command, run.advice.budget), "budget"), soft_wrap=True)
    console().print(next_line(run.next_command), soft_wrap=True)
