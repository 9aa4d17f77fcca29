"""Few rows per label: when pairs are learned from, and how the way is chosen."""

import numpy as np
import pytest

from textclassify import TransformerClassifier
from textclassify.core.progress import listening
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError

pytest.importorskip("torch")
pytest.importorskip("sentence_transformers")

from textclassify.ml.few_rows import FINE_TUNING, HEAD, PAIRS, best_way, has_few_rows


@pytest.fixture
def make(tiny_encoder):
    def make_classifier(**options):
        return TransformerClassifier(str(tiny_encoder), **{"learning_rate": 1e-3, **options})

    return make_classifier


WORDS = {
    "animal": ["cat", "dog", "bird"],
    "payment": ["bill", "money", "refund", "paid"],
    "praise": ["good", "very", "!"],
    "doubt": ["where", "not", "?", "lost"],
}


def rows(per_label, n_labels=2):
    """So many rows each of labels that share no words."""
    draw = np.random.default_rng(0)
    labels = [label for label in list(WORDS)[:n_labels] for _ in range(per_label)]
    return [" ".join(draw.choice(WORDS[label], 6)) for label in labels], labels


@pytest.mark.parametrize(("per_label", "few"), [(7, False), (8, True), (64, True), (65, False)])
def test_few_rows_are_eight_to_sixty_four_per_label(per_label, few):
    assert has_few_rows(np.repeat([0, 1, 2], per_label)) is few


def test_texts_with_several_labels_or_one_label_only_are_not_paired():
    assert not has_few_rows(np.ones((20, 2), dtype=int))
    assert not has_few_rows(np.zeros(20, dtype=int))


def test_up_to_two_hundred_rows_nothing_is_tried():
    """A quarter of 60 rows would leave the choice to chance."""
    data = TrainingData(*rows(30))

    assert best_way(data, 60, 0, trial=None) == PAIRS


@pytest.mark.parametrize("best", [HEAD, FINE_TUNING, PAIRS])
def test_with_more_rows_the_way_with_the_lowest_loss_on_rows_held_back_is_taken(best):
    data = TrainingData(*rows(100))
    seen = []

    def trial(way, held):
        seen.append(held)
        return np.full(held.sum(), 0.1 if way == best else 1.0)

    assert best_way(data, 200, 0, trial) == best
    assert 30 <= seen[0].sum() <= 70
    assert all(np.array_equal(held, seen[0]) for held in seen)


def test_a_classifier_with_few_rows_learns_from_pairs_and_remembers_it(make, tmp_path):
    texts, labels = rows(8)
    heard = []

    with listening(lambda task, *_: heard.append(task)):
        classifier = make().fit(texts, labels)

    classifier.save(tmp_path / "folder")
    assert classifier.way_ == PAIRS
    assert "comparing texts" in heard
    assert "fine-tuning" not in heard
    assert TransformerClassifier.load(tmp_path / "folder").way_ == PAIRS
    assert classifier.score(texts, labels) == 1.0


@pytest.mark.parametrize("told", [{"num_epochs": 1}, {"early_stopping": True}, {"contrastive": False}])
def test_who_says_how_to_train_is_obeyed(make, told):
    assert make(**told).fit(*rows(10)).way_ == FINE_TUNING


def test_fine_tuning_follows_the_pairs_where_epochs_are_given(make):
    heard = []

    with listening(lambda task, *_: heard.append(task)):
        make(contrastive=True, num_epochs=1).fit(*rows(3))

    assert heard.index("comparing texts") < heard.index("fine-tuning")


def test_many_few_rows_are_tried_and_the_trials_leave_no_trace(make):
    """What was tried on three quarters of the rows is unlearned: the same way asked for by name ends the same."""
    texts, labels = rows(50, n_labels=4)
    told = {HEAD: {"num_epochs": 0}, FINE_TUNING: {"contrastive": False}, PAIRS: {"contrastive": True}}
    heard = []

    with listening(lambda task, *_: heard.append(task)):
        chosen = make().fit(texts, labels)
    asked = make(**told[chosen.way_]).fit(texts, labels)

    assert {"trying fine-tuning: fine-tuning", "trying pairs: comparing texts"} <= set(heard)
    np.testing.assert_array_equal(chosen.predict_proba(texts), asked.predict_proba(texts))


@pytest.mark.parametrize("other", [{"warm_head": False}, {"lora": 4}])
def test_pairs_without_a_head_to_fit_are_refused(make, other):
    with pytest.raises(ConfigError, match="contrastive=True"):
        make(contrastive=True, **other).fit(*rows(8))


def test_texts_with_several_labels_cannot_be_asked_to_pair(make):
    texts, labels = rows(8)

    with pytest.raises(ConfigError, match="one label per text"):
        make(contrastive=True).fit(texts, [[label] for label in labels])
