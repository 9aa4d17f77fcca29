"""The nested configuration of the LabelFusion paper: read as our own keys, and written with comments."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from types import MappingProxyType
from typing import Any

from textclassify.core.settings_files import one_line
from textclassify.core.texts import did_you_mean, listed
from textclassify.runs.configuring.config_keys import MEANINGS, as_text, comment, entry
from textclassify.runs.configuring.config_problems import Problem

logger = logging.getLogger(__name__)

ENCODER_RATE, JOINT_RATE = "models.ml.learning_rate", "fusion.ml_learning_rate"
KEYS = MappingProxyType(
    {
        "data.file_path": "data",
        "data.text_column": "text_column",
        "data.label_columns": "label_columns",
        "data.multi_label": "multi_label",
        "models.ml.model_name": "ml_model",
        "models.ml.max_length": "max_length",
        ENCODER_RATE: "ml_lr",
        "models.ml.num_epochs": "num_epochs",
        "models.ml.batch_size": "batch_size",
        "models.llm.provider": "llm_provider",
        "models.llm.model": "llm_model",
        "models.llm.temperature": "temperature",
        "models.llm.max_completion_tokens": "max_completion_tokens",
        "fusion.hidden_dims": "fusion_hidden_dims",
        JOINT_RATE: "ml_lr",
        "fusion.fusion_learning_rate": "fusion_lr",
        "fusion.num_epochs": "fusion_epochs",
        "fusion.batch_size": "fusion_batch_size",
    }
)
"""Each nested key, and ours."""
_SECTIONS = ("data", "models", "models.ml", "models.llm", "fusion")


@dataclass
class FlatSettings:
    """Settings under our own keys.

    Args:
        settings: {key: value}, the values not yet looked at.
        names: how the source of a setting calls its key, where it does not call it as we do.
        problems: what could not be read.

    """

    settings: dict[str, Any]
    names: dict[str, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)


def flat(settings: Mapping[Any, Any]) -> FlatSettings:
    """Return settings under our own keys, from the paper's nested ones or from ours, which may stand beside them."""
    ours = {str(key): value for key, value in settings.items()}
    sections = [key for key in ours if key in _SECTIONS and (key != "data" or isinstance(ours[key], Mapping))]
    found = FlatSettings({key: value for key, value in ours.items() if key not in sections})
    nested: dict[str, Any] = {}
    for section in sections:
        _read(section, ours[section], nested, found.problems)
    rate = _encoder_rate(nested, joint=found.settings.get("combiner") == "joint")
    for path, value in nested.items():
        if KEYS[path] == "ml_lr" and path != rate:
            continue
        if KEYS[path] in found.settings:
            words = f"configuration keys {KEYS[path]!r} and {path!r} are one setting; keep one of them"
            found.problems.append(Problem(path, words))
        found.settings[KEYS[path]], found.names[KEYS[path]] = value, path
    return found


def _read(section: str, value: Any, nested: dict[str, Any], problems: list[Problem]) -> None:
    """Add the nested keys of a section to those that were read."""
    if not isinstance(value, Mapping):
        said = "is empty; write its keys below it, indented" if value is None else f"is {value!r:.60}, not a section"
        keys = [path.removeprefix(f"{section}.") for path in (*KEYS, *_SECTIONS) if path.startswith(f"{section}.")]
        problems.append(Problem(section, f"configuration key {section!r} {said}; it holds {listed(keys, len(keys))}"))
        return
    for key, inner in value.items():
        path = f"{section}.{key}"
        if path in KEYS:
            nested[path] = inner
        elif path in _SECTIONS:
            _read(path, inner, nested, problems)
        else:
            problems.append(Problem(path, _unknown(path, str(key))))


def _unknown(path: str, key: str) -> str:
    """Return what to say of a nested key that does not exist."""
    if key in MEANINGS:
        return f"unknown configuration key {path!r}; {key!r} stands at the top level: write it without indentation"
    section = path.removesuffix(f".{key}")
    beside = [name for name in (*KEYS, *_SECTIONS) if name.rpartition(".")[0] == section]
    hint = did_you_mean(path, beside) or did_you_mean(path, KEYS)
    return f"unknown configuration key {path!r}{hint or f'; known keys there: {listed(beside, len(beside))}'}"


