"""The commands on the way to a model: a demonstration, a configuration, a training run."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from textclassify.apps.options import (
    CacheOnly,
    Json,
    LabelColumns,
    MaxCost,
    Offline,
    Seed,
    TextColumn,
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


def init(
    config: Annotated[Path, typer.Argument(help="Configuration to write.")] = Path("textclassify.yaml"),
    data: Annotated[str | None, typer.Option("--data", help="Labelled texts: a file, or hf:name/split.")] = None,
    provider: Annotated[
        str | None, typer.Option("--llm-provider", help="local, none, openai, deepseek, gemini, ...")
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is recognised.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented configuration for `train --config`, after a few questions on a terminal."""
    from textclassify.apps import starting
    from textclassify.apps.terminal import console

    asking = sys.stdin.isatty() and not yes
    if data is None and not asking:
        raise typer.BadParameter("name the data with --data FILE (nobody can be asked here)", param_hint="--data")
    data = data or str(typer.prompt("Labelled texts (CSV, JSON Lines, Parquet, hf:name/split)", err=True))
    found = starting.recognise(data)
    console(stderr=True).print(f"{data}: {starting.in_words(found)}", markup=False)
    if asking and provider is None:
        provider = typer.prompt(
            "Language model (local, none, openai, deepseek, gemini, ...)", default="local", err=True
        )
    answers = starting.Answers(
        starting.relative_to(data, config),
        found.text_column,
        found.label_columns,
        found.multi_label,
        llm_provider=starting.checked_provider(provider or "local"),
    )
    starting.write_new(config, starting.as_yaml(answers), overwrite=overwrite)
    print(config)
    console(stderr=True).print(
        f"next: textclassify train --config {shlex.quote(str(config))}", style="cyan", markup=False
    )


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
    multi_label: Annotated[
        bool | None,
        typer.Option(
            "--multi-label/--single-label", help="Whether a text may have several labels; else as the data show."
        ),
    ] = None,
    test_data: Annotated[str | None, typer.Option("--test-data", help="Held-out texts; else 20% are held out.")] = None,
    ml_model: Annotated[
        str | None,
        typer.Option(
            "--ml-model",
            help="Encoder to fine-tune: a name or folder; or embedding:minilm,smollm2 to learn from models that stay "
            "as they are, embedding:features:FOLDER from features that are kept.",
        ),
    ] = None,
    llm_provider: Annotated[
        str | None,
        typer.Option("--llm-provider", help="local, none, openai, deepseek, gemini, ...; several by commas."),
    ] = None,
    llm_model: Annotated[str | None, typer.Option("--llm-model", help="Model of that provider.")] = None,
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
    flags = {
        "data": data,
        "labels": labels,
        "text_column": text_column,
        "label_columns": names_in(label_column),
        "multi_label": multi_label,
        "test_data": test_data,
        "ml_model": ml_model,
        "llm_model": llm_model,
        "random_state": seed,
    }
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps.training import DEFAULT_OUTPUT, settings_of
        from textclassify.apps.training import train as run_training
        from textclassify.llm.money.limits import limited

        given = {name: value for name, value in flags.items() if value is not None}
        settings = settings_of(config, given | _provider(llm_provider))
        folder = output or Path(settings.get("output_dir") or DEFAULT_OUTPUT)
        with limited(max_cost=max_cost, cache_only=cache_only, offline=offline):
            run = run_training(
                settings, output=folder, overwrite=overwrite, command=typed(), say=say, config_file=config
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


def _provider(given: str | None) -> dict[str, Any]:
    """Return the setting that --llm-provider stands for: "none" asks no language model."""
    if given is None:
        return {}
    names = [name.strip() for name in given.split(",")]
    return {"llm_provider": None if names == ["none"] else names[0] if len(names) == 1 else names}
