"""Out-of-fold scores: no row is scored by a model that saw it, and what is deployed is what was measured."""

from typing import ClassVar

import numpy as np
import pytest

from textclassify import LinearClassifier, TrainingData
from textclassify.core.scales import IN_SAMPLE, Status
from textclassify.core.shared_work import shared
from textclassify.ensemble.out_of_fold import FoldAverage, held_out_folds

WORDS = {"refund": "money back please", "delivery": "parcel late again", "account": "password login locked"}


def messages(per_label=12):
    rows = [(f"{words} number {number}", label) for label, words in WORDS.items() for number in range(per_label)]
    return TrainingData([text for text, _ in rows], [label for _, label in rows])


def test_every_row_is_scored_by_the_model_that_did_not_see_it():
    """A model's own training rows would look too good."""
    data = messages()
    average = FoldAverage(LinearClassifier(), n_folds=3).fit(data)
    scores = average.out_of_fold_scores_
    for fold, member in enumerate(average.members_):
        rows = np.flatnonzero(scores.fold == fold)
        assert np.array_equal(member.predict_scores([data.texts[row] for row in rows]).values, scores.values[rows])


class Noting(LinearClassifier):
    """Notes what is shared while it is trained."""

    seen: ClassVar = []

    def _fit(self, data):
        self.seen.append(shared("thing", object))
        super()._fit(data)


def test_the_folds_share_what_they_have_in_common_and_forget_it():
    """Weights and tokens are the same for each of them; a second data set must not find the first one's."""
    Noting.seen.clear()
    for _ in range(2):
        FoldAverage(Noting(), n_folds=3).fit(messages())
    first, second = (set(map(id, seen)) for seen in (Noting.seen[:3], Noting.seen[3:]))
    assert len(first) == len(second) == 1
    assert first != second


def test_out_of_fold_scores_of_noise_labels_are_no_better_than_chance():
    """In-sample, a linear model on unique words is right on every row; out of fold it cannot be."""
    rng = np.random.default_rng(0)
    texts = [f"word{number} other{number}" for number in range(120)]
    data = TrainingData(texts, list(rng.choice(["a", "b"], 120)))
    average = FoldAverage(LinearClassifier()).fit(data)
    answers = average.out_of_fold_scores_.values.argmax(axis=1)
    assert np.mean(answers == data.gold) < 0.65
    assert np.mean(average.predict_scores(texts).values.argmax(axis=1) == data.gold) > 0.9


def test_equal_texts_are_held_out_together():
    """A duplicate in the training part would give the answer away."""
    data = TrainingData(["same text"] * 10 + [f"text {n}" for n in range(30)], ["a"] * 10 + ["a", "b"] * 15)
    folds = held_out_folds(data, random_state=1)
    assert len(set(folds[:10])) == 1


def test_a_label_with_one_row_trains_every_model_and_is_never_held_out():
    """Holding its only row out would leave a model that does not know the label."""
    data = TrainingData([*messages().texts, "something else entirely"], [*messages().labels, "other"])
    scores = FoldAverage(LinearClassifier(), n_folds=3).fit(data).out_of_fold_scores_
    assert scores.fold[-1] == IN_SAMPLE
    assert scores.status[-1] == Status.NOT_CALLED


def test_from_2000_rows_one_fifth_is_reserved_and_one_model_trained():
    """Enough rows for a reserved part; five models would cost five times as much at prediction."""
    data = TrainingData([f"text {n}" for n in range(2000)], ["a", "b"] * 1000)
    folds = held_out_folds(data)
    assert sorted(set(folds)) == [-1, 0]
    assert np.mean(folds == 0) == pytest.approx(0.2, abs=0.01)


def test_the_deployed_scores_are_the_normalised_mean_of_the_models_log_probabilities():
    data = messages()
    average = FoldAverage(LinearClassifier(), n_folds=3).fit(data)
    mean = np.mean([member.predict_scores(["money parcel"]).values for member in average.members_], axis=0)
    expected = mean - np.log(np.exp(mean).sum())
    assert np.allclose(average.predict_scores(["money parcel"]).values, expected, atol=1e-5)


def test_saved_and_loaded_it_scores_bit_for_bit(tmp_path):
    average = FoldAverage(LinearClassifier(), n_folds=2).fit(messages())
    average.save(tmp_path / "model")
    assert FoldAverage.load(tmp_path / "model").predict_scores(["late"]).equals(average.predict_scores(["late"]))


def test_multi_label_models_are_averaged_in_log_odds():
    texts = [f"{word} {n}" for n in range(20) for word in ("joy", "fear", "both joy fear")]
    data = TrainingData(texts, [["joy"], ["fear"], ["joy", "fear"]] * 20)
    average = FoldAverage(LinearClassifier(), n_folds=2).fit(data)
    assert average.predict(["joy", "joy and fear"]).predictions == [["joy"], ["fear", "joy"]]


class Sharing(LinearClassifier):
    """Notes what is shared while it scores."""

    seen: ClassVar = []

    def _score(self, texts):
        self.seen.append((len(texts), shared("thing", object)))
        return super()._score(texts)


def test_models_that_score_the_same_texts_share_their_work_piece_by_piece(monkeypatch):
    """Frozen features are computed once for five models, and a million texts' are never held at once."""
    data = messages()
    average = FoldAverage(Sharing(), n_folds=2).fit(data)
    whole = average.predict_scores(data.texts)
    Sharing.seen.clear()
    monkeypatch.setattr("textclassify.ensemble.out_of_fold.TEXTS_AT_ONCE", 20)

    assert average.predict_scores(data.texts).equals(whole)
    assert [n for n, _ in Sharing.seen] == [20, 20, 16, 16]
    assert len({thing for _, thing in Sharing.seen}) == 2
    assert average.predict_scores([]).equals(whole.take([]))
