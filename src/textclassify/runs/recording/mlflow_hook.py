"""A run's settings, metrics and files in MLflow, for those who keep their experiments there."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from textclassify.errors import MissingDependencyError
from textclassify.runs.recording.run_folder import FINISHED, RunFolder

_LONGEST_VALUE = 500
"""Characters of a parameter that every version of MLflow takes."""
_PER_CALL = 100
"""Parameters that MLflow takes at once."""
_INSTALL = "pip install mlflow-skinny (or mlflow)"


def log_to_mlflow(run: RunFolder, mlflow: Any = None, *, tracking_uri: str | None = None) -> str:
    """Return the identity of a new run in MLflow that holds what a run of ours does, but for the model's weights.

    Parameters are the settings and the content hashes of the data; metrics are the headline system's, with `_low` and
    `_high` for the bounds of intervals, `cost_usd` and seconds; artifacts are the files of the run.

    Args:
        run: the run.
        mlflow: the module, or an object with its functions; None = it is imported.
        tracking_uri: where MLflow keeps runs; None = as MLflow is set.

    Raises:
        MissingDependencyError: MLflow is not installed.

    """
    mlflow = mlflow or imported()
    if tracking_uri is not None:
        mlflow.set_tracking_uri(tracking_uri)
    with mlflow.start_run(run_name=run.name or run.id) as active:
        mlflow.set_tags({"textclassify.run": run.id, "textclassify.status": run.status} | _git_tags(run))
        parameters = dict(_parameters(run))
        names = list(parameters)
        for start in range(0, len(names), _PER_CALL):
            mlflow.log_params({name: parameters[name] for name in names[start : start + _PER_CALL]})
        metrics = dict(_metrics(run))
        if metrics:
            mlflow.log_metrics(metrics)
        for path in _artifacts(run):
            mlflow.log_artifact(str(path))
        identity = str(active.info.run_id)
        if run.status != FINISHED:
            mlflow.set_tag("textclassify.error", str(run.facts.get("error") or "not finished")[:_LONGEST_VALUE])
    return identity


def imported() -> Any:
    """Return the module.

    Raises:
        MissingDependencyError: it is not installed; the message says how to install it.

    """
    try:
        return importlib.import_module("mlflow")
    except ModuleNotFoundError as error:
        raise MissingDependencyError(f"logging to MLflow needs the package mlflow; {_INSTALL}") from error


def _parameters(run: RunFolder) -> Iterator[tuple[str, str]]:
    for name, value in run.facts.get("config", {}).items():
        if value is not None:
            yield name, str(value)[:_LONGEST_VALUE]
    for part, facts in run.facts["data"].items():
        for key in ("rows", "sha256"):
            if facts and facts.get(key) is not None:
                yield f"data.{part}.{key}", str(facts[key])
    for name, seed in run.facts.get("seeds", {}).items():
        yield f"seed.{name}", str(seed)


def _metrics(run: RunFolder) -> Iterator[tuple[str, float]]:
    for name, measured in run.metrics.items():
        for key, suffix in (("value", ""), ("low", "_low"), ("high", "_high")):
            value = measured.get(key)
            if value is not None:
                yield f"{name}{suffix}", value
    costs: Mapping[str, Any] = (run.costs or {}).get("total", {})
    if costs.get("cost_usd") is not None:
        yield "cost_usd", costs["cost_usd"]
    for part, seconds in run.facts.get("seconds", {}).items():
        yield f"seconds_{part}", seconds


def _artifacts(run: RunFolder) -> list[Path]:
    return sorted(path for path in run.folder.iterdir() if path.is_file() and not path.name.startswith("."))


def _git_tags(run: RunFolder) -> dict[str, str]:
    git = run.facts.get("git")
    return {} if not git else {"textclassify.git_commit": str(git["commit"])}
