"""The label set: order, types, and messages that help."""

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.labels import LabelSchema, plain_label
from textclassify.errors import DataError, LabelError

names_of_one_type = st.one_of(
    st.lists(st.text(min_size=1).filter(str.strip), min_size=1, max_size=6, unique=True),
    st.lists(st.integers(-9, 99), min_size=1, max_size=6, unique=True),
    st.just([False, True]),
)


@given(names_of_one_type, st.data())
def test_single_labels_come_back_with_their_type(names, data):
    """Whoever trains on integers gets integers."""
    gold = data.draw(st.lists(st.sampled_from(names), max_size=9))
    schema = LabelSchema(tuple(names))

    decoded = schema.decode(schema.encode(gold))

    assert decoded == gold
    assert [type(name) for name in decoded] == [type(name) for name in gold]


@given(st.lists(st.text("abcde", min_size=1), min_size=1, max_size=5, unique=True), st.data())
def test_sets_of_labels_come_back_in_schema_order(names, data):
    """Lists, and the 0/1 matrix they stand for, are the same answers."""
    gold = data.draw(st.lists(st.lists(st.sampled_from(names), unique=True), max_size=9))
    schema = LabelSchema(tuple(names), multi_label=True)

    matrix = schema.encode(gold)

    assert [set(several) for several in schema.decode(matrix)] == [set(several) for several in gold]
    np.testing.assert_array_equal(schema.encode(matrix), matrix)
    np.testing.assert_array_equal(schema.encode(matrix.tolist()), matrix)


@given(names_of_one_type)
def test_a_schema_survives_plain_json(names):
    """It is saved as JSON, and labels keep their type there."""
    schema = LabelSchema(tuple(names), {names[0]: "the first"}, {names[0]: ("an example",)}, multi_label=True)

    assert LabelSchema.from_dict(json.loads(json.dumps(schema.to_dict()))) == schema


@pytest.mark.parametrize("value", [None, float("nan"), np.nan, "", "  \t"])
def test_a_missing_label_names_its_row(value):
    """NaN from a data frame must not become a class called 'nan', nor an empty cell one without a name."""
    with pytest.raises(LabelError, match="the label in row 7 is missing"):
        plain_label(value, 7)


@pytest.mark.parametrize(("given_value", "plain"), [(np.int64(3), 3), (3.0, 3), (np.str_("a"), "a"), (np.True_, True)])
def test_numpy_scalars_become_plain_labels(given_value, plain):
    """Integers that pandas made floats because of a gap are integers again."""
    label = plain_label(given_value)

    assert label == plain
    assert type(label) is type(plain)


def test_a_fraction_is_no_label():
    """A score column taken for labels is a mistake, not 10,000 classes."""
    with pytest.raises(LabelError, match=r"0\.5 \(float\); labels are str, int or bool"):
        LabelSchema.from_gold([0.5], multi_label=False)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ((), "at least one label"),
        (("a", "a"), "'a' is listed 2 times"),
        (("a", 1), "mix types"),
        ((1, True), "mix types"),
        (("a", " "), "missing"),
    ],
)
def test_label_sets_that_contradict_themselves_are_refused(names, message):
    """Each message names what is wrong."""
    with pytest.raises(LabelError, match=message):
        LabelSchema(names)


def test_an_unknown_label_names_its_row_and_the_nearest_known_one():
    """The message is the remedy for most typos; a LabelError is a DataError and a ValueError."""
    schema = LabelSchema(("business", "sports", "world"))

    with pytest.raises(LabelError, match=r"unknown label 'sport' in row 1; did you mean 'sports'\?; known labels"):
        schema.encode(["world", "sport"])
    assert issubclass(LabelError, DataError)
    assert issubclass(LabelError, ValueError)


def test_true_is_not_the_label_one():
    """Python calls them equal; a user who mixes them has made a mistake."""
    with pytest.raises(LabelError, match="unknown label True in row 0"):
        LabelSchema((0, 1)).encode([True])


def test_a_list_where_one_label_is_expected_names_the_remedy():
    """Multi-label data in a single-label classifier."""
    with pytest.raises(LabelError, match=r"row 0 has the list .* pass multi_label=True"):
        LabelSchema(("a", "b")).encode([["a", "b"]])


@pytest.mark.parametrize(
    "matrix", [np.array([[0, 2]]), np.array([[0, 1, 1]]), np.array([0, 1]), np.array([[np.nan, 1.0]])]
)
def test_a_matrix_that_is_not_zeros_and_ones_per_label_is_refused(matrix):
    """Probabilities or counts passed as gold are found at once."""
    with pytest.raises(LabelError, match="0/1 matrix"):
        LabelSchema(("a", "b"), multi_label=True).encode(matrix)


def test_missing_sets_of_labels_name_their_row():
    """An empty list says 'no label'; None says nothing."""
    for learn in (
        LabelSchema(("a",), multi_label=True).encode,
        lambda gold: LabelSchema.from_gold(gold, multi_label=True),
    ):
        with pytest.raises(LabelError, match="row 1 are missing; use an empty list"):
            learn([["a"], None])


def test_a_name_among_lists_counts_as_a_list_of_one():
    """It must not be taken apart into its characters."""
    assert LabelSchema.from_gold(["ab", ["c"]], multi_label=True).names == ("ab", "c")


def test_names_that_read_like_numbers_and_rows_of_two_cannot_be_confused():
    """[0, 1] could be two names or a row of a matrix: only a numpy matrix is taken as one."""
    schema = LabelSchema((0, 1), multi_label=True)

    with pytest.raises(LabelError, match="cannot be told apart"):
        schema.encode([[0, 1]])
    assert schema.encode(np.array([[0, 1]])).tolist() == [[0, 1]]


