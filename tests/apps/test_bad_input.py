"""No mistake of a user ends in a traceback: each gets one line that names the value and the remedy."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from textclassify.apps.failures import as_typed
from textclassify.core.storage import MANIFEST

from .conftest import assert_one_clear_line

ROWS = [f"text {row},{'ab'[row % 2]}" for row in range(60)]


def table(header: str = "text,label", rows: list[str] | None = None) -> bytes:
    return "\n".join([header, *(ROWS if rows is None else rows)]).encode()


BAD_DATA = {
    "empty file": (b"", ["train.csv", "is empty"]),
    "header only": (b"text,label\n", ["no rows"]),
    "missing text column": (table("number,label", [f"{row},a" for row in range(9)]), ["text"]),
    "duplicate columns": (table("text,text"), ["2 columns named 'text'", "rename"]),
    "missing label": (table(rows=[*ROWS, "a text,"]), ["row 60", "missing"]),
    "lone 0/1 column": (
        table("text,spam", [f"text {row},{row % 2}" for row in range(9)]),
        ["only 0/1 column", "--label-column 'spam'"],
    ),
    "single class": (table(rows=[f"text {row},a" for row in range(60)]), ["nothing to learn", "'a'"]),
    "empty text": (table(rows=[*ROWS, "   ,a"]), ["empty text in row 60"]),
    "not UTF-8": (table(rows=[*ROWS]) + "\ncaf\xe9,a".encode("latin-1"), ["0xe9", "UTF-8"]),
    "uneven row": (table(rows=[*ROWS, "a,b,c"]), ["line 62", "3 cells where the header has 2"]),
}


@pytest.mark.parametrize("name", BAD_DATA)
def test_bad_training_data(name: str, run, folder: Path) -> None:
    """Also the folder of the run stays away, so that the next try is not refused."""
    content, wanted = BAD_DATA[name]
    (folder / "train.csv").write_bytes(content)

    assert_one_clear_line(run("train", "train.csv", "-c", "fast.yaml", "-o", "out"), *wanted)
    assert not (folder / "out").exists()


BAD_LINES = {
    "None in text": ('{"text": null, "label": "a"}', ["row 60", "missing"]),
    "NaN in label": ('{"text": "x", "label": NaN}', ["row 60", "missing"]),
    "text that is a number": ('{"text": 5, "label": "a"}', ["5", "string"]),
    "broken JSON": ('{"text": ', ["line 61", "no valid JSON"]),
}


@pytest.mark.parametrize("name", BAD_LINES)
def test_bad_json_lines(name: str, run, folder: Path) -> None:
    """The message names the row."""
    line, wanted = BAD_LINES[name]
    good = [json.dumps({"text": f"text {row}", "label": "ab"[row % 2]}) for row in range(60)]
    (folder / "train.jsonl").write_text("\n".join([*good, line]))

    assert_one_clear_line(run("train", "train.jsonl", "-c", "fast.yaml", "-o", "out"), *wanted)


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["tran.csv"], ["no file at 'tran.csv'", "did you mean 'train.csv'"]),
        (["train.csv", "--text-column", "texte"], ["unknown text column 'texte'", "did you mean 'text'"]),
        (["train.csv", "--label-column", "lable"], ["unknown label column 'lable'", "did you mean 'label'"]),
        (["train.csv", "--llm-provider", "opnai"], ["unknown provider 'opnai'", "did you mean 'openai'"]),
        (["train.csv", "--llm-provider", "openai"], ["set OPENAI_API_KEY; without any key, --llm-provider local"]),
        (["train.csv", "--labels", "none.yaml"], ["no label file at 'none.yaml'"]),
        (["train.csv", "--config", "none.yaml"], ["no configuration file 'none.yaml'", "textclassify init"]),
        ([], ["no training data named"]),
    ],
)
def test_bad_words(words: list[str], wanted: list[str], run, monkeypatch) -> None:
    """The nearest known name is offered; a missing key names its variable and the way without one."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    config = [] if "--config" in words else ["--config", "fast.yaml"]

    assert_one_clear_line(run("train", *words, *config, "-o", "out"), *wanted)


@pytest.mark.parametrize("command", ["predict", "estimate"])
def test_a_configuration_that_is_not_there_is_named_as_one(command: str, run) -> None:
    """A name that ends in .yaml was never meant to be the folder of a model."""
    assert_one_clear_line(run(command, "nope.yaml", "test.csv"), "no configuration file 'nope.yaml'")


def test_broken_yaml_is_one_line_with_its_place(run, folder: Path) -> None:
    """The parser's picture of the place would come out as seven errors."""
    (folder / "fast.yaml").write_text("labels: [a, b\nllm_provider: openai\n")

    assert_one_clear_line(run("predict", "fast.yaml", "test.csv"), "fast.yaml", "(line 2, column 13)")


