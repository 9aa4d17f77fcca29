"""Shared work: done once inside the block, by whichever thread comes first, and forgotten at its end."""

import threading
from contextvars import copy_context

import pytest

from textclassify.core.shared_work import own_copy, shared, sharing


def test_inside_the_block_a_thing_is_made_once():
    with sharing():
        first, second = shared("list", list), shared("list", list)

    assert first is second


def test_outside_the_block_nothing_is_remembered():
    """A long-lived process would fill up with what nobody asks for again."""
    with sharing():
        inside = shared("list", list)

    assert shared("list", list) is not inside
    assert shared("list", list) is not shared("list", list)


def test_an_inner_block_shares_with_the_outer_one():
    """Folds inside a fusion: the fusion's other sources read the same texts."""
    with sharing():
        with sharing():
            inner = shared("list", list)
        assert shared("list", list) is inner


def test_other_keys_are_other_things():
    with sharing():
        assert shared(("tokens", "a"), list) is not shared(("tokens", "b"), list)


def test_a_copy_may_be_changed_without_the_others_noticing():
    """Each fold trains weights of its own."""
    with sharing():
        mine, yours = (own_copy("weights", lambda: [1, 2]) for _ in range(2))
        mine.append(3)

        assert yours == shared("weights", list) == [1, 2]


def test_a_failure_is_tried_again():
    """A download that broke off must not break every later fold."""

    def broken():
        raise OSError("no answer")

    with sharing():
        with pytest.raises(OSError, match="no answer"):
            shared("model", broken)

        assert shared("model", lambda: 7) == 7


def test_threads_wait_for_the_one_that_makes_the_thing():
    """Two folds side by side must not both load the model."""
    made, start = [], threading.Barrier(4)

    def slow():
        made.append(1)
        threading.Event().wait(0.05)
        return object()

    def ask():
        start.wait()
        found.append(shared("model", slow))

    found = []
    with sharing():
        threads = [threading.Thread(target=copy_context().run, args=(ask,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert len(made) == 1
    assert len(set(map(id, found))) == 1


def test_making_one_thing_may_need_another():
    with sharing():
        assert shared("outer", lambda: shared("inner", lambda: 1) + 1) == 2
