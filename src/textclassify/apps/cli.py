"""`textclassify` on the command line: answers go to standard output, all else to standard error."""

# ruff: noqa: FBT002 - flags are arguments with defaults, passed by name

from __future__ import annotations

import contextlib
import os
import signal
import sys
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup

from textclassify.apps import (
    config_commands,
    distil_commands,
    feature_commands,
    label_commands,
    labelling_commands,
    llm_commands,
    prediction_commands,
    report_commands,
    review_commands,
    run_commands,
    training_commands,
)
from textclassify.apps.failures import FAILED, INTERRUPTED, PIPE_CLOSED, explained, quiet_pipe


class _Explained:
    """A command whose failures are one line."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)  # type: ignore[misc] # of the command that this is mixed into
        except BrokenPipeError:
            quiet_pipe()
            raise typer.Exit(PIPE_CLOSED) from None
        except (KeyboardInterrupt, Exception) as error:
            if isinstance(error, typer.Exit | typer.Abort) or hasattr(error, "exit_code") or ctx.params.get("debug"):
                raise
            lines, code = explained(error, ctx.invoked_subcommand)
            for line in lines:
                print(line, file=sys.stderr)
            raise typer.Exit(128 + _ended_by[0] if _ended_by and code == INTERRUPTED else code) from None


class _Commands(_Explained, TyperGroup):
    """Commands whose failures are one line."""


class ExplainedCommand(_Explained, TyperCommand):
    """A program of one command whose failures are one line."""


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:  # noqa: FBT001 - typer passes it so
    if asked:
        from textclassify import __version__

        print(f"textclassify {__version__}")
        raise typer.Exit


def main(program: typer.Typer | None = None, name: str = "textclassify") -> None:
    """Run the command line, or another program with its manners."""
    signal.signal(signal.SIGTERM, _end)
    if sys.stderr is None:
        sys.stderr = Path(os.devnull).open("w", encoding="utf-8")  # noqa: SIM115 - open as long as the program
    if sys.stdout is None:
        print("error: standard output is closed; leave it open, or send it to a file: > FILE", file=sys.stderr)
        sys.exit(FAILED)
    try:
        (program or app)(prog_name=name)
    except KeyboardInterrupt:
        _leave(INTERRUPTED)
    except SystemExit as ended:
        if ended.code in {INTERRUPTED, 128 + signal.SIGTERM}:
            _leave(int(ended.code))
        raise


def _leave(code: int) -> None:
    """End now; a thread that waits for standard input could hold up an orderly end for ever."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


_ended_by: list[int] = []


def _end(number: int, _: object) -> None:
    """Leave as after Ctrl-C, in good order: answers on their way are waited for, files and locks are removed."""
    _ended_by.append(number)
    signal.raise_signal(signal.SIGINT)


@app.callback()
def _top(
    ctx: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version and stop.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks and all messages.")] = False,
) -> None:
    """Label texts with a fusion of a fine-tuned encoder and language models, and see honestly what it is worth.

    New here? `textclassify demo` shows everything on example data in a few minutes, `textclassify doctor` looks at your
    machine, and `textclassify train DATA` takes a CSV, JSON Lines or Parquet file with a text and a label column.
    """
    del version  # its callback has answered
    ctx.obj = debug


app.command()(training_commands.demo)
app.command()(config_commands.init)
app.command()(config_commands.validate)
app.command()(config_commands.schema)
app.command()(training_commands.train)
app.command()(prediction_commands.predict)
app.command()(prediction_commands.evaluate)
app.command()(prediction_commands.doctor)
app.command()(labelling_commands.label)
app.add_typer(label_commands.labels_app, name="labels")
app.command()(review_commands.review)
app.command("label-errors")(review_commands.suspect_labels)
app.command()(review_commands.apply_review)
app.command()(distil_commands.distil)
app.command()(llm_commands.estimate)
app.command()(llm_commands.prompt)
app.add_typer(llm_commands.cache_app, name="cache")
app.add_typer(feature_commands.features_app, name="features")
app.add_typer(run_commands.runs_app, name="runs")
app.command()(report_commands.report)


if __name__ == "__main__":
    main()
