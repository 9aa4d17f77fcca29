"""`Run`: one experiment with its folder: what it ran on, what it answered, how good that was and what it cost."""

from __future__ import annotations

import datetime as dt
import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult
from textclassify.core.texts import did_you_mean
from textclassify.core.types import TrainingData
from textclassify.errors import DataError
from textclassify.llm.store.spending import Spending, begin_counting, end_counting
from textclassify.runs.recording.cost_summary import costs_of
from textclassify.runs.recording.facts_shape import problem_in
from textclassify.runs.recording.mlflow_hook import log_to_mlflow
from textclassify.runs.recording.prediction_cache import cached_predictions
from textclassify.runs.recording.run_facts import (
    data_facts,
    environment,
    git_state,
    package_versions,
    plain_settings,
    without_keys,
)
from textclassify.runs.recording.run_files import (
    COSTS_FILE,
    FORMAT,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    make_folder,
    new_id,
    write_json,
    write_whole,
)
from textclassify.runs.recording.run_folder import FAILED, FINISHED, RUNNING, RunFolder
from textclassify.runs.recording.run_metrics import metrics_of, metrics_of_result
from textclassify.runs.report import EVALUATION_FILE
from textclassify.runs.systems import Evaluation, json_safe

_RESULTS = (METRICS_FILE, COSTS_FILE, PREDICTIONS_FILE, EVALUATION_FILE, "report.html")


