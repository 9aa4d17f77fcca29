"""One cell of the replay: fitted on its validation rows with default settings, scored once on its test rows."""

from __future__ import annotations

import time

import numpy as np

from replay_curve import cost_curve, reported_curve
from replay_data import Cell, Part
from replay_statistics import Figures, Resamples, compared, interval_of, label_wise_oracle, value_of
from textclassify import ScoreFusion
from textclassify.core.labels import Gold
from textclassify.core.result import ClassificationResult
from textclassify.statistics.metrics import ece, log_loss

RANDOM_STATE = 0
REFERENCES = ("best_single", "without_llm")
RECORDED_THRESHOLD = 0.3


def measured(cell: Cell) -> Figures:
    """Return every system's figures on the test rows, and the fusion's differences to what could be had for less."""
    validation, test = cell.validation, cell.test
    started = time.process_time()
    fusion = ScoreFusion(random_state=RANDOM_STATE).fit(validation.sources, validation.gold)
    fit_cpu_seconds = time.process_time() - started
    without = ScoreFusion(random_state=RANDOM_STATE).fit({"encoder": validation.sources["encoder"]}, validation.gold)
    fused, free = fusion.predict(test.sources), without.predict({"encoder": test.sources["encoder"]})
    answers = {**single_answers(test), "without_llm": free.codes, "fusion": fused.codes, "upstream": test.upstream}
    answers["oracle"] = label_wise_oracle(test.gold, [answers["encoder"], answers["llm"]])
    best = {metric: best_single(validation, metric) for metric in cell.task.headlines}
    resamples = Resamples(test.clusters)
    gate = fusion.ladder_report_.gate
    return {
        "selected": fusion.selected_,
        "gate": str(gate) if gate else "",
        "best_single": best,
        "systems": {name: _figures(cell, codes) for name, codes in answers.items()},
        "forecasts": {
            "encoder": _forecasts(test.gold, test.sources["encoder"].probabilities),
            "without_llm": _forecasts(test.gold, free.probabilities),
            "fusion": _forecasts(test.gold, fused.probabilities),
        },
        "against": {
            reference: {
                metric: compared(
                    metric,
                    test.gold,
                    fused.codes,
                    answers[best[metric] if reference == "best_single" else reference],
                    resamples,
                )
                for metric in cell.task.headlines
            }
            for reference in REFERENCES
        },
        "free_answers_equal_the_refit": _same(fusion.predict({"encoder": test.sources["encoder"]}), free),
        "curve": cost_curve(fusion, cell, fused.codes, resamples),
        "reported_curve": reported_curve(fusion, cell),
        "fit_cpu_seconds": fit_cpu_seconds,
        "cpu_seconds": time.process_time() - started,
    }


def single_answers(part: Part) -> dict[str, Gold]:
    """Return what each source answers by itself.

    `encoder` is its most probable label, or each label from a probability of 0.5 on. With several labels there is also
    `encoder_rule`, the recording's own rule: from 0.3 on, else the most probable label. It is the recorded `rb_pred`
    but in GoEmotions at 25%, where most recorded answers are empty and follow neither rule. Whichever of both is better
    on validation rows stands for the encoder.
    """
    if not part.multi_label:
        return {"encoder": part.probabilities.argmax(axis=1), "llm": part.votes}
    ranked = part.probabilities == part.probabilities.max(axis=1, keepdims=True)
    generous = part.probabilities >= RECORDED_THRESHOLD
    rule = np.where(generous.any(axis=1, keepdims=True), generous, ranked)
    plain = part.probabilities >= 0.5
    return {"encoder": plain.astype(np.int64), "encoder_rule": rule.astype(np.int64), "llm": part.votes}


def best_single(part: Part, metric: str) -> str:
    """Return the name of the single source with the highest metric on these rows; the first one among equals."""
    values = {name: value_of(metric, part.gold, codes) for name, codes in single_answers(part).items()}
    return max(values, key=lambda name: np.nan_to_num(values[name], nan=-1.0))


def _figures(cell: Cell, codes: Gold) -> Figures:
    figures = {}
    for metric in (*cell.task.headlines, *cell.task.beside):
        interval = interval_of(metric, cell.test.gold, codes, cell.test.clusters)
        figures[metric] = [interval.estimate, interval.low, interval.high]
    return figures


def _forecasts(gold: Gold, probabilities: np.ndarray) -> Figures:
    return {"log_loss": log_loss(gold, probabilities), "ece": ece(gold, probabilities)}


def _same(first: ClassificationResult, second: ClassificationResult) -> bool:
    return bool(np.array_equal(first.codes, second.codes))
