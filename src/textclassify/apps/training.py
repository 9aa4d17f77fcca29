"""One training run from settings to a folder: model, report, evaluation and the resolved configuration."""

from __future__ import annotations

import datetime as dt
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import yaml

from textclassify.apps.configured import configured_limits
from textclassify.apps.failures import InterruptedRunError, as_typed
from textclassify.apps.models import MODEL_FOLDER
from textclassify.apps.pricing import price_per_call
from textclassify.apps.run_folders import CONFIG_FILE, announced, claimed, staged
from textclassify.apps.training_data import FoundData, read_data
from textclassify.auto import AutoFusionClassifier
from textclassify.core.findings import describe
from textclassify.core.storage import replies_folder
from textclassify.errors import ConfigError
from textclassify.llm.store.spending import Spending, counted
from textclassify.runs.advice import Advice, advice_on
from textclassify.runs.config import Config
from textclassify.runs.evaluation import Evaluation, evaluate
from textclassify.runs.recording.prediction_table import hashes_of
from textclassify.runs.recording.run_facts import data_facts, thresholds_of
from textclassify.runs.recording.run_files import new_id
from textclassify.runs.recording.run_metrics import metrics_of
from textclassify.runs.recording.run_record import Run
from textclassify.runs.report import REPORT_FILE, RunFacts, write_report
from textclassify.runs.systems import json_safe

DEFAULT_OUTPUT = Path("textclassify_run")
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


def train(
    settings: Mapping[str, Any],
    *,
    output: Path,
    overwrite: bool,
    command: str,
    say: Callable[[str], None],
    config_file: Path | None = None,
    origins: Mapping[str, str] | None = None,
) -> TrainedRun:
    """Train, evaluate, save and report; the folder is checked before anything is computed.

    Args:
        settings: what `Config` takes; `data` is needed.
        output: folder of the run.
        overwrite: whether an earlier run in the folder may be replaced.
        command: what was typed, for the report.
        say: called with a sentence as soon as it is known.
        config_file: where the settings were read from; it is never replaced.
        origins: where each setting comes from, for the record.

    Raises:
        DataError: the data cannot be used.
        StorageError: the folder cannot be written, is in use, or holds something.
        InterruptedRunError: Ctrl-C; the message says what was kept.

    """
    config = Config.of(settings)
    if config.data is None:
        raise ConfigError("no training data named; pass a file: textclassify train DATA, or set `data` in --config")
    started = dt.datetime.now(dt.UTC)
    with claimed(output, overwrite=overwrite, config_file=config_file):
        start = perf_counter()
        found = read_data(config, say)
        for finding in found.findings:
            say(f"data: {as_typed(finding)}")
        about = _about(found, output, command, origins or {}, started)
        training = _Training(found, output, command, about, {"reading": perf_counter() - start})
        try:
            with configured_limits(config), announced(output, about):
                return training.run()
        except KeyboardInterrupt:
            raise InterruptedRunError(_kept(config, output)) from None


def _about(
    found: FoundData, output: Path, command: str, origins: Mapping[str, str], started: dt.datetime
) -> dict[str, Any]:
    """Return what `Run.begin` is told about a training."""
    config = found.config
    return {
        "name": output.resolve().name,
        "config": config,
        "origins": origins,
        "labels": found.data.schema,
        "data": data_facts(found.data, str(config.data)),
        "test_data": data_facts(found.test, str(config.test_data or config.data)),
        "seeds": config.random_state,
        "command": command,
        "started": started,
        "run_id": new_id(started),
    }


