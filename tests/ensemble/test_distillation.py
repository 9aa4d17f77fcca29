"""What a teacher knows, in a student that asks nobody."""

from types import SimpleNamespace

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, TransformerClassifier, load
from textclassify.ensemble.distillation import default_student, distil
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.errors import ConfigError, DataError
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery"]
WORDS = ["invoice charge", "parcel courier"]


def text(row):
    return f"my {WORDS[row % 2]} number {row}"


def teacher(n=200, *, failed=(), sure=0.9):
    """A teacher who knows all texts, and has no answer to some."""
    answers = {text(row): [sure, 1 - sure] if row % 2 == 0 else [1 - sure, sure] for row in range(n)}
    return FixedClassifier(answers | {text(row): None for row in failed}, LABELS)


def texts(n=200):
    return [text(row) for row in range(n)]


def gold(rows, wrong=()):
    return TrainingData([text(row) for row in rows], [LABELS[(row + (row in wrong)) % 2] for row in rows])


def test_a_student_learns_what_its_teacher_says():
    """And the report says how often both agree, on texts that were kept back."""
    taught = distil(teacher(), texts())

    assert taught.classifier.predict(["the invoice", "the parcel"]).predictions == LABELS
    assert taught.report.agreement.estimate == 1.0
    assert taught.report.agreement.low < 0.95
    assert (taught.report.n_measured, taught.report.n_calibrated, taught.report.n_taught) == (20, 40, 140)
    assert "gives its teacher's answer to 100.0%" in str(taught.report)


def test_the_student_asks_nobody_and_can_be_saved(tmp_path):
    """That is what it is for."""
    master = teacher()
    student = distil(master, texts()).classifier
    master.asked.clear()
    student.save(tmp_path / "student")

    loaded = load(tmp_path / "student")

    assert loaded.predict_scores(["my parcel"]).equals(student.predict_scores(["my parcel"]))
    assert not loaded.asks_llm
    assert master.asked == []


def test_the_student_is_calibrated_on_texts_that_it_was_not_trained_on():
    """A teacher who is right about six in ten must not teach certainty."""
    rng = np.random.default_rng(0)
    unsure = {text(row): [0.6, 0.4] if rng.random() < 0.5 else [0.4, 0.6] for row in range(400)}

    student = distil(FixedClassifier(unsure, LABELS), texts(400)).classifier

    assert student.predict_proba(texts(400)).max(axis=1).mean() < 0.7
    assert student.fusion_.guard_ is None  # no guarantee rests on answers that nobody checked


def test_texts_without_an_answer_are_counted_and_not_used():
    """A failure is no label."""
    report = distil(teacher(failed=range(10)), texts()).report

    assert report.unanswered == {"failed": 10}
    assert report.n_taught + report.n_calibrated + report.n_measured == 190
    assert "the teacher has no answer: 10 (failed 10)" in str(report)


def test_repeated_texts_teach_once():
    """A text in two parts would be measured on what it was trained on."""
    shouted = {one.upper(): shares for one, shares in list(teacher().answers.items())[:50]}
    master = FixedClassifier(teacher().answers | shouted, LABELS)

    report = distil(master, [*texts(), *shouted]).report

    assert report.n_taught + report.n_calibrated + report.n_measured == 200
    assert "50 texts repeat another one" in str(report)


def test_gold_rows_say_how_often_each_is_right():
    """Student, teacher, and a student that had the gold rows alone, on rows that none of them knows."""
    new = gold(range(200, 300))
    master = FixedClassifier(teacher().answers, LABELS, default=[0.9, 0.1])  # knows the texts to teach by only

    report = distil(master, texts(), gold=new).report

    figures = {one.system: one for one in report.gold}
    assert report.n_gold_measured == 50
    assert figures["student"].right.estimate == 1.0
    assert figures["teacher"].right.estimate == pytest.approx(0.5, abs=0.1)
    assert figures["teacher"].lead.low > 0
    assert any("gold rows alone" in name for name in figures)
    assert {"share right", "lead of the student"} <= set(report.to_pandas().figure)


def test_gold_rows_that_the_teacher_was_trained_on_teach_and_do_not_measure():
    """It knows them by heart, and so does whoever it teaches."""
    known = gold(range(200, 260))
    master = FusionEnsemble({"linear": LinearClassifier()}, n_folds=2).fit(known)

    report = distil(master, texts(), gold=known).report

    assert report.gold == ()
    assert report.n_gold_taught == 60
    assert "only 0 of 60 gold rows are new to the teacher" in str(report)


def test_gold_rows_that_a_ranking_picked_do_not_measure():
    """They are hard by design."""
    rows = gold(range(200, 300))
    picked = TrainingData(rows.texts, rows.labels, chosen_by=["ranking"] * 70 + ["random"] * 30)

    assert (
        distil(FixedClassifier(teacher().answers, LABELS, default=[0.9, 0.1]), texts(), gold=picked).report.gold == ()
    )


