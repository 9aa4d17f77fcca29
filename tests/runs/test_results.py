"""What a run's folder holds, and that nothing in it can be mistaken for something else."""

from __future__ import annotations

import json
import threading

import numpy as np
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.core.types import TrainingData
from textclassify.errors import DataError, StorageError, TextClassifyError
from textclassify.runs.results import ResultsManager, open_run, runs_in
from textclassify.testing import ODD_TEXTS, FixedClassifier

from .saved_runs import GOLD, LABELS, TEXTS, answers

FACTS = {"id", "name", "status", "started", "seconds", "command", "config", "origins", "labels", "data", "seeds"}
FACTS |= {"packages", "git", "environment", "thresholds", "files", "format"}


def test_a_run_remembers_everything_that_its_figures_depend_on(manager) -> None:
    """Settings, data, seeds, packages, code and machine: without one of them nobody gets the same again."""
    data = TrainingData(TEXTS, GOLD, schema=LabelSchema(LABELS))
    with manager.start("first", config={"num_epochs": 3}, data=data, seeds=7, command="train it") as run:
        run.save_predictions(answers(100), TEXTS, GOLD)

    facts = json.loads((run.folder / "run.json").read_text())

    assert facts.keys() >= FACTS
    assert facts["config"] == {"num_epochs": 3}
    assert facts["seeds"] == {"random_state": 7}
    assert facts["data"]["training"]["rows"] == 120
    assert facts["data"]["training"]["sha256"] == facts["data"]["test"]["sha256"]
    assert facts["packages"]["numpy"] == np.__version__
    assert facts["seconds"]["total"] >= 0


def test_predictions_come_back_with_probabilities_and_status(manager) -> None:
    """A report, a comparison and a cache all read them."""
    with manager.start() as run:
        run.save_predictions(answers(100), TEXTS, GOLD)

    table = open_run(run.folder).predictions

    assert table["text"].tolist() == TEXTS
    assert table["gold"].tolist() == GOLD
    assert table["label"].tolist() == answers(100).predictions
    assert set(table["status"]) == {"ok"}
    assert table["p_ham"].tolist() == pytest.approx(answers(100).probabilities[:, 0], abs=1e-6)


def test_metrics_have_intervals(manager) -> None:
    """One number alone says nothing of 120 texts."""
    with manager.start() as run:
        run.save_predictions(answers(90), TEXTS, GOLD)

    accuracy = run.metrics["accuracy"]

    assert accuracy["value"] == 0.75
    assert accuracy["low"] < 0.75 < accuracy["high"]


def test_metrics_of_ones_own_are_taken_in_every_form(manager) -> None:
    """Whoever measured something else writes it down in one line."""
    with manager.start():
        manager.save_metrics({"kappa": 0.5, "auc": (0.9, 0.8, 0.95), "hits": {"value": 3}})

    (run,) = manager.runs()

    assert run.metrics["kappa"] == {"value": 0.5, "low": None, "high": None}
    assert run.metrics["auc"] == {"value": 0.9, "low": 0.8, "high": 0.95}
    assert run.metrics["hits"]["value"] == 3


def test_a_metric_that_is_no_number_is_named(manager) -> None:
    """A string would break every reader of the file."""
    with pytest.raises(DataError, match="'kappa' is 'high'"), manager.start():
        manager.save_metrics({"kappa": "high"})


def test_a_run_that_breaks_off_says_so(manager) -> None:
    """Half a run must not be read as a whole one."""
    with pytest.raises(ZeroDivisionError), manager.start("broken") as run:
        run.save_metrics({"accuracy": 1 / 0})

    found = manager.open("broken")

    assert found.status == "failed"
    assert found.facts["error"] == "ZeroDivisionError: division by zero"


def test_a_killed_run_says_running(manager) -> None:
    """Nothing was there to write the end."""
    run = manager.start("killed")
    run.save_predictions(answers(90), TEXTS, GOLD)

    assert manager.open("killed").status == "running"
    assert not manager.open("killed").facts["files"]


def test_a_changed_file_is_noticed(manager) -> None:
    """Figures that were edited are not the run's."""
    with manager.start() as run:
        run.save_predictions(answers(90), TEXTS, GOLD)
    path = run.folder / "predictions.parquet"
    path.write_bytes(path.read_bytes() + b" ")

    found = open_run(run.folder)

    assert found.changed_files == ["predictions.parquet"]
    with pytest.raises(DataError, match="changed after the run"):
        _ = found.predictions


