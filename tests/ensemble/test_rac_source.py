"""Retrieval with a language model that checks, as a source of a fusion, and as a teacher."""

import re

import numpy as np
import pytest

from textclassify import FusionEnsemble, RACClassifier, ScoreFusion, Scores, load
from textclassify.core.scales import IN_SAMPLE, Status
from textclassify.ensemble.distillation import distil
from textclassify.testing import FixedClassifier, ScriptedChat

LABELS = ("billing", "delivery", "refund")
WORDS = {"billing": "invoice", "delivery": "parcel", "refund": "return"}


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))


def text(row):
    return f"my {WORDS[LABELS[row % 3]]} number {row}"


def answer(request):
    """Return what a good model says to "does the label fit?"; it knows each label's word."""
    asked = request.messages[-1].content
    words, label = asked.split("<text>")[1].split("</text>")[0], re.search(r"Label: (\w+)", asked)[1]
    return "yes" if WORDS[label] in words or label in words else "no"


def rac(chat=None, **options):
    """Retrieval that is hardly better than a guess, and a model that knows."""
    chances = {text(row): np.roll([0.4, 0.35, 0.25], row + row // 3 % 2) for row in range(400)}
    guess = FixedClassifier(chances, LABELS, default=[0.4, 0.35, 0.25])
    return RACClassifier(LABELS, chat or ScriptedChat(answer), retriever=guess, top_k=3, **options)


def free():
    rng = np.random.default_rng(0)
    answers = {text(row): np.roll([0.5, 0.3, 0.2], row % 3 if rng.random() < 0.6 else row) for row in range(400)}
    return FixedClassifier(answers, LABELS)


def fused(chat=None, n=150, **options):
    sources = {"free": free(), "rac": rac(chat)}
    fusion = FusionEnsemble(sources, LABELS, **{"guard": 0, "n_folds": 2, **options})
    return fusion.fit([text(row) for row in range(n)], [LABELS[row % 3] for row in range(n)])


def test_a_fusion_takes_it_for_its_language_model():
    """It asks one, and is worth it here."""
    fusion = fused()

    assert fusion.asks_llm
    assert "rac" in fusion.fusion_.llm_sources_
    assert fusion.predict([text(301), text(302), text(303)]).predictions == ["delivery", "refund", "billing"]


def test_nothing_is_learned_twice():
    """A row that it would learn from is lost to the fusion, which calibrates by itself."""
    source = fused().sources_["rac"]

    assert getattr(source, "calibration_", None) is None
    assert not getattr(source, "examples_", None)


def test_it_is_asked_about_fusion_rows_only():
    """Every question costs; the other rows come back NOT_CALLED."""
    fusion = fused(fusion_rows=60)

    status = fusion.training_scores_["rac"].status
    assert (status == Status.OK).sum() == 60
    assert (status == Status.NOT_CALLED).sum() == 90


def test_examples_of_its_labels_leave_the_fusion_rows():
    """Retrieval knows them by heart."""
    shown = {"billing": [text(0)], "delivery": [text(1)]}

    fusion = FusionEnsemble({"free": free(), "rac": rac(examples=shown)}, LABELS, guard=0, n_folds=2)
    fusion.fit([text(row) for row in range(60)], [LABELS[row % 3] for row in range(60)])

    scores = fusion.training_scores_["rac"]
    assert (scores.status[:2] == Status.NOT_CALLED).all()
    assert (scores.status[2:] == Status.OK).all()
    assert (fusion.sources_["rac"].predict_scores([text(0)]).fold == IN_SAMPLE).all()


def test_a_budget_decides_how_many_texts_it_sees():
    """A call of the budget is a text, whatever the number of its checks."""
    fusion = fused()

    result = fusion.predict([text(row) for row in range(200, 240)], llm_budget="10 calls")

    assert (result.sources["rac"].status == Status.OK).sum() == 10


def test_a_saved_fusion_answers_from_what_is_kept(tmp_path):
    """A folder holds no chat, and no answer is asked for twice."""
    fusion = fused()
    texts = [text(row) for row in range(300, 330)]
    fusion.predict_scores(texts)
    before = fusion.predict_scores(texts)  # kept answers cost nothing

    fusion.save(tmp_path / "fusion")

    assert load(tmp_path / "fusion").predict_scores(texts).equals(before)


def test_its_scores_are_a_source_for_a_score_fusion():
    """All labels have a score, also those that were not tried."""
    texts = [text(row) for row in range(120)]
    sources = {"free": free().predict_scores(texts), "rac": rac().predict_scores(texts)}
    assert isinstance(sources["rac"], Scores)
    assert not np.isnan(sources["rac"].values).any()

    fusion = ScoreFusion(llm_sources=["rac"]).fit(sources, [LABELS[row % 3] for row in range(120)])

    assert fusion.predict(sources).predictions[:3] == list(LABELS)


def test_failed_checks_leave_the_row_to_the_other_sources():
    """A missing score is a mask."""
    fusion = fused()
    fusion.sources_["rac"].set_params(llm=ScriptedChat(lambda _: Status.REFUSED))

    result = fusion.predict([text(380), text(381)])

    assert (result.sources["rac"].status == Status.REFUSED).all()
    assert None not in result.predictions


@pytest.mark.parametrize("multi_label", [False, True])
def test_it_teaches_a_student(multi_label):
    """What it withheld does not teach, and says why."""
    teacher = rac(min_probability=0.5, multi_label=multi_label)
    texts = [text(row) for row in range(200)]

    taught = distil(teacher, texts, weak_labels=True)

    assert not taught.classifier.asks_llm
    (answers,) = taught.classifier.predict(["the parcel"]).predictions
    assert answers == (["delivery"] if multi_label else "delivery")
    assert taught.report.teacher == "rac"


def test_withheld_answers_are_named_by_their_reason_in_the_report():
    """They are why the student has fewer texts to learn from."""
    unsure = {text(row): [0.34, 0.33, 0.33] if row < 50 else np.roll([0.9, 0.05, 0.05], row) for row in range(200)}
    teacher = RACClassifier(LABELS, retriever=FixedClassifier(unsure, LABELS), min_probability=0.5)

    report = distil(teacher, list(unsure), weak_labels=True).report

    assert report.unanswered == {"not sure enough": 50}
