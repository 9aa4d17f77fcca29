"""The contract of `Scores`: what every source, step and decision relies on."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.core.scales import Method, Scale, Status
from textclassify.core.scores import Scores, check_same_labels, log_normalised
from textclassify.errors import LabelError, ScoresError

LABELS = ("ham", "spam", "unsure")


@st.composite
def any_scores(draw, scale=None):
    """Scores of 0 to 8 texts on any scale, with rows that have no answer."""
    scale = scale or draw(st.sampled_from(Scale))
    n = draw(st.integers(0, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    status = rng.choice([0, 0, 0, 1, 2, 3, 7], size=n)
    if scale is Scale.LOG_PROBABILITY:
        values = log_normalised(rng.dirichlet(np.full(3, 0.3), size=n))
    elif scale is Scale.VOTE_SHARE:
        values = rng.integers(0, 5, size=(n, 3)) / 4
    else:
        values = rng.normal(0, 10, size=(n, 3))
    values = np.where(status[:, None] == Status.OK, values, np.nan)
    multi_label = scale is Scale.LOG_ODDS or (scale is Scale.VOTE_SHARE and draw(st.booleans()))
    return Scores.build(
        values,
        LABELS,
        scale,
        source="any",
        status=status,
        fold=rng.integers(-2, 5, size=n),
        multi_label=multi_label,
        cost=rng.random(n),
        row_ids=rng.integers(0, 2**63, size=n),
    )


@given(any_scores())
def test_a_row_is_missing_exactly_where_its_status_is_not_ok(scores):
    """A missing score is a mask, never a zero: whoever reads values must be able to trust the status."""
    missing = np.isnan(scores.probabilities).all(axis=1)

    assert (missing == (scores.status != Status.OK)).all()
    assert (scores.mask.any(axis=1) == scores.answered).all()


@given(any_scores(), st.integers(1, 7))
def test_a_status_that_contradicts_the_scores_is_refused(scores, other):
    """Otherwise a failed call could pass for an answer, or an answer get lost."""
    for row in range(len(scores)):
        status = scores.status.copy()
        status[row] = other if status[row] == Status.OK else Status.OK
        with pytest.raises(ScoresError, match=f"row {row}"):
            replace(scores, status=status)


@given(any_scores(), st.randoms(use_true_random=False))
def test_permuting_rows_permutes_every_column(scores, random):
    """Rows are independent of each other."""
    order = random.sample(range(len(scores)), len(scores))

    moved = scores.take(order)

    for column in ("values", "probabilities", "status", "method", "cost", "row_ids", "fold"):
        np.testing.assert_array_equal(getattr(moved, column), getattr(scores, column)[order])


@given(any_scores(), st.permutations(range(3)))
def test_permuting_labels_permutes_probabilities(scores, order):
    """No label is special because of its place."""
    moved = replace(scores, labels=tuple(LABELS[k] for k in order), values=scores.values[:, order])

    np.testing.assert_allclose(moved.probabilities, scores.probabilities[:, order], rtol=1e-6)


@given(any_scores(), st.integers(0, 8))
def test_taking_two_parts_and_joining_them_gives_the_whole(scores, cut):
    """Batches are joined all the time; nothing may get lost at the seam."""
    parts = [scores.take(slice(None, cut)), scores.take(slice(cut, None))]

    assert Scores.concat(parts).equals(scores)


@given(any_scores(), any_scores())
def test_joining_costs_adds_them_up(left, right):
    """The ledger's sum is the sum of the parts."""
    if (left.scale, left.multi_label) == (right.scale, right.multi_label):
        joined = Scores.concat([left, right])
        assert joined.cost.sum() == pytest.approx(left.cost.sum() + right.cost.sum())
    else:
        with pytest.raises(ScoresError, match="scale"):
            Scores.concat([left, right])


@given(st.sampled_from([Scale.LOG_PROBABILITY, Scale.LOG_LIKELIHOOD]).flatmap(any_scores))
def test_single_label_probabilities_add_up_to_one(scores):
    """Labels that exclude each other share one unit of belief."""
    np.testing.assert_allclose(scores.probabilities[scores.answered].sum(axis=1), 1, atol=1e-9)


