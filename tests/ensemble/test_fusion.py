"""FusionEnsemble: from labelled texts to a fused answer, with sources whose behaviour is known."""

import numpy as np
import pytest

from textclassify import FusionEnsemble, LinearClassifier, TrainingData, load
from textclassify.core.scales import Status
from textclassify.errors import ConfigError
from textclassify.testing import FixedClassifier, check_classifier

LABELS = ["billing", "delivery", "login"]
WORDS = ["invoice charged twice", "parcel never came", "password does not work"]


class PaidClassifier(FixedClassifier):
    """A given source that counts as a language model."""

    asks_llm = True


def messages(n=120, seed=0):
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, n)
    # Texts about billing and delivery share their words: only the oracle below can tell them apart.
    texts = [f"{WORDS[code if code == 2 else 0]} {rng.integers(10_000)} row{row}" for row, code in enumerate(codes)]
    return TrainingData(texts, [LABELS[code] for code in codes])


def oracle(data, kind=PaidClassifier):
    """A source that tells billing from delivery and knows nothing about login."""
    sure = {0: [0.9, 0.05, 0.05], 1: [0.05, 0.9, 0.05], 2: [0.34, 0.33, 0.33]}
    return kind(dict(zip(data.texts, [sure[code] for code in data.gold], strict=True)), LABELS, default=[1 / 3] * 3)


def test_a_complementary_source_is_used():
    """The linear model knows login, the oracle the rest: together they know all."""
    data = messages()
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data)}, n_folds=3).fit(data)
    assert set(fusion.fusion_.needs_) == {"linear", "llm"}
    assert np.mean(np.array(fusion.predict(data.texts)) == np.array(data.labels)) > 0.95


def test_a_source_that_adds_nothing_is_not_asked_at_prediction():
    """We pay for what changes the answer and nothing else."""
    data = TrainingData([f"{WORDS[row % 3]} {row}" for row in range(90)], [LABELS[row % 3] for row in range(90)])
    useless = PaidClassifier({}, LABELS, default=[0.3, 0.4, 0.3])
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": useless}, n_folds=3).fit(data)
    fitted = fusion.sources_["llm"]
    fitted.asked.clear()
    fusion.predict(["parcel lost"])
    assert fitted.asked == []


def test_the_language_model_is_asked_about_fusion_rows_only():
    """Training on 120 rows must not cost 120 calls when 40 do."""
    data = messages()
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data)}, n_folds=3, fusion_rows=40).fit(data)
    assert len(fusion.sources_["llm"].asked) <= 40
    assert fusion.ladder_report_.n_rows <= 40
    asked = [data.texts[row] for row in fusion.rows_to_ask(fusion.sources_["llm"], data)]
    assert fusion.sources_["llm"].asked == asked


def test_where_the_language_model_fails_the_free_sources_answer():
    """A failed row falls back; it is neither lost nor given a default label."""
    data = messages()
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data)}, n_folds=3).fit(data)
    text = "password does not work at all"
    fusion.sources_["llm"].answers = {**fusion.sources_["llm"].answers, text: None}
    result = fusion.predict([text, data.texts[0]])
    assert result.sources["llm"].status[0] == Status.FAILED
    assert result.predictions[0] == "login"


def test_three_rows_one_per_label_give_prior_weights_and_still_an_answer():
    """The smallest thing a user can bring."""
    zero_shot = FixedClassifier({}, LABELS, default=[0.2, 0.7, 0.1])
    fusion = FusionEnsemble({"linear": LinearClassifier(), "similarity": zero_shot}).fit(WORDS, LABELS)
    assert fusion.selected_ == "prior_pool"
    assert fusion.predict(["anything"]).predictions == ["delivery"]


def test_three_rows_and_only_sources_that_learn_still_give_an_answer():
    """Nothing can be judged, but something can be said."""
    fusion = FusionEnsemble({"linear": LinearClassifier()}).fit(WORDS, LABELS)
    assert fusion.selected_ == "prior_pool"
    assert fusion.predict(["the parcel"]).predictions == ["delivery"]


