"""One training run from settings to a folder: model, report, evaluation and the resolved configuration."""

from __future__ import annotations

import contextlib
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from textclassify.apps.failures import InterruptedRunError
from textclassify.auto import AutoFusionClassifier
from textclassify.core import dataset
from textclassify.core.findings import describe
from textclassify.core.labels import LabelSchema
from textclassify.core.storage import MANIFEST, cache_folder
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError, StorageError
from textclassify.runs.config import Config, read_settings
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.report import EVALUATION_FILE, REPORT_FILE, RunFacts, write_report

DEFAULT_OUTPUT = Path("textclassify_run")
MODEL_FOLDER = "model"
CONFIG_FILE = "config.yaml"
FEWEST_TO_SPLIT = 50
"""Rows below which none is held out: a test on fewer than ten texts tells nothing."""
_LOCK = ".textclassify.lock"
_TYPEABLE = re.compile(r"[A-Za-z][A-Za-z0-9 ,.?]{14,70}")
_OURS = {MODEL_FOLDER, REPORT_FILE, EVALUATION_FILE, CONFIG_FILE}


@dataclass(frozen=True)
class TrainedRun:
    """What a training run left behind; `evaluation` is None where there were too few rows for one."""

    folder: Path
    classifier: AutoFusionClassifier
    evaluation: Evaluation | None
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
    settings: Mapping[str, Any], *, output: Path, overwrite: bool, command: str, say: Callable[[str], None]
) -> TrainedRun:
    """Train, evaluate, save and report; the folder is checked before anything is computed.

    Args:
        settings: what `Config` takes; `data` is needed.
        output: folder of the run.
        overwrite: whether an earlier run in the folder may be replaced.
        command: what was typed, for the report.
        say: called with a sentence as soon as it is known.

    Raises:
        DataError: the data cannot be used.
        StorageError: the folder cannot be written, is in use, or holds something.
        InterruptedRunError: Ctrl-C; the message says what was kept.

    """
    config = Config.of(settings)
    if config.data is None:
        raise ConfigError("no training data named; pass a file: textclassify train DATA, or set `data` in --config")
    with claimed(output, overwrite=overwrite):
        start = perf_counter()
        data, test, held_out = _read(config, say)
        findings = describe(data, test)
        for finding in findings:
            say(f"data: {finding}")
        seconds = {"reading": perf_counter() - start}
        try:
            return _run(config, data, test, _Facts(output, command, held_out, findings, seconds))
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
    evaluation = None
    if test is not None:
        evaluation = evaluate(
            classifier, test, groups=test.groups, seen_row_ids=data.wording_ids, random_state=config.random_state
        )
        facts.seconds["evaluation"] = perf_counter() - start
    findings = tuple(dict.fromkeys([*facts.findings, *classifier.findings_]))
    run = TrainedRun(facts.output, classifier, evaluation, findings, len(data), facts.held_out, facts.seconds)
    classifier.save(run.model)
    written = yaml.safe_dump(_from_anywhere(settings), sort_keys=False, allow_unicode=True)
    (facts.output / CONFIG_FILE).write_text(written, encoding="utf-8")
    write_report(
        facts.output,
        evaluation,
        RunFacts(
            title=f"Fusion of {', '.join(classifier.ensemble_.sources_)} on {config.data}",
            findings=findings,
            settings=settings,
            commands=[facts.command, run.next_command],
            training_rows=len(data),
            held_out=facts.held_out,
            seconds=facts.seconds,
        ),
        classifier.ensemble_.ladder_report_,
    )
    return run


def _from_anywhere(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the paths of files made absolute: the configuration moves into the run's folder."""
    found = dict(settings)
    for key in ("data", "test_data", "labels"):
        if isinstance(found.get(key), str) and Path(found[key]).is_file():
            found[key] = str(Path(found[key]).resolve())
    return found


def labelled_file(config: Config, path: Path, schema: LabelSchema | None) -> TrainingData:
    """Return the labelled texts in a file, read as the configuration says.

    Raises:
        DataError: they cannot be used; the message names the file.

    """
    try:
        return dataset.labelled_data(
            str(path),
            schema=schema,
            text_column=config.text_column,
            label_columns=config.label_columns,
            multi_label=config.multi_label if schema is None else schema.multi_label or config.multi_label,
            group_column=config.group_column,
        )
    except DataError as error:
        named = str(error) if str(path) in str(error) else f"{path}: {error}"
        raise type(error)(named) from error


def _read(config: Config, say: Callable[[str], None]) -> tuple[TrainingData, TrainingData | None, str]:
    """Return training data, held-out data and how these came about."""
    schema = None if config.labels is None else LabelSchema.of(config.labels, multi_label=config.multi_label)
    data = labelled_file(config, Path(str(config.data)), schema)
    if config.test_data is not None:
        test = labelled_file(config, config.test_data, data.schema)
        return data, test, f"from {config.test_data}"
    if len(data) < FEWEST_TO_SPLIT:
        say(f"{len(data)} rows are too few to hold any out: all are learned from, and quality is not measured")
        return data, None, ""
    training, test = dataset.split(data, config.test_size, random_state=config.random_state)
    held_out = f"{len(test)} of {len(data)} rows held out at random (seed {config.random_state})"
    say(f"no test data named: {held_out}; the model learns from the other {len(training)}")
    return training, test, held_out


def _kept(config: Config, output: Path) -> str:
    answers = ""
    if any(provider != "local" for provider, _ in config.llms):
        where = config.cache_dir or cache_folder()
        answers = f"; answers of the language model are kept in {str(where)!r} and will not be asked again"
    return f"no model was written to {str(output)!r}, and what was there before is untouched{answers}"


@contextlib.contextmanager
def claimed(folder: Path, *, overwrite: bool) -> Iterator[None]:
    """Hold a folder for one run: made when missing, refused when it cannot be written, is in use or holds something.

    Raises:
        StorageError: with the reason and the remedy.

    """
    existed = folder.exists()
    lock = folder / _LOCK
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.touch(exist_ok=False)
    except FileExistsError:
        if not folder.is_dir():
            raise StorageError(f"cannot write to {str(folder)!r}: it is a file; name a folder with --output") from None
        raise StorageError(
            f"folder {str(folder)!r} is in use by another run; wait for it, name another --output, or remove "
            f"{str(lock)!r} if none is running"
        ) from None
    except OSError as error:
        raise StorageError(
            f"cannot write to {str(folder)!r}: {error.strerror}; name a folder that you may write to with --output"
        ) from error
    try:
        _refuse_foreign(folder, overwrite=overwrite)
        yield
    finally:
        lock.unlink(missing_ok=True)
        if not existed and not any(folder.iterdir()):
            folder.rmdir()


def _refuse_foreign(folder: Path, *, overwrite: bool) -> None:
    inside = {path.name for path in folder.iterdir()} - {_LOCK}
    model = folder / MODEL_FOLDER
    if model.is_dir() and any(model.iterdir()) and not (model / MANIFEST).is_file():
        raise StorageError(f"folder {str(model)!r} holds other files; name another folder with --output")
    if inside & _OURS and not overwrite:
        raise StorageError(f"folder {str(folder)!r} holds an earlier run; pass --overwrite, or name another --output")
    if inside and not inside & _OURS:
        raise StorageError(f"folder {str(folder)!r} holds other files; name a new or empty folder with --output")