@given(any_scores(Scale.LOG_ODDS))
def test_log_odds_become_probabilities_of_each_label_by_itself(scores):
    """log(p / (1 - p)) is undone exactly."""
    p = scores.probabilities[scores.answered]

    np.testing.assert_allclose(np.log(p) - np.log1p(-p), scores.values[scores.answered], rtol=1e-3, atol=1e-3)


@given(any_scores())
def test_columns_cannot_be_written(scores):
    """A step that changed its input in place would change what another step sees."""
    for column in ("values", "status", "method", "cost", "row_ids", "fold"):
        with pytest.raises(ValueError, match="read-only"):
            getattr(scores, column)[...] = 0


@given(any_scores())
def test_the_given_arrays_are_copied_and_stay_writable(scores):
    """Freezing the caller's own array would be a surprise far away from its cause."""
    values = scores.values.copy()
    mine = replace(scores, values=values)
    values[...] = 0

    np.testing.assert_array_equal(mine.values, scores.values)


@given(any_scores())
def test_pickling_and_copying_keep_every_bit(scores):
    """Scores travel to worker processes."""
    assert pickle.loads(pickle.dumps(scores)).equals(scores)
    assert copy.deepcopy(scores).equals(scores)


@given(st.lists(st.lists(st.floats(0.01, 1), min_size=3, max_size=3), max_size=6))
def test_single_label_probabilities_come_back(rows):
    """The public way in and the public way out agree to float32 precision."""
    given_rows = np.array([np.array(row) / sum(row) for row in rows]).reshape(-1, 3)

    scores = Scores.from_probabilities(given_rows, LABELS, source="encoder", multi_label=False)

    np.testing.assert_allclose(scores.probabilities, given_rows, atol=1e-6)
    assert scores.scale is Scale.LOG_PROBABILITY


@given(st.lists(st.lists(st.floats(0, 1), min_size=3, max_size=3), max_size=6))
def test_multi_label_probabilities_come_back(rows):
    """0 and 1 are kept finite, a billionth away; float32 log-odds cost a few more digits near 1."""
    given_rows = np.array(rows).reshape(-1, 3)

    scores = Scores.from_probabilities(given_rows, LABELS, multi_label=True)

    np.testing.assert_allclose(scores.probabilities, given_rows, atol=1e-6)


def test_rows_that_do_not_add_up_to_one_are_multi_label():
    """Sigmoid outputs are recognised without a flag, and softmax outputs too."""
    assert Scores.from_probabilities([[0.9, 0.8, 0.1]], LABELS).multi_label
    assert not Scores.from_probabilities([[0.7, 0.2, 0.1]], LABELS).multi_label


def test_a_row_of_nan_is_a_text_that_was_not_scored():
    """A source that skipped a text must not pass for one that found nothing."""
    scores = Scores.from_probabilities([[0.7, 0.2, 0.1], [np.nan] * 3], LABELS)

    assert scores.status.tolist() == [Status.OK, Status.NOT_CALLED]


@pytest.mark.parametrize(
    ("rows", "multi_label", "message"),
    [
        ([[0.5, 0.2, 0.1]], False, r"row 0 of 'given' adds up to 0\.8"),
        ([[0.5, -0.2, 0.7]], None, "holds -0.2, which is no probability"),
        ([[np.inf, 0, 0]], None, "no probability"),
        ([[0.5, np.nan, 0.5]], False, "row 0 of 'given' is partly NaN"),
        ([[0.5, 0.5]], None, r"shape \(1, 2\)"),
    ],
)
def test_what_is_no_probability_is_refused(rows, multi_label, message):
    """Logits passed by mistake would otherwise poison a fusion silently."""
    with pytest.raises(ScoresError, match=message):
        Scores.from_probabilities(rows, LABELS, multi_label=multi_label)


