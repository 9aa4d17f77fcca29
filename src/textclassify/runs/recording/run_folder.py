"""What a run's folder holds, read strictly: a file that was changed after the run is told from one that was not."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from textclassify.core.labels import LabelSchema
from textclassify.core.storage import MANIFEST
from textclassify.errors import DataError, StorageError
from textclassify.runs.recording.facts_shape import problem_in, whole_facts
from textclassify.runs.recording.run_files import (
    COSTS_FILE,
    FORMAT,
    METRICS_FILE,
    PREDICTIONS_FILE,
    RUN_FILE,
    read_json,
    sha256_of,
)
from textclassify.runs.report import EVALUATION_FILE

if TYPE_CHECKING:
    import pandas as pd

RUNNING, FINISHED, FAILED = "running", "finished", "failed"
_NOT_COVERED = {RUN_FILE, "report.html"}
"""Files without a checksum: the record itself, and what the report command writes later."""


class RunFolder:
    """A run as its folder tells it.

    Args:
        folder: that holds `run.json`.
        facts: what `run.json` holds.

    """

    def __init__(self, folder: Path, facts: dict[str, Any]) -> None:
        self.folder = folder
        self.facts = facts

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Return the run in a folder, or of a `run.json`.

        Raises:
            StorageError: there is none, or it is damaged or of a newer version.

        """
        path = Path(path)
        folder = path.parent if path.name == RUN_FILE else path
        if not (folder / RUN_FILE).is_file():
            raise StorageError(
                f"{str(folder)!r} holds no run ({RUN_FILE}); `textclassify runs list FOLDER` shows those in a folder"
            )
        facts = read_json(folder / RUN_FILE)
        written = facts.get("format")
        if written != FORMAT:
            raise StorageError(
                f"the run in {str(folder)!r} has format {written!r}, and this version of textclassify reads {FORMAT}; "
                "install the version that wrote it, or a newer one"
            )
        problem = problem_in(facts)
        if problem is not None:
            raise StorageError(f"{RUN_FILE} in {str(folder)!r} {problem}; restore it, or run the experiment again")
        return cls(folder, whole_facts(facts))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({str(self.folder)!r}, id={self.id!r}, status={self.status!r})"

    @property
    def id(self) -> str:
        """Its identity; sorts by the time of its start."""
        return str(self.facts["id"])

    @property
    def name(self) -> str | None:
        """What people call it."""
        name: str | None = self.facts.get("name")
        return name

    @property
    def status(self) -> str:
        """Whether it is "running" (or was killed), "finished" or "failed"."""
        return str(self.facts["status"])

    @property
    def schema(self) -> LabelSchema:
        """The labels.

        Raises:
            DataError: nobody has said which.

        """
        if self.facts["labels"] is None:
            raise DataError(f"run {self.id} knows no labels yet; save predictions, or name data at its start")
        return LabelSchema.from_dict(self.facts["labels"])

    @property
    def metrics(self) -> dict[str, dict[str, float | None]]:
        """`value`, `low` and `high` of each metric of the headline system; empty where nothing was measured."""
        return self._json(METRICS_FILE) or {}

    @property
    def evaluation(self) -> dict[str, Any] | None:
        """What `Evaluation.to_dict` gave; None where there was no evaluation."""
        return self._json(EVALUATION_FILE)

    @property
    def costs(self) -> dict[str, Any] | None:
        """The ledger by provider and model; None as long as the run is not finished."""
        return self._json(COSTS_FILE)

    @property
    def has_predictions(self) -> bool:
        """Whether its answers were saved."""
        return (self.folder / PREDICTIONS_FILE).is_file()

    @cached_property
    def predictions(self) -> pd.DataFrame:
        """One row per text: see `prediction_table.table_of_result`.

        Raises:
            DataError: none were saved, or the file was changed after the run.

        """
        import pyarrow as pa
        import pyarrow.parquet as pq

        from textclassify.runs.recording.prediction_table import from_parquet

        path = self.folder / PREDICTIONS_FILE
        if not self.has_predictions and PREDICTIONS_FILE in self.facts["files"]:
            raise DataError(f"{str(path)!r} is missing; restore it, or run the experiment again")
        if not self.has_predictions:
            raise DataError(
                f"run {self.id} has no predictions: nothing was measured in it; name test texts with --test-data, or, "
                "in Python, save answers with run.save_predictions(result, texts)"
            )
        self._check(PREDICTIONS_FILE)
        try:
            return from_parquet(pq.read_table(path))
        except (pa.ArrowException, OSError) as error:
            raise DataError(f"{str(path)!r} is damaged ({error}); run the experiment again") from error

    @property
    def changed_files(self) -> list[str]:
        """Names of files that are missing or were changed after the run."""
        return [name for name in self.facts["files"] if self._has_changed(name)]

    def _checksums(self) -> dict[str, str]:
        return {name: sha256_of(self.folder / name) for name in self._covered()}

    def _covered(self) -> Iterator[str]:
        """Yield the files that get a checksum; a model's folder has its own, of which the manifest's is taken."""
        for path in sorted(self.folder.iterdir()):
            if path.is_file() and path.name not in _NOT_COVERED and not path.name.startswith("."):
                yield path.name
            elif (path / MANIFEST).is_file():
                yield f"{path.name}/{MANIFEST}"

    def _has_changed(self, name: str) -> bool:
        path = self.folder / name
        return not path.is_file() or sha256_of(path) != self.facts["files"][name]

    def _check(self, name: str) -> None:
        if name in self.facts["files"] and self._has_changed(name):
            raise DataError(
                f"{name} of run {self.id} was changed after the run: {RUN_FILE} says SHA-256 "
                f"{self.facts['files'][name][:12]}…, it is {sha256_of(self.folder / name)[:12]}…; restore the file, or "
                "run the experiment again"
            )

    def _json(self, name: str) -> dict[str, Any] | None:
        path = self.folder / name
        if not path.is_file():
            return None
        self._check(name)
        return read_json(path)
