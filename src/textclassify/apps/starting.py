"""The commented configuration that `textclassify init` writes."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from textclassify.core.columns import labelled_columns
from textclassify.core.files import HUB, read_hub, read_table
from textclassify.core.texts import listed
from textclassify.errors import DataError, StorageError
from textclassify.llm.http.providers import find_provider


@dataclass(frozen=True)
class Recognised:
    """What a data file seems to hold."""

    text_column: str
    label_columns: tuple[str, ...]
    labels: tuple[str, ...]
    multi_label: bool
    n_rows: int


@dataclass(frozen=True)
class Answers:
    """What the user wants; None = left open."""

    data: str
    text_column: str | None = None
    label_columns: Sequence[str] | None = None
    multi_label: bool | None = None
    llm_provider: str | None = "local"
    llm_model: str | None = None
    ml_model: str | None = None
    output_dir: str = "textclassify_run"
    random_state: int = 0


def recognise(data: str) -> Recognised:
    """Return what a file's columns seem to be.

    Raises:
        DataError: the file cannot be read, or what its columns are cannot be told.

    """
    frame = read_hub(data) if data.startswith(HUB) else read_table(data)
    if not len(frame):
        raise DataError(f"{data} has a header but no rows; add labelled texts")
    found = labelled_columns(frame)
    flat = found.schema.names if found.schema is not None else _names(found.answers)
    return Recognised(found.text, found.columns, tuple(map(str, flat)), found.multi_label, len(frame))


def _names(answers: Sequence[object]) -> list[str]:
    several = [list(one) if isinstance(one, list | tuple | set) else [one] for one in answers]
    return sorted({str(name) for names in several for name in names})


def in_words(found: Recognised) -> str:
    """Return what was recognised as a sentence."""
    kind = "several labels per text" if found.multi_label else "one label per text"
    return (
        f"{found.n_rows:,} rows; texts in {found.text_column!r}, labels in {listed(map(repr, found.label_columns), 3)} "
        f"({len(found.labels)}: {listed(found.labels, 4)}), {kind}"
    )


def as_yaml(answers: Answers) -> str:
    """Return a commented configuration that `textclassify train --config` takes."""
    columns = None if answers.label_columns is None else list(answers.label_columns)
    return f"""\
# For `textclassify train --config`. Every key but `data` may be left out.
# Relative paths count from the folder of this file.

# ---- Data ----

# CSV, TSV, JSON Lines, JSON, Parquet, or hf:name/split
data: {_value(answers.data)}
# Held-out texts with labels; without a file, a share of the rows is held out
# test_data: test.csv
test_size: 0.2
text_column: {_value(answers.text_column)}
# One column of names or lists, or the 0/1 columns; null = recognised
label_columns: {_value(columns)}
# Whether a text may have several labels; null = as the data show
multi_label: {_value(answers.multi_label)}
# Names with descriptions, which language models and similarity read
# labels: labels.yaml

# ---- Sources ----

# Encoder to fine-tune; null = roberta-base, or the embedded one where no hub answers; embedding:minilm,smollm2 = models
# that stay as they are, and a small network that learns from what they say of a text
ml_model: {_value(answers.ml_model)}
# local = in this process; openai, deepseek, gemini, ollama, ...; null = none
llm_provider: {_value(answers.llm_provider)}
# null = the provider's default
llm_model: {_value(answers.llm_model)}
# How a model elsewhere is asked: logprobs = by the chances of each label, the best where a server gives them; votes =
# several replies; verbal = a score for each label; hard = one label; auto = logprobs, else hard
# llm_method: auto
# US dollars that all language models together may cost: in one training with its report, in one prediction; reached,
# the command stops, and what was answered is kept; `textclassify estimate --config` says what to expect
# max_cost: 5.0
# true = language models on this machine only
# offline: false
# TF-IDF and a linear model, free, the baseline of every report
linear: true
# Likeness of a text to each label's description, free
similarity: true

# ---- Training ----

# num_epochs: 10
# batch_size: 16
# ml_lr: 5.0e-5
# Tokens of a text that the encoder reads
# max_length: 256
# Training rows that the language model is asked about
# fusion_rows: 500
# Share of the rows that nothing is learned from, for guarantees (from 1,000 rows on)
# guard: 0.2
# What must not suffer: accuracy, macro_f1, log_loss; with several labels micro_f1, macro_f1, subset_accuracy, log_loss
# metric: accuracy
# auto = what the data support, checked against simpler ways; mlp, embeddings, joint = one network whatever it is worth
combiner: auto
random_state: {answers.random_state}

# ---- Answers ----

# How much of what is to be labelled the language model may be asked about, where it pays most: a share, "200 calls" or
# "$1.50"; `train` recommends one
# llm_budget: 30%
# Answer only where at most this share of the answers is wrong; other texts come out as abstained
# max_risk: 0.05

# ---- Output ----

output_dir: {_value(answers.output_dir)}
"""


def _value(value: object) -> str:
    """Return a value as YAML on one line; JSON is YAML."""
    return json.dumps(value, ensure_ascii=False)


def relative_to(data: str, config: Path) -> str:
    """Return the data's path as the configuration file has to name it."""
    if data.startswith(HUB) or Path(data).is_absolute():
        return data
    return Path(os.path.relpath(data, config.parent)).as_posix()


def checked_provider(name: str) -> str | None:
    """Return a provider's name, or None for "none".

    Raises:
        ConfigError: it is unknown; the message names the nearest.

    """
    name = name.strip()
    if name in {"none", ""}:
        return None
    return name if name == "local" else find_provider(name).name


def write_new(path: Path, content: str, *, overwrite: bool) -> None:
    """Write a text file that must not exist yet.

    Raises:
        StorageError: it exists, or cannot be written.

    """
    if path.exists() and not overwrite:
        raise StorageError(f"{str(path)!r} exists; pass --overwrite, or name another file")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write {str(path)!r}: {error.strerror}; name a file that you may write to"
        ) from error
