"""Label shares of a corpus: intervals that hold as often as promised, narrower than the gold rows alone allow."""

import numpy as np
import pandas as pd
import pytest

from textclassify import Scores
from textclassify.core.result import decide
from textclassify.errors import ConfigError, DataError, LabelError
from textclassify.statistics.prevalence import estimate_prevalence

SHARES = np.array([0.62, 0.3, 0.06, 0.02])
# P(prediction | gold), one row per gold label: good, good on frequent labels only, and no better than guessing.
SOURCES = {
    "good": np.full((4, 4), 0.02) + 0.92 * np.eye(4),
    "blind to rare labels": np.array([[0.9, 0.1, 0, 0], [0.1, 0.9, 0, 0], [0.5, 0.4, 0.1, 0], [0.5, 0.5, 0, 0]]),
    "guessing": np.full((4, 4), 0.25),
}


def corpus(rng, source, n):
    """Gold codes of n texts, and predictions as one-hot rows; label noise is part of the source."""
    gold = rng.choice(4, n, p=SHARES)
    named = (rng.random((n, 1)) > np.cumsum(SOURCES[source][gold], axis=1)).sum(axis=1)
    return gold, np.eye(4)[np.minimum(named, 3)]


def held_and_wide(source, *, n_gold, repeats=500, n_all=1000):
    """How often each label's interval holds its true share, how wide it is, and how wide the gold rows' alone."""
    figures = np.zeros((3, 4))
    for seed in range(repeats):
        gold, predicted = corpus(np.random.default_rng(seed), source, n_all)
        seen = estimate_prevalence(predicted[n_gold:], predicted[:n_gold], gold[:n_gold])
        holds = (seen.low <= SHARES) & (seen.high >= SHARES)
        figures += [holds, seen.high - seen.low, seen.gold_high - seen.gold_low]
    return figures / repeats


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("n_gold", [30, 200])
def test_intervals_hold_the_true_share_as_often_as_promised(source, n_gold):
    """500 corpora; also for a label of 2% and 30 gold rows, of which half the time none has it."""
    holds, _, _ = held_and_wide(source, n_gold=n_gold)

    assert (holds > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 500)).all()


@pytest.mark.parametrize("source", ["good", "guessing"])
def test_intervals_hold_as_often_where_gold_rows_are_copies(source):
    """30 gold rows, five times each: taken for 150 rows, their intervals held the true share in under 7 of 10."""
    held, held_as_rows = np.zeros(4), np.zeros(4)
    copies = np.repeat(np.arange(30), 5)
    for seed in range(300):
        gold, predicted = corpus(np.random.default_rng(seed), source, 1000)
        rows = predicted[30:], predicted[copies], gold[copies]
        seen, as_rows = estimate_prevalence(*rows, clusters=copies), estimate_prevalence(*rows)
        held += (seen.low <= SHARES) & (seen.high >= SHARES)
        held_as_rows += (as_rows.low <= SHARES) & (as_rows.high >= SHARES)

    assert (held / 300 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 300)).all()
    assert held_as_rows[0] / 300 < 0.8


def test_a_cluster_counts_once_whatever_its_size():
    """Copies of gold rows change nothing but the rows counted, failures included."""
    gold, predicted = corpus(np.random.default_rng(0), "good", 600)
    predicted[::7] = np.nan
    copies = np.repeat(np.arange(60), np.arange(60) % 4 + 1)
    alone = estimate_prevalence(predicted[60:], predicted[:60], gold[:60])
    seen = estimate_prevalence(predicted[60:], predicted[copies], gold[copies], clusters=[f"text {c}" for c in copies])

    for name in ("share", "low", "high", "gold_share", "gold_low", "gold_high", "predicted_share", "weight"):
        assert getattr(seen, name) == pytest.approx(getattr(alone, name))
    assert (seen.n_gold, seen.n_clusters, alone.n_clusters) == (150, 60, 60)
    assert "150 of them with gold in 60 clusters" in str(seen)


@pytest.mark.parametrize("labels", [["b", "a"], ["a", "c"], ["a"]])
def test_labels_that_are_not_those_of_the_results_are_refused(labels):
    """The shares come in the results' order; read in another one they would be another label's."""
    result = decide(Scores.from_probabilities(np.full((9, 2), 0.5), ["a", "b"]))

    with pytest.raises(LabelError, match=r"not those of the results, \['a', 'b'\]; leave labels out"):
        estimate_prevalence(result, result, ["a", "b", "a"] * 3, labels=labels)
    assert estimate_prevalence(result, result, ["a", "b", "a"] * 3, labels=["a", "b"]).labels == ("a", "b")


def test_good_predictions_make_intervals_narrower_and_useless_ones_cost_little():
    _, good, alone = held_and_wide("good", n_gold=200, repeats=50)
    _, useless, alone_too = held_and_wide("guessing", n_gold=200, repeats=50)

    assert (good[:2] < 0.65 * alone[:2]).all()
    assert (useless < 1.1 * alone_too).all()


def test_predictions_alone_are_far_off_where_the_estimate_is_not():
    """What counting predicted labels would say: never a rare one."""
    gold, predicted = corpus(np.random.default_rng(0), "blind to rare labels", 20_000)
    seen = estimate_prevalence(predicted[400:], predicted[:400], gold[:400])

    assert seen.predicted_share[2] < 0.01
    assert seen.low[2] < 0.06 < seen.high[2]
    assert abs(seen.share[2] - 0.06) < 0.03


