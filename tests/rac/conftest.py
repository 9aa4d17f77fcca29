"""A tiny encoder with random weights: texts that share words still have similar vectors."""

import pytest

WORDS = "[PAD] [UNK] [CLS] [SEP] [MASK] parcel late lost bill money refund my is the a cat dog runs : , and".split()  # noqa: SIM905


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory):
    torch = pytest.importorskip("torch")
    transformers = pytest.importorskip("transformers")
    folder = tmp_path_factory.mktemp("tiny-encoder")
    (folder / "vocab.txt").write_text("\n".join(WORDS))
    transformers.BertTokenizer.from_pretrained(folder).save_pretrained(folder)
    config = transformers.BertConfig(
        vocab_size=len(WORDS), hidden_size=32, num_hidden_layers=1, num_attention_heads=2, intermediate_size=32
    )
    torch.manual_seed(0)
    transformers.BertModel(config).save_pretrained(folder)
    return folder
