"""Frozen features are the layers and means that they claim to be, in whatever batch, store or number format."""

import json
import logging
import shutil

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from safetensors.torch import load_file, save_file  # noqa: E402

from textclassify.core.progress import listening  # noqa: E402
from textclassify.core.shared_work import sharing  # noqa: E402
from textclassify.errors import ConfigError, DataError, ModelError, StorageError  # noqa: E402
from textclassify.ml.encoder import FrozenEncoder  # noqa: E402
from textclassify.models.roles import is_causal, resolve_any  # noqa: E402

TEXTS = ["my parcel is late", "bill", "the cat runs and the dog sleeps", "my parcel is late", "was lost !"]


@pytest.fixture(scope="module")
def tiny_causal(tmp_path_factory, tiny_encoder):
    """A Llama of two layers with the tiny encoder's words and neither padding nor beginning of its own."""
    folder = tmp_path_factory.mktemp("tiny-causal")
    words = {word: number for number, word in enumerate((tiny_encoder / "vocab.txt").read_text().split("\n"))}
    tokenizers = pytest.importorskip("tokenizers")
    plain = tokenizers.Tokenizer(tokenizers.models.WordLevel(words, unk_token="[UNK]"))
    plain.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    transformers.PreTrainedTokenizerFast(tokenizer_object=plain, eos_token="[SEP]").save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(1)
    config = transformers.LlamaConfig(vocab_size=len(words), max_position_embeddings=64, **sizes)
    transformers.LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def copied(tmp_path):
    """A model's folder as a copy that may be damaged."""
    return lambda folder: shutil.copytree(folder, tmp_path / "copy")


def hidden_states(folder, ids):
    model = transformers.AutoModel.from_pretrained(folder).eval()
    with torch.inference_mode():
        return model(input_ids=torch.tensor([ids]), output_hidden_states=True).hidden_states


def test_an_encoder_gives_the_mean_of_its_last_layer_over_the_texts_own_tokens(tiny_encoder):
    """Means over padding would depend on the neighbours in the batch."""
    found = FrozenEncoder(tiny_encoder, precision="fp32").encode(TEXTS)

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_encoder)
    for vector, text in zip(found, TEXTS, strict=True):
        expected = hidden_states(tiny_encoder, tokenizer(text)["input_ids"])[-1][0].mean(0).numpy()
        np.testing.assert_allclose(vector, expected, atol=1e-5)
    assert found.dtype == np.float32


def test_a_causal_models_layers_come_last_first(tiny_causal):
    """As published: the mean over a text's tokens in each of the last layers."""
    encoder = FrozenEncoder(tiny_causal, layers=3, precision="fp32")
    found = encoder.encode(TEXTS)

    tokenizer = transformers.AutoTokenizer.from_pretrained(tiny_causal)
    for features, text in zip(found, TEXTS, strict=True):
        layers = hidden_states(tiny_causal, tokenizer(text)["input_ids"])
        expected = [layers[-which][0].mean(0).numpy() for which in (1, 2, 3)]
        np.testing.assert_allclose(features, expected, atol=1e-5)
    assert found.shape == (5, 3, 32)
    assert encoder.shape == (3, 32)


def test_layers_are_named_from_either_end(tiny_causal):
    """Lower layers often say more about a text than the last ones."""
    found = FrozenEncoder(tiny_causal, layers=(-1, 0), precision="fp32").encode(TEXTS)

    np.testing.assert_array_equal(
        found, FrozenEncoder(tiny_causal, layers=3, precision="fp32").encode(TEXTS)[:, [0, 2]]
    )
    assert FrozenEncoder(tiny_causal).shape == FrozenEncoder(tiny_causal, layers="spread").shape == (2, 32)
    assert FrozenEncoder(tiny_causal, layers=[-1, -3]).identity == FrozenEncoder(tiny_causal, layers=(-1, 0)).identity


@pytest.mark.parametrize(("pooling", "token"), [("cls", 0), ("last", -1)])
def test_one_token_can_stand_for_the_text(tiny_encoder, pooling, token):
    found = FrozenEncoder(tiny_encoder, layers=2, pooling=pooling, precision="fp32").encode(TEXTS[:1])

    ids = transformers.AutoTokenizer.from_pretrained(tiny_encoder)(TEXTS[0])["input_ids"]
    expected = [layer[0, token].numpy() for layer in hidden_states(tiny_encoder, ids)[::-1]]
    np.testing.assert_allclose(found[0], expected, atol=1e-5)


