"""What each key of a configuration means: the one home of the words in `init`'s file and in the JSON Schema."""

from __future__ import annotations

from collections.abc import Iterable
from textwrap import wrap
from types import MappingProxyType
from typing import Any

from textclassify.core.settings_files import one_line

WIDTH = 118
"""Characters of a line of comment, without its mark."""

_DATA = {
    "data": "Labelled texts to train on: CSV, TSV, JSON Lines, JSON, Parquet, or hf:name/split.",
    "test_data": "Held-out texts with labels; left out, a share of the rows of `data` is held out.",
    "test_size": "That share.",
    "text_column": "Column of the texts; null = recognised.",
    "label_columns": "One column of names or lists, or the 0/1 columns, or class names, in the order of the scores, "
    "beside a column such as label; null = recognised.",
    "group_column": "Column of groups, such as the author: rows of a group are trained on or held out together.",
    "labels": "Names, names with descriptions, or the file that holds them; language models and similarity read the "
    "descriptions.",
    "multi_label": "Whether a text may have several labels; null = as the data show.",
}
_FREE_SOURCES = {
    "encoder": "Whether an encoder is fine-tuned, or a head learned on models that stay as they are.",
    "ml_model": "Encoder to fine-tune; null = roberta-base, or the embedded one where no hub answers; "
    "embedding:minilm,smollm2 = models that stay as they are, and a small network that learns from what they say of a "
    "text; embedding:features:FOLDER reads what is in a store. One that is named and cannot be had is an error.",
    "max_length": "Tokens of a text that the encoder reads; null = 256.",
    "batch_size": "Texts in one step of the encoder's training; null = 16.",
    "num_epochs": "Rounds of the encoder over the training rows; null = by the number of rows.",
    "ml_lr": "Learning rate of the encoder; null = by the model's size.",
    "precision": "Number format of the encoder; auto = what the machine is fast at.",
    "class_weight": "Weight of each label in the encoder's training, or balanced.",
    "long_texts": "What the encoder reads of a text that is too long: its beginning, both ends, or all of it piece by "
    "piece.",
    "linear": "TF-IDF and a linear model, free, the baseline of every report.",
    "similarity": "Likeness of a text to each label's description, free.",
}
_LANGUAGE_MODELS = {
    "llm_provider": "local = in this process; openai, deepseek, gemini, ollama, ..., or a list of them; null = no "
    "language model.",
    "llm_model": "Model of that provider, or one for each; null = the provider's default.",
    "llm_language": "Language of the prompts, such as de; auto = that of labels and texts, if there are prompts in it.",
    "llm_base_url": "Address of the server, with the version path; null = the provider's, or that in its variable.",
    "llm_api_key_env": "Name of the environment variable that holds the key; null = the provider's. Never the key.",
    "examples_per_label": "Training rows of each label that are shown in every prompt; null = one to a local model "
    "with at most 20 labels, none otherwise.",
    "nearest_examples": "Training rows shown with a text, those most similar to it; instead of `examples_per_label`.",
    "llm_method": "How a model elsewhere is asked. logprobs = by the chances of each label, the best where a server "
    "gives them; votes = several replies; verbal = a score for each label; hard = one label; auto = logprobs, else "
    "hard.",
    "n_samples": "Replies for each text with votes.",
    "texts_per_request": "Texts that one request asks about, with hard and votes.",
    "prompt_template": "File of a prompt of your own.",
    "temperature": "Sampling temperature of a model elsewhere; 0 = as repeatable as it gets.",
    "max_completion_tokens": "Longest reply of a model elsewhere.",
    "concurrency": "Most requests in flight.",
    "requests_per_minute": "Limit that is kept from the start; null = what the server says.",
    "tokens_per_minute": "Limit that is kept from the start; null = what the server says.",
    "llm_timeout": "Seconds for one request.",
    "max_retries": "How often a request is repeated when the server fails.",
    "max_cost": "US dollars that all language models together may cost: in one training with its report, in one "
    "prediction. Reached, the command stops, and what was answered is kept; `textclassify estimate --config` says what "
    "to expect.",
    "offline": "Whether only language models on this machine may be asked.",
    "train_llm_cache_path": "Folder of the language models' kept answers about training rows; null = as "
    "`val_llm_cache_path`, else as `cache_dir`.",
    "val_llm_cache_path": "The same, where `train_llm_cache_path` is left out: the rows that a fusion is judged on are "
    "training rows here.",
    "test_llm_cache_path": "Folder of the kept answers about texts that are predicted or evaluated; null = as "
    "`cache_dir`.",
    "cache_dir": "Folder of all kept answers that no other key has a folder for; null = in the user's cache folder.",
}
_RETRIEVAL = {
    "rac": "Whether language models check the labels that retrieval finds, instead of choosing among all; for hundreds "
    "of labels.",
    "top_k": "Labels that retrieval finds for a text.",
    "decision": "How the found labels are checked.",
    "min_probability": "Where nothing is trained: least probability of an answer.",
    "margin": "Where nothing is trained: least lead of an answer over the next label.",
    "other": "Where nothing is trained: label of the texts that no other one fits.",
}
_FUSION = {
    "combiner": "auto = what the data support, checked against simpler ways; mlp, embeddings, joint = one network, "
    "whatever it is worth.",
    "metric": "What must not suffer and what thresholds are tuned for; with several labels micro_f1, macro_f1, "
    "subset_accuracy or log_loss, else accuracy, macro_f1 or log_loss.",
    "calibrator": "How each source's probabilities are calibrated; null = by the number of rows.",
    "non_empty": "Whether a text always gets a label, where it may have several; null = as the data show.",
    "guard": "Share of the rows that nothing is learned from, for guarantees (from 1,000 rows on).",
    "n_folds": "Parts of the training rows, each scored by models that were not trained on it.",
    "one_model": "Whether one model of each source is trained, with a fifth of the rows held out, instead of one for "
    "each fold.",
    "fusion_rows": "Training rows that a language model is asked about; null = 500, or 10 for each label if that is "
    "more.",
    "fusion_hidden_dims": "Widths of the fusing network's layers; null = 64 and 32.",
    "fusion_lr": "Learning rate of the fusing network; null = 0.001.",
    "fusion_epochs": "Rounds of the fusing network over its rows, at most; null = 60. Training stops early.",
    "fusion_batch_size": "Rows in one step of the fusing network's training; null = 64, or a thirtieth of them if that "
    "is more.",
}
_ANSWERS = {
    "llm_budget": "How much of what is to be labelled the language model may be asked about, where it pays most: a "
    'share, "200 calls" or "$1.50"; `train` recommends one.',
    "max_risk": "Answer only where at most this share of the answers is wrong; other texts come out as abstained.",
}
_RUN = {
    "output_dir": "Folder of the run that `textclassify train` writes; counts from where the command is typed.",
    "random_state": "Seed of everything random.",
}
SECTIONS = MappingProxyType(
    {
        "Data": _DATA,
        "Free sources": _FREE_SOURCES,
        "Language models": _LANGUAGE_MODELS,
        "Many labels": _RETRIEVAL,
        "Fusion": _FUSION,
        "Answers": _ANSWERS,
        "Run": _RUN,
    }
)
"""Every key of `Config` with its meaning, by topic."""
MEANINGS = MappingProxyType({key: words for keys in SECTIONS.values() for key, words in keys.items()})
"""Every key of `Config` with its meaning."""


def comment(words: str, indent: str = "") -> list[str]:
    """Return words as lines of comment."""
    return [f"{indent}# {line}" for line in wrap(words, WIDTH - len(indent), break_on_hyphens=False)]


def entry(key: str, value: Any, words: str | None, *, indent: str = "", commented: bool = False) -> list[str]:
    """Return a key with its value and, as comment before it, what it means.

    Args:
        key: as the file is to name it.
        value: a plain value.
        words: what it means; None = nothing.
        indent: before each line.
        commented: whether the key is only shown, not set.

    """
    mark = "# " if commented else ""
    return [*comment(words or "", indent), f"{indent}{mark}{key}: {one_line(value)}"]


def heading(title: str) -> list[str]:
    """Return the lines above a topic."""
    return ["", f"# ---- {title} ----", ""]


def as_text(lines: Iterable[str]) -> str:
    """Return lines as the content of a file."""
    return "\n".join(lines) + "\n"
