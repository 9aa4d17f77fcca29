"""The commands about configurations: one is begun, looked at, described to an editor."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from textclassify.apps.options import (
    Json,
    LabelColumns,
    LlmModel,
    LlmProvider,
    MlModel,
    MultiLabel,
    Seed,
    TextColumn,
    given,
    names_in,
)


def init(
    ctx: typer.Context,
    config: Annotated[Path, typer.Argument(help="Configuration to write.")] = Path("textclassify.yaml"),
    data: Annotated[str | None, typer.Option("--data", help="Labelled texts: a file, or hf:name/split.")] = None,
    test_data: Annotated[str | None, typer.Option("--test-data", help="Held-out texts; else 20% are held out.")] = None,
    labels: Annotated[str | None, typer.Option("--labels", help="Label schema: a YAML or JSON file.")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    multi_label: MultiLabel = None,
    ml_model: MlModel = None,
    llm_provider: LlmProvider = None,
    llm_model: LlmModel = None,
    max_cost: Annotated[
        float | None, typer.Option("--max-cost", min=0, help="US dollars that one training may cost at most.")
    ] = None,
    output: Annotated[str | None, typer.Option("--output", "-o", help="Folder of the run.")] = None,
    seed: Seed = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take what is recognised.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write a commented configuration for `train --config`, after a few questions on a terminal.

    Flags answer questions beforehand. Every comment says what its key means; `textclassify validate` looks at the file
    after you have changed it.
    """
    settings = given(
        data=data,
        test_data=test_data,
        labels=labels,
        text_column=text_column,
        label_columns=names_in(label_column),
        multi_label=multi_label,
        ml_model=ml_model,
        llm_provider=llm_provider,
        llm_model=llm_model,
        max_cost=max_cost,
        output_dir=output,
        random_state=seed,
    )
    from textclassify.apps import starting
    from textclassify.apps.terminal import console, session
    from textclassify.runs.configuring.config_yaml import commented_yaml

    asking = sys.stdin is not None and sys.stdin.isatty() and not yes
    if not data and not asking:
        raise typer.BadParameter("name the data with --data FILE (nobody can be asked here)", param_hint="--data")
    starting.check_new(config, overwrite=overwrite)
    with session(debug=ctx.obj, bars=False) as say:
        settings["data"] = data or str(
            typer.prompt("Labelled texts (CSV, JSON Lines, Parquet, hf:name/split)", err=True)
        )
        found = starting.recognise(settings["data"], settings)
        say(f"{settings['data']}: {starting.in_words(found)}")
        starting.check_files(settings, found)
        if asking:
            settings = starting.asked(settings, _ask, say)
        content = commented_yaml(starting.settings_to_write(settings, found, config))
    starting.write_new(config, content, overwrite=overwrite)
    print(config)
    next_step = f"next: textclassify train --config {shlex.quote(str(config))}"
    console(stderr=True).print(next_step, style="cyan", markup=False, soft_wrap=True)


def _ask(question: str, default: str) -> str:
    return str(typer.prompt(question, default=default, show_default=bool(default), err=True))


def validate(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Configuration: YAML, in our own form or the LabelFusion paper's.")],
    data: Annotated[bool, typer.Option("--data/--no-data", help="Whether to look at the files that it names.")] = True,
    as_json: Json = False,
) -> None:
    """Say whether a configuration can be used, and what would be trained on what; all that is wrong is said at once.

    Keys, values, label files, data files and their columns are looked at. Nothing is trained, asked or downloaded;
    `textclassify doctor` looks at models and keys.
    """
    from textclassify.apps.terminal import session
    from textclassify.errors import ConfigError

    with session(debug=ctx.obj):
        from textclassify.apps import validating

        found = validating.validate(file, data=data)
    if as_json:
        print(json.dumps(found.to_dict(), indent=1, ensure_ascii=False))
        if found.problems:
            raise typer.Exit(1)
        return
    if found.problems:
        raise ConfigError("\n".join(found.lines))
    print(f"valid: {file}")
    for sentence in found.plan:
        print(f"  {sentence}")


def schema(
    out: Annotated[Path | None, typer.Option("--out", "-o", help="File to write; else standard output.")] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
) -> None:
    """Write the JSON Schema of a configuration, with which editors complete keys and mark mistakes.

    In a file of your own, the first line `# yaml-language-server: $schema=FILE` names it.
    """
    from textclassify.apps.starting import write_new
    from textclassify.apps.terminal import console
    from textclassify.runs.configuring.config_schema import config_schema

    content = json.dumps(config_schema(), indent=1, ensure_ascii=False)
    if out is None:
        print(content)
        return
    write_new(out, f"{content}\n", overwrite=overwrite)
    print(out)
    first = f"first line of a configuration beside it: # yaml-language-server: $schema={out.name}"
    console(stderr=True).print(first, markup=False, soft_wrap=True)
