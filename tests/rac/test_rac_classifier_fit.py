"""What a few labelled rows teach: examples for retrieval, and what the model's answers count."""

from dataclasses import replace

import numpy as np
import pytest

from textclassify import FusionEnsemble, LabelSchema, LLMClassifier, RACClassifier, SimilarityClassifier
from textclassify.core.dataset import training_data
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED
from textclassify.core.texts import hash_texts
from textclassify.errors import LabelError
from textclassify.testing import FixedClassifier, ScriptedChat

from .scripted_rac import LABELS, TEXTS, knows, question, rac, texts_asked

ROWS = [f"text {number}" for number in range(60)]
GOLD = [*LABELS] * 20
EVEN = FixedClassifier({}, default=[0.34, 0.33, 0.33])


def unsure(seed):
    """Return a model whose answers have nothing to do with the question."""
    rng = np.random.default_rng(seed)
    return ScriptedChat(lambda _: "yes" if rng.random() < 0.5 else "no")


def test_answers_that_tell_keep_their_weight(tmp_path):
    classifier = rac(tmp_path, knows(dict(zip(ROWS, GOLD, strict=True))), retriever=EVEN).fit(ROWS, GOLD)

    assert classifier.calibration_.weight >= 1.0
    assert classifier.calibration_.rows == 20
    assert classifier.calibration_.recall == 1.0


@pytest.mark.parametrize("multi_label", [False, True])
def test_answers_that_tell_nothing_are_not_used(tmp_path, multi_label):
    gold = [[label] for label in GOLD] if multi_label else GOLD
    rows, gold = ROWS * 4, gold * 4
    rows = [f"{text} {number}" for number, text in enumerate(rows)]
    ranks = FixedClassifier({}, default=[0.34, 0.33, 0.33], multi_label=multi_label)

    classifier = rac(tmp_path, unsure(0), retriever=ranks, multi_label=multi_label).fit(rows, gold)

    assert classifier.calibration_.weight == 0.0
    np.testing.assert_allclose(classifier.predict_proba(["x"]), [[0.34, 0.33, 0.33]], atol=1e-3)


def test_what_was_learned_for_one_decision_says_nothing_about_another(tmp_path):
    """Other questions have other answers; what these count is not known."""
    rows = [f"{text} {number}" for number, text in enumerate(ROWS * 4)]
    ranks = FixedClassifier({}, default=[0.34, 0.33, 0.33])
    classifier = rac(tmp_path, unsure(0), retriever=ranks).fit(rows, GOLD * 4)

    classifier.set_params(decision="first_yes")

    assert classifier.calibration_.weight == 0.0
    assert np.abs(classifier.predict_proba(["x"]) - 1 / 3).max() > 0.1


def test_only_a_part_of_the_rows_is_asked_about(tmp_path):
    chat = knows(dict(zip(ROWS, GOLD, strict=True)))

    classifier = rac(tmp_path, chat, retriever=EVEN).fit(ROWS, GOLD)

    asked = {text for text in texts_asked(chat) if text in ROWS}
    assert len(classifier.calibration_row_ids_) == 20
    assert set(classifier.calibration_row_ids_.tolist()) <= set(hash_texts(sorted(asked)).tolist())
    assert len(asked) <= 23  # three are examples of labels, on which the model's bias is learned


def test_all_rows_count_as_seen(tmp_path):
    classifier = rac(tmp_path, knows(dict(zip(ROWS, GOLD, strict=True))), retriever=EVEN).fit(ROWS, GOLD)

    assert (classifier.predict_scores(ROWS).fold == IN_SAMPLE).all()
    assert classifier.predict_scores(["new"]).fold.tolist() == [NEVER_TRAINED]


def test_rows_that_a_ranking_picked_do_not_calibrate(tmp_path):
    """They are hard by design, and would say that the model knows nothing."""
    chat = knows(dict(zip(ROWS, GOLD, strict=True)))
    chosen_by = ["ranking"] * 40 + ["random"] * 20
    data = training_data(ROWS, GOLD, schema=LabelSchema(LABELS))
    classifier = rac(tmp_path, chat, retriever=EVEN).fit(replace(data, chosen_by=chosen_by))

    assert len(classifier.calibration_row_ids_) == 20
    assert set(classifier.calibration_row_ids_.tolist()) == set(hash_texts(ROWS[40:]).tolist())


def test_rows_that_are_examples_already_do_not_calibrate(tmp_path):
    """Retrieval knows them, and beside it the model would seem to know nothing."""
    given = {label: [text for text, gold in zip(ROWS[:40], GOLD, strict=False) if gold == label] for label in LABELS}

    chat = knows(dict(zip(ROWS, GOLD, strict=True)))
    classifier = rac(tmp_path, chat, retriever=EVEN, examples=given).fit(ROWS, GOLD)

    assert set(classifier.calibration_row_ids_.tolist()) == set(hash_texts(ROWS[40:]).tolist())