def test_the_pooler_is_the_encoders_own(tiny_encoder):
    found = FrozenEncoder(tiny_encoder, pooling="pooler", precision="fp32").encode(TEXTS[:1])

    model = transformers.AutoModel.from_pretrained(tiny_encoder).eval()
    encoded = transformers.AutoTokenizer.from_pretrained(tiny_encoder)(TEXTS[0], return_tensors="pt")
    with torch.inference_mode():
        np.testing.assert_allclose(found, model(**encoded).pooler_output.numpy(), atol=1e-5)


def test_a_pooler_without_weights_of_its_own_is_refused(tiny_encoder, copied):
    """Transformers would draw one at random, another in every process."""
    folder = copied(tiny_encoder)
    weights = {name: one for name, one in load_file(folder / "model.safetensors").items() if "pooler" not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="no pooler"):
        FrozenEncoder(folder, pooling="pooler").encode(TEXTS)


def test_roles_are_told_from_the_configuration(tiny_encoder, tiny_causal):
    """A user names a model, not what kind of model it is."""
    assert not is_causal(resolve_any(tiny_encoder))
    assert is_causal(resolve_any(tiny_causal))


def test_no_texts_have_no_features(tiny_encoder, tiny_causal):
    assert FrozenEncoder(tiny_encoder).encode([]).shape == (0, 32)
    assert FrozenEncoder(tiny_causal, layers=2).encode([]).shape == (0, 2, 32)


def test_texts_longer_than_the_model_reads_are_cut(tiny_encoder, tiny_causal):
    """The tiny models read 64 tokens; without the cut they would fail."""
    long = "cat " * 500
    for model in (tiny_encoder, tiny_causal):
        found = FrozenEncoder(model, layers=1).encode([long, "cat " * 400, ""])
        np.testing.assert_allclose(found[0], found[1], atol=1e-6)
        assert np.isfinite(found).all()


def test_what_a_store_keeps_is_not_computed_again(tiny_causal, tmp_path):
    encoder = FrozenEncoder(tiny_causal, layers=2, store=tmp_path / "store", store_dtype="float32")
    first = encoder.encode(TEXTS)
    told = []
    with listening(lambda task, done, total, _: told.append((task, done, total))):
        again = encoder.encode([*TEXTS[::-1], "where"])
    np.testing.assert_array_equal(again[:5], first[::-1])
    assert told == [("extracting features", 1, 1)]
    np.testing.assert_allclose(first, FrozenEncoder(tiny_causal, layers=2).encode(TEXTS), atol=1e-6)


def test_a_run_that_was_stopped_goes_on_where_it_was(tiny_encoder, tmp_path):
    """Extraction takes hours; only what was not written is computed again."""
    encoder = FrozenEncoder(tiny_encoder, store=tmp_path / "store")
    encoder.encode(TEXTS[:2])
    with encoder.opened_store() as store:
        assert store.missing(TEXTS) == [TEXTS[2], TEXTS[4]]


def test_a_store_of_another_model_is_refused(tiny_encoder, tiny_causal, tmp_path):
    FrozenEncoder(tiny_encoder, store=tmp_path / "store").encode(TEXTS)
    with pytest.raises(StorageError, match="name another folder"):
        FrozenEncoder(tiny_causal, layers=1, store=tmp_path / "store").encode(TEXTS)


def test_a_copied_model_shares_the_store_and_a_changed_one_does_not(tiny_encoder, copied):
    """Features belong to weights, not to a folder's name."""
    copy = copied(tiny_encoder)
    first, second = FrozenEncoder(tiny_encoder), FrozenEncoder(copy)
    same_weights = first.identity == second.identity
    weights = load_file(copy / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][5, 0] += 1
    save_file(weights, copy / "model.safetensors", metadata={"format": "pt"})
    assert same_weights
    assert first.identity != FrozenEncoder(copy).identity


def test_members_that_share_their_work_read_a_text_once(tiny_encoder):
    """Five models of five folds would otherwise read every text five times."""
    encoder, told = FrozenEncoder(tiny_encoder), []
    with listening(lambda _, done, total, __: told.append((done, total))), sharing():
        encoder.encode(TEXTS)
        encoder.encode(TEXTS)
    assert told == [(4, 4)]


def test_values_too_large_for_half_precision_are_computed_in_float32(tiny_causal, copied, caplog):
    """Half precision ends at 65,504; a model beyond it must not give NaN."""
    folder = copied(tiny_causal)
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.0.mlp.down_proj.weight"] *= 1e7
    weights["model.layers.0.mlp.up_proj.weight"] *= 1e3
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with caplog.at_level(logging.WARNING):
        found = FrozenEncoder(folder, layers=2, precision="fp16").encode(TEXTS)
    np.testing.assert_allclose(found, FrozenEncoder(folder, layers=2, precision="fp32").encode(TEXTS), rtol=1e-4)
    assert "float32" in caplog.text


