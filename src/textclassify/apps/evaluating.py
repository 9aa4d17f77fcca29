"""A saved model measured on a file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

from textclassify.apps.answering import policy_for
from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.configured import configured_limits
from textclassify.apps.models import MODEL_FOLDER, is_model, load_model
from textclassify.apps.predicting import check_output
from textclassify.apps.pricing import price_per_call
from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.types import TrainingData
from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.errors import ConfigError, DataError, StorageError
from textclassify.llm.store.spending import counted
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.recording.run_facts import data_facts, thresholds_of
from textclassify.runs.recording.run_files import PREDICTIONS_FILE, RUN_FILE
from textclassify.runs.recording.run_folder import RUNNING
from textclassify.runs.recording.run_record import Run
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
    policy: tuple[str | None, float | None, float] = (None, None, 0.95),
    sets: float | None = None,
    curve_file: Path | None = None,
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
        policy: llm_budget, max_risk and its confidence, on top of the model's configuration.
        sets: also check prediction sets with this share of misses.
        curve_file: CSV file for the cost curve.

    Raises:
        ConfigError: the model cannot keep the policy, or has no cost curve to write.
        DataError: the texts or labels cannot be used; the message names the file and the row.
        StorageError: the model cannot be read, or the report not be written.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.
        InterruptedRunError: Ctrl-C where a language model was asked; the message says how to go on.

    """
    if output is not None:
        _check_output(output, overwrite=overwrite)
    if curve_file is not None:
        check_output(curve_file, file, overwrite=overwrite)
    classifier = load_model(model)
    kept = policy_for(classifier, *policy)
    fusion = getattr(getattr(classifier, "ensemble_", classifier), "fusion_", None)
    if curve_file is not None and (not llm or getattr(fusion, "deferral_", None) is None):
        raise ConfigError(f"there is no cost curve: {str(model)!r} asks no language model here, or nothing else")
    data = _labelled(classifier, file, text_column, label_columns)
    asks = llm and asks_remotely(classifier, evaluated=True)
    started, start = dt.datetime.now(dt.UTC), perf_counter()
    resumes = resumable(asks, "run the same command again to go on")
    with resumes, configured_limits(classifier), counted() as spending:
        price = price_per_call(classifier, data.texts) if llm else None
        evaluation = evaluate(
            classifier,
            data,
            groups=data.groups,
            llm=llm,
            policy=kept,
            alpha=sets,
            cost_per_call=price,
            random_state=seed,
        )
    seconds = {"evaluation": perf_counter() - start}
    if curve_file is not None and evaluation.cost_curve is not None:
        _write_curve(evaluation.cost_curve, curve_file)
    if output is None:
        return evaluation, None
    about = {"test_data": data_facts(evaluation.data, file), "seeds": seed, "command": command, "started": started}
    with _begun(output, classifier, about) as record:
        record.note(thresholds=thresholds_of(classifier))
        record.save_predictions(evaluation)
        record.save_metrics(evaluation)
        record.save_costs({"evaluation": spending})
        facts = RunFacts(title=f"{model} on {file}", commands=[command])
        ladder = getattr(getattr(classifier, "ensemble_", classifier), "ladder_report_", None)
        report = write_report(output, evaluation, facts, ladder)
        record.finish(seconds)
    return evaluation, report


def _labelled(
    classifier: TextClassifier, file: str, text_column: str | None, label_columns: Sequence[str] | None
) -> TrainingData:
    """Return the labelled texts of a file, its columns as named, else as in training, else as recognised.

    Raises:
        DataError: they cannot be used; the message names the file and the row.

    """
    config = getattr(classifier, "config_", None)
    try:
        return dataset.labelled_data(
            file,
            schema=classifier.schema_,
            text_column=text_column or getattr(config, "text_column", None),
            label_columns=label_columns or getattr(config, "label_columns", None),
            multi_label=classifier.schema_.multi_label,
            group_column=getattr(config, "group_column", None),
        )
    except DataError as error:
        raise type(error)(str(error) if file in str(error) else f"{file}: {error}") from error


def _begun(output: Path, classifier: TextClassifier, about: Mapping[str, Any]) -> Run:
    """Return the record of an evaluation in its folder; its costs were counted before."""
    return Run.begin(
        output,
        name=output.resolve().name,
        config=getattr(classifier, "config_", None),
        labels=classifier.schema_,
        counts=False,
        **about,
    )


def _write_curve(curve: CostCurve, path: Path) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        curve.to_pandas().to_csv(path, index=False)
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; name a file that you may write to with --cost-curve"
        ) from error


def _check_output(output: Path, *, overwrite: bool) -> None:
    """Raise a StorageError where the report would replace something, or stand inside a model."""
    if output.exists() and not output.is_dir():
        raise StorageError(f"{str(output)!r} is a file; name a folder with --output")
    if any(is_model(folder) for folder in (output.resolve(), *output.resolve().parents)):
        raise StorageError(f"{str(output)!r} is inside a model, which stays as it was saved; name another --output")
    if is_model(output / MODEL_FOLDER):
        raise StorageError(f"{str(output)!r} holds the report of a training run; name another --output")
    there = [name for name in (REPORT_FILE, EVALUATION_FILE, PREDICTIONS_FILE) if (output / name).exists()]
    there += [RUN_FILE] if (output / RUN_FILE).exists() and Run.open(output).status != RUNNING else []
    if there and not overwrite:
        raise StorageError(f"folder {str(output)!r} holds {there[0]}; pass --overwrite, or name another --output")
