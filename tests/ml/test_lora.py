"""Adapters: a small part of the weights is trained, and afterwards nothing tells that there were any."""

import sys

import pytest

import textclassify
from textclassify import TransformerClassifier
from textclassify.core.progress import listening
from textclassify.errors import ConfigError, MissingDependencyError

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
pytest.importorskip("peft")

from textclassify.ml.lora import trained_by_adapters  # noqa: E402 - it needs torch
from textclassify.ml.network import EncoderNetwork  # noqa: E402


@pytest.fixture
def network(tiny_encoder):
    torch.manual_seed(0)
    return EncoderNetwork(transformers.AutoModel.from_pretrained(tiny_encoder), 2).eval()


@pytest.fixture
def make(tiny_encoder):
    def make_classifier(**options):
        return TransformerClassifier(str(tiny_encoder), **{"lora": 4, "num_epochs": 20, **options})

    return make_classifier


IDS = torch.tensor([[5, 6, 7, 8]])


def logits(network):
    with torch.inference_mode():
        return network(IDS, torch.ones_like(IDS))


def test_adapters_start_without_effect_and_train_alone(network):
    untouched = logits(network)
    with trained_by_adapters(network, 2, seed=0):
        trained = [name for name, weight in network.encoder.named_parameters() if weight.requires_grad]

        assert torch.equal(logits(network), untouched)
        assert trained
        assert all("lora" in name for name in trained)


def test_afterwards_the_encoder_has_taken_the_adapters_in(network):
    """The same answers from the same kind of network: whoever saves it or predicts with it needs no peft."""
    names = list(network.state_dict())
    with trained_by_adapters(network, 2, seed=0):
        for name, weight in network.named_parameters():
            if "lora_B" in name:
                torch.nn.init.normal_(weight)
        adapted = logits(network.eval())

    torch.testing.assert_close(logits(network), adapted)
    assert type(network.encoder) is transformers.BertModel
    assert list(network.state_dict()) == names


def test_a_classifier_learns_by_adapters(make, messages):
    texts, labels = messages
    cold = {"warm_head": False, "learning_rate": 0.02}

    assert make(**cold).fit(texts, labels).predict(texts).predictions == labels


def test_word_embeddings_and_norms_stay_as_they_are(make, messages, network):
    trained = make().fit(*messages).network_.encoder
    before = dict(network.encoder.named_parameters())
    changed = {name for name, weight in trained.named_parameters() if not torch.equal(weight, before[name])}

    assert changed
    assert all(before[name].ndim == 2 and "embeddings" not in name for name in changed)


def test_the_usual_learning_rate_of_adapters_is_ten_times_that_of_all_weights(make, messages):
    adapters, whole = (make(lora=rank, num_epochs=0).fit(*messages) for rank in (4, None))

    assert adapters._recipe(8).learning_rate == pytest.approx(10 * whole._recipe(8).learning_rate)


def test_the_saved_folder_needs_no_peft(make, messages, tmp_path, monkeypatch):
    texts, labels = messages
    classifier = make().fit(texts, labels)
    classifier.save(tmp_path / "saved")
    monkeypatch.setitem(sys.modules, "peft", None)

    assert textclassify.load(tmp_path / "saved").predict_scores(texts).equals(classifier.predict_scores(texts))


def test_without_peft_the_error_names_the_extra_before_anything_is_trained(make, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)

    with pytest.raises(MissingDependencyError, match=r"textclassify\[lora\]"):
        make().check_model()


def test_equal_seeds_give_equal_adapters(make, messages):
    first, again = (make(random_state=3).fit(*messages).predict_scores(messages[0]) for _ in range(2))

    assert first.equals(again)


def test_ctrl_c_leaves_an_encoder_without_adapters(make, messages):
    def impatient(task, *_):
        if task == "fine-tuning":
            raise KeyboardInterrupt

    classifier = make()
    with listening(impatient), pytest.raises(KeyboardInterrupt):
        classifier.fit(*messages)

    assert type(classifier.network_.encoder) is transformers.BertModel


@pytest.mark.parametrize(("options", "message"), [({"lora": True}, "whole number"), ({"lora": 10**6}, "width of 32")])
def test_a_rank_that_is_none_is_named(tiny_encoder, messages, options, message):
    """A rank beyond the encoder's width would only fill the memory."""
    with pytest.raises(ConfigError, match=message):
        TransformerClassifier(str(tiny_encoder), **options).fit(*messages)
