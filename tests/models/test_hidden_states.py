"""Tokens of frozen models: as many as were asked for, whoever else asks at the same time."""

import contextlib
import threading

import pytest

torch = pytest.importorskip("torch")

from textclassify.models.hidden_states import LoadedModel  # noqa: E402


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
    model = LoadedModel(None, Remembering(), 512, torch.device("cpu"))
    found = {}

    def read(limit):
        found[limit] = len(model.tokens(["a text"], limit)[0])

    threads = [threading.Thread(target=read, args=(limit,)) for limit in (16, 60)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert found == {16: 16, 60: 60}