def test_what_a_fitted_retriever_has_seen_counts_as_seen(tmp_path, tiny_encoder):
    schema = LabelSchema(LABELS, examples={"bill": ("the bill",)})
    rows = training_data(["a dog", "late"], ["refund", "delivery"], schema=schema)
    ranks = SimilarityClassifier(encoder=str(tiny_encoder)).fit(rows)

    classifier = rac(tmp_path, retriever=ranks)

    assert classifier.seen_row_ids.tolist() == hash_texts(["the bill"]).tolist()


def test_rows_are_examples_of_their_labels(tiny_encoder):
    ranks = SimilarityClassifier(encoder=str(tiny_encoder))
    classifier = RACClassifier(["a", "b", "c"], retriever=ranks)
    before = classifier.predict_proba(["the dog runs"])

    classifier.fit(["the dog runs", "my parcel", "the dog runs"], ["b", "a", "b"])

    assert classifier.examples_ == {"a": ["my parcel"], "b": ["the dog runs"]}
    assert classifier.predict_proba(["the dog runs"])[0, 1] > before[0, 1]
    assert classifier.classes_.tolist() == ["a", "b", "c"]


@pytest.mark.parametrize("n_rows", [2, 3])
def test_very_few_rows_are_enough(tmp_path, n_rows):
    """One row is asked about; the weight hardly moves."""
    classifier = rac(tmp_path, knows(dict(zip(ROWS, GOLD, strict=True))), retriever=EVEN)

    classifier.fit(ROWS[:n_rows], GOLD[:n_rows])

    assert classifier.calibration_.rows == 1
    assert 0.5 <= classifier.calibration_.weight <= 1.5


def test_rows_that_belong_together_are_examples_alone(tmp_path):
    """Asking about some of them would be asking about what retrieval has seen."""
    classifier = rac(tmp_path, knows(dict(zip(ROWS, GOLD, strict=True))), retriever=EVEN)

    classifier.fit(ROWS[:6], GOLD[:6], groups=["one"] * 6)

    assert classifier.calibration_ is None
    assert classifier.predict(ROWS[:2]).predictions == GOLD[:2]


def test_an_unanswered_model_keeps_the_default_weight(tmp_path):
    classifier = rac(tmp_path, ScriptedChat(lambda _: "who knows"), retriever=EVEN).fit(ROWS, GOLD)

    assert classifier.calibration_.weight == 1.0
    assert classifier.calibration_.rows == 0


def test_unknown_labels_are_refused(tmp_path):
    with pytest.raises(LabelError, match="'invoice'"):
        rac(tmp_path).fit(["x", "y"], ["bill", "invoice"])


def test_two_fits_ask_the_same_rows(tmp_path):
    chat = knows(dict(zip(ROWS, GOLD, strict=True)))
    rac(tmp_path, chat, retriever=EVEN).fit(ROWS, GOLD)
    n_asked = len(chat.asked)

    rac(tmp_path, chat, retriever=EVEN).fit(ROWS, GOLD)

    assert len(chat.asked) == n_asked


def test_as_a_source_it_learns_the_labels_alone(tmp_path):
    """An ensemble calibrates by itself; rows that are examples would be lost to it."""
    chat = knows()
    data = training_data(ROWS, GOLD, schema=LabelSchema(LABELS))

    source = rac(tmp_path, chat, labels=None, retriever=EVEN).fit_as_source(data)

    assert chat.asked == []
    assert len(source.seen_row_ids) == 0
    assert source.classes_.tolist() == list(LABELS)


def test_a_fusion_takes_it_as_its_language_model(tmp_path):
    rng = np.random.default_rng(0)
    ranks = {text: rng.dirichlet([1, 1, 1]) for text in ROWS}
    for text, label in zip(ROWS, GOLD, strict=True):
        ranks[text] = 0.5 * ranks[text] + 0.5 * np.eye(3)[LABELS.index(label)]
    cheap = FixedClassifier(ranks, labels=list(LABELS), default=[0.34, 0.33, 0.33])
    wrong = ROWS[::4]
    answers = {text: label for text, label in zip(ROWS, GOLD, strict=True) if text not in wrong}
    member = rac(tmp_path, knows(answers), labels=None, retriever=EVEN, decision="best")

    fusion = FusionEnsemble({"cheap": cheap, "rac": member}).fit(ROWS, GOLD)

    assert member.asks_llm
    assert not rac(tmp_path).asks_llm
    assert list(fusion.fusion_.llm_sources_) == ["rac"]
    assert fusion.predict(TEXTS).predictions


def test_a_model_given_as_a_classifier_is_asked(tmp_path):
    chat = knows()
    model = LLMClassifier(chat=chat, cache_dir=tmp_path)

    assert rac(tmp_path, model).predict(TEXTS[:1])[0] == "delivery"
    assert question(chat.asked[-1])[0] == "where is it"
