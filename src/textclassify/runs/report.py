"""A run's evaluation in its folder: `evaluation.json` for programs and `report.md` for people."""

from __future__ import annotations

import html
import json
import math
import platform
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from textclassify.core.result import NO_LABEL
from textclassify.ensemble.combining.ladder_report import Gate, LadderReport
from textclassify.errors import StorageError
from textclassify.runs.advice import Advice
from textclassify.runs.markdown import bullets, escaped, fenced, number, table
from textclassify.runs.recording.run_facts import package_versions
from textclassify.runs.report_sections import advice_blocks, calibration_blocks, check_blocks
from textclassify.runs.systems import METRIC_NAMES, Evaluation, System, json_safe

EVALUATION_FILE = "evaluation.json"
REPORT_FILE = "report.md"
SHOWN_ROWS = 12
_PACKAGES = ("numpy", "scipy", "scikit-learn", "torch", "transformers")


@dataclass(frozen=True)
class RunFacts:
    """What a report says about a run beside its figures.

    Args:
        title: headline of the report.
        findings: what was found in the training data.
        settings: the configuration.
        commands: what to type to get the same again, and to use the model.
        training_rows: how many rows were learned from.
        held_out: how the test texts came about.
        seconds: what each part of the run took.
        predict_command: how texts are labelled with the model, without options.

    """

    title: str = "Evaluation"
    findings: Sequence[str] = ()
    settings: Mapping[str, Any] = field(default_factory=dict)
    commands: Sequence[str] = ()
    training_rows: int | None = None
    held_out: str = ""
    seconds: Mapping[str, float] = field(default_factory=dict)
    predict_command: str = ""


def write_report(
    folder: str | Path,
    evaluation: Evaluation | None,
    facts: RunFacts | None = None,
    ladder: LadderReport | None = None,
    advice: Advice | None = None,
) -> Path:
    """Return the path of `report.md`, written into a folder beside `evaluation.json`.

    Args:
        folder: an existing or new folder.
        evaluation: None = there were too few rows for one, and the report says so.
        facts: about the run.
        ladder: what the fusion's combiners were compared on.
        advice: what a freshly fitted fusion says of its own use.

    Raises:
        StorageError: the folder cannot be written.

    """
    folder, facts = Path(folder), facts or RunFacts()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if evaluation is not None:
            found = evaluation.to_dict() | ({} if advice is None else {"advice": json_safe(advice.to_dict())})
            written = json.dumps(found, indent=1, ensure_ascii=False)
            (folder / EVALUATION_FILE).write_text(written + "\n", encoding="utf-8")
        (folder / REPORT_FILE).write_text(as_markdown(evaluation, facts, ladder, advice), encoding="utf-8")
    except OSError as error:
        raise StorageError(
            f"cannot write the report to {str(folder)!r}: {error.strerror}; name a folder that you may write to"
        ) from error
    return folder / REPORT_FILE


def as_markdown(
    evaluation: Evaluation | None, facts: RunFacts, ladder: LadderReport | None, advice: Advice | None = None
) -> str:
    """Return the whole report; texts and labels in it are escaped, so that none of them is markup."""
    blocks = [f"# {escaped(facts.title)}", *_headline(evaluation, facts)]
    if ladder is not None:
        blocks += ["## How the fusion was chosen", *_choice(ladder)]
    if advice is not None:
        blocks += advice_blocks(advice, facts.predict_command)
    if evaluation is not None:
        blocks += check_blocks(evaluation)
        blocks += ["## Labels", _per_label(evaluation), *_confusions(evaluation), *_disagreements(evaluation)]
        blocks += [*calibration_blocks(evaluation.calibration), "## Time", _timing(evaluation, facts)]
    if facts.findings:
        blocks += ["## About the training data", bullets(facts.findings)]
    blocks += ["## How to reproduce", *_reproduction(evaluation, facts)]
    return "\n\n".join(blocks) + "\n"


