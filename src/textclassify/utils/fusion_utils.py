"""`FusionUtils`: from a table to a split, a check, an evaluation, its plots and a saved model, one call each."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from textclassify.core import dataset
from textclassify.core.columns import text_column_of
from textclassify.core.contract import TextClassifier
from textclassify.core.findings import describe
from textclassify.core.saved_classifiers import load
from textclassify.core.splits import split_rows
from textclassify.core.tables import to_frame
from textclassify.core.types import TrainingData
from textclassify.errors import DataError

if TYPE_CHECKING:
    from textclassify.runs.systems import Evaluation

logger = logging.getLogger(__name__)

RESULTS_FOLDER = "fusion_results"
"""Where `evaluate_fusion_model` keeps its runs unless told otherwise; in the working folder."""


class FusionUtils:
    """The steps around a fusion, for programs that were written for the published API."""

    @staticmethod
    def prepare_data_for_fusion(
        df: Any,
        text_column: str | None = None,
        label_columns: Sequence[Any] | None = None,
        multi_label: bool | None = False,  # noqa: FBT001, FBT002 - the published signature
        *,
        test_size: float = 0.2,
        random_state: int = 0,
        group_column: str | None = None,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Return a training and a test frame with the columns and the index of the table.

        Label shares are alike in both; rows of equal text or of one group are on one side. See
        `textclassify.core.splits.split`.

        Args:
            df: a table with a text column and labels.
            text_column: None = recognised.
            label_columns: the label column, the 0/1 columns, or the class names beside a label column; None =
                recognised.
            multi_label: whether a text may have several labels; None = as the data show.
            test_size: share of the rows in the test frame.
            random_state: seed.
            group_column: column of groups that are never split.

        Raises:
            DataError: a column, a text or a label cannot be used, or there are too few rows to hold some out.

        """
        data = dataset.training_data(
            df,
            text_column=text_column,
            label_columns=label_columns,
            multi_label=multi_label,
            group_column=group_column,
        )
        train, test = split_rows(data, test_size, random_state=random_state)
        frame = df if isinstance(df, pd.DataFrame) else to_frame(df)
        return frame.loc[train], frame.loc[test]

    @staticmethod
    def validate_fusion_data(
        df: Any,
        text_column: str | None = None,
        label_columns: Sequence[Any] | None = None,
        multi_label: bool | None = False,  # noqa: FBT001, FBT002 - the published signature
    ) -> dict[str, Any]:
        """Return what is to know about a table before a fusion learns from it; nothing is raised about its content.

        Returns:
            `valid` (whether `fit` would take it), `errors` (why not, with the remedies), `warnings` (what is worth a
            look all the same), and `statistics` of the `text` (rows, missing, unique, characters, words) and of the
            `labels` (number, multi_label, rows_per_label, labels_per_row); either is empty where it cannot be read.

        Raises:
            DataError: `df` is no table.

        """
        frame = to_frame(df)
        errors: list[str] = []
        columns = {"text_column": text_column, "label_columns": label_columns, "multi_label": multi_label}
        data = _tried(errors, frame, **columns)
        found, labelled = _text_column(frame, text_column, label_columns), data
        if data is None and found is not None:  # what is wrong with a text must not hide what the labels are
            labelled = _tried(errors, frame.assign(**{found: "text"}), **columns | {"text_column": found})
        return {
            "valid": data is not None,
            "errors": errors,
            "warnings": [] if data is None else describe(data),
            "statistics": {
                "text": {} if found is None else _text_statistics(frame[found]),
                "labels": {} if labelled is None else _label_statistics(labelled),
            },
        }

    @staticmethod
    def evaluate_fusion_model(
        model: TextClassifier,
        texts: Any,
        labels: Any = None,
        *,
        save_results: bool = True,
        output_dir: str | Path | None = None,
        **options: Any,
    ) -> Evaluation:
        """Return the fusion beside each of its sources on labelled texts; kept in a run folder unless told otherwise.

        Args:
            model: a fitted classifier.
            texts: texts, or a table that holds the labels too.
            labels: their gold labels.
            save_results: whether figures and predictions are written.
            output_dir: folder of the runs, each in a folder of its own; None = `fusion_results` in the working folder.
            **options: what `textclassify.runs.evaluation.evaluate` takes, such as `groups` and `policy`.

        Raises:
            LabelError: a gold label is missing or unknown to the model.
            StorageError: the folder cannot be written.

        """
        from textclassify.runs.report import write_report
        from textclassify.runs.results import ResultsManager

        if not save_results:
            return _evaluation_of(model, texts, labels, **options)
        manager = ResultsManager(RESULTS_FOLDER if output_dir is None else output_dir)
        settings, seed = getattr(model, "config_", None), options.get("random_state", 0)
        with manager.start(type(model).__name__, config=settings, seeds=seed) as run:
            evaluation = _evaluation_of(model, texts, labels, **options)
            run.save_metrics(evaluation)
            run.save_predictions(evaluation)
            write_report(run.folder, evaluation)
        logger.info("figures and predictions are in %s", run.folder)
        return evaluation

    @staticmethod
    def plot_fusion_results(evaluation: Evaluation, save_path: str | Path = "plots") -> list[Path]:
        """Return the files of the plots of an evaluation, PNG and SVG, written into a folder.

        Args:
            evaluation: what `evaluate_fusion_model` returned.
            save_path: the folder.

        Raises:
            DataError: `evaluation` is something else.
            StorageError: the folder cannot be written.

        """
        from textclassify.runs.plots import write_plots
        from textclassify.runs.systems import Evaluation

        if not isinstance(evaluation, Evaluation):
            raise DataError(
                f"there is nothing to plot in a {type(evaluation).__name__}; pass what evaluate_fusion_model returned"
            )
        return write_plots(evaluation, save_path)

    @staticmethod
    def save_fusion_model(model: TextClassifier, folder: str | Path) -> None:
        """Write a fitted model into a folder: JSON and safetensors, no pickle and no keys.

        Raises:
            NotFittedError: it has learned nothing yet.
            StorageError: the folder cannot be written, or holds something else.

        """
        model.save(folder)

    @staticmethod
    def load_fusion_model(folder: str | Path) -> TextClassifier:
        """Return the model that `save_fusion_model`, or any classifier's `save`, wrote.

        Raises:
            StorageError: there is none, it was changed after it was saved, or a newer version wrote it.

        """
        return load(folder)


