"""`review`, `label-errors` and `apply-review`: out to a person, and back into the data."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest

from .conftest import assert_one_clear_line, csv_rows


@pytest.fixture
def pool(folder: Path) -> str:
    """Return a file of unlabelled texts, some of which the model was trained on."""
    texts = [
        f"my {word} and my {other}, row {row}" for row in range(30) for word in ("invoice", "parcel") for other in "xy"
    ]
    known = pd.read_csv(folder / "train.csv")["text"].tolist()
    pd.DataFrame({"text": [*texts, *known, " "]}).to_csv(folder / "pool.csv", index=False)
    return "pool.csv"


def fill_in(path: str, labels: dict[int, str]) -> None:
    frame = pd.read_csv(path, dtype=object)
    for row, label in labels.items():
        frame.loc[row, "label"] = label
    frame.to_csv(path, index=False)


def test_review_writes_a_file_to_fill_in(run, model: Path, pool: str) -> None:
    """Texts that the model knows cost nothing and teach nothing; blank ones cannot be labelled."""
    result = run("review", model, pool, "--out", "review.csv", "--n", "20")

    assert result.exit_code == 0, result.stderr
    frame = pd.read_csv("review.csv")
    assert len(frame) == 20
    assert (frame.chosen_by == "random").sum() == 2
    assert frame.label.isna().all()
    assert frame.text.tolist() == pd.read_csv(pool)["text"][frame.row].tolist()
    assert "the model was trained on them" in result.stdout
    assert "1 blank texts are left out" in result.stdout
    assert "textclassify apply-review TRAINING_DATA review.csv" in result.stdout


def test_review_without_a_random_slice(run, model: Path, pool: str) -> None:
    """For whoever has test data already."""
    run("review", model, pool, "--out", "review.jsonl", "--n", "5", "--random-share", "0")

    rows = [json.loads(line) for line in Path("review.jsonl").read_text().splitlines()]
    assert {row["chosen_by"] for row in rows} == {"ranking"}


def test_review_of_lines_from_standard_input_as_json(run, model: Path) -> None:
    """For a pipe; what a script wants to know goes to standard output."""
    result = run(
        "review", model, "-", "--lines", "--out", "r.parquet", "--json", stdin="one more invoice\na parcel, too\n"
    )

    assert sorted(row["row"] for row in json.loads(result.stdout)["rows"]) == [0, 1]
    assert len(pd.read_parquet("r.parquet")) == 2


def test_a_filled_in_file_is_not_overwritten(run, model: Path, pool: str) -> None:
    """Somebody worked on it."""
    run("review", model, pool, "--out", "review.csv", "--n", "5")

    assert_one_clear_line(run("review", model, pool, "--out", "review.csv"), "'review.csv' exists", "--overwrite")
    assert run("review", model, pool, "--out", "review.csv", "--n", "6", "--overwrite").exit_code == 0
    assert len(pd.read_csv("review.csv")) == 6


def test_texts_that_the_model_was_trained_on_need_no_label(run, model: Path) -> None:
    """Naming the training file is an easy slip."""
    frame = pd.read_csv("train.csv")[["text"]].head(3)
    frame.to_csv("known.csv", index=False)
    import textclassify

    ids = textclassify.load(model).ensemble_.training_row_ids_
    assert len(ids) == 48
    result = run("review", model, "train.csv", "--out", "review.csv")
    assert "48 texts are left out: the model was trained on them" in result.stdout


def test_label_errors_finds_a_wrong_label_in_the_training_file(run, folder: Path) -> None:
    """Held-out scores are kept with the model; rows that `train` held out for its test are judged by the model."""
    rows = csv_rows(60).replace("number 7 is a problem,delivery", "number 7 is a problem,billing")
    (folder / "noisy.csv").write_text(rows, encoding="utf-8")
    assert run("train", "noisy.csv", "--config", "fast.yaml", "--output", "noisy").exit_code == 0

    result = run("label-errors", "noisy/model", "noisy.csv", "--out", "doubts.csv")

    assert result.exit_code == 0, result.stderr
    frame = pd.read_csv("doubts.csv")
    assert 7 in frame.row.tolist()
    assert set(frame.chosen_by) == {"ranking"}
    assert frame.set_index("row").suggested[7] == "delivery"
    assert "judged by scores that were held out in training" in result.stdout
    assert "textclassify apply-review noisy.csv doubts.csv --out doubts_applied.csv" in result.stdout


def test_no_suspect_row_is_said(run, model: Path) -> None:
    """An empty file without a word looks like a fault."""
    result = run("label-errors", model, "train.csv", "--out", "doubts.csv")

    assert result.exit_code == 0, result.stderr
    assert "0 rows are suspect" in result.stdout
    assert "apply-review" not in result.stdout


def test_what_was_filled_in_goes_back_into_the_data(run, model: Path, pool: str) -> None:
    """All columns are kept, and what was chosen how is recorded for the next training."""
    run("review", model, pool, "--out", "review.csv", "--n", "10")
    fill_in("review.csv", {0: "billing", 1: "delivery"})

    result = run("apply-review", "train.csv", "review.csv", "--out", "more.csv")

    assert result.exit_code == 0, result.stderr
    assert "62 rows written to more.csv: 0 labels corrected, 0 confirmed, 2 rows added" in result.stderr
    frame = pd.read_csv("more.csv")
    assert frame.columns.tolist() == ["id", "text", "label", "chosen_by"]
    assert frame.chosen_by[:60].eq("random").all()
    assert frame.label[60:].tolist() == ["billing", "delivery"]
    assert run("train", "more.csv", "--config", "fast.yaml", "--output", "again").exit_code == 0


def test_labels_in_columns_of_their_own_are_corrected_there(run, folder: Path) -> None:
    """The file keeps its shape."""
    pd.DataFrame({"text": ["a b", "c d"], "joy": [1, 0], "fear": [0, 1]}).to_csv(folder / "m.csv", index=False)
    pd.DataFrame({"text": ["a b", "e f"], "label": ["joy|fear", "[]"]}).to_csv(folder / "r.csv", index=False)

    result = run("apply-review", "m.csv", "r.csv", "--out", "n.csv")

    assert result.exit_code == 0, result.stderr
    assert pd.read_csv("n.csv")[["joy", "fear"]].to_numpy().tolist() == [[1, 1], [0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (("review", "{model}", "nope.csv", "--out", "r.csv"), ["no file at 'nope.csv'"]),
        (("review", "{model}", "test.csv", "--out", "r.xlsx"), ["cannot tell the format"]),
        (("review", "{model}", "test.csv", "--out", "test.csv"), ["is the input itself"]),
        (("review", "nowhere", "test.csv", "--out", "r.csv"), ["nowhere"]),
        (
            ("label-errors", "{model}", "test.csv", "--out", "r.csv", "--label-column", "x"),
            ["unknown label column 'x'"],
        ),
        (("apply-review", "train.csv", "test.csv", "--out", "r.csv", "--text-column", "x"), ["'x'"]),
    ],
)
def test_mistakes_are_one_line_with_the_remedy(run, model: Path, words: tuple[str, ...], wanted: list[str]) -> None:
    """And nothing is written."""
    result = run(*(word.format(model=model) for word in words))

    assert_one_clear_line(result, *wanted)
    assert not Path("r.csv").exists()


def test_an_unfilled_or_misspelt_file_is_refused(run, model: Path, pool: str) -> None:
    """With the row and the nearest label."""
    run("review", model, pool, "--out", "review.csv", "--n", "4")
    assert_one_clear_line(run("apply-review", "train.csv", "review.csv", "--out", "m.csv"), "no row", "has a label")
    fill_in("review.csv", {2: "biling"})
    assert_one_clear_line(
        run("apply-review", "train.csv", "review.csv", "--out", "m.csv"), "'biling' in row 2", "did you mean 'billing'"
    )


def test_escaped_formulas_find_their_rows_again(run, model: Path, folder: Path) -> None:
    """The mark is for the spreadsheet; without it in mind, every marked text would be added as a new one."""
    texts = [f"=my invoice {row}" for row in range(20)]
    pd.DataFrame({"text": texts}).to_csv(folder / "pool.csv", index=False)
    pd.DataFrame({"text": texts, "label": "delivery"}).to_csv(folder / "data.csv", index=False)
    extra = pd.DataFrame({"text": ["a bill", "'=kept"], "label": "billing"})
    pd.concat([pd.read_csv("data.csv"), extra]).to_csv("data.csv", index=False)

    run("review", model, "pool.csv", "--out", "review.csv", "--n", "5", "--random-share", "0", "--escape-formulas")
    assert pd.read_csv("review.csv")["text"].str.startswith("'=my invoice").all()
    fill_in("review.csv", dict.fromkeys(range(5), "billing"))
    result = run("apply-review", "data.csv", "review.csv", "--out", "merged.csv")

    assert "5 labels corrected, 0 confirmed, 0 rows added" in result.stdout + result.stderr
