"""`TrainingData` and `ClassificationResult`: checked going in, columnar coming out."""

import pickle
from dataclasses import replace

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.labels import LabelSchema
from textclassify.core.result import decide, gold_for
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.core.types import ClassificationType, TrainingData
from textclassify.errors import DataError, LabelError

SINGLE = Scores.from_probabilities([[0.7, 0.3], [0.4, 0.6], [np.nan, np.nan]], ["a", "b"])
MULTI = Scores.from_probabilities([[0.7, 0.6], [0.4, 0.1], [np.nan, np.nan]], ["a", "b"], multi_label=True)


def test_the_kind_of_data_is_seen_from_the_labels():
    """Lists and matrices are multi-label; a matrix without a schema numbers its labels."""
    assert TrainingData(["t"], ["a"]).classification_type is ClassificationType.MULTI_CLASS
    assert TrainingData(["t"], [["a"]]).classification_type is ClassificationType.MULTI_LABEL
    assert TrainingData(["t"], np.array([[0, 1]])).schema.names == (0, 1)


def test_the_published_form_of_0_and_1_lists_is_a_matrix():
    """One list per text, one 0 or 1 per label."""
    data = TrainingData(["s", "t"], [[1, 0, 1], [0, 1, 0]], ClassificationType.MULTI_LABEL)

    assert data.schema.names == (0, 1, 2)
    assert data.gold.tolist() == [[1, 0, 1], [0, 1, 0]]


@pytest.mark.parametrize("form", [list, np.array])
def test_a_matrix_with_one_1_in_each_row_is_one_label_per_text_where_the_type_says_so(form):
    """Published programs hand over 0/1 rows for both kinds of classification."""
    data = TrainingData(["s", "t", "u"], form([[1, 0, 0], [0, 0, 1], [0, 1, 0]]), ClassificationType.MULTI_CLASS)

    assert data.gold.tolist() == [0, 2, 1]
    assert (data.unnamed, data.multi_label, data.take([1]).labels) == (True, False, [2])
    named = TrainingData(["s", "t"], form([[1, 0], [0, 1]]), "multi_class", LabelSchema(("ham", "spam")))
    assert (named.gold.tolist(), named.unnamed) == ([0, 1], False)


def test_a_row_with_two_labels_set_is_named_where_there_can_be_one():
    with pytest.raises(LabelError, match=r"row 1 has 2 of 2 labels set, not exactly one; .*multi_label"):
        TrainingData(["s", "t"], [[1, 0], [1, 1]], ClassificationType.MULTI_CLASS)


def test_a_matrix_says_that_its_columns_have_no_names_yet():
    """Who learns from it may name them; names that were given are never taken for numbers."""
    matrix = TrainingData(["s", "t"], [[1, 0], [0, 1]])

    assert matrix.unnamed
    assert matrix.take([0]).unnamed
    assert not TrainingData(["s", "t"], [[1, 0], [0, 1]], schema=LabelSchema(("a", "b"))).unnamed
    assert not TrainingData(["s", "t"], [[0], [2]], schema=LabelSchema((0, 1, 2))).unnamed
    assert not TrainingData(["s", "t"], ["a", "b"]).unnamed


@pytest.mark.parametrize("labels", [[[1], [0]], [(True,), (False,)], [[1], [1]]])
def test_lists_of_one_0_or_1_are_a_column_or_names(labels):
    """Read as a column, the name 1 would be lost; a schema, or an array, says which it is."""
    with pytest.raises(LabelError, match="could be one 0/1 column or the names 0 and 1"):
        TrainingData(["s", "t"], labels)
    with pytest.raises(LabelError, match="could be one 0/1 column"):
        TrainingData(["s", "t"], labels, ClassificationType.MULTI_LABEL)
    assert TrainingData(["s", "t"], [[1], [0]], schema=LabelSchema((0, 1), multi_label=True)).gold.tolist() == [
        [0, 1],
        [1, 0],
    ]
    assert TrainingData(["s", "t"], np.array([[1], [0]])).gold.tolist() == [[1], [0]]


def test_lists_of_numbers_stay_names_when_rows_are_taken():
    """The rows taken may look like a 0/1 matrix, which the whole does not."""
    data = TrainingData(["r", "s", "t"], [[0, 1], [1], []])

    assert data.take([0]).gold.tolist() == [[1, 1]]
    assert data.take([1, 2]).gold.tolist() == [[0, 1], [0, 0]]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"classification_type": "foo"}, "unknown classification_type 'foo'; known: 'multi_class', 'multi_label'"),
        ({"classification_type": "multi_lable"}, "did you mean 'multi_label'"),
        ({"labels": np.zeros((2, 2, 1), dtype=int)}, "labels have 3 dimensions"),
        ({"labels": [[["x"]], [["y"]]]}, "labels are str, int or bool"),
        ({"sample_weight": ["a", "b"]}, "sample_weight must be numbers"),
        ({"sample_weight": [[1.0], [1.0, 2.0]]}, "sample_weight must be numbers"),
    ],
)
def test_what_is_of_another_kind_is_refused_in_words(options, message):
    """No traceback of a library."""
    with pytest.raises(DataError, match=message):
        TrainingData(**{"texts": ["a", "b"], "labels": ["x", "y"], **options})


