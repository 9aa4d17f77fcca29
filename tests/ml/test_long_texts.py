"""What is read of a text that is longer than the model reads at once."""

import pytest

from textclassify.errors import ConfigError

pytest.importorskip("torch")

from textclassify.ml.long_texts import encode_texts
from textclassify.models.loading import load_tokenizer, resolve


@pytest.fixture(scope="module")
def tokenizer(tiny_encoder):
    return load_tokenizer(resolve(tiny_encoder, "encoder"))


def words(encoded, tokenizer):
    return [" ".join(tokenizer.convert_ids_to_tokens(piece)) for piece in encoded.pieces]


LONG = "a cat runs the dog sleeps very late my bird is good and bad !"


def test_short_texts_are_read_whole(tokenizer):
    encoded = encode_texts(["a cat", "my dog runs"], tokenizer, max_length=16, long_texts="head")

    assert words(encoded, tokenizer) == ["[CLS] a cat [SEP]", "[CLS] my dog runs [SEP]"]
    assert not encoded.was_cut.any()


def test_head_reads_the_start(tokenizer):
    encoded = encode_texts([LONG], tokenizer, max_length=8, long_texts="head")

    assert words(encoded, tokenizer) == ["[CLS] a cat runs the dog sleeps [SEP]"]
    assert encoded.was_cut.all()


def test_head_and_tail_reads_both_ends(tokenizer):
    """The gist of a message is often in its last line."""
    encoded = encode_texts([LONG], tokenizer, max_length=10, long_texts="head+tail")

    assert words(encoded, tokenizer) == ["[CLS] a cat bird is good and bad ! [SEP]"]
    assert encoded.was_cut.all()


def test_sliding_windows_overlap_and_read_everything(tokenizer):
    encoded = encode_texts(["a cat", LONG], tokenizer, max_length=10, long_texts="sliding")

    assert encoded.row_of_piece.tolist() == [0, 1, 1, 1]
    windows = words(encoded, tokenizer)[1:]
    assert windows[0].split()[7:9] == windows[1].split()[1:3]
    assert set(" ".join(windows).split()) >= set(LONG.split())
    assert encoded.was_long.tolist() == [False, True]
    assert not encoded.was_cut.any()


def test_an_unknown_way_to_read_long_texts_suggests_the_nearest(tokenizer):
    with pytest.raises(ConfigError, match="did you mean 'sliding'"):
        encode_texts(["a"], tokenizer, max_length=8, long_texts="slide")


def test_a_length_without_room_for_text_is_refused(tokenizer):
    with pytest.raises(ConfigError, match="max_length=3"):
        encode_texts(["a"], tokenizer, max_length=3, long_texts="head")
