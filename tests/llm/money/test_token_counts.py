"""Token counts without a tokenizer, held against two real ones."""

# ruff: noqa: RUF001 - other scripts are what is counted

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.llm.money.token_counts import Range, count_tokens, tokens_in

ENGLISH = [
    "My parcel was due on Monday and never came; could you tell me where it is?",
    "Stocks closed higher on Friday, led by oil: Brent rose 2.4% to $81.17 a barrel.",
    "u r so late!!! call me b4 6pm on 07700900123 plz... LOL",
    "How far is it from Denver to Aspen?",
    "The quarterly dividend is 12 cts per share, payable April 30, record April 15.",
    "I can't log in: error 0x80070005 (ACCESS_DENIED) at C:/Users/me/AppData.",
]
OTHERS = {
    "German": "Die Lieferung kam drei Tage zu spät an, und der Karton war völlig eingedrückt.",
    "Russian": "Посылка пришла на три дня позже, и коробка была полностью помята.",
    "Greek": "Το δέμα έφτασε με τρεις μέρες καθυστέρηση και το κουτί ήταν τσαλακωμένο.",
    "Arabic": "وصل الطرد متأخرا ثلاثة أيام وكان الصندوق مسحوقا من إحدى زواياه.",
    "Hindi": "पार्सल तीन दिन देर से आया और डिब्बा एक कोने से पूरी तरह दबा हुआ था।",
    "Thai": "พัสดุมาถึงช้ากว่ากำหนดสามวันและกล่องบุบไปมุมหนึ่ง",
    "Chinese": "包裹晚到了三天，而且纸箱的一角完全被压坏了。我想要退款，请尽快处理。",
    "Japanese": "荷物の到着が三日遅れ、箱の角が完全につぶれていました。返金をお願いします。",
    "Korean": "택배가 사흘이나 늦게 도착했고 상자 한쪽 모서리가 완전히 찌그러져 있었습니다.",
    "emoji": "So happy 😂😂🎉🙏 love it ❤️",
    "code": "def f(x):\n    return {k: v**2 for k, v in x.items() if k != 'a_b'}\n",
}


def tokens_of(name, role, texts):
    """Return the true numbers of tokens."""
    pytest.importorskip("transformers")
    from textclassify.models.loading import load_tokenizer
    from textclassify.models.sources import resolve

    tokenizer = load_tokenizer(resolve(name, role))
    return np.array([len(tokenizer(text, add_special_tokens=False)["input_ids"]) for text in texts])


def inside(texts, true):
    """Return which true numbers lie between the least and the most, whole tokens that they are."""
    low, _, high = count_tokens(texts).T
    return (np.floor(low) <= true) & (true <= np.ceil(high))


@given(st.lists(st.text(max_size=80), max_size=30))
def test_each_text_counts_by_itself_and_in_order(texts):
    """A text's tokens do not depend on its neighbours, and every text has a row."""
    counts = count_tokens(texts)

    assert counts.shape == (len(texts), 3)
    assert np.allclose(counts, [count_tokens([text])[0] for text in texts] or np.zeros((0, 3)))
    assert (np.diff(counts, axis=1) >= 0).all()
    assert tokens_in(texts).expected == pytest.approx(counts[:, 1].sum(), rel=1e-5)


def test_an_empty_text_may_have_no_token():
    """Nor may a lone surrogate or a NUL byte stop the count."""
    assert count_tokens([""])[0, :2].tolist() == [0, 0]
    assert count_tokens(["a\ud800b\0c"])[0, 1] > 0


def test_the_most_is_less_than_a_token_per_byte_for_prose():
    """Otherwise the bound of the budget would do."""
    assert tokens_in(ENGLISH).high < sum(map(len, ENGLISH)) / 1.5


def test_texts_are_counted_in_blocks_of_any_length():
    """One text may be longer than a block."""
    texts = ["word " * 70_000, "x", "word " * 70_000]

    counts = count_tokens(texts)
    assert counts[0].tolist() == counts[2].tolist()
    assert counts[1].tolist() == count_tokens(["x"])[0].tolist()


def test_scripts_differ_in_tokens_per_character():
    """Four letters or more are one token in English; a Chinese character may be two."""
    per_character = {name: tokens_in([text]).expected / len(text) for name, text in OTHERS.items()}

    assert tokens_in(ENGLISH[:1]).expected / len(ENGLISH[0]) < 0.3
    assert per_character["German"] < per_character["Russian"] < per_character["Chinese"] < 1


def test_a_capital_inside_a_word_begins_a_token():
    """As in names of programs and products."""
    assert tokens_in(["parcelServiceError"]).expected > 1.5 * tokens_in(["parcelserviceerror"]).expected


def test_ranges_add_up_and_scale():
    """Each of the three numbers by itself."""
    assert Range(1, 2, 3) + Range(1, 1, 1) * 2 == Range(3, 4, 5)
    assert str(Range(5, 5, 5)) == "5"
    assert Range(1, 2, 3).to_dict() == {"low": 1, "expected": 2, "high": 3}


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), [("minilm", "encoder"), ("smollm2", "causal")])
def test_true_numbers_lie_inside(name, role):
    """For a word-piece and for a byte-pair tokenizer."""
    true = tokens_of(name, role, ENGLISH)

    assert inside(ENGLISH, true).all()
    assert tokens_in(ENGLISH).expected == pytest.approx(true.sum(), rel=0.25)


@pytest.mark.slow
def test_other_scripts_lie_inside_even_for_a_tokenizer_that_does_not_know_them():
    """It falls back to bytes."""
    texts = list(OTHERS.values())

    assert inside(texts, tokens_of("smollm2", "causal", texts)).all()


@pytest.mark.slow
@pytest.mark.parametrize(("name", "role"), [("minilm", "encoder"), ("smollm2", "causal")])
def test_true_numbers_of_public_data_lie_inside(name, role):
    """More than 99 of 100 texts of every data set, and the sum within a quarter."""
    import pandas as pd

    files = sorted(Path(os.environ.get("TEXTCLASSIFY_DATA", "no data")).glob("*/test.parquet"))
    if not files:
        pytest.skip("no public data: set TEXTCLASSIFY_DATA to a folder of folders with parquet files")
    for file in files:
        texts = pd.read_parquet(file)["text"].drop_duplicates().tolist()[:1000]
        true = tokens_of(name, role, texts)
        assert inside(texts, true).mean() > 0.99, file
        assert tokens_in(texts).expected == pytest.approx(true.sum(), rel=0.25), file
