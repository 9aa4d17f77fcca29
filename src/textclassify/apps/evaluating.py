"""A saved model measured on a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.configured import configured_limits
from textclassify.apps.models import MODEL_FOLDER, is_model, load_model
from textclassify.core import dataset
from textclassify.errors import DataError, StorageError
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.report import EVALUATION_FILE, REPORT_FILE, RunFacts, write_report


def evaluate_file(
    model: Path,
    file: str,
    *,
    text_column: str | None,
    label_columns: Sequence[str] | None,
    output: Path | None,
    overwrite: bool,
    llm: bool,
    seed: int,
    command: str,
) -> tuple[Evaluation, Path | None]:
    """Return the evaluation of a saved model on labelled texts, and the report's path where one was asked for.

    Args:
        model: folder of the model.
        file: labelled texts.
        text_column: None = as in training, else recognised.
        label_columns: None = as in training, else recognised.
        output: folder of the report; None = none is written.
        overwrite: whether an earlier report in that folder may be replaced.
        llm: whether to ask language models.
        seed: of the resampling.
        command: what was typed, for the report.

    Raises:
        DataError: the texts or labels cannot be used; the message names the file and the row.
        StorageError: the model cannot be read, or the report not be written.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.
        InterruptedRunError: Ctrl-C where a language model was asked; the message says how to go on.

    """
    if output is not None:
        _check_output(output, overwrite=overwrite)
    classifier = load_model(model)
    config = getattr(classifier, "config_", None)
    try:
        data = dataset.labelled_data(
            file,
            schema=classifier.schema_,
            text_column=text_column or getattr(config, "text_column", None),
            label_columns=label_columns or getattr(config, "label_columns", None),
            multi_label=classifier.schema_.multi_label,
            group_column=getattr(config, "group_column", None),
        )
    except DataError as error:
        raise type(error)(str(error) if file in str(error) else f"{file}: {error}") from error
    asks = llm and asks_remotely(classifier, evaluated=True)
    with resumable(asks, "run the same command again to go on"), configured_limits(classifier):
        evaluation = evaluate(classifier, data, groups=data.groups, llm=llm, random_state=seed)
    if output is None:
        return evaluation, None
    facts = RunFacts(title=f"{model} on {file}", commands=[command])
    ladder = getattr(getattr(classifier, "ensemble_", classifier), "ladder_report_", None)
    return evaluation, write_report(output, evaluation, facts, ladder)


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Raise a StorageError where the report would replace something, or stand inside a model."""
    if output.exists() and not output.is_dir():
        raise StorageError(f"{str(output)!r} is a file; name a folder with --output")
    if any(is_model(folder) for folder in (output.resolve(), *output.resolve().parents)):
        raise StorageError(f"{str(output)!r} is inside a model, which stays as it was saved; name another --output")
    if is_model(output / MODEL_FOLDER):
        raise StorageError(f"{str(output)!r} holds the report of a training run; name another --output")
    there = [name for name in (REPORT_FILE, EVALUATION_FILE) if (output / name).exists()]
    if there and not overwrite:
        raise StorageError(f"folder {str(output)!r} holds {there[0]}; pass --overwrite, or name another --output")
