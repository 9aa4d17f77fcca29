"""Encoder and fusion network trained together: the contract, who answers what, and who is asked how often."""

from dataclasses import replace

import numpy as np
import pytest
from sklearn.base import clone

from textclassify import LinearClassifier, TrainingData
from textclassify.core.scales import Method, Status
from textclassify.core.texts import hash_texts
from textclassify.ensemble.out_of_fold import FoldAverage
from textclassify.errors import ConfigError, ScoresError, StorageError
from textclassify.testing import FixedClassifier, check_classifier

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify import FusionMLP, TransformerClassifier  # noqa: E402 - they need torch
from textclassify.ensemble.joint.joint_classifier import JointClassifier  # noqa: E402
from textclassify.ensemble.joint.remembered import RememberedScores  # noqa: E402
from textclassify.ensemble.mlp import FusionWrapper  # noqa: E402

LABELS = ["billing", "delivery"]


@pytest.fixture(scope="module")
def encoder(tiny_encoder_folder):
    """A tiny encoder, as a configuration."""
    return TransformerClassifier(tiny_encoder_folder, max_length=16)


class PaidClassifier(FixedClassifier):
    """Counts as a language model, costs a cent per text, and says what it saw as examples."""

    asks_llm = True
    examples = ()

    @property
    def seen_row_ids(self):
        return hash_texts(list(self.examples))

    def _score(self, texts):
        return replace(super()._score(texts), cost=np.full(len(texts), 0.01))


class Ignoring(torch.nn.Module):
    """A network of the user's own, which answers the last label always."""

    def __init__(self, input_dim, output_dim, hidden_dims=(64, 32)):  # noqa: ARG002 - FusionMLP's signature
        super().__init__()
        self.bias = torch.nn.Parameter(50.0 * torch.eye(output_dim)[-1])

    def forward(self, scores):
        return self.bias.expand(len(scores), -1)


def messages(n=24):
    """Texts that say nothing: who has the label is known to the language model alone."""
    rng = np.random.default_rng(0)
    return TrainingData([f"the {number}" for number in range(n)], [LABELS[code] for code in rng.permutation(n) % 2])


def oracle(data, kind=FixedClassifier, **options):
    answers = dict(zip(data.texts, 0.1 + 0.8 * np.eye(2)[data.gold], strict=True))
    return kind(answers, LABELS, **{"default": [0.5, 0.5], **options})


def joint(encoder, llm, **options):
    return JointClassifier(encoder, {"llm": llm}, **{"epochs": 2, "hidden_dims": (8,), **options})


def test_the_wrapper_gives_three_things_by_key_and_by_name():
    """As published: encoder's logits, scores, fused logits."""
    encoder = torch.nn.EmbeddingBag(10, 3)
    wrapper = FusionWrapper(lambda ids, _: encoder(ids), FusionMLP(input_dim=6, output_dim=3, hidden_dims=[4]))
    scores = torch.rand(2, 3, requires_grad=True)
    output = wrapper(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5), scores)
    assert list(output) == ["ml_logits", "llm_scores", "fused_logits"]
    assert output["fused_logits"] is output.fused_logits
    assert output.fused_logits.shape == (2, 3)
    with pytest.raises(AttributeError, match="logits_of_the_llm"):
        output.logits_of_the_llm  # noqa: B018 - the access is what is tested


def test_the_scores_get_no_gradient_and_the_encoder_does():
    """A language model is not trained through its scores."""
    encoder = torch.nn.EmbeddingBag(10, 3)
    wrapper = FusionWrapper(lambda ids, _: encoder(ids), FusionMLP(6, 3, [4]))
    scores = torch.rand(2, 3, requires_grad=True)
    wrapper(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5), scores).fused_logits.sum().backward()
    assert scores.grad is None
    assert encoder.weight.grad is not None


