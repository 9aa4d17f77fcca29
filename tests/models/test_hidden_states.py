"""Tokens of frozen models: as many as were asked for, whoever else asks at the same time."""

import contextlib
import threading

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from textclassify.errors import ModelError  # noqa: E402
from textclassify.models.hidden_states import FrozenModel, feature_function  # noqa: E402


class Remembering:
    """A tokenizer that keeps the limit it was given last and reads by it a little later, as fast ones do."""

    pad_token_id = 0

    def __init__(self):
        self.limit = 0
        self.met = threading.Barrier(2)

    def __call__(self, texts, *, truncation, max_length):
        self.limit = max_length if truncation else 0
        with contextlib.suppress(threading.BrokenBarrierError):
            self.met.wait(timeout=0.2)  # both threads have set their limits, where they may
        return {"input_ids": [list(range(1, 1 + self.limit)) for _ in texts]}


def test_threads_that_share_a_tokenizer_get_their_own_lengths():
    """One would silently read the other's number of tokens."""
    model = FrozenModel(None, Remembering(), 512, torch.device("cpu"))
    found = {}

    def read(limit):
        found[limit] = len(model.tokens(["a text"], limit)[0])

    threads = [threading.Thread(target=read, args=(limit,)) for limit in (16, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {16: 16, 60: 60}


SIZES = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2}


def test_layers_of_several_widths_are_an_error_with_a_remedy():
    """The smallest OPT projects its last layer down."""
    config = transformers.OPTConfig(vocab_size=9, ffn_dim=8, word_embed_proj_dim=16, **SIZES)
    ids = torch.ones(1, 4, dtype=torch.int64)
    model = transformers.OPTModel(config).eval()

    with pytest.raises(ModelError, match=r"OPTModel differ in width \(16, 32\)"):
        feature_function(model, (-1, -2), "mean")(ids, ids)
    assert feature_function(model, (-2, -3), "mean")(ids, ids).shape == (1, 2, 32)


def test_a_model_that_wants_more_than_text_is_refused():
    """It would be a traceback out of the library below."""
    config = transformers.ViTConfig(intermediate_size=8, image_size=32, patch_size=16, **SIZES)
    ids = torch.ones(1, 4, dtype=torch.int64)

    with pytest.raises(ModelError, match="ViTModel does not read text alone"):
        feature_function(transformers.ViTModel(config).eval(), None, "mean")(ids, ids)
