"""`train_fusion.py`, the command line of the LabelFusion paper: its flags go to what `textclassify train` calls."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from textclassify.apps.cli import ExplainedCommand, main
from textclassify.apps.options import (
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
)

NAME = "train_fusion.py"

program = typer.Typer(
    add_completion=False, pretty_exceptions_enable=False, context_settings={"help_option_names": ["-h", "--help"]}
)


def run() -> None:
    """Run the program."""
    main(program, NAME)


@program.command(cls=ExplainedCommand, no_args_is_help=True)
def train_fusion(
    create_config: Annotated[
        Path | None, typer.Option("--create-config", help="Write a commented configuration to this file, and stop.")
    ] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="YAML configuration; flags count more than what it says.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", help="Labelled texts: a file, or hf:name/split.")] = None,
    test_data: Annotated[str | None, typer.Option("--test-data", help="Held-out texts; else 20% are held out.")] = None,
    text_column: TextColumn = None,
    label_column: LabelColumns = None,
    multi_label: MultiLabel = None,
    ml_model: MlModel = None,
    llm_provider: LlmProvider = None,
    llm_model: LlmModel = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder of the run; an earlier run in it is replaced.")
    ] = None,
    max_cost: MaxCost = None,
    offline: Offline = False,
    seed: Seed = None,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Have --create-config replace an existing file.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and all messages.")] = False,
) -> None:
    """Train a fusion, measure what it is worth, and save model and report, by the flags of the LabelFusion paper.

    The same as `textclassify train`, which has more flags; both take configurations in the paper's form and in ours.
    """
    flags = given(
        data=data,
        test_data=test_data,
        text_column=text_column,
        label_columns=names_in(label_column),
        multi_label=multi_label,
        ml_model=ml_model,
        llm_provider=llm_provider,
        llm_model=llm_model,
        random_state=seed,
    )
    if create_config is not None:
        _create({**flags, **given(output_dir=output)}, create_config, overwrite=overwrite)
        return
    from textclassify.apps.training_commands import train_and_show

    command = shlex.join(["python", NAME, *sys.argv[1:]])
    limits = {"max_cost": max_cost, "offline": offline}
    train_and_show(flags, config, output, command=command, overwrite=True, limits=limits, debug=debug)


def _create(settings: dict[str, object], file: Path, *, overwrite: bool) -> None:
    """Write a commented configuration in the paper's form."""
    from textclassify.apps.starting import as_file_says, write_new
    from textclassify.runs.configuring.published_config import USUAL, published_yaml

    write_new(file, published_yaml(as_file_says({**USUAL, **settings}, file)), overwrite=overwrite)
    print(file)
    next_step = f"python {NAME} --config {shlex.quote(str(file))}"
    print(
        f"next: set file_path to your data, then {next_step}" if "data" not in settings else f"next: {next_step}",
        file=sys.stderr,
    )
