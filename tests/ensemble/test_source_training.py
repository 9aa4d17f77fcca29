"""How a fusion's sources are trained and asked: honestly, once, and about no more texts than is needed."""

from dataclasses import replace
from typing import ClassVar

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, TrainingData
from textclassify.core.scales import IN_SAMPLE, Status
from textclassify.core.scores import Scores
from textclassify.core.shared_work import shared
from textclassify.core.texts import hash_texts
from textclassify.ensemble.source_training import SourceTraining
from textclassify.errors import ConfigError, ModelError, ScoresError
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery"]


def rows(n, **columns):
    words = ["invoice", "parcel"]
    return TrainingData(
        [f"{words[row % 2]} {row}" for row in range(n)], [LABELS[row % 2] for row in range(n)], **columns
    )


def training(sources, **options):
    given = {"n_folds": 3, "one_model": False, "guard": 0.2, "fusion_rows": None, "random_state": 0, **options}
    return SourceTraining(sources, **given)


def fitted(sources, data, **options):
    """The fitted sources and their scores of the rows that are learned from."""
    made = training(sources, **options)
    plan = made.plan(data)
    return made.fit(data.take(plan.learned), plan.folds[plan.learned])


class Shown(FixedClassifier):
    """Answers the same to all texts, and has seen some of them as examples."""

    examples = ()

    @property
    def seen_row_ids(self):
        return hash_texts(list(self.examples))

    def _score(self, texts):
        scores = super()._score(texts)
        return replace(scores, fold=np.where(np.isin(hash_texts(texts), self.seen_row_ids), IN_SAMPLE, -1))


def constant(kind, **options):
    return kind({}, LABELS, default=[0.6, 0.4], **options)


def test_a_source_that_learns_is_scored_by_models_that_did_not_see_the_row():
    """Every row has a fold, and none is in-sample."""
    data = rows(60)
    sources, scores = fitted({"linear": LinearClassifier()}, data)
    assert sorted(set(scores["linear"].fold.tolist())) == [0, 1, 2]
    assert scores["linear"].answered.all()
    assert np.array_equal(scores["linear"].row_ids, data.row_ids)
    assert not np.array_equal(sources["linear"].predict_scores(data.texts).values, scores["linear"].values)


def test_sources_given_are_not_touched():
    """They are cloned: a second fusion of the same sources starts where the first did."""
    given = {"linear": LinearClassifier(), "fixed": constant(FixedClassifier)}
    sources, _ = fitted(given, rows(30))
    assert not hasattr(given["linear"], "schema_")
    assert given["fixed"].asked == []
    assert sources["fixed"] is not given["fixed"]


def test_a_language_model_is_asked_about_fusion_rows_only_and_balanced_over_labels(paid_classifier):
    """Each text once; the others are NOT_CALLED, never guessed."""
    data = rows(300)
    sources, scores = fitted({"llm": constant(paid_classifier)}, data, fusion_rows=40)
    assert len(sources["llm"].asked) == len(set(sources["llm"].asked)) == 40
    assert scores["llm"].answered.sum() == 40
    assert (scores["llm"].status[~scores["llm"].answered] == Status.NOT_CALLED).all()
    assert data.gold[scores["llm"].answered].mean() == pytest.approx(0.5, abs=0.05)
    assert scores["llm"].cost.sum() == pytest.approx(0.4)


def test_without_a_number_five_hundred_rows_are_asked_about_or_ten_for_each_label(paid_classifier):
    data = rows(800)
    assert len(fitted({"llm": constant(paid_classifier)}, data, guard=0)[0]["llm"].asked) == 500
    labels = [f"label {number:02}" for number in range(70)]
    many = TrainingData(data.texts, [labels[row % 70] for row in range(800)])
    llm = paid_classifier({}, labels, default=np.full(70, 1 / 70))
    assert len(fitted({"llm": llm}, many, guard=0)[0]["llm"].asked) == 700


def test_sources_that_cost_nothing_score_every_row():
    """Only what is paid is sampled."""
    _, scores = fitted({"fixed": constant(FixedClassifier)}, rows(700), fusion_rows=40)
    assert scores["fixed"].answered.all()


def test_no_row_that_a_source_has_seen_as_an_example_is_asked_about():
    """Nor a copy of it in other spelling: the example's answer stands in the prompt."""
    data = rows(60)
    copies = TrainingData(
        [*data.texts, *(f" {text.upper()}" for text in data.texts[:5])], [*data.labels, *data.labels[:5]]
    )
    llm = constant(Shown)
    llm.__class__ = type("ShownLLM", (Shown,), {"examples": tuple(data.texts[:5]), "kind": "fixed"})
    sources, scores = fitted({"shown": llm}, copies)
    assert not scores["shown"].answered[[0, 1, 2, 3, 4, 60, 61, 62, 63, 64]].any()
    assert scores["shown"].answered.sum() == 55
    assert not set(sources["shown"].asked) & set(data.texts[:5])


