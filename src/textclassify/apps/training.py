"""One training run from settings to a folder: model, report, evaluation and the resolved configuration."""

from __future__ import annotations

import re
import shlex
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from textclassify.apps.configured import configured_limits
from textclassify.apps.failures import InterruptedRunError, as_typed
from textclassify.apps.models import MODEL_FOLDER
from textclassify.apps.pricing import price_per_call
from textclassify.apps.run_folders import CONFIG_FILE, claimed, staged
from textclassify.auto import AutoFusionClassifier
from textclassify.core import dataset
from textclassify.core.columns import labelled_columns
from textclassify.core.files import HUB, read_hub, read_table
from textclassify.core.findings import describe
from textclassify.core.labels import LabelSchema
from textclassify.core.storage import replies_folder
from textclassify.core.texts import listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.runs.advice import Advice, advice_on
from textclassify.runs.config import Config, read_settings
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.report import REPORT_FILE, RunFacts, write_report
from textclassify.runs.systems import json_safe

DEFAULT_OUTPUT = Path("textclassify_run")
FEWEST_TO_SPLIT = 50
"""Rows below which none is held out: a test on fewer than ten texts tells nothing."""
_TYPEABLE = re.compile(r"[A-Za-z][A-Za-z0-9 ,.?]{14,70}")


@dataclass(frozen=True)
class TrainedRun:
    """What a training run left behind; `evaluation` is None where there were too few rows for one."""

    folder: Path
    classifier: AutoFusionClassifier
    evaluation: Evaluation | None
    advice: Advice
    findings: tuple[str, ...]
    training_rows: int
    held_out: str
    seconds: Mapping[str, float]

    @property
    def model(self) -> Path:
        """The folder that `predict` takes."""
        return self.folder / MODEL_FOLDER

    @property
    def report(self) -> Path:
        """The report for people."""
        return self.folder / REPORT_FILE

    @property
    def next_command(self) -> str:
        """What to type next."""
        example = shlex.quote(_example(self.evaluation))
        return f"echo {example} | textclassify predict {shlex.quote(str(self.model))} - --lines"

    @property
    def predict_command(self) -> str:
        """How a file of texts is labelled with the model."""
        return f"textclassify predict {shlex.quote(str(self.model))} TEXTS"

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain JSON values."""
        ladder = self.classifier.ensemble_.ladder_report_
        gate = ladder.gate
        return {
            "model": str(self.model),
            "report": str(self.report),
            "training_rows": self.training_rows,
            "findings": list(self.findings),
            "selected": ladder.selected,
            "weights": dict(ladder.weights),
            "pool_weights": dict(ladder.pool_weights),
            "gate": None if gate is None else {**vars(gate), "passed": gate.passed},
            "seconds": dict(self.seconds),
            "advice": json_safe(self.advice.to_dict()),
            "evaluation": None if self.evaluation is None else self.evaluation.to_dict(),
        }


def _example(evaluation: Evaluation | None) -> str:
    """Return a short held-out text that is easy to type, else any."""
    texts = [] if evaluation is None else [text for text in evaluation.data.texts if _TYPEABLE.fullmatch(text)]
    return min(texts, key=len, default="Write a text here.")


def settings_of(config_file: Path | None, flags: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a file with the given flags put over it.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong.

    """
    settings = {} if config_file is None else read_settings(config_file)
    settings |= flags
    Config.of(settings)
    return settings


def train(
    settings: Mapping[str, Any],
    *,
    output: Path,
    overwrite: bool,
    command: str,
    say: Callable[[str], None],
    config_file: Path | None = None,
) -> TrainedRun:
    """Train, evaluate, save and report; the folder is checked before anything is computed.

    Args:
        settings: what `Config` takes; `data` is needed.
        output: folder of the run.
        overwrite: whether an earlier run in the folder may be replaced.
        command: what was typed, for the report.
        say: called with a sentence as soon as it is known.
        config_file: where the settings were read from; it is never replaced.

    Raises:
        DataError: the data cannot be used.
        StorageError: the folder cannot be written, is in use, or holds something.
        InterruptedRunError: Ctrl-C; the message says what was kept.

    """
    config = Config.of(settings)
    if config.data is None:
        raise ConfigError("no training data named; pass a file: textclassify train DATA, or set `data` in --config")
    with claimed(output, overwrite=overwrite, config_file=config_file):
        start = perf_counter()
        found = _read(config, say)
        for finding in found.findings:
            say(f"data: {as_typed(finding)}")
        facts = _Facts(output, command, found.held_out, found.findings, {"reading": perf_counter() - start})
        try:
            with configured_limits(config):
                return _run(found.config, found.data, found.test, facts)
        except KeyboardInterrupt:
            raise InterruptedRunError(_kept(config, output)) from None


@dataclass(frozen=True)
class _Facts:
    output: Path
    command: str
    held_out: str
    findings: list[str]
    seconds: dict[str, float]