def test_the_wrapper_takes_classifiers_of_transformers():
    """They answer with an object that has logits."""
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=10, num_labels=3, max_position_embeddings=8, **sizes)
    wrapper = FusionWrapper(transformers.BertForSequenceClassification(config), FusionMLP(6, 3)).eval()
    output = wrapper(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5), torch.rand(2, 3))
    assert output.ml_logits.shape == (2, 3)


def test_a_text_without_scores_is_answered_by_the_encoders_own_logits():
    """And its fused logits teach the fusion network nothing."""
    encoder = torch.nn.EmbeddingBag(10, 2)
    wrapper = FusionWrapper(lambda ids, _: encoder(ids), FusionMLP(4, 2, [4]))
    scores = torch.tensor([[0.3, 0.7], [torch.nan, torch.nan]])
    output = wrapper(torch.ones(2, 5, dtype=torch.long), torch.ones(2, 5), scores)
    assert torch.equal(output.fused_logits[1], output.ml_logits[1])
    assert not torch.equal(output.fused_logits[0], output.ml_logits[0])
    output.fused_logits[1].sum().backward()
    assert all(not parameter.grad.any() for parameter in wrapper.fusion_mlp.parameters())


def test_it_keeps_the_contract_of_every_classifier(encoder):
    data = messages(8)
    check_classifier(lambda: joint(encoder, oracle(data)), data.texts, data.labels)


def test_it_keeps_the_contract_with_several_labels(encoder):
    data = messages(8)
    llm = FixedClassifier({}, LABELS, default=[0.6, 0.4], multi_label=True)
    several = [[label] if number % 3 else LABELS for number, label in enumerate(data.labels)]
    check_classifier(lambda: joint(encoder, llm), data.texts, several)


def test_it_learns_what_the_encoder_cannot_know(encoder):
    """The language model knows; the texts say nothing."""
    data = messages(40)
    fitted = joint(encoder, oracle(data), epochs=30, fusion_lr=1e-2).fit(data.take(np.arange(30)))
    held_out = data.take(np.arange(30, 40))
    assert fitted.predict(held_out.texts).predictions == list(held_out.labels)
    assert fitted.predict_scores(held_out.texts).method.tolist() == [Method.FUSED] * 10


def test_where_the_language_model_fails_the_encoder_answers(encoder):
    """With its own logits, bit for bit, not with a guess at the missing scores."""
    data = messages()
    llm = oracle(data)
    llm.answers["a bill"] = None
    fitted = joint(encoder, llm).fit(data)
    scores = fitted.predict_scores(["a bill", data.texts[0]])
    assert scores.status.tolist() == [Status.OK, Status.OK]
    assert scores.method.tolist() == [Method.TRAINED, Method.FUSED]
    alone = fitted.encoder_.predict_scores(["a bill", data.texts[0]])
    assert np.allclose(scores.values[0], alone.values[0], atol=1e-6)


def test_rows_without_scores_teach_the_encoder_all_the_same(encoder):
    """Here none has any: what is learned is an encoder."""
    data = TrainingData(["my parcel is late", "the bill"] * 8, ["delivery", "billing"] * 8)
    silent = FixedClassifier(dict.fromkeys(data.texts), LABELS)
    fitted = joint(encoder, silent, ml_lr=1e-2, epochs=10).fit(data)
    assert fitted.predict(data.texts).predictions == list(data.labels)
    untrained = joint(encoder, silent, epochs=0).fit(data)
    assert not np.allclose(fitted.predict_proba(data.texts), untrained.predict_proba(data.texts))


def test_rows_without_scores_teach_the_fusion_network_nothing(encoder):
    """A row of zeros in place of missing scores would."""
    data = messages()
    silent = FixedClassifier(dict.fromkeys(data.texts), LABELS)
    undecayed = clone(encoder).set_params(weight_decay=0.0)
    untrained, trained = (joint(undecayed, silent, epochs=epochs).fit(data).network_.fusion_mlp for epochs in (0, 3))
    pairs = zip(untrained.parameters(), trained.parameters(), strict=True)
    assert all(torch.equal(before, after) for before, after in pairs)