@dataclass(frozen=True)
class _Training:
    """A training whose data are read and whose folder is held.

    Args:
        found: configuration and data.
        output: folder of the run.
        command: what was typed.
        about: what `Run.begin` is told.
        seconds: what each part took so far.

    """

    found: FoundData
    output: Path
    command: str
    about: Mapping[str, Any]
    seconds: dict[str, float]

    def run(self) -> TrainedRun:
        """Return the run after everything was computed and written."""
        config, data = self.found.config, self.found.data
        settings = config.model_dump(mode="json", exclude_unset=True)
        with self._timed("training") as spent:
            classifier = AutoFusionClassifier(settings).fit(data)
        costs = {"training": spent}
        with self._timed("advice"):
            price = price_per_call(classifier, data.texts)
            advice = advice_on(classifier.ensemble_, config.policy(), cost_per_call=price)
        evaluation = None
        if self.found.test is not None:
            with self._timed("evaluation") as costs["evaluation"]:
                evaluation = self._evaluation(classifier, price)
        of_part = describe(data)  # counted in the rows that were learned from; the facts count in those of the file
        own = (one for one in classifier.findings_ if one not in of_part)
        findings = tuple(dict.fromkeys([*self.found.findings, *own]))
        run = TrainedRun(
            self.output, classifier, evaluation, advice, findings, len(data), self.found.held_out, self.seconds
        )
        self._write(run, settings, costs)
        return run

    @contextmanager
    def _timed(self, part: str) -> Iterator[Spending]:
        """Note how long a part takes, and give what its language models do."""
        start = perf_counter()
        with counted() as spending:
            yield spending
        self.seconds[part] = perf_counter() - start

    def _evaluation(self, classifier: AutoFusionClassifier, price: float | None) -> Evaluation:
        test, config = self.found.test, self.found.config
        with config.limited():  # answers about test texts are kept where the configuration says
            return evaluate(
                classifier,
                test,
                groups=None if test is None else test.groups,
                seen_row_ids=self.found.data.wording_ids,
                policy=config.policy(),
                cost_per_call=price,
                random_state=config.random_state,
            )

    def _write(self, run: TrainedRun, settings: Mapping[str, Any], costs: Mapping[str, Spending]) -> None:
        ladder = run.classifier.ensemble_.ladder_report_
        for_report = RunFacts(
            title=f"Fusion of {', '.join(run.classifier.ensemble_.sources_)} on {self.found.config.data}",
            findings=run.findings,
            settings=settings,
            commands=[self.command, run.next_command],
            training_rows=run.training_rows,
            held_out=run.held_out,
            seconds=self.seconds,
            predict_command=run.predict_command,
        )
        with staged(self.output) as folder, Run.begin(folder, **self.about) as record:
            run.classifier.save(folder / MODEL_FOLDER, card=self._card(run))
            written = yaml.safe_dump(_from_anywhere(settings), sort_keys=False, allow_unicode=True)
            (folder / CONFIG_FILE).write_text(written, encoding="utf-8")
            record.note(thresholds=thresholds_of(run.classifier))
            if run.evaluation is not None:
                record.save_predictions(run.evaluation)
                record.save_metrics(run.evaluation)
            record.save_costs(costs)
            write_report(folder, run.evaluation, for_report, ladder, run.advice)
            record.finish(self.seconds)

    def _card(self, run: TrainedRun) -> dict[str, Any]:
        """Return what the model card says of how good the model is, and on which texts that was measured."""
        if run.evaluation is None:
            return {"metrics": {}}
        measured_on = {key: value for key, value in hashes_of(run.evaluation.data).items() if key in {"rows", "sha256"}}
        return {"metrics": metrics_of(run.evaluation), "data": {"measured on": measured_on}}


def _from_anywhere(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings with the paths of files made absolute: the configuration moves into the run's folder."""
    found = dict(settings)
    for key in ("data", "test_data", "labels", "prompt_template"):
        if isinstance(found.get(key), str) and Path(found[key]).is_file():
            found[key] = str(Path(found[key]).resolve())
    return found


def _kept(config: Config, output: Path) -> str:
    answers = ""
    if any(provider != "local" for provider, _ in config.llms):
        where = replies_folder(config.replies_in_fit)
        answers = f"; answers of the language model are kept in {str(where)!r} and will not be asked again"
    return f"no model was written to {str(output)!r}, and what was there before is untouched{answers}"
