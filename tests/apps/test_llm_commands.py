"""What commands ask of a language model elsewhere: as much as was allowed, and nothing twice."""

from __future__ import annotations

import json
from hashlib import sha256
from pathlib import Path

import pytest
import yaml

import textclassify
from textclassify.apps import evaluating, predicting
from textclassify.apps.answering import Answering
from textclassify.auto import AutoFusionClassifier
from textclassify.core.storage import replies_folder
from textclassify.errors import DataError
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.money.limits import current
from textclassify.llm.store.cache import ResponseCache

from .conftest import WORDS, assert_one_clear_line, json_lines

FEW_DOLLARS = 0.0011
"""What five answers cost, and not six."""


def of_openai(**settings: object) -> dict[str, object]:
    fixed = {"encoder": False, "similarity": False, "llm_provider": "openai", "llm_model": "gpt-4o-mini"}
    return fixed | {"llm_method": "hard", "concurrency": 1} | settings


def trained_with_llm(**settings: object) -> AutoFusionClassifier:
    """Return a fusion whose language model is needed: nothing else is there."""
    texts = [f"my {word} number {n}" for n in range(8) for words in WORDS.values() for word in words.split()[:2]]
    labels = [label for _ in range(8) for label in WORDS for _ in range(2)]
    return AutoFusionClassifier(of_openai(linear=False, fusion_rows=20, **settings)).fit(texts, labels)


def test_a_configuration_labels_without_training(run, llm, zero_shot) -> None:
    """Labels and a provider are enough."""
    rows = json_lines(run("predict", zero_shot(), "test.csv", "--json").stdout)

    assert [row["predicted_label"] for row in rows] == [list(WORDS)[number % 2] for number in range(24)]
    assert len(llm.asked) == 24


@pytest.mark.parametrize("by_flag", [True, False])
def test_a_spent_budget_is_exit_3_and_the_next_run_goes_on(run, llm, zero_shot, by_flag: bool) -> None:  # noqa: FBT001
    """What was answered is not paid for again, and the line says where the cap was set."""
    words = ["--max-cost", FEW_DOLLARS] if by_flag else []
    config = zero_shot(**({} if by_flag else {"max_cost": FEW_DOLLARS}))

    stopped = run("predict", config, "test.csv", "--out", "out.jsonl", *words)

    assert stopped.exit_code == 3
    (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("error: ")]
    assert ("larger --max-cost" in line, "larger `max_cost:` of the configuration" in line) == (by_flag, not by_flag)
    assert not Path("out.jsonl").exists()
    before = len(llm.asked)
    assert 0 < before < 6

    assert run("predict", zero_shot(), "test.csv", "--out", "out.jsonl", "--resume").exit_code == 0
    assert len(llm.asked) == 24
    assert len(json_lines(Path("out.jsonl").read_text(encoding="utf-8"))) == 24


@pytest.mark.parametrize("by_flag", [True, False])
def test_the_pieces_of_a_prediction_share_one_budget(run, llm, zero_shot, monkeypatch, by_flag: bool) -> None:  # noqa: FBT001
    """Else a million rows could cost a hundred times the cap."""
    monkeypatch.setattr(predicting, "PIECE_OF_REMOTE", 4)
    cap = {"max_cost": FEW_DOLLARS}

    words = ["--max-cost", FEW_DOLLARS] if by_flag else []
    assert run("predict", zero_shot(**({} if by_flag else cap)), "test.csv", *words).exit_code == 3
    assert len(llm.asked) < 6


def test_the_pieces_of_a_fusions_prediction_share_one_budget(run, llm, folder: Path, monkeypatch) -> None:
    """Though each of its calls could have one of its own."""
    monkeypatch.setattr(predicting, "PIECE_OF_REMOTE", 4)
    trained_with_llm().save(folder / "fused")
    llm.requests.clear()
    lines = "".join(f"a parcel, {number}\n" for number in range(100))

    stopped = run("predict", "fused", "-", "--lines", "--max-cost", FEW_DOLLARS * 8, stdin=lines)

    assert stopped.exit_code == 3
    assert len(llm.asked) < 6 * 8


def test_offline_sends_nothing_elsewhere(run, llm, zero_shot, monkeypatch) -> None:
    """By flag, by the configuration, and in training."""
    monkeypatch.setenv("OPENAI_BASE_URL", "https://api.example.com/v1")

    for result in (
        run("predict", zero_shot(), "test.csv", "--offline"),
        run("predict", zero_shot(offline=True), "test.csv"),
        run("train", "train.csv", "-c", zero_shot(offline=True), "-o", "out"),
    ):
        assert_one_clear_line(result, "offline", "api.example.com")
    monkeypatch.setenv("OPENAI_BASE_URL", llm.url)
    assert run("predict", zero_shot(offline=True), "test.csv").exit_code == 0


