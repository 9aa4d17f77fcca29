"""Whatever shape users have their data in: recognised without a flag, or refused with the remedy."""

import hashlib

import datasets
import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from textclassify.core.dataset import content_hash, labelled_data, texts_of, training_data
from textclassify.core.labels import LabelSchema
from textclassify.core.types import TrainingData
from textclassify.errors import DataError, LabelError

COLUMNS = {"text": ["a b", "c d", "e f", "a b"], "label": ["x", "y", "x", "x"]}
TOXIC = pd.DataFrame({"id": [7, 8, 9], "text": ["a", "b", "c"], "toxic": [1, 0, 1], "spam": [0, 0, 1]})

TABLES = {
    "mapping": lambda: COLUMNS,
    "pandas": lambda: pd.DataFrame(COLUMNS),
    "pandas, other index": lambda: pd.DataFrame(COLUMNS, index=[9, 9, 1, 0]),
    "pandas, categories": lambda: pd.DataFrame(COLUMNS).astype({"label": "category"}),
    "polars": lambda: pl.DataFrame(COLUMNS),
    "lazy polars": lambda: pl.LazyFrame(COLUMNS),
    "Arrow table": lambda: pa.table(COLUMNS),
    "Arrow batch": lambda: pa.record_batch(COLUMNS),
    "Hugging Face": lambda: datasets.Dataset.from_dict(COLUMNS),
    "Hugging Face, selected": lambda: datasets.Dataset.from_dict(COLUMNS).select([0, 1, 2, 3]),
    "Hugging Face, streamed": lambda: datasets.Dataset.from_dict(COLUMNS).to_iterable_dataset(),
    "rows": lambda: pd.DataFrame(COLUMNS).to_dict("records"),
    "iterator of rows": lambda: iter(pd.DataFrame(COLUMNS).to_dict("records")),
}
SEQUENCES = {
    "list": list,
    "tuple": tuple,
    "numpy": np.array,
    "numpy column": lambda values: np.array(values)[:, None],
    "pandas": lambda values: pd.Series(values, index=[3, 3, 0, 1]),
    "polars": pl.Series,
    "Arrow": pa.array,
    "Arrow chunks": lambda values: pa.chunked_array([values[:1], values[1:]]),
    "iterator": iter,
}


@pytest.mark.parametrize("kind", TABLES)
def test_every_kind_of_table_gives_the_same_data(kind):
    """Rows in their order, whatever the index; the same table serves for prediction."""
    data = training_data(TABLES[kind]())

    assert data.texts == COLUMNS["text"]
    assert data.schema.names == ("x", "y")
    assert data.gold.tolist() == [0, 1, 0, 0]
    assert texts_of(TABLES[kind]()) == COLUMNS["text"]


@pytest.mark.parametrize("kind", SEQUENCES)
def test_every_kind_of_sequence_gives_the_same_data(kind):
    """Texts and labels may come from different libraries."""
    data = training_data(SEQUENCES[kind](COLUMNS["text"]), SEQUENCES[kind](COLUMNS["label"]))

    assert data.texts == COLUMNS["text"]
    assert data.gold.tolist() == [0, 1, 0, 0]
    assert texts_of(SEQUENCES[kind](COLUMNS["text"])) == COLUMNS["text"]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl", "a.parquet"])
def test_a_path_is_a_table(tmp_path, name):
    """Files need no step in between."""
    path = tmp_path / name
    frame = pd.DataFrame(COLUMNS)
    {
        "csv": frame.to_csv,
        "jsonl": lambda p: frame.to_json(p, orient="records", lines=True),
        "parquet": frame.to_parquet,
    }[path.suffix[1:]](path)

    assert training_data(path).texts == training_data(str(path)).texts == texts_of(path) == COLUMNS["text"]


def test_the_table_is_left_as_it_was():
    """Data frames are shared; a column that appears or an index that changes is felt elsewhere."""
    frame = pd.DataFrame(COLUMNS, index=[9, 9, 1, 0])
    before = frame.copy()

    training_data(frame)

    pd.testing.assert_frame_equal(frame, before)


