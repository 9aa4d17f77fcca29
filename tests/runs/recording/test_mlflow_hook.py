"""Runs reach MLflow with all that they hold, and say early where it is missing."""

from __future__ import annotations

import sys
from contextlib import contextmanager
from types import SimpleNamespace

import pytest

from textclassify.errors import MissingDependencyError
from textclassify.runs.results import ResultsManager

from ..saved_runs import GOLD, TEXTS, answers  # noqa: TID252 - a helper of several folders of tests


class FakeMLflow:
    """Remembers what it was told, with the functions of MLflow that are used."""

    def __init__(self) -> None:
        self.params: dict[str, str] = {}
        self.metrics: dict[str, float] = {}
        self.tags: dict[str, str] = {}
        self.artifacts: list[str] = []
        self.address = ""

    @contextmanager
    def start_run(self, run_name):
        self.run_name = run_name
        yield SimpleNamespace(info=SimpleNamespace(run_id="m-1"))

    def set_tracking_uri(self, address):
        self.address = address

    def set_tags(self, tags):
        self.tags |= tags

    def set_tag(self, name, value):
        self.tags[name] = value

    def log_params(self, params):
        assert len(params) <= 100
        self.params |= params

    def log_metrics(self, metrics):
        self.metrics |= metrics

    def log_artifact(self, path):
        self.artifacts.append(path.rsplit("/", 1)[-1])


def test_a_finished_run_goes_to_mlflow(tmp_path) -> None:
    """Settings, metrics with their bounds, data hashes and files; never a key."""
    fake = FakeMLflow()
    with ResultsManager(tmp_path, mlflow=fake).start("mine", config={"ml_lr": 0.1, "api_key": "sk-1"}) as run:
        run.save_predictions(answers(90), TEXTS, GOLD)

    assert fake.run_name == "mine"
    assert fake.params["ml_lr"] == "0.1"
    assert fake.params["api_key"] == "***"
    assert fake.params["data.test.sha256"] == run.facts["data"]["test"]["sha256"]
    assert fake.metrics["accuracy"] == 0.75
    assert fake.metrics["accuracy_low"] < 0.75
    assert {"run.json", "predictions.parquet"} <= set(fake.artifacts)
    assert fake.tags["textclassify.run"] == run.id


def test_many_settings_go_in_several_calls(tmp_path) -> None:
    """MLflow takes a hundred at a time."""
    fake = FakeMLflow()
    with ResultsManager(tmp_path).start(config={f"key{n}": n for n in range(250)}) as run:
        pass

    assert run.log_to_mlflow(fake, tracking_uri="file:elsewhere") == "m-1"
    assert len([name for name in fake.params if name.startswith("key")]) == 250
    assert fake.address == "file:elsewhere"


def test_missing_mlflow_is_said_before_anything_is_computed(tmp_path, monkeypatch) -> None:
    """After hours of training it would be too late."""
    monkeypatch.setitem(sys.modules, "mlflow", None)

    with pytest.raises(MissingDependencyError, match="pip install mlflow-skinny"):
        ResultsManager(tmp_path, mlflow=True).start()
