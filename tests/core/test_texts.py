"""Texts as they come: checked once, hashed alike everywhere."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.texts import as_texts, blank_rows, did_you_mean, each_once, hash_texts, listed
from textclassify.errors import DataError


@given(st.lists(st.text()))
def test_strings_pass_unchanged(texts):
    """No normalisation, no stripping: emoji and NUL bytes stay what they are."""
    assert as_texts(iter(texts)) == texts
    assert len(hash_texts(texts)) == len(texts)


@given(st.lists(st.text(max_size=3)))
def test_hashes_are_equal_exactly_for_equal_texts(texts):
    """They align two sources and find duplicates."""
    assert len(set(hash_texts(texts).tolist())) == len(set(texts))


def test_a_hash_is_the_same_on_every_machine():
    """Saved scores are aligned by it."""
    assert hash_texts(["text"])[0] == np.uint64(hash_texts(np.array(["text"]))[0])
    assert hex(int(hash_texts(["text"])[0])) == "0x1c1a3828a25ff3d7"


@pytest.mark.parametrize("missing", [None, float("nan"), pd.NA, pd.NaT])
def test_a_missing_text_names_its_row(missing):
    """NaN from a data frame must not become the text 'nan'."""
    with pytest.raises(DataError, match="the text in row 1 is missing"):
        as_texts(["a", missing])


@pytest.mark.parametrize("value", [3, 2.5, b"bytes", ["list"]])
def test_what_is_no_string_names_its_row_and_type(value):
    """The remedy is in the message."""
    with pytest.raises(DataError, match=rf"row 1 is .* \({type(value).__name__}\), not a string"):
        as_texts(["a", value])


def test_one_string_is_not_a_sequence_of_texts():
    """Otherwise every character would be classified."""
    with pytest.raises(DataError, match=r"wrap it in a list: \[text\]"):
        as_texts("hello")


def test_blank_means_that_nothing_shows():
    """White space and control characters carry no words; emoji and accents do."""
    assert blank_rows(["", " \n\t", "\0\0", "🙂", "a", "\u200b"]).tolist() == [True, True, True, False, False, True]


def test_the_nearest_name_is_suggested_whatever_its_case():
    """And nothing is suggested when nothing is near."""
    assert did_you_mean("LABLE", ["label", "text"]) == "; did you mean 'label'?"
    assert not did_you_mean("x", ["label", "text"])


def test_long_lists_are_cut():
    """A message stays readable with 10,000 offending rows."""
    assert listed(range(7)) == "0, 1, 2, 3, 4 and 2 more"


def test_names_count_once_in_their_order_with_a_warning():
    with pytest.warns(UserWarning, match="columns repeats 'b', 'a'; each counts once") as warned:
        assert each_once(["b", "a", "b", "c", "a"], "columns") == ["b", "a", "c"]

    assert warned[0].filename == __file__


def test_names_without_repetition_stay_the_object_that_they_are():
    """Scikit-learn's clone compares identities."""
    names = ["b", "a"]

    assert each_once(names, "columns") is names
