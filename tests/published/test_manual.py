"""Models and ensembles put together by hand, as the published documents do it; with a tiny encoder."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import FusionMLP, FusionWrapper
from textclassify.core.types import ClassificationType, EnsembleConfig, ModelConfig, ModelType, TrainingData
from textclassify.ensemble import ClassRoutingEnsemble, VotingEnsemble, WeightedEnsemble
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.llm.deepseek_classifier import DeepSeekClassifier
from textclassify.llm.gemini_classifier import GeminiClassifier
from textclassify.llm.openai_classifier import OpenAIClassifier
from textclassify.ml.roberta_classifier import RoBERTaClassifier

from .rows import SENTIMENTS, sentiments

pytestmark = pytest.mark.usefixtures("folder", "provider")

LABELS = list(SENTIMENTS)
TEXTS, GOLD = sentiments(24)
TEST, TEST_GOLD = sentiments(9, start=60)
TRAINING = TrainingData(texts=TEXTS, labels=GOLD, classification_type=ClassificationType.MULTI_CLASS)


@pytest.fixture
def ml_model(tiny):
    options = {"max_length": 16, "num_epochs": 1, "learning_rate": 2e-5}
    return RoBERTaClassifier(config=ModelConfig(str(tiny), ModelType.TRADITIONAL_ML, parameters=options, batch_size=8))


@pytest.fixture
def llm_model():
    config = ModelConfig("deepseek-chat", ModelType.LLM, {"temperature": 0.1}, max_retries=2, timeout=5.0)
    return DeepSeekClassifier(config=config, label_columns=LABELS)


def fusion_of(*models, **parameters):
    settings = {
        "fusion_hidden_dims": [8],
        "ml_lr": 1e-5,
        "fusion_lr": 1e-3,
        "num_epochs": 2,
        "batch_size": 8,
        "n_folds": 2,
    }
    return FusionEnsemble(EnsembleConfig("fusion", models=list(models), parameters=settings | parameters))


def binary(gold):
    """Return labels as rows of 0 and 1."""
    return [[int(label == one) for label in LABELS] for one in gold]


def test_a_fusion_is_configured_trained_and_measured(ml_model, llm_model):
    result = fusion_of(ml_model, llm_model).fit(TRAINING).predict(TEST, TEST_GOLD)
    assert result.metadata["metrics"]["accuracy"] > 0.8
    assert set(result.predictions) <= set(LABELS)


def test_a_model_that_is_added_again_is_one_member(ml_model, llm_model):
    """The published example names its models twice."""
    fusion = fusion_of(ml_model, llm_model).add_ml_model(ml_model).add_llm_model(llm_model)
    assert list(fusion.sources.values()) == [ml_model, llm_model]


def test_several_language_models_are_members_by_themselves(ml_model, llm_model, provider):
    """Each gives its own scores, and its own key goes to its own provider."""
    fusion = fusion_of(ml_model).add_llm_model(llm_model)
    others = [
        OpenAIClassifier(config=ModelConfig("gpt-4o-mini", ModelType.LLM), label_columns=LABELS),
        GeminiClassifier(config=ModelConfig("gemini-2.5-flash", ModelType.LLM), label_columns=LABELS),
    ]
    for other in others:
        fusion.add_llm_model(other)

    fusion.fit(TRAINING)

    assert sum(one.asks_llm for one in fusion.sources_.values()) == 3
    assert {request["model"] for request in provider.requests} == {"deepseek-chat", "gpt-4o-mini", "gemini-2.5-flash"}
    assert provider.keys == {f"fake-key-of-{name}" for name in ("deepseek", "openai", "gemini")}


def test_repeated_label_columns_collapse_with_a_warning():
    """The published example passes the labels of all rows as label_columns."""
    config = ModelConfig("deepseek-chat", ModelType.LLM)
    with pytest.warns(UserWarning, match="repeats"):
        classifier = DeepSeekClassifier(config=config, label_columns=GOLD)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert list(classifier.classes_) == LABELS


def test_a_matrix_of_zeros_and_ones_gets_the_names_of_the_members(ml_model, llm_model):
    data = TrainingData(texts=TEXTS, labels=binary(GOLD), classification_type=ClassificationType.MULTI_LABEL)
    fusion = fusion_of(ml_model, llm_model).fit(data)
    assert fusion.classes_.tolist() == LABELS
    result = fusion.predict(TEST, binary(TEST_GOLD))
    assert all(isinstance(answer, list) for answer in result.predictions)
    assert 0 <= result.metadata["metrics"]["micro_f1"] <= 1


def test_models_alone_keep_the_published_constructor(ml_model, llm_model):
    """What a configuration says is theirs at once, so that they are cloned and inspected like any other."""
    assert clone(ml_model).get_params()["max_length"] == 16
    assert ml_model.fit(TEXTS, GOLD).predict(["a terrible thing"])[0] in LABELS
    assert llm_model.predict(["a terrible thing"]).predictions == ["negative"]
    assert clone(llm_model).get_params()["model"] == "deepseek-chat"


@pytest.mark.parametrize(
    ("method", "ensemble"),
    [
        ("voting", VotingEnsemble),
        ("weighted", WeightedEnsemble),
        ("class_routing", ClassRoutingEnsemble),
        ("fusion", FusionEnsemble),
    ],
)
def test_every_ensemble_has_the_same_interface(method, ensemble, ml_model, llm_model):
    built = ensemble(EnsembleConfig(method, models=[ml_model, llm_model]))
    result = built.fit(TRAINING).predict(TEST, TEST_GOLD)
    assert len(result.predictions) == 9
    assert 0 <= result.metadata["metrics"]["accuracy"] <= 1


def test_a_fusion_is_a_member_of_a_vote(ml_model, llm_model):
    vote = VotingEnsemble(EnsembleConfig("voting", models=[fusion_of(ml_model, llm_model), llm_model]))
    assert vote.fit(TRAINING).predict(TEST, TEST_GOLD).metadata["metrics"]["accuracy"] > 0.8


def test_the_network_and_its_wrapper_keep_their_published_shape():
    """No gradient goes into the scores: they are another model's."""
    torch = pytest.importorskip("torch")
    network = FusionMLP(6, 3, hidden_dims=[64, 32])

    def encoder(input_ids, attention_mask):
        return input_ids.float() * attention_mask

    scores = torch.rand(2, 3, requires_grad=True)
    found = FusionWrapper(encoder, network).forward(torch.ones(2, 3), torch.ones(2, 3), scores)
    found["fused_logits"].sum().backward()

    assert set(found) == {"ml_logits", "llm_scores", "fused_logits"}
    assert found["fused_logits"].shape == (2, 3)
    assert scores.grad is None
    assert np.isfinite(found["fused_logits"].detach().numpy()).all()