@pytest.mark.parametrize("labels", [["a", "b"], [3, 1], [True, False], [10, 9]])
def test_the_type_of_labels_is_kept(labels):
    """From the table, from sequences, and through numpy."""
    texts = ["first", "second"]
    for data in (
        training_data({"text": texts, "label": labels}),
        training_data(texts, np.array(labels)),
        training_data(pd.DataFrame({"text": texts, "label": labels})),
    ):
        assert data.schema.decode(data.gold) == labels
        assert {type(name) for name in data.schema.names} == {type(labels[0])}


def test_class_names_of_a_hugging_face_data_set_describe_its_numbers():
    """The numbers stay the labels; what they mean is not lost, nor classes without a row."""
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["bad", "good", "odd"])}
    )
    data = training_data(datasets.Dataset.from_dict({"text": ["a", "b"], "label": [1, 0]}, features=features))

    assert data.schema.names == (0, 1, 2)
    assert data.schema.descriptions == {0: "bad", 1: "good", 2: "odd"}
    assert data.gold.tolist() == [1, 0]


@pytest.mark.parametrize(
    ("frame", "text"),
    [
        ({"Message": ["a"], "id": [1], "label": ["b"]}, "Message"),
        ({"words": ["a"], "label": ["b"]}, "words"),
        ({"title": ["a"], "text": ["b"], "label": ["c"]}, "text"),
        ({"content": [1], "body": ["b"], "label": ["c"]}, "body"),
        ({"words": ["a"], "label": [0]}, "words"),
        ({"words": ["a"]}, "words"),
    ],
)
def test_the_text_column_is_recognised(frame, text):
    """By its name, or because it is the only column of strings that is not the label."""
    assert texts_of(pd.DataFrame(frame)) == frame[text]


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        (
            {"one": ["a"], "two": ["b"], "label": ["c"]},
            "could be any of the columns 'one', 'two'; pass text_column='one'",
        ),
        ({"title": ["a"], "body": ["b"]}, "could be any of the columns 'title', 'body'"),
        ({"number": [1], "label": [2]}, "no text column among 'number', 'label'"),
        ({"text": ["a", None]}, "the text in row 1 is missing"),
        ({"text": ["a", 3]}, "the text in row 1 is 3"),
    ],
)
def test_an_unclear_text_column_is_refused(frame, message):
    """A guess would train on titles, or on identifiers."""
    with pytest.raises(DataError, match=message):
        texts_of(frame)


def test_given_columns_win_and_unknown_ones_name_their_neighbour():
    """For the text, the label and the group alike."""
    frame = pd.DataFrame({"one": ["a", "b"], "two": ["c", "d"], "kind": ["x", "y"], "who": ["p", "q"]})

    data = training_data(frame, text_column="two", label_columns=["kind"], group_column="who")

    assert (data.texts, data.schema.names, data.groups) == (["c", "d"], ("x", "y"), ["p", "q"])
    for options, name in (
        ({"text_column": "tow", "label_columns": ["kind"]}, "two"),
        ({"text_column": "one", "label_columns": ["kinds"]}, "kind"),
        ({"text_column": "one", "label_columns": ["kind"], "group_column": "whom"}, "who"),
    ):
        with pytest.raises(DataError, match=rf"unknown \w+ column .*did you mean '{name}'"):
            training_data(frame, **options)


def test_several_zero_one_columns_are_several_labels():
    """Recognised without a flag; identifiers are not labels."""
    data = training_data(TOXIC)

    assert data.multi_label
    assert data.schema.names == ("toxic", "spam")
    assert data.gold.tolist() == [[1, 0], [0, 0], [1, 1]]


def test_given_zero_one_columns_give_the_label_order():
    """Names repeated by mistake count once, and the user is told."""
    with pytest.warns(UserWarning, match="label_columns repeats 'spam'; each counts once"):
        data = training_data(TOXIC, label_columns=["spam", "toxic", "spam"])

    assert data.schema.names == ("spam", "toxic")
    assert data.gold.tolist() == [[0, 1], [0, 0], [1, 1]]