def test_answers_that_were_asked_for_already_are_not_asked_again():
    """They were paid for."""
    master = teacher()
    answers = master.predict(texts())
    master.asked.clear()

    distil(master, texts(), answers=answers)

    assert master.asked == []


def test_several_labels_are_taught_as_sets():
    """A text may have none, one or both."""
    names = ["joy", "fear"]
    kinds = {"joy": [0.9, 0.1], "fear": [0.1, 0.9], "both joy fear": [0.9, 0.9], "nothing": [0.1, 0.1]}
    known = {f"{word} {row}": shares for row in range(50) for word, shares in kinds.items()}

    student = distil(FixedClassifier(known, names, multi_label=True), list(known)).classifier

    assert student.predict(["joy 99", "both joy fear 99", "nothing 99"]).predictions == [["joy"], names, []]


def test_the_least_sure_answers_can_be_left_out():
    """By share, and counted."""
    report = distil(teacher(), texts(), drop_share=0.1).report

    assert report.n_taught == 126
    assert "14 texts with the least sure answers are left out" in str(report)


def test_a_fusions_encoder_is_the_students_default():
    """It was fine-tuned for these texts already; without one, the linear model."""
    assert default_student(teacher()).kind == "linear"
    encoder = TransformerClassifier(num_epochs=1)
    fusion = SimpleNamespace(sources_={"linear": LinearClassifier(), "encoder": FoldAverage(encoder)})
    assert default_student(fusion).get_params()["num_epochs"] == 1
    assert default_student(fusion) is not encoder


class PaidClassifier(LinearClassifier):
    """A student that would cost money."""

    asks_llm = True


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"student": PaidClassifier()}, ConfigError, "asks a language model"),
        ({"drop_share": 1.0}, ConfigError, r"drop_share=1\.0 is no share"),
        ({"unlabelled_texts": texts(10)}, DataError, "10 different texts, which are too few"),
        ({"answers": teacher().predict(texts(3))}, DataError, "200 texts but 3 answers"),
    ],
)
def test_what_cannot_teach_is_refused(options, error, message):
    """Before an hour of training."""
    with pytest.raises(error, match=message):
        distil(teacher(), **({"unlabelled_texts": texts()} | options))


def test_of_answers_that_nobody_checked_the_surest_of_each_label_teach():
    """Most of a weak teacher's slips are among its least sure answers; each label keeps its share all the same."""
    rng = np.random.default_rng(0)
    sure = {text(row): [0.6 + 0.3 * rng.random(), 0.0] for row in range(0, 200, 2)}
    timid = {text(row): [0.0, 0.51 + 0.05 * rng.random()] for row in range(1, 200, 2)}
    answers = {one: [first or 1 - second, second or 1 - first] for one, (first, second) in (sure | timid).items()}
    master = FixedClassifier(answers, LABELS)

    taught = distil(master, list(answers), weak_labels=True)

    assert taught.report.n_taught == pytest.approx(0.6 * 140, abs=2)
    assert "the least sure ones of each label" in str(taught.report)
    assert taught.classifier.predict(["the invoice", "the parcel"]).predictions == LABELS


def test_answers_that_were_withheld_do_not_teach_and_say_why():
    """Whoever withheld them was not sure enough; what is left is not thinned any further."""
    master = teacher()
    withheld = np.arange(200) < 100
    answers = master.predict(texts()).withheld(withheld)

    report = distil(master, texts(), answers=answers, weak_labels=True).report

    assert report.unanswered == {"abstained": 100}
    assert report.n_taught + report.n_calibrated + report.n_measured == 100


def test_gold_rows_that_are_examples_of_the_labels_do_not_measure():
    """A teacher without training may know them by heart as well."""

    class Showing(FixedClassifier):
        @property
        def seen_row_ids(self):
            return gold(range(200, 300)).row_ids

    report = distil(Showing(teacher().answers, LABELS, default=[0.9, 0.1]), texts(), gold=gold(range(200, 300))).report

    assert report.gold == ()
    assert "only 0 of 100 gold rows are new to the teacher" in str(report)


def test_a_teacher_that_withholds_answers_is_measured_where_it_gives_some_too():
    """Being right on all texts and being right when one speaks are two things."""
    test_rows = gold(range(200, 300))
    answers = dict(zip(test_rows.texts, ([0.9, 0.1], [0.1, 0.9]) * 50, strict=True))
    answers |= dict.fromkeys(test_rows.texts[::4])
    master = FixedClassifier(teacher().answers | answers, LABELS)

    figures = {one.system: one for one in distil(master, texts(), gold=test_rows).report.gold}

    (where_it_answers,) = [one for name, one in figures.items() if "rows that it answers" in name]
    assert where_it_answers.right.estimate == 1.0
    assert where_it_answers.n < figures["teacher"].n == 50
    assert figures["teacher"].right.estimate == where_it_answers.n / 50
