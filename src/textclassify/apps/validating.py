"""Whether a configuration file can be used, and what a training would do by it; nothing is trained."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from textclassify.apps.training_data import FEWEST_TO_SPLIT, labelled_file
from textclassify.core.labels import LabelSchema
from textclassify.core.settings_files import expanded, key_lines
from textclassify.core.texts import listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.llm.prompting.templates import load_template
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_files import read_flat
from textclassify.runs.configuring.config_problems import VARIABLE, Problem
from textclassify.runs.settings import ResolvedSettings, resolved

Result = TypeVar("Result")


@dataclass(frozen=True)
class Validation:
    """What was found in a configuration file.

    Args:
        file: the file.
        problems: what is wrong, with the line of each key where the file has one.
        plan: what a training would do, in sentences; empty where something is wrong.

    """

    file: Path
    problems: tuple[tuple[int | None, Problem], ...]
    plan: tuple[str, ...]

    @property
    def lines(self) -> list[str]:
        """Each problem with its place."""
        places = [f"{self.file}:{line}" if line else str(self.file) for line, _ in self.problems]
        return [f"{place}: {problem}" for place, (_, problem) in zip(places, self.problems, strict=True)]

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        problems = [{"key": one.key, "line": line, "message": one.words} for line, one in self.problems]
        return {"valid": not problems, "file": str(self.file), "problems": problems, "plan": list(self.plan)}


def validate(file: Path, *, data: bool = True) -> Validation:
    """Return all that is wrong with a configuration file at once, or what would be trained on what by it.

    Args:
        file: YAML in our own form or the paper's.
        data: whether the files that it names are read as well.

    Raises:
        ConfigError: the file is missing or no YAML, or an environment variable sets a wrong value.

    """
    found = read_flat(file)
    config, problems = Config.checked(found)
    if config is None:
        return _located(file, problems)
    settings = resolved(file, {})
    reading = _Reading(settings.config, found.names, [])
    plan = reading.plan(data=data)
    if reading.problems:
        return _located(file, reading.problems)
    return Validation(file, (), (*plan, *_from_environment(settings)))


def _located(file: Path, problems: list[Problem]) -> Validation:
    lines = key_lines(expanded(file))
    placed = sorted(((lines.get(one.key), one) for one in problems), key=lambda placed: placed[0] or 0)
    return Validation(file, tuple(placed), ())


def _from_environment(settings: ResolvedSettings) -> list[str]:
    keys = [key for key, origin in settings.origins.items() if origin == "environment"]
    return (
        [f"set by the environment: {listed((f'{VARIABLE}{key.upper()}' for key in keys), len(keys))}"] if keys else []
    )


@dataclass
class _Reading:
    """The files that a configuration names, read; what cannot be read goes into `problems`."""

    config: Config
    names: dict[str, str]
    problems: list[Problem]

    def plan(self, *, data: bool) -> list[str]:
        """Return what a training would do, in sentences."""
        config = self.config
        schema = self._tried("labels", self._schema)
        if config.prompt_template is not None:
            self._tried("prompt_template", lambda: load_template(config.prompt_template or ""))
        if not _sources(config):
            off = "every source is switched off; set one of llm_provider, encoder, linear or similarity"
            self.problems.append(Problem("linear", off))
        sentences = [f"sources: {listed(_sources(config), 9)}; combiner {config.combiner}"]
        if config.data is None:
            zero_shot = "labels without training: `textclassify predict` takes the file in the place of a model"
            return [
                *sentences,
                zero_shot if schema is not None else "no data named: `textclassify train DATA` takes it",
            ]
        held_out = (
            f"{config.test_size:.0%} of the rows, held out" if config.test_data is None else str(config.test_data)
        )
        if not data:
            return [f"data: {config.data}, not looked at", f"test: {held_out}", *sentences]
        training = self._tried("data", lambda: labelled_file(config, str(config.data), schema))
        if training is None:
            return sentences
        self._tried("metric", lambda: config.check_metric(multi_label=training.multi_label))
        sentences.insert(0, f"data: {config.data}, {_in_words(training)}")
        if config.test_data is not None:
            same_kind = config.model_copy(update={"multi_label": training.multi_label})
            test = self._tried("test_data", lambda: labelled_file(same_kind, str(config.test_data), training.schema))
            held_out = held_out if test is None else f"{held_out}, {len(test):,} rows"
        elif len(training) < FEWEST_TO_SPLIT:
            held_out = f"none; {len(training)} rows are too few to hold any out"
        return [sentences[0], f"test: {held_out}", *sentences[1:]]

    def _schema(self) -> LabelSchema | None:
        labels = self.config.labels
        return None if labels is None else LabelSchema.of(labels, multi_label=self.config.multi_label)

    def _tried(self, key: str, read: Callable[[], Result]) -> Result | None:
        """Return what was read, or None where it is a problem of this key."""
        try:
            return read()
        except (ConfigError, DataError) as error:
            self.problems.append(Problem(self.names.get(key, key), str(error)))
            return None


def _in_words(data: TrainingData) -> str:
    names = data.schema.names
    kind = "several labels per text" if data.multi_label else "one label per text"
    return f"{len(data):,} rows, {len(names)} labels ({listed(names, 4)}), {kind}"


def _sources(config: Config) -> list[str]:
    """Return the sources of a fusion in words."""
    sources = [config.ml_model or "roberta-base or the embedded encoder"] if config.encoder else []
    sources += ["TF-IDF"] if config.linear else []
    sources += ["similarity to descriptions"] if config.similarity else []
    return sources + [" ".join(filter(None, (provider, model))) for provider, model in config.llms]