def test_a_schema_decides_order_and_columns():
    """The order of scores is the schema's, wherever the columns stand."""
    schema = LabelSchema(("spam", "toxic"), {"spam": "Advertising."})

    data = training_data(TOXIC.assign(label=["p", "q", "p"]), schema=schema)

    assert data.schema.names == ("spam", "toxic")
    assert data.schema.descriptions == {"spam": "Advertising."}
    assert data.gold.tolist() == [[0, 1], [0, 0], [1, 1]]


def test_columns_with_one_1_in_every_row_are_one_label_per_text():
    """The published configurations say nothing of it, and expect a name as answer."""
    frame = pd.DataFrame({"text": ["a", "b", "c"], "x": [0, 1, 0], "y": [1, 0, 1]})

    assert not training_data(frame, label_columns=["x", "y"]).multi_label
    assert training_data(frame, label_columns=["x", "y"], multi_label=True).multi_label


def test_one_hot_columns_are_one_label_on_request():
    """Each row must have exactly one; the first that has not is named."""
    frame = pd.DataFrame({"text": ["a", "b"], "x": [0, 1], "y": [True, False]})

    assert training_data(frame, label_columns=["x", "y"], multi_label=False).labels == ["y", "x"]
    with pytest.raises(LabelError, match="row 1 has 0 of the label columns set, not exactly one"):
        training_data(TOXIC, multi_label=False)


def test_a_column_of_lists_is_several_labels():
    """Also as Arrow gives them, and with a row without labels."""
    lists = {"text": ["a", "b", "c"], "labels": [["x"], [], ["y", "x"]]}

    for table in (lists, pd.DataFrame(lists), pa.table(lists), pl.DataFrame(lists)):
        data = training_data(table)
        assert data.multi_label
        assert data.gold.tolist() == [[1, 0], [0, 0], [1, 1]]


def test_class_names_beside_a_label_column_give_the_order():
    """`label_columns=[class names]` is how the published examples put it."""
    frame = pd.DataFrame({"text": ["a", "b"], "sentiment": ["neutral", "positive"]})

    data = training_data(frame, label_columns=["positive", "negative", "neutral"])

    assert data.schema.names == ("positive", "negative", "neutral")
    assert data.gold.tolist() == [2, 0]


@pytest.mark.parametrize("name", ["label", "target", "is_spam", "y"])
def test_a_lone_zero_one_column_with_a_labels_name_is_two_classes(name):
    """Integers 0 and 1, one per text."""
    data = training_data({"text": ["a", "b"], name: [1, 0]})

    assert (data.multi_label, data.schema.names, data.labels) == (False, (0, 1), [1, 0])


def test_a_lone_zero_one_column_of_another_name_needs_a_word():
    """Named by the user it is two classes; several labels it can never be."""
    frame = pd.DataFrame({"text": ["a", "b"], "urgent": [1, 0]})

    with pytest.raises(DataError, match=r"'urgent' is the only 0/1 column; pass label_columns=\['urgent'\]"):
        training_data(frame)
    assert training_data(frame, label_columns=["urgent"]).schema.names == (0, 1)
    with pytest.raises(LabelError, match=r"'urgent' is a lone 0/1 column, .*one 0/1 column per label"):
        training_data(frame, label_columns=["urgent"], multi_label=True)


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"category": ["x", "y"], "intent": ["p", "q"]},
            r"labels could be any of .*; pass label_columns=\['category'\]",
        ),
        ({"one": ["x", "y"], "two": [1, 2]}, "no label column among 'text', 'one', 'two'"),
        ({"score": [0.5, 0.25]}, "no label column"),
        ({}, "no label column among 'text'"),
        ({"label": ["x", None]}, "the label in row 1 is missing"),
        ({"label": ["x", ""]}, "the label in row 1 is missing"),
        ({"label": [1.0, np.nan]}, "the label in row 1 is missing"),
        ({"a": [0, 1], "b": [1, np.nan]}, r"label column 'b' is missing in row 1 \(nan\); write 0 or 1"),
        ({"labels": [["x"], None]}, "the labels in row 1 are missing; use an empty list"),
    ],
)
def test_unclear_or_missing_labels_are_refused(columns, message):
    """Each message names the columns or the row, and the remedy."""
    with pytest.raises(DataError, match=message):
        training_data(pd.DataFrame({"text": ["a", "b"], **columns}))