def test_cache_only_names_rows_that_nobody_was_asked_about(run, llm, zero_shot, folder: Path, monkeypatch) -> None:
    """A whole run is replayed without a key; what is missing keeps its row."""
    (folder / "one.csv").write_text("text\nmy parcel\n", encoding="utf-8")
    (folder / "two.csv").write_text("text\nmy parcel\nmy invoice\n", encoding="utf-8")
    run("predict", zero_shot(), "one.csv")
    monkeypatch.delenv("OPENAI_API_KEY")

    result = run("predict", zero_shot(), "two.csv", "--cache-only", "--json")

    assert result.exit_code == 0, result.stderr
    assert [(row["label"], row["status"]) for row in json_lines(result.stdout)] == [
        ("delivery", "ok"),
        (None, "not_called"),
    ]
    assert "1 of 2 rows have no answer" in result.stderr
    assert len(llm.asked) == 1


@pytest.mark.parametrize("by_flag", [True, False])
def test_training_stops_at_its_cap_and_goes_on(run, llm, zero_shot, by_flag: bool) -> None:  # noqa: FBT001
    """With the exit code of a spent budget, and no half model."""
    words = ["--max-cost", FEW_DOLLARS] if by_flag else []
    config = zero_shot(**({} if by_flag else {"max_cost": FEW_DOLLARS}))

    assert run("train", "train.csv", "-c", config, "-o", "out", *words).exit_code == 3
    assert not Path("out").exists()
    assert 0 < len(llm.asked) < 6

    finished = run("train", "train.csv", "-c", zero_shot(), "-o", "out")
    assert finished.exit_code == 0, finished.stderr
    assert len(llm.asked) == 60


def test_the_evaluation_of_a_training_run_counts_in_its_cap(run, llm, zero_shot) -> None:
    """The rows of the report cost as much as those of the fusion: 48 are learned from, 12 are held out."""
    stopped = run("train", "train.csv", "-c", zero_shot(max_cost=FEW_DOLLARS * 10), "-o", "out")

    assert stopped.exit_code == 3
    assert 48 < len(llm.asked) < 60


@pytest.mark.parametrize("words", [[], ["--max-cost", FEW_DOLLARS]])
def test_what_training_might_cost_is_no_cap_on_what_its_model_does_later(run, llm, folder: Path, words) -> None:
    """A saved model would otherwise stop at five dollars for ever; the flag caps it, where that is wanted."""
    classifier = trained_with_llm()
    classifier.config = {**classifier.config, "max_cost": FEW_DOLLARS}
    classifier.save(folder / "fused")
    llm.requests.clear()

    assert run("evaluate", "fused", "test.csv", *words).exit_code == (3 if words else 0)
    assert (len(llm.asked) < 6) == bool(words)


@pytest.mark.parametrize(
    "words",
    [("predict", "labels.yaml", "test.csv"), ("predict", "fused", "test.csv"), ("evaluate", "fused", "test.csv")],
)
@pytest.mark.usefixtures("llm")
def test_ctrl_c_says_that_paid_answers_are_kept(run, zero_shot, folder: Path, monkeypatch, words) -> None:
    """And how to go on; "nothing was changed" would make people believe that their money is lost."""
    zero_shot()
    trained_with_llm().save(folder / "fused")

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(LLMClassifier, "_score", interrupted)
    result = run(*words)

    assert result.exit_code == 130
    last = result.stderr.splitlines()[-1]
    assert last.startswith("interrupted: answers of the language model are kept and will not be asked for again; run")
    assert ("--resume" in last) == (words[0] == "predict")


def test_ctrl_c_without_a_language_model_says_that_nothing_was_changed(run, model: Path, monkeypatch) -> None:
    """There is nothing to keep."""

    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(evaluating, "evaluate", interrupted)

    assert run("evaluate", model, "test.csv").stderr.splitlines()[-1] == "interrupted: nothing was changed"


@pytest.mark.parametrize(("provider", "size"), [("openai", "PIECE_OF_REMOTE"), ("local", "PIECE")])
def test_pieces_are_long_for_models_elsewhere_only(folder: Path, monkeypatch, provider: str, size: str) -> None:
    """A model in this process would show nothing for a quarter of an hour."""
    sizes: list[int] = []

    def cut(_: object, size: int) -> None:
        sizes.append(size)
        raise DataError

    monkeypatch.setattr(predicting, "pieces", cut)
    answering = Answering(LLMClassifier(list(WORDS), provider=provider))
    with (folder / "out").open("wb") as stream, pytest.raises(DataError):
        predicting.predict_stream(answering, "test.csv", stream, file_format="csv")

    assert sizes == [getattr(predicting, size)]


