"""Forward passes: every row once, the same whatever stands beside it, in a number format that holds, read ahead."""

import itertools
import logging
import threading
import weakref
from contextvars import ContextVar

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from textclassify.core.progress import listening  # noqa: E402
from textclassify.errors import ModelError  # noqa: E402
from textclassify.models.devices import has_fast_bf16  # noqa: E402
from textclassify.models.inference import (  # noqa: E402
    TEXTS_PER_BLOCK,
    NumberFormat,
    compute_in_batches,
    computed_batches,
    one_ahead,
    padded,
    part_of_texts,
    read_ahead,
    readable_length,
    steady,
)

CPU = {"device": torch.device("cpu"), "pad_token_id": 0}


def sums(input_ids, mask):
    return (input_ids * mask).sum(1, keepdim=True).float()


class Attention(torch.nn.Module):
    """Embeddings, one layer of attention and a mean: what encoders do, in their kernels."""

    def __init__(self, width=32):
        super().__init__()
        torch.manual_seed(0)
        self.words = torch.nn.Embedding(100, width)
        self.inner = torch.nn.Linear(width, 3 * width)

    def forward(self, input_ids, mask):
        parts = self.inner(self.words(input_ids)).unflatten(-1, (3, 2, -1)).permute(2, 0, 3, 1, 4)
        seen = torch.nn.functional.scaled_dot_product_attention(*parts, attn_mask=mask[:, None, None, :].bool())
        hidden = seen.transpose(1, 2).flatten(2).float()
        return (hidden * mask.unsqueeze(-1)).sum(1) / mask.sum(1, keepdim=True)


def test_batches_are_padded_to_whole_blocks_of_sixteen():
    ids, mask = padded([[5, 6, 7], [8]], 9, torch.device("cpu"))

    assert ids.shape == mask.shape == (2, 16)
    assert ids[:, :4].tolist() == [[5, 6, 7, 9], [8, 9, 9, 9]]
    assert mask.sum(1).tolist() == [3, 1]


def test_results_stand_in_the_order_of_the_pieces():
    pieces = [[1] * n for n in (3, 70, 1, 20, 300)]

    found = compute_in_batches(sums, pieces, 1, dtype=torch.float32, **CPU)

    assert found[:, 0].tolist() == [3, 70, 1, 20, 300]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_row_does_not_depend_on_its_neighbours(dtype):
    """Predicting a text alone, or with longer ones, gives the same scores, which bf16 rounds to 0.01 otherwise."""
    if dtype is torch.bfloat16 and not has_fast_bf16(CPU["device"]):
        pytest.skip("this processor emulates bf16")
    model = Attention().eval()
    pieces = [[n % 99 + 1] * n for n in (1, 15, 16, 17, 40, 106, 113, 125, 191, 195, 250, 400, 767, 800)]
    together = compute_in_batches(model, pieces, 32, dtype=dtype, **CPU)

    alone = np.concatenate([compute_in_batches(model, [piece], 32, dtype=dtype, **CPU) for piece in pieces])

    np.testing.assert_allclose(alone, together, atol=1e-5)


def test_a_batch_that_is_too_large_for_the_memory_is_computed_in_halves(caplog):
    def small_machine(input_ids, mask):
        if len(input_ids) > 2:
            raise torch.OutOfMemoryError
        return sums(input_ids, mask)

    found = compute_in_batches(small_machine, [[n] for n in range(7)], 1, dtype=torch.float32, **CPU)

    assert found[:, 0].tolist() == list(range(7))
    assert "7 texts at once become 3" in caplog.text


def test_one_text_that_is_too_large_for_the_memory_names_the_remedy():
    def no_memory(*_):
        raise torch.OutOfMemoryError

    with pytest.raises(ModelError, match="lower max_length"):
        list(computed_batches(no_memory, [[1]], dtype=torch.float32, **CPU))


def overflowing(input_ids, mask):
    """Products of half precision leave its range; those of float32 do not."""
    return torch.nn.functional.linear(sums(input_ids, mask) * 1e4, torch.full((1, 1), 100.0))


def test_results_that_overflow_are_computed_again_in_float32_and_so_is_the_rest(caplog):
    """One warning, and no row is lost."""
    number_format = NumberFormat(torch.float16)

    found = compute_in_batches(overflowing, [[2], [3] * 300], 1, dtype=number_format, **CPU)
    again = compute_in_batches(overflowing, [[2]], 1, dtype=number_format, **CPU)

    assert found[:, 0].tolist() == [2e6, 900e6]
    assert again[0, 0] == 2e6
    assert number_format.dtype is torch.float32
    assert len(caplog.records) == 1
    assert caplog.records[0].levelno == logging.WARNING