def test_keys_and_addresses_are_never_written(manager, monkeypatch) -> None:
    """A run's folder is shown to others."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-very-secret-1")
    nested = {
        "models": {"llm": {"api_key": "sk-another-one", "api_base": "https://me:pw@host"}},
        "note": "sk-very-secret-1",
    }
    with manager.start(config=nested | {"llm_api_key_env": "MY_KEY"}, command="run --key sk-very-secret-1") as run:
        pass

    written = (run.folder / "run.json").read_text()

    assert not any(secret in written for secret in ("sk-very-secret-1", "sk-another-one", "me:pw"))
    assert run.facts["config"]["llm_api_key_env"] == "MY_KEY"


def test_keys_in_headers_and_addresses_of_any_name_are_never_written(manager) -> None:
    """A key stands where a server wants it, whatever the setting is called."""
    headers = {"X-Api-Key": "first-secret", "x-goog-api-key": "second-secret", "Accept": "text/plain"}
    with manager.start(config={"headers": headers, "server": "https://me:third-secret@host/v1"}) as run:
        pass

    assert "secret" not in (run.folder / "run.json").read_text()
    assert run.facts["config"]["headers"]["Accept"] == "text/plain"
    assert run.facts["config"]["server"] == "https://***@host/v1"


def test_metrics_are_those_of_the_answers_that_were_saved_last(manager) -> None:
    """Figures of other answers than those in the folder would be believed."""
    with manager.start() as run:
        run.save_predictions(answers(120), TEXTS, GOLD)
        run.save_predictions(answers(60), TEXTS, GOLD)

    assert run.metrics["accuracy"]["value"] == 0.5


def test_metrics_of_ones_own_stay_beside_answers(manager) -> None:
    with manager.start() as run:
        run.save_metrics({"mine": 0.25})
        run.save_predictions(answers(120), TEXTS, GOLD)

    assert run.metrics.keys() == {"mine"}


def test_what_is_known_of_the_test_data_is_kept_where_answers_come_without_gold(manager) -> None:
    data = TrainingData(TEXTS, GOLD, schema=LabelSchema(LABELS))
    with manager.start(test_data=data) as run:
        known = dict(run.facts["data"]["test"])
        run.save_predictions(answers(120), TEXTS)

    assert run.facts["data"]["test"] == known


def test_texts_can_stay_out(manager) -> None:
    """Hashes are enough to compare runs and to find answers again."""
    with manager.start() as run:
        run.save_predictions(answers(90), TEXTS, GOLD, keep_texts=False)

    assert open_run(run.folder).predictions["text"].isna().all()
    assert not any(b"text 1" in path.read_bytes() for path in run.folder.iterdir())
    assert run.cached_predictions(TEXTS) is not None


def test_odd_texts_and_missing_answers_are_kept(manager) -> None:
    """Emoji, lone surrogates and texts that a model failed on are rows like others."""
    known = {text: [0.9, 0.1] for text in ODD_TEXTS[1:]}
    result = FixedClassifier({ODD_TEXTS[0]: None, **known}).predict(list(ODD_TEXTS))
    with manager.start() as run:
        run.save_predictions(result, list(ODD_TEXTS))

    found = open_run(run.folder)

    assert found.predictions["label"].tolist() == [None, *"aaaaa"]
    assert found.predictions["status"].tolist()[0] == "failed"
    assert found.cached_predictions(list(ODD_TEXTS)).predictions == result.predictions


def test_several_labels_come_back_as_lists(manager) -> None:
    """An empty list is an answer, and no answer is None."""
    schema = LabelSchema(("x", "y"), multi_label=True)
    result = FixedClassifier({"a": [0.9, 0.8], "b": [0.1, 0.2], "c": None}, schema).predict(["a", "b", "c"])
    with manager.start() as run:
        run.save_predictions(result, ["a", "b", "c"], [["x"], [], ["y"]])

    found = open_run(run.folder)

    assert found.predictions["label"].tolist() == [["x", "y"], [], None]
    assert found.predictions["gold"].tolist() == [["x"], [], ["y"]]
    assert found.cached_predictions(["a", "b", "c"]).predictions == [["x", "y"], [], None]


@pytest.mark.parametrize(
    ("key", "value"),
    [("started", "x"), ("data", {}), ("labels", "x"), ("files", None), ("git", {"a": 1}), ("seconds", {"a": "x"})],
)
def test_a_record_that_somebody_edited_is_told_from_a_run(manager, caplog, key: str, value: object) -> None:
    """The message names the key, and one damaged run does not hide the others."""
    manager.start("whole").finish()
    with manager.start("edited") as run:
        run.save_predictions(answers(100), TEXTS, GOLD)
    (run.folder / "run.json").write_text(json.dumps(run.facts | {key: value}))

    with pytest.raises(StorageError, match=rf"(lacks|has a wrong) '{key}.*; restore it"):
        open_run(run.folder)
    assert [one.name for one in manager.runs()] == ["whole"]
    assert "a run is left out" in caplog.text


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": 7}, "wrong 'name', 7"),
        ({"command": ["train"]}, "wrong 'command'"),
        ({"config": "my.yaml"}, "config is 'my.yaml'; pass a mapping"),
        ({"labels": "nope.yaml"}, "no label file at 'nope.yaml'"),
    ],
)
def test_what_could_not_be_read_again_is_not_written(manager, given, message) -> None:
    """A name that is a number would make the run invisible; and no empty folder is left."""
    with pytest.raises(TextClassifyError, match=message):
        manager.start(**given)
    assert list(manager.folder.iterdir()) == []


def test_a_wrong_fact_changes_nothing(manager) -> None:
    """A slip must not cost the run its end."""
    run = manager.start()
    for change in (lambda: run.note(status="great"), lambda: run.finish({"training": "x"})):
        with pytest.raises(DataError, match=r"the record of run .* has a wrong"):
            change()

    run.finish()
    assert open_run(run.folder).status == "finished"


@pytest.mark.parametrize("metrics", [None, 5, "accuracy", {"accuracy": 10**400}])
def test_what_is_no_metric_is_said(manager, metrics) -> None:
    """With the forms that are taken."""
    with pytest.raises(DataError, match=r"pass {name: number}|pass a number"):
        manager.start().save_metrics(metrics)


@pytest.mark.parametrize("result", [None, ["ham"] * 120])
def test_answers_are_a_result(manager, result) -> None:
    """A list of labels has no probabilities to keep."""
    with pytest.raises(DataError, match=r"pass what classifier\.predict gave"):
        manager.start().save_predictions(result, TEXTS, GOLD)


@pytest.mark.parametrize("name", [None, 5])
def test_runs_are_named_by_text(manager, name) -> None:
    """In words of our own."""
    with pytest.raises(DataError, match="a run is named by its id, name or folder"):
        manager.open(name)
    with pytest.raises(DataError, match="pass the path of the folder"):
        ResultsManager(name)


def test_labels_that_do_not_fit_the_predictions_are_said(manager) -> None:
    """They were changed after the run."""
    with manager.start() as run:
        run.save_predictions(answers(100), TEXTS, GOLD)
    facts = run.facts | {"labels": LabelSchema(("ham", "eggs")).to_dict()}
    (run.folder / "run.json").write_text(json.dumps(facts))

    with pytest.raises(DataError, match="the predictions hold label 'news'"):
        open_run(run.folder).cached_predictions(TEXTS)


def test_a_lost_file_is_not_one_that_was_never_saved(manager) -> None:
    """The remedy is another."""
    with manager.start() as run:
        run.save_predictions(answers(100), TEXTS, GOLD)
    (run.folder / "predictions.parquet").unlink()

    with pytest.raises(DataError, match="is missing; restore it"):
        _ = open_run(run.folder).predictions


def test_runs_started_at_once_do_not_collide(manager) -> None:
    """Several processes may fill one folder."""
    threads = [threading.Thread(target=manager.start) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    ids = [run.id for run in manager.runs()]

    assert len(set(ids)) == 20
    assert ids == sorted(ids)


def test_runs_are_found_by_id_its_beginning_and_name(manager) -> None:
    """Nobody types 22 characters."""
    run = manager.start("the name")

    assert manager.open(run.id).folder == manager.open(run.id[:18]).folder == manager.open("the name").folder
    with pytest.raises(StorageError, match="did you mean 'the name'"):
        manager.open("the nam")


def test_a_run_of_a_newer_version_is_refused(manager) -> None:
    """What its keys mean is not known here; the others in the folder are still listed."""
    run, _ = manager.start(), manager.start()
    (run.folder / "run.json").write_text(json.dumps(run.facts | {"format": 2}))

    with pytest.raises(StorageError, match="has format 2"):
        open_run(run.folder)
    assert len(runs_in(manager.folder)) == 1


def test_what_is_saved_after_the_end_is_refused(manager) -> None:
    """The checksums are written."""
    with manager.start():
        pass

    with pytest.raises(DataError, match="start another run"):
        manager.save_metrics({"accuracy": 1.0})


def test_nothing_can_be_saved_before_a_run_is_started(tmp_path) -> None:
    """There is no folder to put it into."""
    with pytest.raises(DataError, match="no run was started"):
        ResultsManager(tmp_path).save_metrics({"accuracy": 1.0})


def test_answers_need_their_texts(manager) -> None:
    """A row without its text could be any row."""
    run = manager.start()

    with pytest.raises(DataError, match="120 answers but 3 texts"):
        run.save_predictions(answers(90), TEXTS[:3])
    with pytest.raises(DataError, match="no texts given"):
        run.save_predictions(answers(90))
