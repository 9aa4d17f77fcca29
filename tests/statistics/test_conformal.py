"""Sets of labels: what they promise is kept over draws of guard rows, however bad the source is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.statistics.conformal import coverage, label_scores, missed_label_sets, prediction_sets, rows_needed

FREQUENT_TO_RARE = np.array([0.5, 0.3, 0.15, 0.05])


def texts(rng, n, *, noise=0.08):
    """Scores of an overconfident source that knows one label badly, and gold answers of which some are wrong."""
    meant = rng.choice(4, n, p=FREQUENT_TO_RARE)
    logits = rng.normal(size=(n, 4))
    logits[np.arange(n), meant] += np.array([2.5, 2.0, 1.0, 0.3])[meant]
    gold = np.where(rng.random(n) < noise, rng.integers(0, 4, n), meant)
    return special.softmax(2 * logits, axis=1), gold


def labelled_texts(rng, n):
    """The same for any number of labels per text; one in four texts has none."""
    gold = (rng.random((n, 5)) < [0.4, 0.3, 0.2, 0.1, 0.03]) & (rng.random((n, 1)) < 0.9)
    return special.expit(2 * (2 * gold - 1) + 2 * rng.normal(size=gold.shape)), gold * 1


def mean_share(repeats, once):
    """The mean of a number over repeats, and its standard error."""
    seen = np.array([once(np.random.default_rng(seed)) for seed in range(repeats)])
    return seen.mean(axis=0), seen.std(axis=0) / np.sqrt(repeats)


@pytest.mark.parametrize("method", ["lac", "aps"])
@pytest.mark.parametrize("alpha", [0.05, 0.2])
def test_sets_hold_the_gold_label_as_often_as_promised_and_hardly_more_often(method, alpha):
    """500 guards of 60 rows: at least 1 - alpha, at most 1 / 61 above it."""

    def share_held(rng):
        rule = prediction_sets(*texts(rng, 60), alpha=alpha, method=method)
        p, gold = texts(rng, 200)
        return rule.apply(p)[np.arange(200), gold].mean()

    share, error = mean_share(500, share_held)
    assert 1 - alpha - 3 * error < share < 1 - alpha + 1 / 61 + 3 * error


def test_randomised_aps_keeps_the_promise_with_smaller_sets():
    """What the randomness is for; it is drawn by text, so that a text's set never depends on its neighbours."""

    def seen(rng):
        p, gold = texts(rng, 260)
        keys = rng.integers(0, 2**63, 260).astype(np.uint64)
        figures = []
        for options in ({}, {"keys": keys[:60], "random_state": 1}):
            rule = prediction_sets(p[:60], gold[:60], method="aps", **options)
            held = rule.apply(p[60:], keys=keys[60:])
            figures += [held[np.arange(200), gold[60:]].mean(), held.sum(axis=1).mean()]
        return figures

    (fixed, fixed_size, randomised, randomised_size), error = mean_share(500, seen)
    assert min(fixed, randomised) > 0.9 - 3 * error.max()
    assert randomised_size < fixed_size - 0.1


@pytest.mark.parametrize("method", ["lac", "aps"])
def test_class_conditional_sets_hold_each_label_as_often_as_promised(method):
    """The rarest label, which the source knows worst, is missed far too often when the promise is for all texts."""

    def share_held(rng):
        guard, (p, gold) = texts(rng, 300), texts(rng, 1000)
        rules = [prediction_sets(*guard, method=method, class_conditional=each) for each in (True, False)]
        held = [rule.apply(p)[np.arange(1000), gold] for rule in rules]
        return [[one[gold == k].mean() for k in range(4)] for one in held]

    (conditional, marginal), error = mean_share(500, share_held)
    assert (conditional > 0.9 - 3 * error[0]).all()
    assert marginal[3] < 0.85


def test_a_label_with_too_few_rows_is_in_every_set():
    """Nine rows allow for one miss in ten; of eight rows the worst score may still be too low."""
    p, gold = texts(np.random.default_rng(0), 400)
    kept = np.concatenate([np.flatnonzero(gold == k)[:size] for k, size in enumerate([30, 9, 8, 0])])
    rule = prediction_sets(p[kept], gold[kept], alpha=0.1, class_conditional=True)

    assert rule.always_included.tolist() == [False, False, True, True]
    assert rule.evidence.tolist() == [30, 9, 8, 0]
    assert rule.apply(p)[:, 2:].all()


@pytest.mark.parametrize(("n", "alpha"), [(9, 0.1), (19, 0.05), (99, 0.01), (9, 0.3), (40, 0.25), (200, 0.1)])
def test_the_threshold_is_the_order_statistic_of_the_papers(n, alpha):
    """The ceil((n + 1)(1 - alpha))-th smallest, also where floats would round a whole number up."""
    p, gold = texts(np.random.default_rng(0), n)
    place = int(np.ceil(round((n + 1) * (1 - alpha), 6)))

    assert prediction_sets(p, gold, alpha=alpha).thresholds[0] == np.sort(1 - p[np.arange(n), gold])[place - 1]