class Run(RunFolder):
    """One experiment with its folder.

    As a context manager it is finished when the block ends well, and failed otherwise. What is read comes from the
    files, which carry checksums once the run is finished; until then `facts["status"]` is "running", as it stays where
    the process was killed.

    Args:
        folder: that holds `run.json`; `Run.begin` makes one.
        facts: what `run.json` holds.

    Its `on_finished`, where there is one, is called with the run when it is finished.
    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        super().__init__(folder, facts)
        self._spending: Spending | None = None
        self._costs_given = False
        self._metrics_given = False
        self.on_finished: Callable[[Run], object] | None = None

    @classmethod
    def begin(
        cls,
        folder: str | Path,
        *,
        name: str | None = None,
        config: Any = None,
        origins: Mapping[str, str] | None = None,
        labels: LabelSchema | None = None,
        data: Any = None,
        test_data: Any = None,
        seeds: Any = None,
        command: str | None = None,
        started: dt.datetime | None = None,
        run_id: str | None = None,
        counts: bool = True,
    ) -> Self:
        """Return a new run whose record stands in a folder, with the status "running".

        Args:
            folder: existing or new; the record and the results of an earlier run in it are removed.
            name: what people call the run.
            config: its settings: a `Config`, a mapping or None; keys and addresses are not written.
            origins: where each setting comes from: "flag", "environment", "file" or "default".
            labels: the label schema; None = that of the data.
            data: labelled texts that it learns from: `TrainingData`, or whatever `dataset.labelled_data` takes.
            test_data: the same that it is measured on.
            seeds: of everything random, by name, or one number.
            command: what was typed.
            started: when it began; None = now.
            run_id: its identity; None = a new one.
            counts: whether what language models are asked from now on, until the run ends, is its cost.

        Raises:
            StorageError: the folder cannot be written.
            DataError: data cannot be read.

        """
        started = started or dt.datetime.now(dt.UTC)
        schema = next((one.schema for one in (test_data, data) if hasattr(one, "schema")), None)
        schema = schema if labels is None else LabelSchema.of(labels)
        facts: dict[str, Any] = {
            "format": FORMAT,
            "id": run_id or new_id(started),
            "name": name,
            "status": RUNNING,
            "started": started.isoformat(timespec="microseconds"),
            "seconds": {},
            "command": without_keys(command) if isinstance(command, str) else command,
            "config": plain_settings(config),
            "origins": dict(origins or {}),
            "labels": None if schema is None else schema.to_dict(),
            "data": {"training": data_facts(data), "test": data_facts(test_data)},
            "seeds": dict(seeds) if isinstance(seeds, Mapping) else {} if seeds is None else {"random_state": seeds},
            "packages": package_versions(),
            "git": git_state(),
            "environment": environment(),
            "thresholds": None,
            "error": None,
            "files": {},
        }
        run = cls(Path(folder), json_safe(facts))
        run._set()
        make_folder(run.folder)
        for file in _RESULTS:
            (run.folder / file).unlink(missing_ok=True)
        run._write_facts()
        if counts:
            run._spending = Spending()
            begin_counting(run._spending)
        return run

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.status != RUNNING:
            return
        if error is None:
            self.finish()
        else:
            self.fail(error)

    def save_predictions(
        self,
        result: ClassificationResult | Evaluation,
        texts: Sequence[str] | None = None,
        gold: Any = None,
        *,
        keep_texts: bool = True,
    ) -> Path:
        """Write `predictions.parquet`, and `metrics.json` where gold answers are known; return the former's path.

        Metrics that `save_metrics` was given stay; others are those of the answers that were saved last.

        Args:
            result: answers to n texts; or an evaluation, which knows its texts and gold answers.
            texts: the n texts; None with an evaluation.
            gold: n labels, lists of labels or 0/1 columns; None = unknown.
            keep_texts: whether the texts are written; else their hashes alone are, and a report cannot show them.

        Raises:
            DataError: there are no texts, or not as many as answers; or the run has ended.
            LabelError: a gold label is missing or unknown.
            StorageError: the folder cannot be written.

        """
        import pyarrow.parquet as pq

        from textclassify.runs.recording.prediction_table import as_parquet, saved_rows

        self._require_running()
        rows = saved_rows(result, texts, gold, keep_texts=keep_texts)
        stream = io.BytesIO()
        pq.write_table(as_parquet(rows.table, multi_label=rows.schema.multi_label), stream, compression="zstd")
        if self.facts["labels"] is None or self.schema.names != rows.schema.names:
            self.facts["labels"] = rows.schema.to_dict()
        before = self.facts["data"]["test"] or {}
        same = rows.data is None and before.get("texts_sha256") == rows.hashes["texts_sha256"]
        self.facts["data"]["test"] = before if same else {"file": before.get("file"), **rows.hashes}
        path = self.folder / PREDICTIONS_FILE
        write_whole(path, stream.getvalue())
        self.__dict__.pop("predictions", None)
        self._write_facts()
        if not self._metrics_given:
            self._measure(result, rows.data)
        return path

    def _measure(self, result: ClassificationResult | Evaluation, data: TrainingData | None) -> None:
        """Write the metrics of the answers that were saved last; none are left of others."""
        for file in (METRICS_FILE, EVALUATION_FILE):
            (self.folder / file).unlink(missing_ok=True)
        if isinstance(result, Evaluation):
            self._write_metrics(result)
        elif data is not None:
            self._write_metrics(metrics_of_result(result, data))

    def cached_predictions(
        self, texts: Any, labels: Any = None, *, strict: bool = False
    ) -> ClassificationResult | None:
        """Return the answers to these texts, where the run holds them; None, with a warning, where they are stale.

        Args:
            texts: in the order of the run.
            labels: gold answers that the run must have been measured on; None = they do not matter.
            strict: whether answers to other data are an error.

        Raises:
            DataError: there are none, or, with `strict`, they are stale; the message names both hashes.

        """
        return cached_predictions(self, texts, labels, strict=strict)

    def log_to_mlflow(self, mlflow: Any = None, *, tracking_uri: str | None = None) -> str:
        """Return the identity of a run in MLflow that has this one's settings, metrics and files; see `mlflow_hook`.

        Args:
            mlflow: the module; None = it is imported.
            tracking_uri: where MLflow keeps runs; None = as MLflow is set.

        Raises:
            MissingDependencyError: MLflow is not installed.

        """
        return log_to_mlflow(self, mlflow, tracking_uri=tracking_uri)

    def save_metrics(self, metrics: Evaluation | Mapping[str, Any]) -> Path:
        """Write `metrics.json` and, of an evaluation, `evaluation.json`; return the former's path.

        Args:
            metrics: an evaluation, or by name: a number, an `Interval`, (value, low, high) or a mapping of these.

        Raises:
            DataError: a metric is none of these.
            StorageError: the folder cannot be written.

        """
        self._require_running()
        self._metrics_given = True
        return self._write_metrics(metrics)

    def _write_metrics(self, metrics: Evaluation | Mapping[str, Any]) -> Path:
        found = metrics_of(metrics)
        if isinstance(metrics, Evaluation):
            write_json(self.folder / EVALUATION_FILE, metrics.to_dict())
        write_json(self.folder / METRICS_FILE, found)
        return self.folder / METRICS_FILE

    def save_costs(self, parts: Mapping[str, Spending]) -> Path:
        """Write `costs.json` from what was counted in each part of the run, instead of in the run as a whole."""
        self._require_running()
        self._costs_given = True
        write_json(self.folder / COSTS_FILE, costs_of(parts))
        return self.folder / COSTS_FILE

    def note(self, **facts: Any) -> None:
        """Put further facts into `run.json`: keys that it has.

        Raises:
            DataError: it has no such key.

        """
        self._require_running()
        for name in facts:
            if name not in self.facts:
                raise DataError(f"run.json has no key {name!r}{did_you_mean(name, self.facts)}")
        self._set(**json_safe(facts))
        self._write_facts()

    def finish(self, seconds: Mapping[str, float] | None = None) -> None:
        """Write the checksums of all files, and the status "finished".

        Args:
            seconds: what each part took; None = the time since the start as "total".

        """
        self._require_running()
        self._end(FINISHED, seconds)
        if self.on_finished is not None:
            self.on_finished(self)

    def fail(self, error: BaseException | None = None) -> None:
        """Write the status "failed", and why."""
        if error is not None:
            self.facts["error"] = without_keys(f"{type(error).__name__}: {error}".rstrip(": "))
        self._end(FAILED, None)

    def _require_running(self) -> None:
        if self.status != RUNNING:
            raise DataError(f"run {self.id} is {self.status}: what it holds stays as it is; start another run")

    def _end(self, status: str, seconds: Mapping[str, float] | None) -> None:
        if self._spending is not None:
            end_counting(self._spending)
            if not self._costs_given:
                write_json(self.folder / COSTS_FILE, costs_of({"run": self._spending}))
            self._spending = None
        if seconds is None and not self.facts["seconds"]:
            began = dt.datetime.fromisoformat(self.facts["started"])
            seconds = {"total": (dt.datetime.now(dt.UTC) - began).total_seconds()}
        self._set(seconds=self.facts["seconds"] | json_safe(dict(seconds or {})))
        self.facts["environment"] = environment()  # now that torch may be loaded
        self.facts["files"] = self._checksums()
        self.facts["status"] = status
        self._write_facts()

    def _set(self, **facts: Any) -> None:
        """Change facts, or none of them where one is wrong."""
        problem = problem_in(self.facts | facts)
        if problem is not None:
            raise DataError(f"the record of run {self.id} {problem}; pass another value")
        self.facts |= facts

    def _write_facts(self) -> None:
        write_json(self.folder / RUN_FILE, self.facts)