def test_label_columns_that_hold_something_else_are_refused():
    """The cell is named."""
    frame = TOXIC.assign(spam=["0", "1", "2"])

    with pytest.raises(LabelError, match="label column 'spam' holds '0' in row 0, not 0 or 1"):
        training_data(frame, label_columns=["toxic", "spam"])
    with pytest.raises(LabelError, match="holds 2 in row 0"):
        training_data(TOXIC.assign(spam=2), label_columns=["toxic", "spam"])


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (['["x"]', '["x", "y"]'], "holds lists written as text"),
        (["x", "y", "x|y"], r"'x\|y' in label column 'label' could be one label or several"),
        (["x", "y", "y, x"], "'y, x' in label column 'label' could be"),
    ],
)
def test_several_labels_in_one_string_are_not_guessed(labels, message):
    """Read as names they would be wrong classes; the user says what they are."""
    frame = pd.DataFrame({"text": ["a", "b", "c"][: len(labels)], "label": labels})

    with pytest.raises(DataError, match=message):
        training_data(frame)
    assert training_data(frame, multi_label=False).labels == labels


def test_names_with_separators_are_plain_names():
    """'Sci/Tech' and 'food, drink' are labels unless their parts are labels too."""
    labels = ["food, drink", "a|b", "Sci/Tech"]

    assert training_data({"text": ["a", "b", "c"], "label": labels}).labels == labels


def test_one_name_per_row_can_be_several_labels():
    """Where the user says so; joined names are refused then."""
    frame = {"text": ["a", "b"], "label": ["x", "y"]}

    assert training_data(frame, multi_label=True).gold.tolist() == [[1, 0], [0, 1]]
    with pytest.raises(DataError, match="could be one label or several"):
        training_data({"text": ["a", "b"], "label": ["x", "y|z"]}, multi_label=True)


def test_labels_from_a_file_take_the_schemas_type(tmp_path):
    """A CSV file cannot say whether 1 is a number or a name; the schema can."""
    path = tmp_path / "a.csv"
    path.write_text("text,label\na,1\nb,2\n")

    assert training_data(path, schema=["1", "2"]).labels == ["1", "2"]
    assert training_data(path).labels == [1, 2]


def test_labels_beside_a_table_may_be_a_table_of_zeros_and_ones():
    """Its columns name the labels."""
    data = training_data(TOXIC["text"], TOXIC[["spam", "toxic"]])

    assert data.schema.names == ("spam", "toxic")
    assert data.gold.tolist() == [[0, 1], [0, 0], [1, 1]]
    assert training_data(TOXIC, ["x", "y", "x"], text_column="text").gold.tolist() == [0, 1, 0]


@pytest.mark.parametrize(
    ("texts", "labels", "message"),
    [
        (["a", "b"], None, "no labels given"),
        (["a", "b"], ["x"], "2 texts but 1 labels"),
        (["a", "b"], "xy", "expected one label per text"),
        ([], [], "no rows to train on"),
        ({"text": [], "label": []}, None, "no label column|no rows to train on"),
        (["a", " "], ["x", "y"], "empty text in row 1"),
        (["a", None], ["x", "y"], "the text in row 1 is missing"),
        ({"text": ["a", "b"], "label": ["x"]}, None, "columns differ in length"),
        ({"text": "a", "label": ["x"]}, None, "column 'text' is 'a' .* pass a list"),
        (3, None, "no labels given"),
        ({"train": datasets.Dataset.from_dict(COLUMNS)}, None, r"several data sets \(train\); pass one of them"),
        (pd.DataFrame([["a", "b", "c"]], columns=["text", "label", "label"]), None, "2 columns named 'label'"),
        (["a", "b"], ["x", "x"], r"nothing to learn: every row \(2 in all\) has the answer 'x'"),
    ],
)
def test_data_that_cannot_be_learned_from_are_refused(texts, labels, message):
    """Each with what is wrong and how to mend it."""
    with pytest.raises(DataError, match=message):
        training_data(texts, labels)