@given(st.lists(st.sampled_from("abc"), min_size=1, max_size=9), st.data())
def test_taking_rows_takes_every_column(labels, data):
    """Texts, labels, gold, weights and groups move together."""
    n = len(labels)
    rows = data.draw(st.lists(st.integers(0, n - 1), min_size=1))
    whole = TrainingData(
        [f"text {k}" for k in range(n)], labels, sample_weight=np.arange(n) + 1.0, groups=[str(k) for k in range(n)]
    )

    part = whole.take(rows)

    assert part.texts == [f"text {k}" for k in rows]
    assert part.gold.tolist() == whole.gold[rows].tolist()
    assert part.sample_weight.tolist() == [k + 1 for k in rows]
    assert part.groups == [str(k) for k in rows]
    assert part.schema == whole.schema


def test_a_matrix_stays_a_matrix_when_rows_are_taken():
    """Rows of 0 and 1 over labels named 0 and 1 could be read as names otherwise."""
    data = TrainingData(["r", "s", "t"], np.array([[0, 1], [1, 1], [0, 0]]))

    assert data.take([2, 0]).gold.tolist() == [[0, 0], [0, 1]]


def test_rows_of_equal_text_or_group_are_one_cluster():
    """Also when only a chain of both connects them."""
    data = TrainingData(list("aabcd"), list("xxyxy"), groups=[1, 2, 2, 3, 4])

    assert data.clusters[0] == data.clusters[1] == data.clusters[2]
    assert len(set(data.clusters.tolist())) == 3
    assert len(set(replace(data, groups=None).clusters.tolist())) == 4


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"groups": ["g"]}, "2 texts but 1 groups"),
        ({"groups": ["g", None]}, "the group in row 1 is missing; give a row that belongs to no other its own name"),
        ({"sample_weight": [1.0]}, "sample_weight must be 2 finite numbers"),
        ({"sample_weight": [1.0, -1.0]}, "sample_weight must be 2 finite numbers"),
        ({"sample_weight": [1.0, np.nan]}, "sample_weight must be 2 finite numbers"),
        ({"sample_weight": [0.0, 0.0]}, "not all 0"),
        ({"schema": LabelSchema(("x", "z"))}, "unknown label 'y' in row 1"),
    ],
)
def test_columns_that_do_not_fit_are_refused(columns, message):
    """A shifted weight or a merged group is never seen again."""
    with pytest.raises(DataError, match=message):
        TrainingData(["a", "b"], ["x", "y"], **columns)


def test_single_label_answers_are_the_most_probable_labels():
    """A text that was not scored has no answer, and says why."""
    result = decide(SINGLE)

    assert result.predictions == ["a", "b", None]
    assert result.status.tolist() == [Status.OK, Status.OK, Status.NOT_CALLED]
    np.testing.assert_allclose(result.confidence, [0.7, 0.6, np.nan], rtol=1e-6)
    assert result.to_indicator().tolist() == [[1, 0], [0, 1], [0, 0]]


def test_multi_label_answers_are_the_labels_at_or_above_their_threshold():
    """An empty list is an answer, `None` is none."""
    assert decide(MULTI).predictions == [["a", "b"], [], None]
    assert decide(MULTI, thresholds=[0.3, 0.65]).predictions == [["a"], ["a"], None]
    assert decide(MULTI).to_indicator().tolist() == [[1, 1], [0, 0], [0, 0]]
    np.testing.assert_allclose(decide(MULTI).confidence, [0.6, 0.6, np.nan], rtol=1e-6)


def test_a_vote_for_no_label_is_an_abstention():
    """A single-label text must have a label, so 'none of these' leaves it open."""
    result = decide(Scores.from_votes(["b", []], ["a", "b"]))

    assert result.predictions == ["b", None]
    assert result.status.tolist() == [Status.OK, Status.ABSTAINED]


def test_a_result_is_a_sequence_of_labels():
    """Length, iteration, indexing, slicing and numpy."""
    result = decide(SINGLE)

    assert (len(result), list(result), result[1], result[-1]) == (3, ["a", "b", None], "b", None)
    assert result[:2].predictions == ["a", "b"]
    assert result[::-1].probabilities[1:].tolist() == result.probabilities[:2][::-1].tolist()
    assert np.asarray(result[:2]).tolist() == ["a", "b"]
    assert np.asarray(decide(MULTI)).shape == (3,)