def _encoder_rate(nested: Mapping[str, Any], *, joint: bool) -> str | None:
    """Return which of the paper's two learning rates of the encoder counts; None = neither is given.

    The paper's second one is for training encoder and network together, which only `combiner: joint` does here.
    """
    given = [path for path in (ENCODER_RATE, JOINT_RATE) if nested.get(path) is not None]
    if len(given) < 2:
        return next(iter(given), None)
    taken, left_out = (JOINT_RATE, ENCODER_RATE) if joint else (ENCODER_RATE, JOINT_RATE)
    if str(nested[taken]) != str(nested[left_out]):
        _say_which_rate(taken, str(nested[taken]), left_out, str(nested[left_out]), joint)
    return taken


@cache
def _say_which_rate(taken: str, rate: str, left_out: str, other: str, joint: bool) -> None:  # noqa: FBT001 - a cache's key
    """Say it once per process: a configuration is read more often than it is written."""
    why = "trains encoder and network together" if joint else "does not: only `combiner: joint` trains both together"
    logger.warning(
        "%s: %s and %s: %s are both given; the encoder learns with %s, because this fusion %s",
        *(taken, rate, left_out, other, rate, why),
    )


USUAL: Mapping[str, Any] = MappingProxyType(
    {
        "data": "data/train.csv",
        "text_column": None,
        "label_columns": None,
        "multi_label": None,
        "ml_model": "roberta-base",
        "max_length": None,
        "ml_lr": None,
        "num_epochs": None,
        "batch_size": None,
        "llm_provider": "deepseek",
        "llm_model": None,
        "temperature": 0.1,
        "max_completion_tokens": 150,
        "fusion_hidden_dims": None,
        "fusion_lr": None,
        "fusion_epochs": None,
        "fusion_batch_size": None,
        "output_dir": "fusion_output",
    }
)
"""What a new file says: the paper's models, while columns are recognised and training follows the number of rows."""
_PAPERS: Mapping[str, Any] = MappingProxyType(
    {
        "models.ml.max_length": 512,
        ENCODER_RATE: 2e-5,
        "models.ml.num_epochs": 3,
        "models.ml.batch_size": 16,
        "models.llm.model": "deepseek-chat",
        "fusion.hidden_dims": [64, 32],
        JOINT_RATE: 1e-5,
        "fusion.fusion_learning_rate": 1e-3,
        "fusion.num_epochs": 10,
        "fusion.batch_size": 16,
    }
)
"""What the paper's example says where a new file leaves the choice to the library."""
_JOINT_RATE = "Learning rate of the encoder with `combiner: joint` at the top level, which trains both together."


def published_yaml(settings: Mapping[str, Any]) -> str:
    """Return a commented configuration in the paper's form.

    Args:
        settings: plain values under our own keys, those in `USUAL` and others, which stand at the top level.

    """
    lines = comment(
        "For `python train_fusion.py --config` and `textclassify train --config`; the form is the LabelFusion paper's. "
        "Files to read count from the folder of this file. Any other key that `textclassify schema` lists may stand at "
        "the top level."
    )
    opened: list[str] = []
    for path, key in KEYS.items():
        *sections, name = path.split(".")
        for depth, section in enumerate(sections):
            if opened[: depth + 1] != sections[: depth + 1]:
                lines += [*([""] if not depth else []), f"{'  ' * depth}{section}:"]
        opened, indent = sections, "  " * len(sections)
        words = _JOINT_RATE if path == JOINT_RATE else MEANINGS[key]
        if path in _PAPERS:
            words += f" The paper's example has {one_line(_PAPERS[path])}."
        lines += entry(name, None if path == JOINT_RATE else settings[key], words, indent=indent)
    rest = [key for key in settings if key not in KEYS.values()]
    for key in rest:
        lines += ["", *entry(key, settings[key], MEANINGS[key])]
    return as_text(lines)