def test_a_row_that_a_source_has_seen_does_not_guard():
    """Its scores flatter, and a guarantee would promise them to texts that nobody has seen."""
    data = rows(1100)
    shown = type("ShownLLM", (Shown,), {"examples": tuple(data.texts[:50])})
    fusion = FusionEnsemble({"shown": constant(shown)}).fit(data)
    guard = fusion.fusion_.guard_.sources["shown"].row_ids
    assert len(guard) >= 180
    assert not np.isin(guard, hash_texts(data.texts[:50])).any()


def test_the_guard_is_asked_about_only_if_the_source_is_needed(messages):
    """Two hundred calls for a source that changes no answer would be wasted."""
    data = messages(1010, right_if_hard=0.0)
    fusion = data.fusion(guard=0.2, fusion_rows=90)
    assert fusion.fusion_.needs_ == ("free",)
    assert len(fusion.fusion_.guard_) == 202
    assert set(fusion.fusion_.guard_.sources) == {"free"}


def test_who_may_have_to_stop_the_run_comes_first(paid_classifier):
    """Before hours of training, not after."""
    order = []

    class Broke(paid_classifier):
        def _score(self, texts):  # noqa: ARG002 - never gets to the texts
            raise ModelError("no money left")

    class Slow(LinearClassifier):
        def _fit(self, data):
            order.append("trained")
            super()._fit(data)

    with pytest.raises(ModelError, match="no money left"):
        fitted({"slow": Slow(), "llm": constant(Broke)}, rows(40))
    assert order == []


def test_where_no_row_can_be_held_out_only_sources_that_need_no_training_are_worth_having():
    """Nothing could say what a trained one is worth."""
    data = TrainingData(["invoice", "parcel"], LABELS)
    sources, scores = fitted({"linear": LinearClassifier(), "fixed": constant(FixedClassifier)}, data)
    assert set(sources) == set(scores) == {"fixed"}
    assert set(fitted({"linear": LinearClassifier()}, data)[0]) == {"linear"}


def test_where_nothing_can_be_learned_nobody_is_asked_twice_or_about_every_row(paid_classifier):
    """Rows that a ranking picked teach no fusion; their answers would be paid for and forgotten."""
    data = rows(700, chosen_by=["ranking"] * 700)
    sources, _ = fitted({"llm": constant(paid_classifier)}, data)
    assert len(sources["llm"].asked) <= 500


def test_labels_in_another_order_are_refused_by_name():
    """Columns would be taken for other labels in silence."""
    with pytest.raises(ScoresError, match="'odd'"):
        fitted({"odd": FixedClassifierOfOthers({}, LABELS, default=[0.5, 0.5])}, rows(30))


class FixedClassifierOfOthers(FixedClassifier):
    def _score(self, texts):
        return Scores.from_probabilities(np.full((len(texts), 2), 0.5), LABELS[::-1], source="odd")


@pytest.mark.parametrize(
    ("sources", "message"),
    [({}, "a fusion needs sources"), ([LinearClassifier()], "a fusion needs sources"), ({"x": 1}, "'x' is int")],
)
def test_what_is_no_source_is_refused_at_once(sources, message):
    with pytest.raises(ConfigError, match=message):
        training(sources).check()


def test_the_rows_to_ask_are_the_rows_that_are_asked(paid_classifier):
    """What an estimate counts is what a run costs, the guard included."""
    data = rows(1100)
    made = training({"llm": constant(paid_classifier)}, fusion_rows=50)
    promised = made.rows_to_ask(constant(paid_classifier).fit(data), data)
    sources, _ = fitted({"llm": constant(paid_classifier)}, data, fusion_rows=50)
    guard = made.plan(data).guard
    assert len(promised) == 50 + 220
    assert set(sources["llm"].asked) | {data.texts[row] for row in guard} == {data.texts[row] for row in promised}


class Noting(LinearClassifier):
    """Notes what is shared while it is trained."""

    seen: ClassVar = []

    def _fit(self, data):
        self.seen.append(shared("thing", object))
        super()._fit(data)


def test_sources_share_what_they_have_in_common():
    """Two encoders of one fusion read the same texts with the same tokenizer."""
    Noting.seen.clear()

    fitted({"one": Noting(), "other": Noting()}, rows(60))

    assert len(Noting.seen) == 6
    assert len(set(map(id, Noting.seen))) == 1