def gate_sentence(gate: Gate) -> str:
    """Return what the gate compared, and what it decided."""
    return (
        f"Gate: {gate.rung} against the reference {gate.reference}: paired gain {gate.gain:+.4f} nats of log loss per "
        f"text (SE {gate.standard_error:.4f}), {gate.metric.replace('_', '-')} {gate.metric_gain:+.4f} "
        f"(SE {gate.metric_standard_error:.4f}): {gate.outcome}."
    )


def _headline(evaluation: Evaluation | None, facts: RunFacts) -> Iterator[str]:
    if evaluation is None:
        yield "**No estimate of quality exists**: there were too few labelled rows to hold any out."
        return
    yield f"**{escaped(evaluation.verdict, 2000)}**"
    rows = "" if facts.training_rows is None else f"Learned from {facts.training_rows} rows. "
    yield f"{rows}Measured on {len(evaluation.data)} texts{f', {facts.held_out}' if facts.held_out else ''}."
    yield _systems(evaluation)
    legend = ["In brackets: 95% intervals. Texts without an answer count as wrong."]
    if len(evaluation.systems) > 1:
        legend.append(
            "Each source is shown calibrated, as the fusion would answer from it alone. "
            "*Lead*: of the fusion over the row, with its standard error; p adjusted for all rows (Holm)."
        )
    if any(system.best_single for system in evaluation.systems):
        legend.append("★: the best single source, as the training rows told before these texts were seen.")
    yield " ".join(legend)
    if evaluation.notes:
        yield bullets(evaluation.notes)


def _systems(evaluation: Evaluation) -> str:
    metrics = [evaluation.headline, *(["subset_accuracy", "samples_f1"] if evaluation.data.multi_label else [])]
    metrics += ["macro_f1", "log_loss", "ece"]
    header = ["", *(METRIC_NAMES[name] for name in metrics), "answered", "lead", "p"]
    rows = []
    for system in evaluation.systems:
        name = escaped(system.name) + (" ★" if system.best_single else "")
        rows.append(
            [name, *(_measured(system, metric) for metric in metrics), f"{system.coverage:.1%}", *_lead(system)]
        )
    return table(header, rows)


def _measured(system: System, metric: str) -> str:
    value, interval = system.metrics[metric], system.intervals.get(metric)
    if interval is None or math.isnan(interval.low):
        return number(value)
    return f"{value:.3f} [{interval.low:.3f}, {interval.high:.3f}]"


def _lead(system: System) -> tuple[str, str]:
    against = system.comparison
    if against is None:
        return "", ""
    p = "<0.001" if against.p_adjusted < 0.001 else f"{against.p_adjusted:.3f}"
    return f"{against.difference:+.3f} ± {against.standard_error:.3f}", html.escape(p)


def _choice(ladder: LadderReport) -> Iterator[str]:
    yield (
        f"Selected: **{ladder.selected}**, on {ladder.n_rows} training rows. "
        "These figures select; they are not performance."
    )
    if ladder.rungs:
        rows = [
            [rung.rung, f"{rung.log_loss:.4f}", f"{rung.behind_best:+.4f}", f"{rung.standard_error:.4f}"]
            for rung in ladder.rungs
        ]
        yield table(["combiner", "log loss", "behind the best", "SE"], rows)
    names = list(dict.fromkeys([*ladder.pool_weights, *ladder.weights]))
    if names:
        columns = (ladder.pool_weights, ladder.weights)
        rows = [[escaped(name), *(_weight(weights, name) for weights in columns)] for name in names]
        yield table(["source", "weight in the pool", "weight in what answers"], rows)
    if ladder.gate is not None:
        yield gate_sentence(ladder.gate)
    if ladder.notes:
        yield bullets(ladder.notes)


def _weight(weights: Mapping[str, float], name: str) -> str:
    return f"{weights[name]:.3f}" if name in weights else ""


def _per_label(evaluation: Evaluation) -> str:
    rows = [
        [
            escaped(row["label"]),
            number(row["precision"]),
            number(row["recall"]),
            number(row["f1"]),
            str(row["support"]),
            str(row["predicted"]),
        ]
        for row in evaluation.per_label().to_dict(orient="records")
    ]
    return table(["label", "precision", "recall", "F1", "texts", "predicted"], rows)