@pytest.mark.parametrize("suffix", [".yaml", ".json"])
def test_a_label_file_gives_names_descriptions_and_examples(tmp_path, suffix):
    """JSON is YAML; both are read by the same words."""
    path = tmp_path / f"labels{suffix}"
    cards = [{"name": "billing", "description": "Money.", "examples": ["Refund!"]}, {"name": "other"}]
    path.write_text(json.dumps({"labels": cards}), encoding="utf-8")

    schema = LabelSchema.of(path)

    assert schema.names == ("billing", "other")
    assert schema.card("billing") == "billing: Money."
    assert schema.examples["billing"] == ("Refund!",)


def test_yes_no_and_norway_are_names_in_a_label_file(tmp_path):
    """YAML 1.1 reads bare yes, no and on as booleans; a user who lists labels means words."""
    path = tmp_path / "labels.yaml"
    path.write_text("labels: [yes, no, on]\n", encoding="utf-8")

    assert LabelSchema.of(path).names == ("yes", "no", "on")
    path.write_text("labels: [true, false]\n", encoding="utf-8")
    assert LabelSchema.of(path).names == (True, False)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("labels: [a", "cannot be read"),
        ("labels:\n- {nam: a}", "unknown key 'nam' in a label; did you mean 'name'"),
        ("labels:\n- {description: a}", "has no name"),
        ('labels: [a, b]\nmulti_label: "false"', r"multi_label is 'false' \(str\); write true or false"),
        ("labels: [a, b]\nmulti_label: no", r"multi_label is 'no' \(str\); write true or false"),
        ("labels: [a, b]\nmulti_lable: true", "unknown key 'multi_lable' .*did you mean 'multi_label'"),
        ("lables: [a, b]", "description of label 'lables' is .*did you mean 'labels'"),
        ("labels: [a, b]\nlabels: [c, d]", "the key 'labels' is given twice"),
        ("labels: a, b", "cannot read labels from 'a, b'"),
        ("/etc/passwd", "holds only the text '/etc/passwd'"),
        ("labels:\n", "is empty"),
        ("labels: []", "is empty"),
        ("labels: {a: {description: x}}", "to say more about a label, list the labels"),
        ("labels: " + "[" * 5000, "nested too deeply"),
        ("labels: [01, 02]", "quote it to keep it: '01'"),
    ],
)
def test_a_broken_label_file_says_what_is_wrong(tmp_path, content, message):
    """Nobody should have to read a parser's traceback."""
    path = tmp_path / "labels.yaml"
    path.write_text(content, encoding="utf-8")

    with pytest.raises(LabelError, match=message):
        LabelSchema.of(path)


def test_a_description_of_an_unknown_label_is_refused():
    """A renamed label would otherwise lose its description without a word."""
    with pytest.raises(LabelError, match="description is given for unknown label 'sport'; did you mean 'sports'"):
        LabelSchema(("sports",), {"sport": "Games."})


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ({"examples": "my invoice"}, "examples of label 'a' are 'my invoice'; write a list"),
        ({"examples": ["x", 5]}, r"an example of label 'a' is 5 \(int\), not a text"),
        ({"description": ["x"]}, r"the description of label 'a' is \['x'\] \(list\), not a text"),
        ({"description": 5}, "in quotes"),
        ({"parent": "bb"}, "the parent of label 'a' is 'bb', which is no other label"),
        ({"parent": "a"}, "the parent of label .a. is itself; name a broader label"),
    ],
)
def test_what_describes_a_label_is_of_its_type(card, message):
    """A text where a list belongs would become its letters, each an example in a prompt."""
    with pytest.raises(LabelError, match=message):
        LabelSchema.of([{"name": "a", **card}, "b"])


@pytest.mark.parametrize("nothing", [None, float("nan"), "", "  "])
def test_a_missing_description_is_none(nothing):
    """An empty cell of the table that the labels came from must not be described as 'nan'."""
    assert LabelSchema.of({"a": nothing, "b": "B."}).descriptions == {"b": "B."}


def test_a_label_may_be_named_labels():
    """Beside other names it is one of them, and never a path; by itself it is the key of a label file."""
    assert LabelSchema.of({"labels": "x", "other": "y"}).names == ("labels", "other")
    assert LabelSchema.of({"labels": {"a": "A.", "b": "B."}, "multi_label": True}).multi_label
    with pytest.raises(LabelError, match="cannot read labels from '/etc/passwd'"):
        LabelSchema.of({"labels": "/etc/passwd"})


@pytest.mark.parametrize(
    "stored", ["/etc/passwd", None, {"labels": "/etc/passwd"}, {"labels": ["a"], "new": 1}, ["a"], {"labels": []}]
)
def test_a_stored_schema_is_read_as_it_was_written(stored):
    with pytest.raises(LabelError):
        LabelSchema.from_dict(stored)


def test_a_label_file_in_the_home_folder_is_found(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "labels.yaml").write_text("[a, b]", encoding="utf-8")

    assert LabelSchema.of("~/labels.yaml").names == ("a", "b")


@pytest.mark.parametrize(("given_label", "hint"), [("true", "did you mean True"), (1, "known labels: False, True")])
def test_a_label_of_another_type_is_told_the_right_one(given_label, hint):
    """Booleans come back from files as words and numbers."""
    with pytest.raises(LabelError, match=rf"row 0 \({type(given_label).__name__}, but the labels are bool\).*{hint}"):
        LabelSchema((False, True)).encode([given_label])


def test_a_mapping_of_names_to_descriptions_is_a_schema():
    """The shortest way to give both."""
    assert LabelSchema.of({"a": "first", "b": None}).descriptions == {"a": "first"}
    assert LabelSchema.of(["a"], multi_label=True).multi_label