def test_one_class_is_enough_to_evaluate_on():
    """A test file of a single class is a legitimate question."""
    assert labelled_data(["a", "b"], ["x", "x"], schema=["x", "y"]).gold.tolist() == [0, 0]


def test_training_data_pass_through_and_take_another_label_order():
    """A 0/1 matrix is renamed, not reread."""
    data = TrainingData(["a", "b"], np.array([[1, 0], [1, 1]]), schema=LabelSchema(("x", "y"), multi_label=True))

    assert training_data(data) is data
    assert training_data(data, schema=["y", "x"]).gold.tolist() == [[0, 1], [1, 1]]
    assert training_data(data, groups=["g", "h"]).groups == ["g", "h"]
    assert texts_of(data) == ["a", "b"]
    with pytest.raises(DataError, match="labels are given twice"):
        training_data(data, [["x"], ["y"]])


def test_the_content_hash_changes_with_texts_labels_and_order():
    """And with nothing else; it is written into results."""
    base = content_hash(training_data(["a", "b"], [0, 1]))

    assert base == content_hash(training_data({"message": ["a", "b"], "target": [0, 1]}))
    others = [(["a", "c"], [0, 1]), (["a", "b"], [1, 0]), (["b", "a"], [1, 0]), (["a", "b"], ["0", "1"])]
    assert len({base, *(content_hash(training_data(*other)) for other in others)}) == 5
    assert base == hashlib.sha256(b'["a", 0]\n["b", 1]\n').hexdigest()


def test_a_label_column_of_zeros_and_ones_among_others_is_unclear():
    """Either it holds the two classes, or each such column is a label."""
    table = {"text": ["a", "b"], "label": [0, 1], "urgent": [1, 0]}

    with pytest.raises(DataError, match=r"'label' is one of 2 columns of 0 and 1.*pass label_columns=\['label'\]"):
        labelled_data(table)
    assert labelled_data(table, label_columns=["label"]).schema.names == (0, 1)


def test_labels_are_not_taken_for_texts():
    """A table of labels alone has no texts."""
    with pytest.raises(DataError, match="no text column among 'label'"):
        texts_of({"label": ["a", "b"]})


def test_a_table_without_a_header_is_recognised_by_its_names():
    """Its first text has become a name."""
    with pytest.raises(DataError, match="'my invoice is wrong' looks like a text: write a header line above it"):
        labelled_data({"my invoice is wrong": ["so is mine"], "billing": ["delivery"]})


def test_decimals_kept_as_text_are_no_texts():
    """Files keep 0.50 as it is written; it is a score all the same."""
    assert texts_of({"words": ["a", "b"], "score": ["0.50", "0.25"]}) == ["a", "b"]


@pytest.mark.parametrize("kind", ["multi_label", "multi_class"])
def test_a_matrix_without_names_takes_those_of_the_schema_by_position(kind):
    """Column 2 is the second name, whatever its order in the alphabet."""
    data = labelled_data(TrainingData(["s", "t"], [[1, 0], [0, 1]], kind), schema=["late", "billing"])

    assert data.schema.names == ("late", "billing")
    assert data.schema.decode(data.gold) == ([["late"], ["billing"]] if kind == "multi_label" else ["late", "billing"])


def test_a_matrix_of_another_width_than_the_labels_is_refused():
    with pytest.raises(LabelError, match="a 0/1 matrix of 2 columns, but 3 labels are known: 'a', 'b', 'c'; pass one"):
        labelled_data(TrainingData(["s", "t"], [[1, 0], [0, 1]]), schema=["a", "b", "c"])
