"""Every row is scored by a model that never saw it, wherever the row was in training."""

import numpy as np

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, load
from textclassify.ensemble.review import label_errors
from textclassify.ensemble.reviewing.honest_scores import HELD_OUT, LINEAR, UNSEEN, honest_scores
from textclassify.testing import FixedClassifier

LABELS = ["billing", "delivery"]
WORDS = ["invoice charged twice", "parcel never came"]


def messages(n, *, start=0, wrong=()):
    codes = [row % 2 for row in range(start, start + n)]
    texts = [f"{WORDS[code]} row {row}" for row, code in enumerate(codes, start=start)]
    return TrainingData(texts, [LABELS[1 - code if row in wrong else code] for row, code in enumerate(codes)])


class PaidClassifier(FixedClassifier):
    """A given source that counts as a language model."""

    asks_llm = True


def test_rows_that_were_held_out_in_training_are_found_again(tmp_path):
    """The scores are kept with the model: nothing is trained, and a wrong label stands out."""
    data = messages(60, wrong=[7])
    FusionEnsemble({"linear": LinearClassifier()}, n_folds=3).fit(data).save(tmp_path / "model")

    honest = honest_scores(load(tmp_path / "model"), data)

    assert set(honest.judged_by) == {HELD_OUT}
    assert label_errors(honest.scores, data, judged_by=honest.judged_by.tolist()).row.tolist() == [7]


def test_rows_that_are_new_to_the_model_are_asked_about():
    """It does not know them, so that what it says of them is honest."""
    model = FusionEnsemble({"linear": LinearClassifier()}, n_folds=3).fit(messages(60))
    data = messages(20, start=100)

    honest = honest_scores(model, data)

    assert set(honest.judged_by) == {UNSEEN}
    np.testing.assert_allclose(honest.scores.probabilities, model.predict_proba(data.texts), atol=1e-6)


def test_rows_that_only_trained_are_judged_by_linear_models():
    """Where one part was reserved, the other four fifths were in every training part."""
    data = messages(60, wrong=[7])
    model = FusionEnsemble({"linear": LinearClassifier()}, one_model=True).fit(data)

    honest = honest_scores(model, data)

    assert (honest.judged_by == HELD_OUT).sum() == 12
    assert (honest.judged_by == LINEAR).sum() == 48
    assert 7 in label_errors(honest.scores, data, judged_by=honest.judged_by.tolist()).row.tolist()


def test_the_guard_is_judged_by_what_is_deployed():
    """Nothing was learned from it."""
    data = messages(1000, wrong=[7])
    model = FusionEnsemble({"linear": LinearClassifier()}, n_folds=2).fit(data)
    assert model.fusion_.guard_ is not None

    honest = honest_scores(model, data)

    assert set(honest.judged_by) == {HELD_OUT}
    assert label_errors(honest.scores, data, judged_by=honest.judged_by.tolist()).row.tolist() == [7]


def test_a_classifier_alone_is_never_trusted_about_rows_that_it_may_know():
    """Nobody kept what it was trained on."""
    data = messages(40)

    assert set(honest_scores(LinearClassifier().fit(data), data).judged_by) == {LINEAR}


def test_one_that_needs_no_training_is_asked():
    """It has seen no label."""
    data = messages(10)
    classifier = FixedClassifier({}, LABELS, default=[0.9, 0.1])

    assert set(honest_scores(classifier, data).judged_by) == {UNSEEN}


def test_no_language_model_is_asked_without_leave():
    """New rows are judged by the free sources then."""
    data, new = messages(60), messages(10, start=100)
    llm = PaidClassifier(
        dict(zip(data.texts, np.eye(2)[data.gold] * 0.8 + 0.1, strict=True)), LABELS, default=[0.5] * 2
    )
    model = FusionEnsemble({"linear": LinearClassifier(), "llm": llm}, n_folds=3).fit(data)
    model.sources_["llm"].asked.clear()

    honest = honest_scores(model, new, llm=False)

    assert set(honest.judged_by) == {UNSEEN}
    assert model.sources_["llm"].asked == []


def test_rows_are_pooled_by_weights_that_were_learned_without_them():
    """A source of noise must not look right because the weights know its rows."""
    data = messages(60)
    noise = np.random.default_rng(0).dirichlet([1, 1], 60)
    source = FixedClassifier(dict(zip(data.texts, noise, strict=True)), LABELS)

    honest = honest_scores(FusionEnsemble({"noise": source}, n_folds=3).fit(data), data)

    right = honest.scores.probabilities[np.arange(60), data.gold]
    assert -np.log(right).mean() > np.log(2) * 0.97