def test_promising_more_than_the_rows_allow_is_an_error_that_says_what_would_do():
    p, gold = texts(np.random.default_rng(0), 98)

    with pytest.raises(DataError, match=r"needs 99 guard rows.*there are 98.*alpha=0\.011"):
        prediction_sets(p, gold, alpha=0.01)
    assert rows_needed(0.01) == 99
    prediction_sets(p, gold, alpha=0.011)


def test_without_any_row_no_other_promise_is_advised():
    """No alpha below 1 could be kept, and 1 is no promise."""
    p, gold = texts(np.random.default_rng(0), 3)

    with pytest.raises(DataError, match=r"there are 0: every set would hold every label; label more rows"):
        prediction_sets(np.full_like(p, np.nan), gold, alpha=0.1)


def test_missed_labels_stay_within_the_promise():
    """Averaged over texts that have a label: the others cannot miss one, and would let these miss more."""

    def share_missed(rng):
        rule = missed_label_sets(*labelled_texts(rng, 80), alpha=0.1)
        p, gold = labelled_texts(rng, 300)
        p, gold = p[gold.any(axis=1)], gold[gold.any(axis=1)]
        return 1 - ((rule.apply(p) & (gold > 0)).sum(axis=1) / gold.sum(axis=1)).mean()

    share, error = mean_share(500, share_missed)
    assert 0.1 - 1 / 30 < share < 0.1 + 3 * error


def test_each_label_can_be_promised_by_itself_where_texts_have_several():
    def share_missed(rng):
        rule = missed_label_sets(*labelled_texts(rng, 300), alpha=0.2, class_conditional=True)
        p, gold = labelled_texts(rng, 1000)
        held = rule.apply(p)
        return [1 - held[gold[:, k] > 0, k].mean() for k in range(5)]

    share, error = mean_share(500, share_missed)
    assert (share < 0.2 + 3 * error).all()
    assert (share > 0.05).all()


def copies_of_easy_texts(rng, n_texts):
    """Easy texts come in five copies, hard ones once; the last column says which rows are one text."""
    p, gold = texts(rng, n_texts)
    copies = np.where(p[np.arange(n_texts), gold] > 0.6, 5, 1)
    of_text = np.repeat(np.arange(n_texts), copies)
    return p[of_text], gold[of_text], of_text


def test_copies_count_once():
    """Taken as rows, easy copies outvote hard texts, and sets miss new texts twice as often as promised."""

    def share_held(rng):
        p, gold, of_text = copies_of_easy_texts(rng, 80)
        rules = [prediction_sets(p, gold, clusters=clusters) for clusters in (of_text, None)]
        p, gold = texts(rng, 200)
        return [rule.apply(p)[np.arange(200), gold].mean() for rule in rules]

    (by_text, by_row), error = mean_share(500, share_held)
    assert 0.9 - 3 * error[0] < by_text < 0.9 + 1 / 81 + 3 * error[0]
    assert by_row < 0.85


def test_copies_count_once_for_missed_labels_too():
    p, gold = labelled_texts(np.random.default_rng(0), 60)
    copied = np.repeat(np.arange(60), np.arange(60) % 4 + 1)
    once, copies = (
        missed_label_sets(p, gold),
        missed_label_sets(p[copied], gold[copied], clusters=copied),
    )

    assert np.array_equal(once.thresholds, copies.thresholds)
    assert np.array_equal(once.evidence, copies.evidence)


def test_rows_of_a_cluster_share_its_weight_however_many_labels_they_have():
    """A row with one label weighs as much as its neighbour with three, and these a third of it each."""
    p, gold = np.array([[0.1, 0.5, 0.5], [0.6, 0.7, 0.8]]), np.array([[1, 0, 0], [1, 1, 1]])
    alone = np.full((3, 3), 0.9), np.eye(3, dtype=int)
    p, gold, clusters = np.concatenate([p, alone[0]]), np.concatenate([gold, alone[1]]), [0, 0, 1, 2, 3]

    # Four clusters of 1/5: from the surest on 3/5, then 1/30 each for 0.8, 0.7 and 0.6, and 1/10 for 0.1.
    assert missed_label_sets(p, gold, alpha=0.34, clusters=clusters).thresholds[0] == pytest.approx(1 - 0.7)
    assert missed_label_sets(p, gold, alpha=0.3, clusters=clusters).thresholds[0] == pytest.approx(1 - 0.6)
    assert missed_label_sets(p, gold, alpha=0.29, clusters=clusters).thresholds[0] == pytest.approx(1 - 0.1)