def test_one_model_missing_is_as_good_as_both_missing(encoder):
    data = messages()
    half = FixedClassifier(dict.fromkeys(data.texts[:12]), LABELS, default=[0.5, 0.5])
    fitted = JointClassifier(encoder, {"one": oracle(data), "two": half}, epochs=1).fit(data)
    methods = fitted.predict_scores(data.texts).method
    assert methods.tolist() == [Method.TRAINED] * 12 + [Method.FUSED] * 12


@pytest.mark.parametrize("models", [1, 2])
def test_the_network_reads_logits_and_scores_and_nothing_else(encoder, models):
    """2 K inputs with one model, as published; K more for each further one."""
    data = messages()
    llm = {f"llm {number}": oracle(data) for number in range(models)}
    fitted = JointClassifier(encoder, llm, hidden_dims=[5, 3], epochs=0).fit(data)
    widths = [(layer.in_features, layer.out_features) for layer in fitted.network_.fusion_mlp.layers[::3]]
    assert widths == [(2 * (1 + models), 5), (5, 3), (3, 2)]


def test_the_learning_rate_of_the_encoder_is_its_own(encoder):
    """0 leaves its body as it was, while the network above learns."""
    data = messages()
    still, moved = (joint(encoder, oracle(data), ml_lr=rate, epochs=3).fit(data) for rate in (0.0, 1e-2))
    untrained = joint(encoder, oracle(data), epochs=0).fit(data)
    body = [next(one.network_.encoder.encoder.parameters()) for one in (untrained, still, moved)]
    assert torch.equal(body[0], body[1])
    assert not torch.equal(body[0], body[2])
    above = [next(one.network_.fusion_mlp.parameters()) for one in (untrained, still)]
    assert not torch.equal(*above)


def test_training_stops_early_and_the_best_weights_are_restored(encoder):
    data = messages(40)
    options = {"epochs": 20, "validation_fraction": 0.4, "patience": 2}
    ruined = joint(encoder, oracle(data), **options, fusion_lr=100.0, ml_lr=10.0).fit(data)
    assert len(ruined.validation_losses_) < 20
    losses = joint(encoder, oracle(data), **{**options, "epochs": 0}).fit(data).validation_losses_
    assert min(ruined.validation_losses_) <= losses[0]


def test_the_language_models_are_asked_about_so_many_rows(encoder):
    """Training on 24 rows must not cost 24 calls when 10 do; the others teach the encoder alone."""
    data = messages()
    fitted = joint(encoder, oracle(data, PaidClassifier), fusion_rows=10).fit(data)
    assert fitted.asks_llm
    assert len(fitted.llm_["llm"].asked) == 10


def test_examples_in_a_prompt_are_not_asked_about(encoder):
    """What the model has seen with its answer, it scores too well."""
    data = messages()
    llm = oracle(data, PaidClassifier).fit(data)
    llm.examples = data.texts[:3]
    joint(encoder, llm).fit(data)
    assert sorted(llm.asked) == sorted(data.texts[3:])


def test_the_cost_of_asking_is_told(encoder):
    """Two models at a cent each."""
    data = messages()
    llm = {name: oracle(data, PaidClassifier) for name in ("one", "two")}
    scores = JointClassifier(encoder, llm, epochs=0).fit(data).predict_scores([data.texts[0], ""])
    assert scores.cost == pytest.approx([0.02, 0.0])


def test_a_network_of_the_users_own_is_used_and_not_saved(encoder, tmp_path):
    data = messages()
    fitted = joint(encoder, oracle(data), fusion_mlp=Ignoring, epochs=0).fit(data)
    assert set(fitted.predict(data.texts).predictions) == {"delivery"}
    with pytest.raises(StorageError, match="Ignoring cannot be restored from a folder"):
        fitted.save(tmp_path / "model")