def test_an_unknown_configuration_key_names_the_nearest(run, folder: Path) -> None:
    """A silent typo would train something else than was meant."""
    (folder / "fast.yaml").write_text("num_epoch: 3\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    assert_one_clear_line(result, "unknown configuration key 'num_epoch'", "did you mean 'num_epochs'")


def test_an_unseen_label_in_the_test_data_names_file_and_row(run, folder: Path) -> None:
    """It is noticed before the training, not after it."""
    (folder / "test.csv").write_text("text,label\na text,billing\nanother,bilings\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out", "--test-data", "test.csv")

    assert_one_clear_line(result, "test.csv", "unknown label 'bilings' in row 1", "did you mean 'billing'")


def test_an_output_folder_under_a_file_cannot_be_written(run) -> None:
    """As a read-only one, it is refused before anything is computed."""
    assert_one_clear_line(
        run("train", "train.csv", "-c", "fast.yaml", "-o", "train.csv/out"), "cannot write to", "--output"
    )


def test_an_output_folder_in_use_is_named_with_its_lock(run, folder: Path) -> None:
    """A run that crashed leaves the lock behind; the message says which file to remove."""
    (folder / "out").mkdir()
    (folder / "out" / ".textclassify.lock").touch()

    assert_one_clear_line(run("train", "train.csv", "-c", "fast.yaml", "-o", "out"), "in use", ".textclassify.lock")


def test_an_output_folder_with_other_files_is_left_alone(run, folder: Path) -> None:
    """Training into one's documents by mistake must not mix with them."""
    (folder / "out").mkdir()
    (folder / "out" / "letter.txt").write_text("dear")

    assert_one_clear_line(run("train", "train.csv", "-c", "fast.yaml", "-o", "out"), "holds other files", "--output")


def test_a_label_with_one_row_is_reported_and_trains(run, folder: Path) -> None:
    """It cannot be learned and checked, but the other labels can."""
    (folder / "train.csv").write_text((folder / "train.csv").read_text() + "99,a lonely text,rare\n")

    result = run("train", "train.csv", "-c", "fast.yaml", "-o", "out")

    assert result.exit_code == 0, result.stderr
    assert "1 label has a single row: 'rare'" in result.stderr


def test_odd_texts_train_and_predict(run, folder: Path) -> None:
    """Emoji, NUL bytes and 100,000 characters are texts like others."""
    odd = [json.dumps({"text": text, "label": "billing"}) for text in ("🙂🙂", "a\0b", "word " * 20_000)]
    good = [json.dumps({"text": f"parcel {row}", "label": ["delivery", "billing"][row % 2]}) for row in range(60)]
    (folder / "odd.jsonl").write_text("\n".join(good + odd))

    trained = run("train", "odd.jsonl", "-c", "fast.yaml", "-o", "out")
    answered = run("predict", "out/model", "odd.jsonl", "--json")

    assert trained.exit_code == 0, trained.stderr
    assert [json.loads(line)["status"] for line in answered.stdout.splitlines()] == ["ok"] * 63


@pytest.mark.parametrize("command", ["predict", "evaluate"])
def test_a_folder_without_a_model_is_named(command: str, run) -> None:
    """The message says which folder would be right."""
    assert_one_clear_line(run(command, "nowhere", "test.csv"), "no saved classifier in 'nowhere'", "train")


def test_a_truncated_model_is_refused(run, folder: Path, model: Path) -> None:
    """A model that was only partly copied would answer nonsense."""
    copy = folder / "copy"
    copy.mkdir()
    (copy / MANIFEST).write_bytes((model / MANIFEST).read_bytes())

    assert_one_clear_line(run("predict", copy, "test.csv"), "is missing from", "copy the whole folder")


def test_a_model_of_another_version_is_refused(run, folder: Path, model: Path) -> None:
    """The message names both versions."""
    manifest = json.loads((model / MANIFEST).read_text())
    (folder / "new").mkdir()
    (folder / "new" / MANIFEST).write_text(json.dumps(manifest | {"format": 99}))

    assert_one_clear_line(run("predict", "new", "test.csv"), "has format 99", "upgrade it")


@pytest.mark.parametrize(
    ("words", "wanted"),
    [
        (["nothing"], "No such command 'nothing'"),
        (["train", "--lables", "x"], "No such option"),
        (["predict"], "MODEL"),
        (["train", "train.csv", "--seed", "x"], "--seed"),
    ],
)
def test_wrong_usage_exits_with_2(words: list[str], wanted: str, run) -> None:
    """Scripts tell a typing error from a failed run."""
    result = run(*words)

    assert result.exit_code == 2
    assert wanted.lower() in result.stderr.lower()


def test_the_unforeseen_is_one_line_with_a_hint(run, monkeypatch) -> None:
    """Even a defect of ours is no wall of text; --debug shows it."""

    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("it broke")

    monkeypatch.setattr("textclassify.apps.doctor.diagnose", broken)

    result = run("doctor")
    assert result.exit_code == 1
    assert result.stderr.startswith("error: RuntimeError: it broke\n")
    assert "textclassify --debug" in result.stderr
    assert isinstance(run("--debug", "doctor").exception, RuntimeError)


@pytest.mark.parametrize(
    ("message", "typed"),
    [
        ("pass text_column='body'", "pass --text-column 'body'"),
        ("or pass text_column=...", "or pass --text-column NAME"),
        ("pass label_columns=['spam'] for", "pass --label-column 'spam' for"),
        ("or pass label_columns=[...]", "or pass --label-column NAME"),
        ("or pass multi_label=False to", "or pass --single-label to"),
        ("or pass multi_label=True", "or pass --multi-label"),
        ("forbidden (offline=True or X=1): cache_only=True", "forbidden (--offline or X=1): --cache-only"),
        (
            "set OPENAI_API_KEY, or pass api_key; without any key, provider='local' runs",
            "set OPENAI_API_KEY; without any key, --llm-provider local (llm_provider: local in a configuration) runs",
        ),
        ("set VLLM_BASE_URL, or pass base_url as an argument; or", "set VLLM_BASE_URL; or"),
        (
            "leave out the password; pass api_key instead",
            "leave out the password; set the provider's variable for a key instead",
        ),
        ("missing in row 3; mend it", "missing in row 3; mend it (rows count from 0, the header aside)"),
        (
            "0xff; pass encoding='utf-16', or save the file as UTF-8",
            "0xff; save the file as UTF-8, e.g. iconv -f utf-16 -t utf-8",
        ),
    ],
)
def test_messages_speak_of_flags(message: str, typed: str) -> None:
    """Python's arguments cannot be typed into a shell."""
    assert as_typed(message) == typed
