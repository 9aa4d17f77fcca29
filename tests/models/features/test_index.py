"""The index of texts finds what was added and nothing else."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from textclassify.models.features.index import KeyIndex, text_keys

LOTS = st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=8), max_size=8)


def keys_of(pairs):
    return np.array(pairs, dtype=np.uint64).reshape(-1, 2)


@given(LOTS)
def test_each_key_is_found_where_it_was_first_put(lots):
    """Halves of keys collide here all the time, as no real digests do."""
    index, first = KeyIndex(), {}
    for lot in lots:
        places = np.arange(len(first) * 100, len(first) * 100 + len(lot))
        index.add(keys_of(lot), places)
        for pair, place in zip(lot, places, strict=True):
            first.setdefault(pair, place)
    every = [(a, b) for a in range(4) for b in range(4)]

    assert index.find(keys_of(every)).tolist() == [first.get(pair, -1) for pair in every]
    assert len(index) == len(first)


def test_many_small_lots_become_few_runs():
    """Each search goes through every run."""
    index = KeyIndex()
    for number in range(500):
        index.add(keys_of([(number, 0)]), np.array([number]))

    assert len(index._runs) < 12
    assert index.find(keys_of([(499, 0), (0, 0), (0, 1)])).tolist() == [499, 0, -1]


def test_keys_tell_texts_apart_and_are_the_same_on_every_machine():
    """A store may be copied; half a surrogate pair is a text as well."""
    keys = text_keys(["a", "b", "a ", "", "\ud800"])

    assert len({tuple(key) for key in keys.tolist()}) == 5
    assert text_keys(["a"])[0].astype("<u8").tobytes().hex() == "27c35e6e9373877f29e562464e46497e"
    assert text_keys([]).shape == (0, 2)