def test_a_template_is_found_from_the_runs_folder_and_is_no_path_in_a_model(run, llm, zero_shot, folder: Path) -> None:
    """The configuration moves there; a model moves to other machines, with the prompt's text."""
    (folder / "ask.txt").write_text("Codes: {codes}\n{labels}\nMy own question: {text}", encoding="utf-8")
    made = run("train", "train.csv", "-c", zero_shot(prompt_template="ask.txt", linear=False).name, "-o", "out")

    assert made.exit_code == 0, made.stderr
    written = yaml.safe_load((folder / "out" / "config.yaml").read_text(encoding="utf-8"))
    assert written["prompt_template"] == str(folder / "ask.txt")
    assert "ask.txt" not in (folder / "out" / "model" / "textclassify.json").read_text(encoding="utf-8")
    (folder / "ask.txt").unlink()
    llm.requests.clear()
    textclassify.load(folder / "out" / "model").predict(["a new parcel"])
    assert "My own question" in llm.asked[0]


def test_an_estimate_asks_nothing_and_tells_of_the_cap(run, llm, zero_shot, folder: Path) -> None:
    """Of a prediction by a model or by a configuration, and of a training run."""
    trained_with_llm().save(folder / "fused")
    llm.requests.clear()

    found = json.loads(run("estimate", "fused", "test.csv", "--json").stdout)
    assert found["total"]["rows"] == 24
    found = json.loads(run("estimate", zero_shot(max_cost=0.000001), "test.csv", "--json").stdout)
    assert any("the run stops there" in note for note in found["notes"])
    found = json.loads(run("estimate", "--config", zero_shot(data="train.csv"), "--json").stdout)
    assert {one["stage"]: one["rows"] for one in found["language_models"]} == {"training": 48, "test": 12}
    assert "US dollars" in run("estimate", zero_shot(), "test.csv").stdout
    assert run("estimate").exit_code == 2
    assert llm.asked == []


def test_a_prompt_is_shown_word_for_word(run, llm, zero_shot, model: Path) -> None:
    """And nothing is asked."""
    shown = run("prompt", zero_shot(), "Where is my courier?").stdout

    assert "Where is my courier?" in shown
    assert "gpt-4o-mini (openai)" in shown
    assert "billing" in shown
    assert "no language model is asked" in run("prompt", model).stderr
    assert llm.asked == []


def test_the_cache_is_looked_at_and_shrunk(run, llm, zero_shot, folder: Path) -> None:
    """From the first answer to an empty file."""
    run("predict", zero_shot(), "test.csv")

    assert "24 answers" in run("cache", "stats").stdout
    assert json.loads(run("cache", "stats", "--json").stdout)["runs"][-1]["answers"] == 24
    assert run("cache", "export", "--out", "kept.jsonl").exit_code == 0
    assert len(json_lines((folder / "kept.jsonl").read_text(encoding="utf-8"))) == 24
    assert len(json_lines(run("cache", "export").stdout)) == 24
    assert_one_clear_line(run("cache", "export", "--out", "kept.jsonl"), "'kept.jsonl' exists")
    assert "24 answers removed" in run("cache", "purge", "--text").stdout.replace(" and 0 scored rows", "")
    assert run("predict", zero_shot(), "test.csv").exit_code == 0
    assert len(llm.asked) == 24  # the scores were kept
    assert run("cache", "purge", stdin="n\n").exit_code == 1
    assert "24 scored rows removed" in run("cache", "purge", "--yes").stdout
    assert_one_clear_line(run("cache", "prune"), "30d")
    assert "0 answers" in run("cache", "prune", "--older-than", "30d").stdout


def test_a_broken_answer_is_found_by_the_command(run, folder: Path) -> None:
    """With exit code 1 until it is removed."""
    assert folder in replies_folder().parents
    with ResponseCache(replies_folder()) as cache:
        cache.put(sha256(b"broken").digest(), b'{"choices": [')

    found = run("cache", "verify")
    assert (found.exit_code, "1 of 1 answers cannot be read" in found.stdout) == (1, True)
    assert run("cache", "verify", "--remove").exit_code == 1
    assert run("cache", "verify").exit_code == 0


def test_one_budget_for_each_call_of_the_class(llm, folder: Path, monkeypatch) -> None:
    """`fit`, `predict` and `evaluate` each have the whole cap, and all sources of one call share it."""
    del llm, folder
    budgets = []
    score = LLMClassifier._score
    monkeypatch.setattr(
        LLMClassifier, "_score", lambda self, texts: budgets.append(current().budget) or score(self, texts)
    )
    classifier = trained_with_llm(max_cost=1.0)
    classifier.predict(["my parcel"])
    classifier.evaluate(["my card", "my courier"], list(WORDS))

    assert all(budget is not None for budget in budgets)
    assert len(set(map(id, budgets))) == 3