def test_labels_in_another_order_are_refused(encoder):
    data = messages()
    llm = FixedClassifier({}, ["delivery", "billing"], default=[0.5, 0.5])
    with pytest.raises(ScoresError, match="in this order"):
        joint(encoder, llm).fit(data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"llm": None}, "joint training needs scores"),
        ({"llm": {"llm": LinearClassifier()}}, "LinearClassifier would be trained on the rows that it scores"),
        ({"llm": {"llm": 5}}, "source 'llm' is int"),
        ({"encoder": LinearClassifier()}, "only a TransformerClassifier can be trained jointly"),
        ({"encoder": TransformerClassifier("minilm", lora=4)}, "leave lora=4 out"),
        ({"epochs": -1}, "epochs must be at least 0"),
        ({"validation_fraction": 1.0}, "below 1, got 1.0"),
    ],
)
def test_what_cannot_be_trained_jointly_is_named(encoder, options, message):
    data = messages()
    given = {"encoder": encoder, "llm": {"llm": oracle(data)}} | options
    with pytest.raises(ConfigError, match=message):
        JointClassifier(**given).fit(data)


def test_remembered_scores_keep_the_contract_of_every_classifier():
    data = messages(8)
    check_classifier(lambda: RememberedScores(oracle(data)), data.texts, data.labels)


def test_a_text_is_asked_about_once():
    """Twice in one call, and again in the next: one question, paid once."""
    data = messages(6)
    source = RememberedScores(oracle(data, PaidClassifier).fit(data))
    first = source.predict_scores([data.texts[0], data.texts[1], data.texts[0]])
    again = source.predict_scores(data.texts[:3])
    assert source.classifier.asked == data.texts[:3]
    assert first.cost == pytest.approx([0.01, 0.01, 0.0])
    assert again.cost == pytest.approx([0.0, 0.0, 0.01])
    assert np.array_equal(first.values[[0, 1]], again.values[[0, 1]])


def test_a_failure_is_not_remembered():
    data = messages(6)
    source = RememberedScores(oracle(data).fit(data))
    source.classifier.answers["a bill"] = None
    assert source.predict_scores(["a bill"]).status.tolist() == [Status.FAILED]
    source.classifier.answers["a bill"] = [0.9, 0.1]
    assert source.predict_scores(["a bill", data.texts[0]]).status.tolist() == [Status.OK, Status.OK]


def test_asking_nobody_leaves_unseen_texts_unscored():
    """So that models can be trained on the rows that were asked about, without asking about the others."""
    data = messages(6)
    source = RememberedScores(oracle(data).fit(data))
    source.predict(data.texts[:2])
    with clone(source).asking_nobody():
        statuses = source.predict_scores(data.texts[:3]).status.tolist()
    assert statuses == [Status.OK, Status.OK, Status.NOT_CALLED]
    assert source.predict_scores(data.texts[:3]).status.tolist() == [Status.OK] * 3


def test_joint_models_of_all_folds_ask_the_language_model_once(encoder):
    """Three models are trained and score the rows that they left out; each text is paid once."""
    data = messages(30)
    llm = RememberedScores(oracle(data, PaidClassifier).fit(data))
    FoldAverage(joint(encoder, llm, epochs=0), n_folds=3).fit(data)
    assert sorted(llm.classifier.asked) == sorted(data.texts)


def test_what_is_not_fitted_yet_is_fitted_as_a_copy():
    """Its memory starts empty: another model gives other scores."""
    data = messages(6)
    unfitted = RememberedScores(oracle(data))
    unfitted.predict(data.texts)
    fitted = clone(unfitted).fit(data)
    assert fitted.source is not unfitted.classifier
    assert fitted.source.asked == []
    with pytest.raises(ConfigError, match="LinearClassifier would be trained on these rows"):
        RememberedScores(LinearClassifier()).fit(data)
