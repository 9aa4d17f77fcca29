"""`ResultsManager`: experiments in one folder, each with everything that is needed to trust and repeat its figures."""

from __future__ import annotations

import contextlib
import datetime as dt
import logging
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.core.texts import did_you_mean
from textclassify.errors import DataError, StorageError, TextClassifyError
from textclassify.runs.recording.mlflow_hook import imported
from textclassify.runs.recording.run_comparison import RunComparison, compare_runs
from textclassify.runs.recording.run_files import RUN_FILE, new_id
from textclassify.runs.recording.run_record import Run
from textclassify.runs.systems import Evaluation

logger = logging.getLogger(__name__)

__all__ = ["ResultsManager", "Run", "RunComparison", "open_run", "runs_in"]

_LEVELS = 2
"""Folders below the named one in which runs are looked for."""


class ResultsManager:
    """The runs in a folder, one folder each.

    Several processes may start runs in one folder at the same time. Names of runs sort by the time of their start.

    Args:
        folder: of the runs; made with the first of them.
        mlflow: whether finished runs go to MLflow as well (`log_to_mlflow`): True = where MLflow is set to keep them,
            or the address to keep them at, or the module itself.

    >>> import tempfile
    >>> from textclassify.testing import FixedClassifier
    >>> classifier = FixedClassifier({"good": [0.9, 0.1], "bad": [0.2, 0.8]}, labels=("up", "down"))
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     manager = ResultsManager(folder)
    ...     with manager.start("first try", seeds=0) as run:
    ...         path = run.save_predictions(classifier.predict(["good", "bad"]), ["good", "bad"], gold=["up", "up"])
    ...     manager.open("first try").metrics["accuracy"]["value"]
    0.5

    """

    def __init__(self, folder: str | Path, *, mlflow: Any = False) -> None:
        if not isinstance(folder, str | Path):
            raise DataError(f"folder is {folder!r:.60}; pass the path of the folder of the runs")
        self.folder = Path(folder)
        self.mlflow = mlflow
        self._latest: Run | None = None

    def __repr__(self) -> str:
        return f"ResultsManager({str(self.folder)!r})"

    def start(
        self,
        name: str | None = None,
        *,
        config: Any = None,
        data: Any = None,
        test_data: Any = None,
        seeds: Any = None,
        command: str | None = None,
        labels: LabelSchema | None = None,
    ) -> Run:
        """Return a new run, with its folder and a record that says "running" until it is finished.

        What language models are asked from now on, until the run ends, counts as its costs.

        Args:
            name: what people call it; several runs may have one name.
            config: its settings: a `Config`, a mapping or None; keys and addresses are not written.
            data: labelled texts that it learns from: `TrainingData`, or whatever `dataset.labelled_data` takes.
            test_data: the same that it is measured on.
            seeds: of everything random, by name, or one number.
            command: what was typed.
            labels: the label schema; None = that of the data, or of the answers.

        Raises:
            StorageError: the folder cannot be written.
            DataError: data cannot be read.
            MissingDependencyError: runs are to go to MLflow, which is not installed.

        """
        module = self._mlflow_module()
        started, run_id = self._claim()
        try:
            run = Run.begin(
                self.folder / run_id,
                name=name,
                config=config,
                labels=labels,
                data=data,
                test_data=test_data,
                seeds=seeds,
                command=command,
                started=started,
                run_id=run_id,
            )
        except TextClassifyError:
            with contextlib.suppress(OSError):
                (self.folder / run_id).rmdir()
            raise
        if module is not None:
            address = self.mlflow if isinstance(self.mlflow, str) else None
            run.on_finished = partial(Run.log_to_mlflow, mlflow=module, tracking_uri=address)
        self._latest = run
        return run

    def save_predictions(
        self,
        result: ClassificationResult | Evaluation,
        texts: Sequence[str] | None = None,
        gold: Any = None,
        *,
        keep_texts: bool = True,
        run: Run | None = None,
    ) -> Path:
        """Write the answers of a run, None = of the one that was started last; see `Run.save_predictions`."""
        return self._run(run).save_predictions(result, texts, gold, keep_texts=keep_texts)

    def save_metrics(self, metrics: Evaluation | Mapping[str, Any], *, run: Run | None = None) -> Path:
        """Write the metrics of a run, None = of the one that was started last; see `Run.save_metrics`."""
        return self._run(run).save_metrics(metrics)

    def runs(self) -> list[Run]:
        """Return the runs in the folder, the oldest first."""
        return runs_in(self.folder) if self.folder.exists() else []

    def open(self, run: str | Path | Run) -> Run:
        """Return a run by its id, the beginning of its id, its name (the latest of that name) or its path.

        Raises:
            StorageError: there is none, or several ids begin so.
            DataError: it is named by something else.

        """
        if isinstance(run, Run):
            return run
        if not isinstance(run, str | Path):
            raise DataError(f"a run is named by its id, name or folder, got {run!r:.60}")
        path = Path(run)
        if (path / RUN_FILE).is_file() or path.name == RUN_FILE:
            return open_run(path)
        runs = self.runs()
        named = [one for one in runs if run in {one.id, one.name}]
        found = named[-1:] or [one for one in runs if str(run) and one.id.startswith(str(run))]
        if len(found) == 1:
            return found[0]
        if found:
            raise StorageError(f"{len(found)} runs have an id that begins with {str(run)!r}; write more of it")
        if path.is_dir():
            return open_run(path)  # which says what is missing
        known = [name for one in runs for name in (one.id, one.name) if name]
        raise StorageError(
            f"there is no run {str(run)!r} in {str(self.folder)!r}{did_you_mean(run, known)}; it holds "
            f"{len(runs)} runs: `textclassify runs list {self.folder}` shows them"
        )

    def compare(self, *runs: str | Path | Run, random_state: int = 0) -> RunComparison:
        """Return the first run against each of the others, on the same texts; see `RunComparison`.

        Args:
            *runs: two or more, as `open` takes them.
            random_state: seeds the resampling.

        Raises:
            DataError: they were not measured on the same texts, or have no gold answers or predictions.
            StorageError: there is no such run.

        """
        return compare_runs([self.open(run) for run in runs], random_state=random_state)

    def _claim(self) -> tuple[dt.datetime, str]:
        """Return a moment and the name of a folder that was made just then, and by nobody else."""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            while True:
                started = dt.datetime.now(dt.UTC)
                run_id = new_id(started)
                with contextlib.suppress(FileExistsError):
                    (self.folder / run_id).mkdir()
                    return started, run_id
        except OSError as error:
            raise StorageError(
                f"cannot make a run in {str(self.folder)!r}: {error.strerror}; name a folder that you may write to"
            ) from error

    def _mlflow_module(self) -> Any:
        """Return MLflow before anything is computed; None where it is not asked for."""
        if not self.mlflow:
            return None
        return imported() if isinstance(self.mlflow, str | bool) else self.mlflow

    def _run(self, run: Run | None) -> Run:
        run = run or self._latest
        if run is None:
            raise DataError("no run was started; call manager.start(...) first, or pass run=...")
        return run


def open_run(path: str | Path) -> Run:
    """Return the run in a folder.

    Raises:
        StorageError: there is none, or it is damaged or of a newer version.

    """
    return Run.open(path)


def runs_in(folder: str | Path) -> list[Run]:
    """Return the runs in a folder and in the folders up to two levels below it, the oldest first.

    One that cannot be read is left out, with a warning.

    Raises:
        StorageError: there is no such folder.

    """
    folder = Path(folder)
    if not folder.is_dir():
        raise StorageError(f"there is no folder {str(folder)!r}; name the one that your runs are in")
    found = []
    for level in range(_LEVELS + 1):
        for path in folder.glob("*/" * level + RUN_FILE):
            if any(part.startswith(".") for part in path.relative_to(folder).parts):
                continue
            try:
                found.append(open_run(path.parent))
            except StorageError as error:
                logger.warning("a run is left out: %s", error)
    return sorted(found, key=lambda run: (run.id, str(run.folder)))