@pytest.mark.parametrize("labels", [["a", "b"], [7, 3], [True, False]])
def test_numpy_sees_labels_of_their_own_type(labels):
    """1-D and of the users' type: what scikit-learn's metrics compare."""
    array = np.asarray(decide(Scores.from_probabilities([[0.2, 0.8], [0.9, 0.1]], labels)))

    assert array.shape == (2,)
    assert array.tolist() == [labels[1], labels[0]]


def test_sources_are_sliced_with_the_result_and_rows_stay_explained():
    """Row 0 of a slice is another row of the whole."""
    result = decide(SINGLE, sources={"encoder": SINGLE}, contributions=lambda row: {"encoder": float(row)})

    assert result[1:].sources["encoder"].equals(SINGLE.take([1, 2]))
    assert result[1:].explain(0) == {"encoder": 1.0}
    assert result.explain(-1) == {"encoder": 2.0}
    with pytest.raises(DataError, match="row 3 does not exist; the result has 3 rows"):
        result.explain(3)


def test_a_result_of_one_classifier_has_nothing_to_divide():
    """The message says what would have."""
    with pytest.raises(DataError, match="only the result of a fusion can be explained by source"):
        decide(SINGLE).explain(0)


def test_a_table_of_the_result_has_a_row_per_text():
    """Label, confidence, status and every probability."""
    table = decide(SINGLE).to_pandas()

    assert table.columns.tolist() == ["label", "confidence", "status", "p_a", "p_b"]
    assert table.label.tolist() == ["a", "b", None]
    assert table.status.tolist() == ["ok", "ok", "not_called"]


@pytest.mark.parametrize("multi_label", [False, True])
def test_no_texts_give_an_empty_result(multi_label):
    """Every property of it works."""
    result = decide(Scores.from_probabilities(np.zeros((0, 2)), ["a", "b"], multi_label=multi_label))

    assert (len(result), result.predictions, result.confidence.tolist()) == (0, [], [])
    assert result.to_indicator().shape == (0, 2)
    assert len(result.to_pandas()) == 0


def test_gold_columns_are_put_in_schema_order():
    """A frame of 0/1 columns knows its labels; their order is the user's."""
    schema = LabelSchema(("a", "b"), multi_label=True)
    columns = {"b": [1, 0], "a": [0, 0]}

    for frame in (pd.DataFrame(columns), pl.DataFrame(columns)):
        assert gold_for(frame, schema, 2).tolist() == [[0, 1], [0, 0]]


def test_gold_with_an_unseen_label_or_another_length_is_refused():
    """At evaluation a label that training never saw is a finding, not a wrong answer."""
    with pytest.raises(LabelError, match="unknown label 'c' in row 1"):
        gold_for(["a", "c"], LabelSchema(("a", "b")), 2)
    with pytest.raises(LabelError, match="2 texts but 1 labels"):
        gold_for(["a"], LabelSchema(("a", "b")), 2)


def test_texts_that_differ_in_case_or_white_space_are_one_cluster_and_keep_their_own_hashes():
    """Whoever learned one knows the other by heart; scores are aligned by the exact text all the same."""
    data = TrainingData(["Same text", " same\n TEXT ", "other"], list("xxy"))

    assert data.clusters[0] == data.clusters[1] != data.clusters[2]
    assert data.wording_ids[0] == data.wording_ids[1]
    assert len(set(data.row_ids.tolist())) == 3


def test_the_group_1_and_the_group_named_1_are_two_groups():
    """Numbers and names come from different columns or files."""
    assert TrainingData(list("abc"), list("xyx"), groups=[1, "1", np.int64(1)]).clusters.tolist() == [0, 1, 0]


class Fused:
    """Explains rows, and stands for a fusion that holds its training scores."""

    def __init__(self, adds):
        self.adds, self.training_scores = adds, b"confidential" * 10_000

    def explain(self, row):
        return self.adds[row]


def test_a_pickled_result_is_still_explained_and_leaves_the_training_data_behind():
    """Results travel between processes; what the fusion learned from does not go with them."""
    adds = [{"encoder": 1.5, "llm": -0.5}, {"encoder": 2.0}, {}]
    result = decide(SINGLE, contributions=Fused(adds).explain)

    stored = pickle.dumps(result)

    assert b"confidential" not in stored
    assert [pickle.loads(stored).explain(row) for row in range(3)] == adds
    assert pickle.loads(stored).predictions == result.predictions


def test_a_slice_of_a_result_can_be_pickled():
    """Also a slice of a slice, and one of a result that came out of a pickle."""
    result = decide(SINGLE, contributions=Fused([{"llm": float(row)} for row in range(3)]).explain)

    again = pickle.loads(pickle.dumps(result[1:][:1]))

    assert (len(again), again.explain(0)) == (1, {"llm": 1.0})
    assert pickle.loads(pickle.dumps(again[:])).explain(-1) == {"llm": 1.0}
    assert pickle.loads(pickle.dumps(decide(SINGLE)[:2])).predictions == ["a", "b"]
