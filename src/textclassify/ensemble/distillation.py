"""A student without a language model, taught by a fusion on unlabelled texts, and what it is worth beside it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.seeds import check_seed
from textclassify.core.types import TrainingData
from textclassify.ensemble.distilling.distillation_report import DistillationReport, GoldFigure, agreement_of, figure_of
from textclassify.ensemble.distilling.parts import GoldParts, Plan
from textclassify.ensemble.distilling.soft_labels import drawn_answers, soft_labels
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.ensemble.score_fusion import ScoreFusion
from textclassify.errors import ConfigError, DataError
from textclassify.ml.linear import LinearClassifier
from textclassify.statistics.resampling import Interval

STUDENT = "student"
_ENCODERS = ("transformer", "roberta")


@dataclass(frozen=True, eq=False)
class Distilled:
    """A student that is ready to use and to save, and what it is worth.

    Args:
        classifier: fitted and calibrated; asks no language model.
        report: how far it is from its teacher.

    """

    classifier: FusionEnsemble
    report: DistillationReport


def distil(
    fusion: TextClassifier,
    unlabelled_texts: Any,
    *,
    student: TextClassifier | None = None,
    gold: Any = None,
    answers: ClassificationResult | None = None,
    drop_share: float = 0.0,
    weak_labels: bool = False,
    random_state: int = 0,
) -> Distilled:
    """Return a classifier that was taught by another's answers to unlabelled texts, and the gap between the two.

    The student learns the teacher's probabilities as soft labels (Hinton, Vinyals and Dean 2015), sharpened; a fifth of
    the texts calibrates it and a tenth (2,000 each at most) is kept to measure how often both agree. Texts that the
    teacher has no answer to, or withheld it, are counted and not used.

    Args:
        fusion: the teacher: a fusion, or any other classifier that is fitted or needs no training.
        unlabelled_texts: n texts; repeated ones count once.
        student: what to train; None = the fusion's own encoder where it has one, else a linear model.
        gold: labelled texts (`TrainingData`, a table or a path). Half of those that the teacher was not trained on is
            kept to measure on, where that makes 20 rows; all others teach as well.
        answers: the teacher's result for the texts, where it was asked already; None = it is asked now, which may cost.
        drop_share: share of the taught texts, those with the least sure answers, that are left out. It gained half a
            point with a good teacher and cost one with a weak one, so that none is by default.
        weak_labels: whether the teacher's answers rest on no gold answers, as those of retrieval do: only the surest
            ones of each label teach then, so many that they make 60% of all texts.
        random_state: seeds the parts and the draws.

    Raises:
        ConfigError: the student asks a language model, or the share is none.
        DataError: too few texts have an answer, or the gold rows cannot be used.
        BudgetError: the money is spent that a limit around the call allows.

    """
    check_seed(random_state)
    if not 0 <= drop_share < 1:
        raise ConfigError(f"drop_share={drop_share} is no share of the texts; pass 0 (none) up to, say, 0.2")
    texts = dataset.texts_of(unlabelled_texts)
    pupil = default_student(fusion) if student is None else student
    if pupil.asks_llm:
        raise ConfigError(f"student {pupil.kind!r} asks a language model; choose one that does not, such as 'linear'")
    teacher: Any = getattr(fusion, "ensemble_", fusion)
    schema: LabelSchema = teacher._require_schema()  # noqa: SLF001 - classifiers that need no training have no `schema_`
    parts = GoldParts.of(gold, schema, teacher, random_state)
    with doing("teacher: "):
        result = fusion.predict(texts) if answers is None else answers
    if len(result) != len(texts):
        raise DataError(f"{len(texts)} texts but {len(result)} answers; pass the result for these very texts")
    plan = Plan.of(texts, result, parts.test, drop_share, random_state)
    if weak_labels:
        plan = plan.without_doubtful(result)
    lessons = _lessons(texts, result, plan, parts.train, schema, random_state)
    classifier = _taught(pupil, lessons, random_state)
    measured = [texts[row] for row in plan.test]
    same = agreement_of(classifier.predict(measured), [result.codes[row] for row in plan.test])
    figures = _gold_figures(pupil, classifier, fusion, parts)
    return Distilled(classifier, _report(pupil, teacher, texts, plan, parts, same, figures))


def default_student(fusion: TextClassifier) -> TextClassifier:
    """Return an unfitted classifier like the encoder that a fusion fine-tuned, or a linear model where it has none."""
    sources = getattr(getattr(fusion, "ensemble_", fusion), "sources_", {})
    for source in sources.values():
        inner = source.classifier if isinstance(source, FoldAverage) else source
        if inner is not None and inner.kind in _ENCODERS:
            found: TextClassifier = clone(inner)
            return found
    return LinearClassifier()


@dataclass(frozen=True, eq=False)
class _Lessons:
    """Rows to train on, as data; those to calibrate on are in `fold` 0, the others in -1."""

    data: TrainingData
    folds: NDArray[np.int16]


def _lessons(
    texts: list[str],
    result: ClassificationResult,
    plan: Plan,
    gold: TrainingData | None,
    schema: LabelSchema,
    random_state: int,
) -> _Lessons:
    """Return soft labels to train on, answers drawn by their probability to calibrate on, and the gold rows."""
    several, shares = schema.multi_label, result.probabilities
    soft = soft_labels(shares[plan.train], multi_label=several)
    drawn = drawn_answers(shares[plan.calibrate], multi_label=several, random_state=random_state)
    answers: list[Any] = [soft.answers, drawn]
    weights = [soft.weight, np.ones(len(drawn))]
    wordings = [texts[row] for row in (*plan.train[soft.rows], *plan.calibrate)]
    if gold is not None:
        answers, weights = [*answers, gold.gold], [*weights, np.ones(len(gold))]
        wordings += gold.texts
    folds = np.full(len(wordings), np.int16(-1))
    folds[len(soft.rows) : len(soft.rows) + len(drawn)] = 0
    codes = np.concatenate(answers)
    labels = codes.astype(np.uint8) if several else schema.decode(codes)
    return _Lessons(TrainingData(wordings, labels, schema=schema, sample_weight=np.concatenate(weights)), folds)


def _taught(student: TextClassifier, lessons: _Lessons, random_state: int) -> FusionEnsemble:
    """Return the student as a fusion of one source: trained on its lessons, calibrated on texts that it never saw."""
    data = lessons.data
    name = student.kind
    ensemble = FusionEnsemble({name: student}, data.schema, one_model=True, guard=0.0, random_state=random_state)
    source = FoldAverage(student, one_model=True, random_state=random_state)
    with doing("student: "):
        source.fit_folds(data, lessons.folds)
    rows = np.flatnonzero(lessons.folds == 0)
    scores = source.out_of_fold_scores_.take(rows)
    ensemble.schema_ = data.schema
    ensemble.sources_ = {name: source}
    ensemble.training_scores_ = {name: scores}
    ensemble.training_row_ids_ = np.unique(data.wording_ids)
    ensemble.fusion_ = ScoreFusion(random_state=random_state, llm_sources=())
    ensemble.fusion_.fit({name: scores}, data.schema.decode(data.gold[rows]))
    return ensemble


def _gold_figures(
    student: TextClassifier, taught: TextClassifier, teacher: TextClassifier, parts: GoldParts
) -> tuple[GoldFigure, ...]:
    """Return how often the student, its teacher and a student of the gold rows alone are right.

    A teacher that withholds answers is wrong where it does; what both are worth where it answers is said as well.
    """
    if parts.test is None or parts.train is None:
        return ()
    test = parts.test
    own = taught.predict(test.texts)
    with doing("teacher: "):
        others = {"teacher": teacher.predict(test.texts)}
    answered = np.flatnonzero(others["teacher"].status == Status.OK)
    if (parts.train.gold != parts.train.gold[:1]).any():  # else there is nothing to learn from them alone
        with doing("gold rows alone: "):
            alone = clone(student).fit(parts.train)
        others[f"{STUDENT} of the {len(parts.train):,} other gold rows alone"] = alone.predict(test.texts)
    figures = [
        figure_of(STUDENT, own, test),
        *(figure_of(name, one, test, against=own) for name, one in others.items()),
    ]
    if 0 < len(answered) < len(test):
        some, name = test.take(answered), f"teacher on the {len(answered):,} rows that it answers"
        figures.insert(2, figure_of(name, teacher.predict(some.texts), some, against=taught.predict(some.texts)))
    return tuple(figures)


def _report(
    student: TextClassifier,
    teacher: Any,
    texts: list[str],
    plan: Plan,
    parts: GoldParts,
    agreement: Interval,
    figures: tuple[GoldFigure, ...],
) -> DistillationReport:
    notes = [parts.note] if parts.note else []
    if plan.repeated:
        notes.append(f"{plan.repeated:,} texts repeat another one, or a gold row to measure on, and are not used")
    if plan.dropped:
        notes.append(f"{plan.dropped:,} texts with the least sure answers are left out")
    if plan.doubtful:
        notes.append(f"{plan.doubtful:,} texts are left out, the least sure ones of each label: nobody checked them")
    return DistillationReport(
        teacher=f"{teacher.kind} ({teacher.selected_})" if hasattr(teacher, "selected_") else teacher.kind,
        student=student.kind,
        n_texts=len(texts),
        n_taught=len(plan.train),
        n_calibrated=len(plan.calibrate),
        n_gold_taught=0 if parts.train is None else len(parts.train),
        unanswered=plan.unanswered,
        n_measured=len(plan.test),
        agreement=agreement,
        n_gold_measured=0 if parts.test is None else len(parts.test),
        gold=figures,
        notes=tuple(notes),
    )