@given(st.lists(st.sampled_from([*LABELS, None]), max_size=8))
def test_single_label_votes_come_back(votes):
    """`None` is no answer; a label is one vote for it."""
    scores = Scores.from_votes(votes, LABELS)

    named = [
        LABELS[int(np.argmax(row))] if ok else None for row, ok in zip(scores.values, scores.answered, strict=True)
    ]
    assert named == votes
    assert (scores.method == Method.HARD).all()


@given(st.lists(st.none() | st.lists(st.sampled_from(LABELS), unique=True), max_size=8))
def test_multi_label_votes_come_back(votes):
    """An empty list is the answer that no label fits, and not a missing one."""
    scores = Scores.from_votes(votes, LABELS, multi_label=True)

    for row, vote in enumerate(votes):
        if vote is None:
            assert scores.status[row] == Status.NOT_CALLED
        else:
            assert {LABELS[k] for k in np.flatnonzero(scores.values[row])} == set(vote)


def test_a_vote_for_an_unknown_label_names_row_and_nearest_label():
    """A typo in a reply parser must be found at once."""
    with pytest.raises(LabelError, match=r"'hamm' in row 1; did you mean 'ham'\?"):
        Scores.from_votes(["spam", "hamm"], LABELS)


@pytest.mark.parametrize(
    ("scale", "multi_label", "row"),
    [
        (Scale.LOG_PROBABILITY, True, np.log([0.2, 0.3, 0.5])),
        (Scale.LOG_PROBABILITY, False, [-1.0, -1.0, -5.0]),
        (Scale.LOG_PROBABILITY, False, [0.0, np.nan, np.nan]),
        (Scale.LOG_ODDS, False, [0.0, 0.0, 0.0]),
        (Scale.LOG_LIKELIHOOD, True, [0.0, 0.0, 0.0]),
        (Scale.VOTE_SHARE, False, [1.5, 0.0, 0.0]),
        (Scale.LOG_LIKELIHOOD, False, [np.inf, 0.0, 0.0]),
    ],
)
def test_numbers_that_contradict_their_scale_are_refused(scale, multi_label, row):
    """The scale is the only thing that says what the numbers mean."""
    with pytest.raises(ScoresError):
        Scores.build([row], LABELS, scale, source="odd", multi_label=multi_label)


def test_a_label_that_was_not_tried_stays_missing():
    """Likelihoods of some labels leave the others NaN and add up to 1 among themselves."""
    scores = Scores.build([[0.0, np.nan, 0.0]], LABELS, Scale.LOG_LIKELIHOOD, source="llm")

    np.testing.assert_allclose(scores.probabilities, [[0.5, np.nan, 0.5]])


def test_constant_scores_are_an_even_belief():
    """A source that cannot tell labels apart is allowed, and says so by equal probabilities."""
    scores = Scores.build(np.full((2, 3), -700.0), LABELS, Scale.LOG_LIKELIHOOD, source="flat")

    np.testing.assert_allclose(scores.probabilities, 1 / 3)


def test_repeated_labels_are_refused():
    """Two columns of one name could not be told apart."""
    with pytest.raises(LabelError, match="'ham' is listed 2 times"):
        Scores.from_probabilities([[0.5, 0.5]], ["ham", "ham"])


def test_labels_in_another_order_are_refused_where_scores_meet():
    """The same numbers under other names are the quietest of all bugs."""
    with pytest.raises(ScoresError, match="in this order; give all sources the same labels"):
        check_same_labels(("ham", "spam"), ("spam", "ham"), "llm")


def test_scores_differ_when_any_column_differs():
    """`equals` is what save and load is held to."""
    scores = Scores.from_probabilities([[0.7, 0.2, 0.1]], LABELS)

    assert scores.equals(Scores.from_probabilities([[0.7, 0.2, 0.1]], LABELS))
    assert not scores.equals(replace(scores, cost=[1.0]))
    assert not scores.equals(replace(scores, source="other"))
    assert not scores.equals(replace(scores, fold=[0]))