def test_results_that_hold_in_half_precision_stay_there():
    number_format = NumberFormat(torch.bfloat16)

    compute_in_batches(overflowing, [[2]], 1, dtype=number_format, **CPU)

    assert number_format.dtype is torch.bfloat16


def test_values_that_are_not_finite_in_float32_either_are_an_error():
    """Damaged weights: NaN scores would look like rows that nobody asked about."""
    with pytest.raises(ModelError, match=r"1 of 2 texts.*take another copy"):
        list(computed_batches(lambda ids, _: 1 / ids[:, :1].float(), [[0], [1]], dtype=torch.bfloat16, **CPU))


def test_a_model_keeps_one_number_format_as_long_as_it_lives():
    """That half precision overflows is found out once, and models are not kept alive by it."""
    model = torch.nn.Linear(1, 1)

    known = steady(model, torch.float16)

    assert steady(model, torch.float16) is known
    assert steady(model, torch.bfloat16) is not known
    assert steady(torch.nn.Linear(1, 1), torch.float16) is not known
    remembered = weakref.ref(model)
    del model
    assert remembered() is None


def test_the_next_item_is_computed_while_the_caller_works_on_this_one():
    """Tokens of the next block are ready when the forward passes of this one are done."""
    begun = [threading.Event() for _ in range(3)]

    def compute(number):
        begun[number].set()
        return number

    for number in one_ahead(compute, range(3)):
        if number < 2:
            assert begun[number + 1].wait(5)


def test_results_come_in_order_and_know_the_callers_context():
    """Work that is shared in the caller's block is shared with the thread."""
    name = ContextVar("name", default="nobody")
    name.set("caller")

    assert list(one_ahead(lambda item: (item, name.get()), "abc")) == [(item, "caller") for item in "abc"]
    assert list(one_ahead(str, [])) == []


def test_an_exception_reaches_the_caller_in_its_turn():
    items = one_ahead(lambda number: 1 / number, [1, 0, 2])

    assert next(items) == 1
    with pytest.raises(ZeroDivisionError):
        next(items)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_no_thread_outlives_a_caller_that_stops(error):
    """Interrupting a long prediction ends it."""
    before = threading.active_count()

    def interrupted():
        for _ in read_ahead(["text"] * (3 * TEXTS_PER_BLOCK), list):
            raise error

    with pytest.raises(error):
        interrupted()
    assert threading.active_count() == before


def test_nothing_is_computed_that_nobody_will_see():
    """Two items are in work at a time, however many there are."""
    asked = []
    items = one_ahead(asked.append, itertools.count())
    next(items)

    items.close()

    assert len(asked) <= 2


def test_blocks_cover_the_texts_in_order():
    texts = [str(number) for number in range(2 * TEXTS_PER_BLOCK + 1)]

    blocks = list(read_ahead(texts, list))

    assert [start for start, _ in blocks] == [0, TEXTS_PER_BLOCK, 2 * TEXTS_PER_BLOCK]
    assert [text for _, block in blocks for text in block] == texts
    assert list(read_ahead([], list)) == []


def test_progress_over_pieces_is_told_in_texts():
    heard = []

    with listening(lambda *call: heard.append(call[1:3])):
        part_of_texts(100, 10, 200)(15, 30)

    assert heard == [(105, 200)]


@pytest.mark.parametrize(("positions", "readable"), [(40, 32), (512, 512), (16, 16)])
def test_whole_paddings_of_the_models_limit_are_read(positions, readable):
    """A batch that is padded beyond the positions of a model is an index error."""
    assert readable_length(*model_of(positions)) == readable


def test_a_model_that_reads_less_than_one_padding_is_refused():
    with pytest.raises(ModelError, match="reads 12 tokens"):
        readable_length(*model_of(12))


def model_of(positions):
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 8, "num_hidden_layers": 1, "num_attention_heads": 1, "intermediate_size": 8}
    config = transformers.BertConfig(vocab_size=9, max_position_embeddings=positions, **sizes)
    no_limit = type("Tokenizer", (), {"model_max_length": 10**30})()
    return transformers.BertModel(config), no_limit


def test_a_batch_of_half_precision_is_read_again_though_another_thread_has_changed_the_format():
    """Two classifiers may share a model; the second would be told that its weights are damaged."""
    number_format = NumberFormat(torch.bfloat16)

    def broken_in_half(input_ids, _mask):
        number_format.dtype = torch.float32  # the other thread
        half = torch.is_autocast_enabled("cpu")
        return torch.full((len(input_ids), 1), float("nan") if half else 1.0)

    found = number_format.computed(broken_in_half, *padded([[5]], 0, torch.device("cpu")))

    assert found.tolist() == [[1.0]]