def confusions(evaluation: Evaluation) -> list[tuple[Any, Any, int, int]]:
    """Return (gold label, answer, how often, first row) of the wrong answers of the first system, most frequent first.

    Single-label only; an answer of None is no answer.
    """
    if evaluation.data.multi_label:
        return []
    names, gold, codes = (
        evaluation.data.schema.names,
        np.asarray(evaluation.data.gold),
        evaluation.systems[0].answers.codes,
    )
    wrong = np.flatnonzero(gold != codes)
    pairs, first, counts = np.unique(
        np.column_stack([gold[wrong], codes[wrong]]), axis=0, return_index=True, return_counts=True
    )
    order = np.argsort(-counts, kind="stable")
    return [
        (
            names[pairs[k, 0]],
            None if pairs[k, 1] == NO_LABEL else names[pairs[k, 1]],
            int(counts[k]),
            int(wrong[first[k]]),
        )
        for k in order
    ]


def _confusions(evaluation: Evaluation) -> Iterator[str]:
    found = confusions(evaluation)
    if found:
        yield "## Most frequent confusions"
        rows = [
            [
                escaped(gold),
                "*no answer*" if answer is None else escaped(answer),
                str(count),
                escaped(evaluation.data.texts[row]),
            ]
            for gold, answer, count, row in found[:SHOWN_ROWS]
        ]
        yield table(["gold", "answer", "texts", "for example"], rows)


def disagreements(evaluation: Evaluation) -> list[int]:
    """Return the rows on which sources give different answers, those with the most different ones first."""
    sources = [system.answers.codes for system in evaluation.systems if system.before_calibration]
    if len(sources) < 2:
        return []
    stacked = np.stack([codes.reshape(len(codes), -1) for codes in sources], axis=1)
    kinds = np.array([len(np.unique(row, axis=0)) for row in stacked])
    order = np.argsort(-kinds, kind="stable")
    return [int(row) for row in order if kinds[row] > 1]


def _disagreements(evaluation: Evaluation) -> Iterator[str]:
    rows = disagreements(evaluation)
    if not rows:
        return
    shown = [evaluation.systems[0], *(system for system in evaluation.systems if system.before_calibration)]
    yield "## Where the sources disagree"
    yield f"On {len(rows)} of {len(evaluation.data)} texts. Those with the most different answers:"
    cells = [
        [escaped(evaluation.data.texts[row]), _answer(evaluation, np.asarray(evaluation.data.gold)[row])]
        + [_answer(evaluation, system.answers.codes[row]) for system in shown]
        for row in rows[:SHOWN_ROWS]
    ]
    yield table(["text", "gold", *(escaped(system.name) for system in shown)], cells)


def _answer(evaluation: Evaluation, code: Any) -> str:
    if np.min(code) == NO_LABEL:
        return "n/a"
    decoded = evaluation.data.schema.decode(np.asarray([code]))[0]
    return escaped(", ".join(map(str, decoded)) or "no label") if evaluation.data.multi_label else escaped(decoded)


def _timing(evaluation: Evaluation, facts: RunFacts) -> str:
    rows = [
        [f"scoring: {escaped(name)}", f"{one.seconds:.1f}", f"{one.texts_per_second:,.0f}"]
        for name, one in evaluation.timing.items()
    ]
    rows += [[escaped(name), f"{seconds:.1f}", ""] for name, seconds in facts.seconds.items()]
    return table(["", "seconds", "texts/s"], rows)


def _reproduction(evaluation: Evaluation | None, facts: RunFacts) -> Iterator[str]:
    if facts.commands:
        yield fenced("\n".join(facts.commands), "sh")
    if facts.settings:
        yield "Settings:"
        yield fenced(yaml.safe_dump(dict(facts.settings), sort_keys=False, allow_unicode=True), "yaml")
    versions = [f"Python {platform.python_version()}"]
    versions += [f"{name} {number}" for name, number in package_versions(_PACKAGES).items()]
    yield f"With {', '.join(versions)}, on {platform.system()} {platform.machine()}."
    if evaluation is not None:
        yield f"Content hash of the test texts and labels: `{evaluation.to_dict()['data_sha256']}`."