def test_perfect_agreement_on_a_few_rows_is_not_perfect_knowledge():
    """Without a disagreement among 20 gold rows, one prediction in seven may still be wrong."""
    gold = np.arange(20) % 2
    predicted = np.eye(2)[np.arange(2000) % 2]
    seen = estimate_prevalence(predicted[20:], predicted[:20], gold)

    assert seen.share == pytest.approx(0.5)
    assert 0.2 < (seen.high - seen.low)[0] < (seen.gold_high - seen.gold_low)[0]
    assert (seen.weight < 1).all()


def test_without_predictions_it_is_the_gold_rows_share():
    gold = np.arange(50) % 5 == 0
    nothing = np.full((500, 2), np.nan)
    seen = estimate_prevalence(nothing[50:], nothing[:50], gold * 1)

    assert seen.share[1] == pytest.approx(0.2)
    assert seen.low[1] == pytest.approx(seen.gold_low[1], abs=0.02)
    assert seen.n_failed == 500


def test_failures_that_go_with_a_label_do_not_bias_its_share():
    """A model that refuses every second text of a label: leaving these out would halve its share."""
    inside = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        gold, predicted = corpus(rng, "good", 2000)
        predicted[(gold == 1) & (rng.random(2000) < 0.8)] = np.nan
        seen = estimate_prevalence(predicted[200:], predicted[:200], gold[:200])
        inside += seen.low[1] <= SHARES[1] <= seen.high[1]

    assert seen.n_failed == np.isnan(predicted[:, 0]).sum()
    assert seen.predicted_share[1] < 0.15
    assert inside / 200 > 0.95 - 3 * np.sqrt(0.95 * 0.05 / 200)


def test_labels_probabilities_and_results_say_the_same():
    """Whatever form the predictions come in; None and NaN are failures, not labels."""
    gold, predicted = corpus(np.random.default_rng(0), "good", 600)
    predicted[::50] = np.nan
    names = np.array(list("abcd"), dtype=object)
    hard = [None if np.isnan(row[0]) else names[row.argmax()] for row in predicted]
    result = decide(Scores.from_probabilities(predicted, list("abcd")))
    table = pd.DataFrame(predicted, columns=list("abcd"))
    answers = list(names[gold[:100]])

    forms = [
        estimate_prevalence(form[100:], form[:100], answers, labels=labels)
        for form, labels in [(hard, None), (predicted, list("abcd")), (result, None), (table, None)]
    ]
    for one in forms:
        assert one.labels == ("a", "b", "c", "d")
        assert one.n_failed == 12
        assert one.share == pytest.approx(forms[0].share, abs=1e-6)
        assert one.low == pytest.approx(forms[0].low, abs=1e-6)


def test_several_labels_per_text_are_estimated_one_by_one():
    named = [["a"], ["a", "b"], [], None] * 100
    seen = estimate_prevalence(named[80:], named[:80], [["a"], ["a", "b"], [], ["b"]] * 20)

    assert seen.labels == ("a", "b")
    assert seen.share == pytest.approx([0.5, 0.5], abs=0.01)
    assert seen.n_failed == 100
    columns = np.array([[1, 0], [1, 1], [0, 0], [0, 1]] * 100)
    assert estimate_prevalence(columns[80:], columns[:80], columns[:80]).share == pytest.approx([0.5, 0.5])


@pytest.mark.parametrize("chosen_by", ["ranking", ["random"] * 9 + ["ranking"], ["random"] * 9 + ["unknown"]])
def test_rows_that_a_ranking_picked_are_refused(chosen_by):
    """They are hard by design; their share of each label says nothing about the corpus."""
    with pytest.raises(DataError, match=r"not drawn at random .*(ranking|unknown)"):
        estimate_prevalence(["a", "b"] * 50, ["a", "b"] * 5, ["a", "b"] * 5, chosen_by=chosen_by)


@pytest.mark.parametrize("chosen_by", [None, "random", "unknown", ["random"] * 10])
def test_rows_drawn_at_random_are_taken(chosen_by):
    assert estimate_prevalence(["a", "b"] * 50, ["a", "b"] * 5, ["a", "b"] * 5, chosen_by=chosen_by).n_gold == 10


def test_the_estimate_can_be_read_and_tabulated():
    seen = estimate_prevalence(["a", "b", None] * 50, ["a", "b"] * 5, ["a", "b"] * 5)
    table = seen.to_pandas()

    assert list(table["label"]) == ["a", "b"]
    assert {"share", "low", "high", "gold_low", "gold_high", "predicted_share"} <= set(table)
    assert "160 texts, 10 of them with gold; 50 of them had no prediction" in str(seen)
    assert "50.0%" in str(seen)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"confidence": 1.0}, ConfigError, "confidence"),
        ({"gold": ["a"] * 2, "predicted_labelled": ["a"] * 2}, DataError, "too few"),
        ({"gold": ["a"] * 3}, LabelError, "4 texts but 3"),
        ({"gold": ["a", None, "b", "a"]}, LabelError, "row 1 is missing"),
        ({"predicted_labelled": np.ones((4, 1))}, DataError, "two kinds"),
        ({"labels": ["a"]}, LabelError, "unknown label 'b'"),
        ({"clusters": [0, 0, 1, 1]}, DataError, "2 gold rows .*too few"),
        ({"clusters": [0, 1, 2]}, DataError, "one group per row"),
    ],
)
def test_what_does_not_fit_is_refused(change, error, words):
    given_rows = {"predicted_unlabelled": ["a", "b"] * 5, "predicted_labelled": ["a", "b"] * 2, "gold": ["a", "b"] * 2}

    with pytest.raises(error, match=words):
        estimate_prevalence(**given_rows | change)


def test_three_gold_rows_say_next_to_nothing():
    seen = estimate_prevalence(["a", "b"] * 50, ["a", "b", "a"], ["a", "b", "a"])

    assert (seen.high - seen.low > 0.8).all()