def test_damaged_weights_are_an_error_not_features(tiny_encoder, copied):
    folder = copied(tiny_encoder)
    weights = load_file(folder / "model.safetensors")
    weights["embeddings.word_embeddings.weight"][:] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="damaged"):
        FrozenEncoder(folder).encode(TEXTS)


def test_a_folder_without_a_tokenizer_is_an_error_before_any_work(tiny_encoder, copied):
    folder = copied(tiny_encoder)
    for file in [*folder.glob("tokenizer*"), *folder.glob("vocab*")]:
        file.unlink()
    with pytest.raises(ModelError, match="no tokenizer"):
        FrozenEncoder(folder).check_model()


def test_translation_models_are_refused_by_name(tiny_encoder, copied):
    folder = copied(tiny_encoder)
    (folder / "config.json").write_text(json.dumps({"model_type": "t5", "is_encoder_decoder": True}))
    with pytest.raises(ModelError, match="decoder"):
        FrozenEncoder(folder).check_model()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pooling": "max"}, "known: mean"),
        ({"layers": 0}, "from 1 on"),
        ({"layers": True}, "from 1 on"),
        ({"layers": ()}, "no layers"),
        ({"layers": "12"}, "from 1 on"),
        ({"layers": (-1, 0.5)}, "no layers"),
        ({"max_length": 2.5}, "from 1 on"),
        ({"pooling": "pooler", "layers": 2}, "leave layers out"),
        ({"model": 5}, "model=5 is no model"),
        ({"store": 5}, "store=5 is no folder"),
        ({"store_dtype": "float8"}, "known: float16, float32"),
    ],
)
def test_options_out_of_range_are_named(options, message):
    with pytest.raises(ConfigError, match=message):
        FrozenEncoder(**{"model": "minilm", **options})


def test_options_that_do_not_go_with_the_model_are_named(tiny_encoder, tiny_causal):
    with pytest.raises(ConfigError, match="take 'mean' or 'last'"):
        FrozenEncoder(tiny_causal, pooling="cls").check_model()
    with pytest.raises(ConfigError, match="at most 2"):
        FrozenEncoder(tiny_encoder, layers=3).check_model()


def test_an_encoder_is_described_without_this_machines_store(tiny_encoder):
    encoder = FrozenEncoder(tiny_encoder, layers=2, store=True)
    again = FrozenEncoder.from_dict(json.loads(json.dumps(encoder.to_dict())))
    assert again.store is None
    assert again.identity == encoder.identity


@pytest.mark.parametrize(
    ("given", "meant"), [(np.int64(2), 2), (range(-1, -3, -1), (-1, -2)), ([-1, np.int64(0)], (-1, 0))]
)
def test_layers_may_be_any_whole_numbers(tiny_causal, given, meant):
    """Numbers of numpy's were once taken for no answer, and five layers were read."""
    encoder = FrozenEncoder(tiny_causal, layers=given, max_length=np.int64(8))

    assert encoder == FrozenEncoder(tiny_causal, layers=meant, max_length=8)
    assert json.dumps(encoder.to_dict()["max_length"]) == "8"


@pytest.mark.parametrize("texts", ["one text", ["fine", None]])
def test_what_is_no_list_of_texts_is_refused(tiny_encoder, texts):
    """The letters of one text would be read as so many texts."""
    with pytest.raises(DataError):
        FrozenEncoder(tiny_encoder).encode(texts)


def test_a_limit_below_the_special_tokens_holds_too(tiny_encoder):
    """A tokenizer takes it for no limit at all."""
    long, short = FrozenEncoder(tiny_encoder, max_length=1, precision="fp32").encode(["my parcel is late", "bill"])

    np.testing.assert_array_equal(long, short)


def test_a_saved_encoder_may_not_say_where_to_write(tiny_encoder, tmp_path):
    """Its settings may come from a stranger's folder."""
    with pytest.raises(ConfigError, match="'store' is no setting"):
        FrozenEncoder.from_dict({"model": str(tiny_encoder), "store": str(tmp_path)})


def test_a_model_that_was_saved_anew_is_loaded_anew(tiny_causal, copied):
    """Else its old features would be kept as those of its new weights."""
    folder = copied(tiny_causal)
    encoder = FrozenEncoder(folder, precision="fp32")
    before = encoder.encode(TEXTS)

    weights = load_file(folder / "model.safetensors")
    (folder / "model.safetensors").unlink()
    save_file({name: 2 * value for name, value in weights.items()}, folder / "model.safetensors", {"format": "pt"})

    assert not np.allclose(before, encoder.encode(TEXTS))
