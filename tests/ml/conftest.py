"""A tiny encoder, and messages that are written in its words."""

import pytest

from ..tiny_encoder import tiny_encoder_in  # noqa: TID252 - a helper of several folders of tests

WORDS = [
    *("a", "the", "cat", "dog", "bird", "runs", "sleeps", "good", "bad", "very", "late", "parcel", "bill", "money"),
    *("refund", "is", "my", "was", "where", "not", "and", "paid", "lost", "!", "?"),
]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    return tiny_encoder_in(tmp_path_factory.mktemp("tiny-encoder"), WORDS)


TEXTS = [
    "my parcel is late", "where is the parcel", "the parcel was lost", "parcel not here !",
    "the bill is bad", "my bill was paid", "refund my money", "money and bill ?",
]  # fmt: skip
LABELS = ["delivery"] * 4 + ["billing"] * 4


@pytest.fixture
def messages():
    return list(TEXTS), list(LABELS)
