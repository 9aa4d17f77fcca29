"""Budgets and guarantees on the command line: train, predict, evaluate."""

from __future__ import annotations

import csv
import io
import json
import random
import re
import shlex
from pathlib import Path

import pandas as pd
import pytest

from textclassify.apps.pricing import price_per_call
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.testing import ScriptedChat

from ..asking import TEST, TEST_GOLD, asking_classifier, asking_fusion  # noqa: TID252 - a helper of several folders
from .conftest import WORDS, assert_one_clear_line, json_lines


@pytest.fixture(scope="session")
def asking(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a saved fusion that asks a language model, with a guard."""
    folder = tmp_path_factory.mktemp("asking") / "model"
    asking_fusion().save(folder)
    return folder


@pytest.fixture
def texts(folder: Path) -> str:
    """Return a file of labelled texts."""
    pd.DataFrame({"text": TEST, "gold": TEST_GOLD}).to_csv(folder / "texts.csv", index=False)
    return "texts.csv"


def test_a_share_of_calls(run, asking: Path, texts: str) -> None:
    """What was asked stands in the last words, and each row says what it rests on."""
    result = run("predict", asking, texts, "--llm-budget", "20%", "--json")

    assert result.exit_code == 0, result.stderr
    asked = sum("llm" in str(row["source"]) for row in json_lines(result.stdout))
    assert f"llm_budget 20%: a language model answered about {asked} of 300 rows" in result.stderr
    assert 20 < asked < 100


def test_a_number_of_calls_is_exact(run, asking: Path, texts: str, monkeypatch) -> None:
    """Also where the rows would otherwise be taken in pieces."""
    monkeypatch.setattr("textclassify.apps.predicting.PIECE", 50)

    result = run("predict", asking, texts, "--llm-budget", "25 calls", "--json")

    rows = json_lines(result.stdout)
    assert [row["text"] for row in rows] == TEST
    assert sum("llm" in str(row["source"]) for row in rows) == 25


def test_a_bounded_risk_leaves_rows_without_a_label(run, asking: Path, texts: str) -> None:
    """They keep their place, and their status says why."""
    result = run("predict", asking, texts, "--llm-budget", "5%", "--max-risk", "0.05")

    rows = list(csv.DictReader(io.StringIO(result.stdout)))
    withheld = [row for row in rows if row["status"] == "abstained"]
    assert len(rows) == 300
    assert len(withheld) > 20
    assert {(row["label"], row["probability"]) for row in withheld} == {("", "")}
    assert f"{len(withheld)} of 300 rows have no answer, {len(withheld)} of them withheld" in result.stderr


@pytest.mark.parametrize("suffix", ["csv", "jsonl", "parquet"])
def test_prediction_sets_in_every_format(suffix: str, run, asking: Path, texts: str) -> None:
    """A list of labels, the most probable first."""
    result = run("predict", asking, texts, "--sets", "0.05", "--llm-budget", "5%", "--out", f"sets.{suffix}")

    assert result.exit_code == 0, result.stderr
    read = {"csv": pd.read_csv, "jsonl": lambda path: pd.read_json(path, lines=True), "parquet": pd.read_parquet}
    frame = read[suffix](f"sets.{suffix}")
    sets = [json.loads(one) if isinstance(one, str) else list(one) for one in frame["prediction_set"]]
    assert [one[0] for one in sets] == frame["label"].tolist()
    assert max(map(len, sets)) > 1


def test_label_shift_is_reported(run, asking: Path, folder: Path) -> None:
    """It changes answers: whoever asks for it sees what was estimated."""
    skewed = [text for text in TEST if "billing" in text]
    (folder / "skewed.txt").write_text("\n".join(skewed))

    result = run("predict", asking, "skewed.txt", "--lines", "--label-shift")

    assert result.exit_code == 0, result.stderr
    assert "label shares estimated on" in result.stderr


def test_a_model_that_asks_nobody_says_that_a_budget_changes_nothing(run, model: Path) -> None:
    """Else a user believes to have saved something."""
    result = run("predict", model, "test.csv", "--llm-budget", "20%")

    assert result.exit_code == 0
    assert "this model asks no language model" in result.stderr


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["--llm-budget", "20 apples"], "'20 apples' is no budget; pass a share such as 0.2"),
        (["--llm-budget", "20 calls", "--max-risk", "0.05"], "give llm_budget as a share"),
        (["--max-risk", "0.05", "--label-shift"], "max_risk and label_shift exclude each other"),
        (["--max-risk", "0.0001"], "it takes"),
        (["--sets", "0"], "alpha"),
    ],
)
def test_what_cannot_be_kept_is_one_line(run, asking: Path, texts: str, words: list[str], wanted: str) -> None:
    """And nothing is answered."""
    assert_one_clear_line(run("predict", asking, texts, *words), wanted)


def test_a_model_without_guard_rows_names_those_it_takes(run, model: Path) -> None:
    """The remedy is in the message."""
    assert_one_clear_line(run("predict", model, "test.csv", "--max-risk", "0.05"), "at least 1,000 rows")


def test_the_configured_budget_holds_and_a_flag_counts_more(run, folder: Path, texts: str) -> None:
    """A model is deployed with the budget that it was trained for."""
    asking_classifier(llm_budget="25 calls").save(folder / "configured")

    assert "answered about 25 of 300 rows" in run("predict", "configured", texts).stderr
    assert "answered about 5 of 300 rows" in run("predict", "configured", texts, "--llm-budget", "5 calls").stderr


def test_evaluate_shows_what_calls_buy_and_how_promises_come_out(run, asking: Path, texts: str, folder: Path) -> None:
    """On the screen, in the report, and as a file for a plot."""
    words = ["--max-risk", "0.1", "--sets", "0.1", "--cost-curve", "curve.csv", "--output", "report"]

    result = run("evaluate", asking, texts, "--label-column", "gold", *words)

    assert result.exit_code == 0, result.stderr
    for wanted in (
        "What asking the language model buys  on these 300 texts",
        "Ask about",
        "max_risk 10.0%:",
        "sets at",
    ):
        assert wanted in result.stdout
    curve = pd.read_csv(folder / "curve.csv")
    assert {"share", "calls", "quality", "kept", "random", "max_entropy"} <= set(curve.columns)
    assert "What was promised, and what came" in (folder / "report" / "report.md").read_text()


def test_evaluate_within_a_budget(run, asking: Path, texts: str) -> None:
    """The fusion's row is what would be deployed."""
    result = run("evaluate", asking, texts, "--label-column", "gold", "--llm-budget", "20 calls", "--json")

    assert any("asked about 20 of 300 texts" in note for note in json.loads(result.stdout)["notes"])


def test_a_cost_curve_that_does_not_exist_is_refused(run, model: Path, texts: str, asking: Path) -> None:
    """Before anything is computed, and no file is replaced unasked."""
    assert_one_clear_line(run("evaluate", model, "test.csv", "--cost-curve", "c.csv"), "there is no cost curve")
    Path("c.csv").write_text("mine")
    refused = run("evaluate", asking, texts, "--label-column", "gold", "--cost-curve", "c.csv")
    assert_one_clear_line(refused, "'c.csv' exists")


def half_in_code(n: int, seed: int) -> tuple[str, dict[str, str]]:
    """Return rows of which half hold a code word that occurs nowhere else, and the words by label."""
    rng, lines, words = random.Random(seed), ["text,label"], dict(WORDS)
    for row in range(n):
        label, code = rng.choice(list(WORDS)), "".join(rng.choices("bcdfghjklmnpqrstvwxz", k=10))
        plain = rng.random() < 0.5
        words[label] += f" {code}"
        lines.append(f"my {rng.choice(WORDS[label].split()) if plain else code} of row {row},{label}")
    return "\n".join(lines) + "\n", words


def test_train_recommends_a_budget_that_can_be_typed(run, llm, zero_shot, folder: Path, monkeypatch) -> None:
    """The price per call is the provider's, although every answer so far is kept."""
    del llm  # knows the code words
    (written, words), (held, others) = half_in_code(160, 1), half_in_code(60, 2)
    (folder / "hidden.csv").write_text(written)
    (folder / "held.csv").write_text(held)
    for label in WORDS:
        monkeypatch.setitem(WORDS, label, f"{words[label]} {others[label]}")
    path = zero_shot(concurrency=16, fusion_epochs=1)

    result = run(
        "train", "hidden.csv", "-c", path.name, "-o", "out", "--test-data", "held.csv", "--label-column", "label"
    )

    assert result.exit_code == 0, result.stderr
    assert "What asking the language model buys  cross-fitted on 160 training rows" in result.stdout
    assert re.search(r"Ask about \d+% of the texts \(\d+ of 160, \$0\.\d+\)", result.stdout)
    assert "at least 1,000 rows" in " ".join(result.stdout.split())
    assert "No effect" in result.stdout
    assert "ECE of each source before → after calibration: linear" in result.stdout
    line = next(line for line in result.stdout.splitlines() if line.startswith("budget"))
    typed = shlex.split(line.removeprefix("budget"))
    answered = run(*typed[1:3], "held.csv", *typed[4:])
    assert answered.exit_code == 0, answered.stderr
    assert "a language model answered about" in answered.stderr


def test_the_price_of_a_call_ignores_kept_answers(tmp_path: Path) -> None:
    """The next text has none; a model without a price has no price."""
    chat = ScriptedChat({"": "a"}, name="openai", model="gpt-4o-mini")
    priced = LLMClassifier(["a", "b"], chat=chat, method="hard", cache_dir=tmp_path)
    priced.predict(["one text", "two texts"])
    assert priced.estimate(["one text", "two texts"]).cost.expected == 0

    found = price_per_call(priced, ["one text", "two texts"])

    assert found is not None
    assert 0 < found < 0.001
    assert price_per_call(LLMClassifier(["a", "b"], chat=ScriptedChat({"": "a"}), cache_dir=tmp_path), ["x"]) is None
    assert price_per_call(LLMClassifier(["a", "b"], provider="local"), ["x"]) is None