def _evaluation_of(model: TextClassifier, texts: Any, labels: Any, **options: Any) -> Evaluation:
    """Return the evaluation of a model; one that was configured keeps its columns, its budget and its limits."""
    from textclassify.auto import AutoFusionClassifier
    from textclassify.runs.evaluation import evaluate

    if isinstance(model, AutoFusionClassifier):
        return model.evaluate(texts, labels, **options)
    return evaluate(model, texts, labels, **options)


def _tried(errors: list[str], frame: pd.DataFrame, **columns: Any) -> TrainingData | None:
    """Return the table as training data; None where it cannot be used, with the reason added to `errors`."""
    try:
        return dataset.training_data(frame, **columns)
    except DataError as error:
        if str(error) not in errors:
            errors.append(str(error))
        return None


def _text_column(frame: pd.DataFrame, given: str | None, labels: Sequence[Any] | None) -> str | None:
    other = [labels] if isinstance(labels, str) else [str(name) for name in labels or ()]
    try:
        return text_column_of(frame, given, other=other)
    except DataError:
        return None


def _text_statistics(column: pd.Series[Any]) -> dict[str, Any]:
    texts = column[column.map(lambda value: isinstance(value, str)).to_numpy(bool)].astype(str)
    texts = texts[texts.str.strip() != ""]
    if texts.empty:
        return {"rows": len(column), "missing": len(column)}
    return {
        "rows": len(column),
        "missing": len(column) - len(texts),
        "unique": int(texts.nunique()),
        "characters": _spread(texts.str.len()),
        "words": _spread(texts.str.count(r"\S+")),
    }


def _spread(counts: pd.Series[int]) -> dict[str, float]:
    summary = {"min": counts.min(), "median": counts.median(), "mean": counts.mean(), "max": counts.max()}
    return {name: round(float(value), 1) for name, value in summary.items()}


def _label_statistics(data: TrainingData) -> dict[str, Any]:
    gold = data.gold if data.multi_label else np.eye(len(data.schema), dtype=np.int64)[data.gold]
    return {
        "number": len(data.schema),
        "multi_label": data.multi_label,
        "rows_per_label": dict(zip(data.schema.names, gold.sum(axis=0).tolist(), strict=True)),
        "labels_per_row": round(float(gold.sum(axis=1).mean()), 2),
    }