def _run(config: Config, data: TrainingData, test: TrainingData | None, facts: _Facts) -> TrainedRun:
    start = perf_counter()
    settings = config.model_dump(mode="json", exclude_unset=True)
    classifier = AutoFusionClassifier(settings).fit(data)
    facts.seconds["training"] = perf_counter() - start
    start = perf_counter()
    policy, evaluation = config.policy(), None
    price = price_per_call(classifier, data.texts)
    advice = advice_on(classifier.ensemble_, policy, cost_per_call=price)
    facts.seconds["advice"] = perf_counter() - start
    start = perf_counter()
    if test is not None:
        evaluation = evaluate(
            classifier,
            test,
            groups=test.groups,
            seen_row_ids=data.wording_ids,
            policy=policy,
            cost_per_call=price,
            random_state=config.random_state,
        )
        facts.seconds["evaluation"] = perf_counter() - start
    of_part = describe(data)  # counted in the rows that were learned from; the facts count in those of the file
    findings = tuple(dict.fromkeys([*facts.findings, *(one for one in classifier.findings_ if one not in of_part)]))
    run = TrainedRun(facts.output, classifier, evaluation, advice, findings, len(data), facts.held_out, facts.seconds)
    for_report = RunFacts(
        title=f"Fusion of {', '.join(classifier.ensemble_.sources_)} on {config.data}",
        findings=findings,
        settings=settings,
        commands=[facts.command, run.next_command],
        training_rows=len(data),
        held_out=facts.held_out,
        seconds=facts.seconds,
        predict_command=run.predict_command,
    )
    with staged(facts.output) as folder:
        classifier.save(folder / MODEL_FOLDER)
        written = yaml.safe_dump(_from_anywhere(settings), sort_keys=False, allow_unicode=True)
        (folder / CONFIG_FILE).write_text(written, encoding="utf-8")
        write_report(folder, evaluation, for_report, classifier.ensemble_.ladder_report_, advice)
    return run


def _from_anywhere(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the paths of files made absolute: the configuration moves into the run's folder."""
    found = dict(settings)
    for key in ("data", "test_data", "labels", "prompt_template"):
        if isinstance(found.get(key), str) and Path(found[key]).is_file():
            found[key] = str(Path(found[key]).resolve())
    return found


def labelled_file(config: Config, source: str, schema: LabelSchema | None) -> TrainingData:
    """Return the labelled texts in a file, or in a split of a hub's data set, read as the configuration says.

    Raises:
        DataError: they cannot be used; the message names the file.

    """
    return _labelled(config, source, schema)[0]


def _labelled(config: Config, source: str, schema: LabelSchema | None) -> tuple[TrainingData, str, tuple[str, ...]]:
    """Return labelled texts, the column that held the texts and those that held the labels."""
    options: dict[str, Any] = {
        "text_column": config.text_column,
        "label_columns": config.label_columns,
        "group_column": config.group_column,
        "multi_label": config.multi_label if schema is None else schema.multi_label or config.multi_label,
        "schema": schema,
    }
    try:
        frame = read_hub(source) if source.startswith(HUB) else read_table(source, text_column=config.text_column)
        data = dataset.labelled_data(frame, **options)
        with warnings.catch_warnings(action="ignore"):  # said by the line above already
            found = labelled_columns(frame, **options)
    except DataError as error:
        raise type(error)(str(error) if source in str(error) else f"{source}: {error}") from error
    return data, found.text, found.columns


@dataclass(frozen=True)
class _Found:
    """The configuration with the columns that were found, and what the files hold; rows in findings are the file's."""

    config: Config
    data: TrainingData
    test: TrainingData | None
    held_out: str
    findings: list[str]


def data_of(config_file: Path | None, say: Callable[[str], None]) -> tuple[Config, TrainingData, TrainingData | None]:
    """Return a configuration with the columns that were found, its training data, and its test data if there are any.

    Raises:
        ConfigError: the configuration cannot be read or names no data.
        DataError: the data cannot be used.

    """
    config = Config.of(settings_of(config_file, {}))
    if config.data is None:
        raise ConfigError(f"{str(config_file)!r} names no training data; set `data` in it")
    found = _read(config, say)
    return found.config, found.data, found.test


def _read(config: Config, say: Callable[[str], None]) -> _Found:
    """Return the training data and the held-out data.

    The columns that were found go into the configuration: `predict` must not take another one for the texts.
    """
    schema = None if config.labels is None else LabelSchema.of(config.labels, multi_label=config.multi_label)
    data, text, columns = _labelled(config, str(config.data), schema)
    say(f"{config.data}: {len(data):,} rows; texts in {text!r}, labels in {listed(map(repr, columns), 12)}")
    config = config.model_copy(update={"text_column": text, "label_columns": config.label_columns or list(columns)})
    if config.test_data is not None:
        test = labelled_file(config, str(config.test_data), data.schema)
        return _Found(config, data, test, f"from {config.test_data}", describe(data, test))
    if len(data) < FEWEST_TO_SPLIT:
        say(
            f"{len(data)} rows are too few to hold any out (fewer than {FEWEST_TO_SPLIT}): all are learned from, and "
            "quality is not measured; name test texts with --test-data to have it measured"
        )
        return _Found(config, data, None, "", describe(data))
    training, test = _split(data, config)
    held_out = f"{len(test)} of {len(data)} rows held out at random (seed {config.random_state})"
    say(f"no test data named: {held_out}; the model learns from the other {len(training)}")
    return _Found(config, training, test, held_out, describe(data))


def _split(data: TrainingData, config: Config) -> tuple[TrainingData, TrainingData]:
    try:
        return dataset.split(data, config.test_size, random_state=config.random_state)
    except DataError as error:
        raise DataError(
            f"{config.data}: no row can be held out of {len(data)}: rows of one wording or group stay together, and "
            "each label keeps one of its texts for training; add texts, or name other ones with --test-data"
        ) from error


def _kept(config: Config, output: Path) -> str:
    answers = ""
    if any(provider != "local" for provider, _ in config.llms):
        where = replies_folder(config.cache_dir)
        answers = f"; answers of the language model are kept in {str(where)!r} and will not be asked again"
    return f"no model was written to {str(output)!r}, and what was there before is untouched{answers}"
