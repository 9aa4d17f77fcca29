"""Examples in every form that labelled texts have."""

import pandas as pd
import pytest

from textclassify import LabelSchema
from textclassify.core.dataset import training_data
from textclassify.errors import LabelError
from textclassify.rac.examples import examples_by_label, examples_in

SCHEMA = LabelSchema(("a", "b"))
TEXTS, GOLD = ["one", "two", "three", "one"], ["a", "b", "a", "a"]
BY_LABEL = {"a": ["one", "three"], "b": ["two"]}


def test_a_table_a_file_and_data_are_the_same(tmp_path):
    table = pd.DataFrame({"text": TEXTS, "label": GOLD})
    table.to_csv(tmp_path / "examples.csv", index=False)

    for given in (table, tmp_path / "examples.csv", training_data(TEXTS, GOLD, schema=SCHEMA), BY_LABEL):
        assert examples_by_label(given, SCHEMA) == BY_LABEL


def test_one_text_is_a_list_of_one():
    assert examples_by_label({"a": "one"}, SCHEMA) == {"a": ["one"]}


def test_an_unknown_label_is_named():
    with pytest.raises(LabelError, match="'c'"):
        examples_by_label(pd.DataFrame({"text": ["one", "two"], "label": ["a", "c"]}), SCHEMA)


def test_a_text_with_several_labels_is_an_example_of_each():
    schema = LabelSchema(("a", "b"), multi_label=True)
    data = training_data(["one", "two"], [["a", "b"], ["b"]], schema=schema)

    assert examples_in(data) == {"a": ["one"], "b": ["one", "two"]}


def test_too_many_are_drawn_from_in_their_order():
    data = training_data([f"text {n}" for n in range(40)], ["a", "b"] * 20, schema=SCHEMA)

    found = examples_in(data, 3, random_state=1)

    assert {name: len(texts) for name, texts in found.items()} == {"a": 3, "b": 3}
    assert found["a"] == sorted(found["a"], key=data.texts.index)
    assert found == examples_in(data, 3, random_state=1) != examples_in(data, 3, random_state=2)


def test_a_label_without_rows_has_no_examples():
    data = training_data(["one", "two"], ["a", "b"], schema=LabelSchema(("a", "b", "c")))

    assert set(examples_in(data)) == {"a", "b"}


def test_what_is_no_list_of_examples_is_named():
    with pytest.raises(LabelError, match="the examples of label 'a' are None; pass a list of texts"):
        examples_by_label({"a": None}, SCHEMA)
