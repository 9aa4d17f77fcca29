"""What is written into a run's folder."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from textclassify import FusionEnsemble
from textclassify.ensemble.policy import Policy
from textclassify.errors import StorageError
from textclassify.runs.advice import advice_on
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.markdown import escaped, fenced
from textclassify.runs.report import RunFacts, as_markdown, confusions, disagreements, write_report
from textclassify.testing import FixedClassifier

from ..asking import TEST, TEST_GOLD, asking_fusion  # noqa: TID252 - a helper of several folders of tests

LABELS = ["ham", "spam"]


@pytest.fixture(scope="module")
def fusion() -> FusionEnsemble:
    rng = np.random.default_rng(0)
    texts = [f"text {row} <script>alert(1)</script> | [x](http://evil.example)" for row in range(60)]
    answers = {}
    for name in ("one", "two"):
        right = rng.random(60) < 0.8
        answers[name] = {
            text: [0.8, 0.2] if (row % 2 == 0) == right[row] else [0.2, 0.8] for row, text in enumerate(texts)
        }
    sources = {name: FixedClassifier(one, labels=LABELS) for name, one in answers.items()}
    return FusionEnsemble(sources).fit(texts, [LABELS[row % 2] for row in range(60)])


@pytest.fixture(scope="module")
def evaluation(fusion: FusionEnsemble) -> Evaluation:
    texts = list(fusion.sources_["one"].answers)
    return evaluate(fusion, texts, [LABELS[row % 2] for row in range(60)], seen_row_ids=[])


def test_both_files_are_written(tmp_path: Path, fusion: FusionEnsemble, evaluation: Evaluation) -> None:
    """One for programs, one for people."""
    path = write_report(tmp_path / "new", evaluation, RunFacts(title="Spam"), fusion.ladder_report_)

    assert path.read_text(encoding="utf-8").startswith("# Spam\n")
    assert json.loads((tmp_path / "new" / "evaluation.json").read_text())["verdict"] == evaluation.verdict


def test_the_report_has_everything_a_reader_needs(fusion: FusionEnsemble, evaluation: Evaluation) -> None:
    """Headline, choice, labels, confusions, disagreements, calibration, findings, and the way to do it again."""
    facts = RunFacts(findings=["1 row repeats"], settings={"random_state": 7}, commands=["textclassify train x.csv"])

    written = as_markdown(evaluation, facts, fusion.ladder_report_)

    headings = [line.removeprefix("## ") for line in written.splitlines() if line.startswith("## ")]
    assert headings == [
        "How the fusion was chosen",
        "Labels",
        "Most frequent confusions",
        "Where the sources disagree",
        "Calibration",
        "Time",
        "About the training data",
        "How to reproduce",
    ]
    for wanted in ("Gate:", "1 row repeats", "random_state: 7", "textclassify train x.csv", "SE"):
        assert wanted in written


def test_texts_in_the_report_are_never_markup(evaluation: Evaluation) -> None:
    """A message to a support desk may hold anything."""
    written = as_markdown(evaluation, RunFacts(), None)

    assert "<script>" not in written
    assert "[x](http" not in written
    assert "http://evil" not in written


def test_a_table_cell_keeps_its_bars_and_lines() -> None:
    """A bar or a line break in a text would shift the columns."""
    assert escaped("a | b\nc\x00d") == "a \\| b c\ufffdd"
    assert len(escaped("x" * 500)) == 160


def test_a_code_block_cannot_be_left() -> None:
    """Settings may hold backticks."""
    assert fenced("a\n```\nb", "yaml").startswith("````yaml")


def test_confusions_are_counted_with_an_example(evaluation: Evaluation) -> None:
    """The most frequent mistake is where a better label description pays first."""
    found = confusions(evaluation)

    codes, gold = evaluation.systems[0].answers.codes, np.asarray(evaluation.data.gold)
    assert sum(count for *_, count, _ in found) == int((codes != gold).sum())
    for label, answer, _, row in found:
        assert (LABELS[gold[row]], LABELS[codes[row]]) == (label, answer)


def test_disagreements_are_the_rows_with_different_answers(evaluation: Evaluation) -> None:
    """These are the rows that a person should look at."""
    one, two = evaluation["one"].answers.codes, evaluation["two"].answers.codes

    assert sorted(disagreements(evaluation)) == np.flatnonzero(one != two).tolist()


def test_without_an_evaluation_the_report_says_so(tmp_path: Path) -> None:
    """Three rows can train a fusion, but nothing can say how good it is."""
    path = write_report(tmp_path, None, RunFacts(title="Small"))

    assert "No estimate of quality exists" in path.read_text(encoding="utf-8")
    assert not (tmp_path / "evaluation.json").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, evaluation: Evaluation) -> None:
    """The message says which, and what to do."""
    (tmp_path / "file").write_text("")

    with pytest.raises(StorageError, match=r"cannot write the report to .*name a folder"):
        write_report(tmp_path / "file", evaluation)


def test_the_report_shows_what_asking_buys_and_what_can_be_promised(tmp_path: Path) -> None:
    """With the command to copy; programs find the same beside the evaluation."""
    advice = advice_on(asking_fusion(), cost_per_call=0.02)
    tested = evaluate(asking_fusion(), TEST, TEST_GOLD, policy=Policy(0.05, 0.05), alpha=0.1)
    facts = RunFacts(predict_command="textclassify predict run/model TEXTS")

    written = write_report(tmp_path, tested, facts, None, advice).read_text(encoding="utf-8")

    for wanted in (
        "## What asking the language model buys\n",
        "| 30% | 252 | 0.9",
        "textclassify predict run/model TEXTS --llm-budget 30%",
        "## What can be promised",
        "210 rows were kept for guarantees; max_risk 5% is supported",
        "Settings without effect: `fusion_epochs`.",
        "## What asking the language model buys, on these texts",
        "## What was promised, and what came",
        "Here: max_risk 5.0%",
        "Here: sets at alpha 10.0%",
        "| source | ECE | class-wise ECE | beyond chance | Brier | log loss |",
    ):
        assert wanted in written
    found = json.loads((tmp_path / "evaluation.json").read_text(encoding="utf-8"))
    assert found["advice"]["recommended_llm_budget"] == "30%"


def test_the_report_names_the_averages_of_several_labels() -> None:
    """Micro, macro, by text, and whole sets are four different figures."""
    labels = {"labels": ["a", "b"], "multi_label": True}
    texts = [f"text {row}" for row in range(40)]
    gold = [["a"], ["b"], ["a", "b"], []] * 10
    answers = {text: [0.9 if name in one else 0.2 for name in "ab"] for text, one in zip(texts, gold, strict=True)}

    written = as_markdown(evaluate(FixedClassifier(answers, labels=labels), texts, gold), RunFacts(), None)

    assert "|  | micro-F1 | subset accuracy | samples-F1 | macro-F1 | log loss | ECE |" in written
