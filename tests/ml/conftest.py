"""A tiny encoder with random weights: milliseconds to train, and everything about it but its taste is real."""

import pytest

WORDS = [
    *("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"),
    *("a", "the", "cat", "dog", "bird", "runs", "sleeps", "good", "bad", "very", "late", "parcel", "bill", "money"),
    *("refund", "is", "my", "was", "where", "not", "and", "paid", "lost", "!", "?"),
]


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=32,
        max_position_embeddings=64,
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder


TEXTS = [
    "my parcel is late", "where is the parcel", "the parcel was lost", "parcel not here !",
    "the bill is bad", "my bill was paid", "refund my money", "money and bill ?",
]  # fmt: skip
LABELS = ["delivery"] * 4 + ["billing"] * 4


@pytest.fixture
def messages():
    return list(TEXTS), list(LABELS)
