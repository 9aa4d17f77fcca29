"""FusionEnsemble(combiner="joint") from labelled texts to answers: encoder and network trained together."""

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, load
from textclassify.core.scales import Status
from textclassify.errors import ConfigError

pytest.importorskip("transformers")


from textclassify import RoBERTaClassifier, TransformerClassifier

LABELS = ["billing", "delivery"]


@pytest.fixture(scope="module")
def tiny(tiny_encoder_folder):
    """A tiny encoder, as a configuration."""
    return TransformerClassifier(tiny_encoder_folder, max_length=16, num_epochs=1)


@pytest.fixture(scope="module")
def data():
    """Texts that say nothing: who has the label is known to the language model alone."""
    codes = np.random.default_rng(0).permutation(36) % 2
    return TrainingData([f"the {number}" for number in range(36)], [LABELS[code] for code in codes])


@pytest.fixture(scope="module")
def llm(paid_classifier, data):
    answers = dict(zip(data.texts, 0.1 + 0.8 * np.eye(2)[data.gold], strict=True))
    return paid_classifier(answers, LABELS, default=[0.5, 0.5])


@pytest.fixture(scope="module")
def fusion(tiny, llm, data):
    given = {"fusion_epochs": 4, "fusion_lr": 0.05, "fusion_hidden_dims": [8], "fusion_batch_size": 4}
    return FusionEnsemble({"encoder": tiny, "llm": llm}, combiner="joint", n_folds=2, **given).fit(data)


def test_the_result_names_the_combiner_and_every_setting_had_its_effect(fusion, data):
    result = fusion.predict(data.texts, data.labels)
    assert fusion.selected_ == result.metadata["combiner"] == "joint"
    assert result.metadata["settings_without_effect"] == []
    assert set(result.metadata["models"]) == {"joint"}
    assert (result.status == Status.OK).all()
    assert result.metadata["metrics"]["accuracy"] > 0.8


def test_what_is_learned_on_top_is_learned_from_scores_of_models_that_did_not_see_the_row(fusion, data):
    """A jointly trained network remembers its rows as an encoder does."""
    scores = fusion.training_scores_["joint"]
    assert sorted(set(scores.fold.tolist())) == [0, 1]
    assert scores.answered.all()
    assert not np.array_equal(scores.values, fusion.source_scores(data.texts)["joint"].values)


def test_the_language_model_is_asked_once_about_a_training_text(tiny, llm, data):
    """Not once for each fold and once more for the fusion."""
    asked = []

    class Counted(type(llm)):
        def _score(self, texts):
            asked.extend(texts)
            return super()._score(texts)

    counted = Counted(llm.answers, LABELS, default=[0.5, 0.5])
    options = {"combiner": "joint", "n_folds": 2, "fusion_epochs": 1, "fusion_rows": 24}
    FusionEnsemble({"encoder": tiny, "llm": counted}, **options).fit(data)
    assert len(asked) == len(set(asked)) == 24


def test_where_the_language_model_fails_the_encoder_answers(fusion, data):
    """Also a text of which nothing is known."""
    result = fusion.predict([*data.texts[:3], "parcel late"])
    assert (result.status == Status.OK).all()
    assert np.allclose(result.probabilities.sum(axis=1), 1)


def test_saved_and_loaded_it_answers_bit_for_bit(fusion, data, tmp_path):
    fusion.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.selected_ == "joint"
    assert loaded.predict_scores(data.texts).equals(fusion.predict_scores(data.texts))


def test_a_budget_cannot_be_kept_where_one_model_does_everything(fusion, data):
    """The published form asks about every text."""
    with pytest.raises(ConfigError, match="llm_budget"):
        fusion.predict(data.texts, llm_budget=0.5)


def test_it_takes_one_encoder_and_language_models(tiny, llm, data):
    """The message names what there is instead."""
    for sources in ({"encoder": tiny}, {"llm": llm}, {"linear": LinearClassifier(), "llm": llm}):
        with pytest.raises(ConfigError, match='combiner="joint" trains one encoder'):
            FusionEnsemble(sources, combiner="joint").fit(data)


@pytest.mark.slow
def test_with_the_embedded_encoder_it_is_better_than_either_part(paid_classifier):
    """A real encoder that reads half of what matters, and a language model that knows the other half."""
    labels, codes = ["billing", "delivery", "login"], np.random.default_rng(0).integers(0, 3, 120)
    says = ["The invoice was charged twice", "The invoice was charged twice", "My password fails"]
    texts = [f"{says[code]}, number {row}." for row, code in enumerate(codes)]
    sure = np.array([[0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.34, 0.33, 0.33]])
    llm = paid_classifier(dict(zip(texts, sure[codes], strict=True)), labels, default=[1 / 3] * 3)
    encoder = RoBERTaClassifier("minilm")
    data = TrainingData(texts[:90], [labels[code] for code in codes[:90]])
    fusion = FusionEnsemble({"encoder": encoder, "llm": llm}, combiner="joint", n_folds=2).fit(data)
    result = fusion.predict(texts[90:])
    assert fusion.selected_ == "joint"
    assert np.mean([answer == labels[code] for answer, code in zip(result.predictions, codes[90:], strict=True)]) > 0.85
