"""What a classifier is worth on texts that it was not trained on, beside everything that could be had for less."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.progress import doing
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.seeds import check_seed
from textclassify.core.splits import honest_part
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.calibration_report import CalibrationReport, calibration_report
from textclassify.ensemble.combining.rows import complete
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.policy import Policy
from textclassify.ensemble.pooling import BestSingle
from textclassify.errors import ConfigError
from textclassify.runs.comparing import Answers, compared, figures
from textclassify.runs.scored_texts import FUSION, WITHOUT_LLM, ScoredTexts, price_of_call, raw_probabilities
from textclassify.runs.systems import METRIC_NAMES, Evaluation, System, Timing
from textclassify.runs.verdict import verdict_on
from textclassify.statistics.metrics import correct_per_row, ece, log_loss

__all__ = ["FUSION", "METRIC_NAMES", "WITHOUT_LLM", "Evaluation", "System", "Timing", "evaluate"]

_PRIOR_POOL = "prior_pool"


def evaluate(
    classifier: TextClassifier,
    texts: Any,
    labels: Any = None,
    *,
    groups: Iterable[Any] | None = None,
    seen_row_ids: ArrayLike | None = None,
    llm: bool = True,
    policy: Policy | None = None,
    alpha: float | None = None,
    cost_per_call: float | None = None,
    random_state: int = 0,
) -> Evaluation:
    """Return how a classifier does on labelled texts; of a fusion, also each source and the fusion without an LLM.

    A source is shown in its calibrated form, as the fusion would answer from it alone. The best single source is the
    one that the training rows name, not the one that happens to win here. Rows without an answer count as wrong.

    Args:
        classifier: fitted; one that has an `ensemble_` is taken for that fusion.
        texts: texts, or a table, path or `TrainingData` that holds the labels too.
        labels: gold labels; None when `texts` holds them.
        groups: (n,) group names; intervals and tests count rows of one group as one story, as they do equal texts.
        seen_row_ids: hashes of the training texts (`TrainingData.wording_ids`, or `row_ids` for exact matches only), to
            report an overlap; None = those of the texts that the fusion was trained on.
        llm: whether to ask language models; without, the fusion answers from its other sources.
        policy: what the fusion answers under: its `llm_budget` holds for the fusion's row, and a `max_risk` is checked
            beside it; None = every text may be asked about.
        alpha: also check prediction sets with this share of misses.
        cost_per_call: expected US dollars of asking about a text, for the cost curve.
        random_state: seeds the resampling.

    Raises:
        LabelError: a gold label is missing or unknown to the classifier; the message names row and label.
        ConfigError: `random_state` is no seed, there is nothing to evaluate without a language model, or no fusion that
            could keep a policy.

    """
    check_seed(random_state)
    policy = policy or Policy()
    policy.check()
    ensemble: Any = getattr(classifier, "ensemble_", classifier)
    schema = ensemble._require_schema()  # noqa: SLF001 - classifiers that need no training have no `schema_`
    data, left_out = honest_part(
        dataset.labelled_data(texts, labels, schema=schema, multi_label=schema.multi_label, groups=groups)
    )
    seen = np.asarray(getattr(ensemble, "training_row_ids_", ()) if seen_row_ids is None else seen_row_ids, np.uint64)
    left_out_notes = [left_out] if left_out else []
    if not isinstance(ensemble, FusionEnsemble):
        if policy != Policy() or alpha is not None:
            raise ConfigError(f"{type(ensemble).__name__} keeps no budget and gives no guarantee; evaluate a fusion")
        one = _of_one(ensemble, data, seen, random_state)
        return replace(one, notes=(*left_out_notes, *one.notes))
    check_same_labels(schema.names, ensemble.fusion_.labels_, "fusion")
    price = price_of_call(ensemble, data.texts, policy)
    scores, timing = _source_scores(ensemble, data.texts, llm=llm)
    found = ScoredTexts.of(ensemble, data, scores, policy, price)
    evaluation = replace(_of_fusion(found, seen, random_state), timing=timing)
    checks, notes = found.checks(alpha)
    if llm:
        checks["cost_curve"], no_curve = found.cost_curve(cost_per_call)
        notes += no_curve
    elif ensemble.fusion_.llm_sources_:
        notes.append("no language model was asked: the first row is what this fusion answers without one")
    return replace(evaluation, notes=(*left_out_notes, *evaluation.notes, *notes), **checks)


def _of_fusion(found: ScoredTexts, seen: NDArray[np.uint64], random_state: int) -> Evaluation:
    ensemble, data, scores = found.ensemble, found.data, found.scores
    systems = _systems(found, random_state)
    notes = [*_unanswered(systems, len(data)), *_overlap(data, seen, systems[0]), *found.notes]
    llm_sources = sorted(ensemble.fusion_.llm_sources_ & set(scores))
    verdict = verdict_on(systems, len(data), ensemble.selected_, llm_sources, WITHOUT_LLM)
    calibration = _calibration(data, scores, systems)
    return Evaluation(
        tuple(systems),
        verdict,
        tuple(notes),
        data,
        ensemble.selected_,
        calibration=calibration,
        result=found.result,
    )


def _of_one(classifier: TextClassifier, data: TrainingData, seen: NDArray[np.uint64], random_state: int) -> Evaluation:
    start = perf_counter()
    result = classifier.predict(data.texts)
    timing = {type(classifier).__name__: _timing(perf_counter() - start, len(data))}
    answers = Answers.of(result)
    system = System(
        type(classifier).__name__,
        *figures(data, answers, random_state),
        answers.coverage,
        classifier.asks_llm,
        answers=answers,
    )
    notes = [*_unanswered([system], len(data)), *_overlap(data, seen, system)]
    verdict = "One classifier, nothing to compare it with."
    return Evaluation((system,), verdict, tuple(notes), data, "", timing, result=result)


def _source_scores(
    ensemble: FusionEnsemble, texts: list[str], *, llm: bool
) -> tuple[dict[str, Scores], dict[str, Timing]]:
    """Return the scores of every source that the fusion knows something of, and how long each took."""
    fusion = ensemble.fusion_
    names = [name for name in fusion.rows_.names if llm or name not in fusion.llm_sources_]
    scores: dict[str, Scores] = {}
    timing: dict[str, Timing] = {}
    for number, name in enumerate(names, start=1):
        start = perf_counter()
        with doing(f"evaluation: source {number} of {len(names)} ({name}): "):
            scores |= ensemble.source_scores(texts, [name])
        timing[name] = _timing(perf_counter() - start, len(texts))
    if not names:
        raise ConfigError("every source asks a language model; evaluate with llm=True")
    return scores, timing


def _timing(seconds: float, n: int) -> Timing:
    return Timing(seconds, n / max(seconds, 1e-9))


def _systems(found: ScoredTexts, random_state: int) -> list[System]:
    ensemble, data, scores = found.ensemble, found.data, found.scores
    answers = found.answers()
    others = [name for name in answers if name != FUSION]
    comparisons = compared(data, answers[FUSION], [answers[name] for name in others], random_state)
    against = dict(zip(others, comparisons, strict=True))
    best = _best_single(ensemble, scores)
    uses_llm = bool(set(ensemble.fusion_.needs_) & ensemble.fusion_.llm_sources_ & set(scores))
    return [
        System(
            name,
            *figures(data, one, random_state),
            one.coverage,
            asks_llm=uses_llm if name == FUSION else name in ensemble.fusion_.llm_sources_,
            best_single=name == best,
            before_calibration=_before_calibration(data, scores[name]) if name in scores else {},
            comparison=against.get(name),
            answers=one,
        )
        for name, one in answers.items()
    ]


def _calibration(data: TrainingData, scores: Mapping[str, Scores], systems: Iterable[System]) -> CalibrationReport:
    after = {system.name: system.answers.probabilities for system in systems}
    return calibration_report((name, raw_probabilities(one), after[name], data.gold) for name, one in scores.items())


def _best_single(ensemble: FusionEnsemble, shown: Mapping[str, Scores]) -> str | None:
    """Return which of the shown sources has the smallest loss on the rows learned from; None = too few to tell."""
    if ensemble.selected_ == _PRIOR_POOL:
        return None
    rows = ensemble.fusion_.rows_
    names = [name for name, one in rows.sources.items() if name in shown and complete(one).any()]
    if not names:
        return None
    common = rows.only(names)
    return BestSingle().fit(common).needs[0] if len(common) else None


def _before_calibration(data: TrainingData, scores: Scores) -> dict[str, float]:
    raw = raw_probabilities(scores)
    return {
        "log_loss": log_loss(data.gold, raw, abstentions="wrong"),
        "ece": ece(data.gold, raw, abstentions="wrong"),
    }


def _unanswered(systems: Iterable[System], n: int) -> list[str]:
    return [
        f"{system.name!r} has no answer for {round((1 - system.coverage) * n)} of {n} texts; these count as wrong"
        for system in systems
        if system.coverage < 1
    ]


def _overlap(data: TrainingData, seen: NDArray[np.uint64], first: System) -> list[str]:
    shared = np.isin(data.row_ids, seen) | np.isin(data.wording_ids, seen)
    if not shared.any():
        return []
    correct = correct_per_row(data.gold, first.answers.codes)
    row = int(np.flatnonzero(shared)[0])
    text = data.texts[row] if len(data.texts[row]) <= 50 else f"{data.texts[row][:47]}..."
    rest = "" if shared.all() else f"; without them {first.name} gets {np.average(correct, weights=~shared):.3f} right"
    found = f"{int(shared.sum())} of {len(data)} test texts are training texts too, e.g. row {row}: {text!r}"
    return [f"{found}; figures on them are too good{rest}"]