def test_rows_without_scores_teach_nothing_and_get_no_set():
    """Not even the labels that every set holds; a row that is partly scored is not scored."""
    p, gold = texts(np.random.default_rng(0), 100)
    with_gaps = p.copy()
    with_gaps[::8] = np.nan
    with_gaps[4::8, 1] = np.nan
    learned, expected = (
        prediction_sets(with_gaps, gold, alpha=0.05, class_conditional=True),
        prediction_sets(p[np.arange(100) % 4 > 0], gold[np.arange(100) % 4 > 0], alpha=0.05, class_conditional=True),
    )

    assert np.array_equal(learned.thresholds, expected.thresholds)
    assert not learned.apply(with_gaps, at_least_one=True)[::4].any()
    assert learned.always_included.any()


def test_an_empty_set_can_be_given_the_most_probable_label():
    p, gold = np.array([[0.99, 0.01]] * 50), np.zeros(50, dtype=int)
    rule = prediction_sets(p, gold)

    assert rule.apply([[0.4, 0.6]]).tolist() == [[False, False]]
    assert rule.apply([[0.4, 0.6]], at_least_one=True).tolist() == [[False, True]]


@settings(deadline=None, max_examples=50)
@given(st.integers(0, 10_000), st.sampled_from([None, 3]))
def test_sets_depend_neither_on_the_order_of_labels_nor_on_neighbours(seed, random_state):
    """Also where labels are equally likely."""
    rng = np.random.default_rng(seed)
    p = rng.integers(1, 4, (30, 4)) * 1.0
    p, gold, keys = p / p.sum(axis=1, keepdims=True), rng.integers(0, 4, 30), rng.integers(0, 99, 30)
    rule = prediction_sets(p, gold, method="aps", keys=keys, random_state=random_state)
    order = rng.permutation(4)
    reordered = prediction_sets(
        p[:, order], np.argsort(order)[gold], method="aps", keys=keys, random_state=random_state
    )

    sets = rule.apply(p, keys=keys)
    assert np.array_equal(reordered.apply(p[:, order], keys=keys), sets[:, order])
    assert np.array_equal(rule.apply(p[7:8], keys=keys[7:8]), sets[7:8])


def test_aps_scores_add_up_all_that_is_at_least_as_likely():
    assert label_scores(np.array([[0.5, 0.2, 0.2, 0.1]]), "aps") == pytest.approx(np.array([[0.5, 0.9, 0.9, 1.0]]))


def test_coverage_is_told_overall_and_by_label():
    sets = np.array([[1, 0], [1, 1], [0, 1], [0, 0], [1, 1]])
    seen = coverage(sets, [0, 0, 0, 1, 1], scored=[True, True, True, False, True])

    assert seen.overall.estimate == 0.75
    assert (seen.n_rows, seen.n_unscored, seen.mean_size) == (4, 1, 1.5)
    assert [one.estimate for one in seen.by_label] == [pytest.approx(2 / 3), 1.0]
    assert seen.rows_by_label.tolist() == [3, 1]
    assert seen.size_by_label.tolist() == [pytest.approx(4 / 3), 2.0]
    assert seen.overall.low < 0.4


def test_coverage_of_several_labels_is_the_share_found():
    """A text without labels has none to find; copies count once."""
    sets, gold = np.array([[1, 0], [1, 1], [0, 0], [0, 0]]), np.array([[1, 1], [1, 0], [0, 0], [1, 0]])
    seen = coverage(sets, gold)
    copied = coverage(sets[[0, 0, 0, 1, 2, 3]], gold[[0, 0, 0, 1, 2, 3]], clusters=[0, 0, 0, 1, 2, 3])

    assert seen.overall.estimate == pytest.approx(0.5)
    assert seen.by_label[0].estimate == pytest.approx(2 / 3)
    assert copied.overall == seen.overall


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"alpha": 0}, ConfigError, "alpha=0"),
        ({"method": "raps"}, ConfigError, "raps"),
        ({"random_state": 1}, ConfigError, "random_state=1"),
        ({"method": "aps", "random_state": 1}, DataError, "keys"),
        ({"clusters": [1, 2]}, DataError, "clusters"),
        ({"gold": [0, 1, 7]}, DataError, "0..1"),
        ({"gold": [[0, 1]] * 3}, DataError, "missed_label_sets"),
        ({"probabilities": [[2.0, 0]] * 3}, DataError, "from 0 to 1"),
    ],
)
def test_what_cannot_be_promised_is_refused(options, error, words):
    given_rows = {"probabilities": [[0.5, 0.5]] * 3, "gold": [0, 1, 0], "alpha": 0.5} | options

    with pytest.raises(error, match=words):
        prediction_sets(given_rows.pop("probabilities"), given_rows.pop("gold"), **given_rows)
    with pytest.raises(DataError, match="prediction_sets"):
        missed_label_sets([[0.5, 0.5]], [0])
    with pytest.raises(DataError, match="thresholds"):
        prediction_sets([[0.5, 0.5]] * 3, [0, 1, 0], alpha=0.5).apply([[0.1, 0.2, 0.7]])