def test_gold_labels_at_prediction_only_fill_the_metrics():
    """Upstream leaked them into prompts; here permuting them changes no prediction."""
    data = messages()
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": oracle(data)}, n_folds=3).fit(data)
    with_gold = fusion.predict(data.texts, data.labels)
    with_permuted = fusion.predict(data.texts, data.labels[::-1])
    assert with_gold.scores.equals(with_permuted.scores)
    assert with_gold.metadata["metrics"]["accuracy"] > with_permuted.metadata["metrics"]["accuracy"]


def test_a_blank_text_has_no_answer_and_says_so():
    data = messages()
    result = FusionEnsemble({"linear": LinearClassifier()}, n_folds=3).fit(data).predict(["", "parcel"])
    assert result.predictions[0] is None
    assert result.status[0] == Status.INVALID


def test_saved_and_loaded_it_answers_bit_for_bit(tmp_path):
    data = messages()
    fusion = FusionEnsemble({"linear": LinearClassifier(), "fixed": oracle(data, FixedClassifier)}, n_folds=3).fit(data)
    fusion.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert loaded.predict_scores(data.texts).equals(fusion.predict_scores(data.texts))
    assert loaded.ladder_report_ == fusion.ladder_report_


def test_it_keeps_the_contract_of_every_classifier():
    data = messages(60)
    check_classifier(lambda: FusionEnsemble({"linear": LinearClassifier()}, n_folds=2), data.texts, data.labels)


def test_multi_label_from_end_to_end():
    texts = [f"{word} {n}" for n in range(25) for word in ("joy", "fear", "both joy fear", "nothing at all")]
    fusion = FusionEnsemble({"linear": LinearClassifier()}, n_folds=2)
    fusion.fit(texts, [["joy"], ["fear"], ["joy", "fear"], []] * 25)
    assert fusion.predict(["joy 99", "nothing at all 99"]).predictions == [["joy"], []]


def test_without_sources_there_is_nothing_to_fuse():
    for sources in (None, [], {}):
        with pytest.raises(ConfigError, match=r"a fusion needs sources: .* add_ml_model and add_llm_model"):
            FusionEnsemble(sources).fit(WORDS, LABELS)
    with pytest.raises(ConfigError, match=r"member 'x' is 5 \(int\), not a TextClassifier"):
        FusionEnsemble({"x": 5}).fit(WORDS, LABELS)


def test_a_missing_key_is_known_before_anything_is_trained(monkeypatch):
    """Not after an hour of fine-tuning."""
    from textclassify import LLMClassifier
    from textclassify.errors import AuthenticationError

    class NeverFitted(LinearClassifier):
        def _fit(self, data):  # noqa: ARG002 - never gets that far
            pytest.fail("something was trained")

    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    sources = {"a": NeverFitted(), "llm": LLMClassifier(provider="openai")}
    with pytest.raises(AuthenticationError, match="OPENAI_API_KEY"):
        FusionEnsemble(sources).fit(messages())


def test_loading_waits_only_for_the_sources_that_answer(tmp_path):
    """A fusion that answers with one source must not load the encoders that it was compared with."""
    data = TrainingData([f"{WORDS[row % 3]} {row}" for row in range(60)], [LABELS[row % 3] for row in range(60)])
    useless = PaidClassifier({}, LABELS, default=[0.3, 0.4, 0.3])
    fusion = FusionEnsemble({"linear": LinearClassifier(), "llm": useless}, n_folds=2).fit(data)
    fusion.save(tmp_path / "model")
    loaded = load(tmp_path / "model")
    assert list(loaded.sources_) == ["linear", "llm"]
    assert list(loaded.sources_._loaded) == ["linear"]
    assert loaded.sources_["llm"].predict(["any"]).predictions == ["delivery"]


def test_the_metadata_say_which_models_answered():
    data = messages(60)
    result = FusionEnsemble({"linear": LinearClassifier()}, n_folds=2).fit(data).predict(["parcel"])
    assert result.metadata["models"] == {"linear": "linear"}
