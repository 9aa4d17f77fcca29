import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as reference

from textclassify.errors import ConfigError, DataError
from textclassify.statistics import metrics

seeds = st.integers(0, 10_000)


def single(seed, n=200, n_labels=5):
    rng = np.random.default_rng(seed)
    probabilities = rng.dirichlet(np.ones(n_labels), size=n)
    return rng.integers(0, n_labels, n), rng.integers(0, n_labels, n), probabilities


def multi(seed, n=200, n_labels=5):
    rng = np.random.default_rng(seed)
    return (rng.random((n, n_labels)) < 0.3) * 1, (rng.random((n, n_labels)) < 0.3) * 1, rng.random((n, n_labels))


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_single_label_metrics_agree_with_scikit_learn(seed):
    gold, codes, p = single(seed)

    assert metrics.accuracy(gold, codes) == pytest.approx(reference.accuracy_score(gold, codes))
    assert metrics.macro_f1(gold, codes) == pytest.approx(reference.f1_score(gold, codes, average="macro"))
    assert metrics.micro_f1(gold, codes) == pytest.approx(reference.f1_score(gold, codes, average="micro"))
    assert metrics.log_loss(gold, p) == pytest.approx(reference.log_loss(gold, p, labels=range(5)))
    expected = reference.brier_score_loss(gold, p, labels=range(5), scale_by_half=False)
    assert metrics.brier(gold, p) == pytest.approx(expected)


@settings(deadline=None, max_examples=25)
@given(seeds)
def test_multi_label_metrics_agree_with_scikit_learn(seed):
    gold, codes, p = multi(seed)

    assert metrics.subset_accuracy(gold, codes) == pytest.approx(reference.accuracy_score(gold, codes))
    assert metrics.macro_f1(gold, codes) == pytest.approx(reference.f1_score(gold, codes, average="macro"))
    assert metrics.micro_f1(gold, codes) == pytest.approx(reference.f1_score(gold, codes, average="micro"))
    expected = reference.f1_score(gold, codes, average="samples", zero_division=1.0)
    assert metrics.samples_f1(gold, codes) == pytest.approx(expected)
    per_label = [reference.log_loss(gold[:, k], p[:, k], labels=[0, 1]) for k in range(5)]
    assert metrics.log_loss(gold, p) == pytest.approx(np.mean(per_label))
    assert metrics.brier(gold, p) == pytest.approx(np.mean((gold - p) ** 2))


@pytest.mark.parametrize("make", [single, multi])
def test_label_table_agrees_with_scikit_learn(make):
    gold, codes, _ = make(3)
    table = metrics.label_table(gold, codes, n_labels=5)

    precision, recall, f1, support = reference.precision_recall_fscore_support(gold, codes, zero_division=np.nan)

    np.testing.assert_allclose([table.precision, table.recall, table.f1], [precision, recall, f1])
    np.testing.assert_array_equal(table.support, support)


def test_labels_that_never_occur_have_no_say_in_macro_f1():
    """A schema of two hundred names must not lower the score of a sample that shows three."""
    table = metrics.label_table([0, 0, 2], [0, 0, 2], n_labels=4)

    assert metrics.macro_f1([0, 0, 2], [0, 0, 2]) == 1.0
    assert np.isnan(table.f1[[1, 3]]).all()
    assert np.isnan(table.precision[1])
    assert np.isnan(table.recall[1])


@settings(deadline=None, max_examples=25)
@given(seeds, st.booleans())
def test_order_of_rows_and_labels_changes_no_metric(seed, many):
    """Ties included: probabilities are rounded to tenths here."""
    rng = np.random.default_rng(seed)
    gold, codes, p = (multi if many else single)(seed)
    p = np.round(p, 1)
    rows, labels = rng.permutation(len(gold)), rng.permutation(5)
    new_code = np.argsort(labels)

    before = metrics.headline_metrics(gold, codes, p, many) | {"classwise": metrics.classwise_ece(gold, p)}
    moved = (gold[:, labels], codes[:, labels]) if many else (new_code[gold], new_code[codes])
    moved = moved[0][rows], moved[1][rows], p[:, labels][rows]
    after = metrics.headline_metrics(*moved, many) | {"classwise": metrics.classwise_ece(moved[0], moved[2])}

    assert after == pytest.approx(before, abs=1e-12)


def test_headline_names_are_fixed():
    """Reports and the ladder look these up by name."""
    assert list(metrics.headline_metrics(*single(0), multi_label=False)) == [
        "accuracy",
        "macro_f1",
        "log_loss",
        "ece",
        "brier",
    ]
    assert list(metrics.headline_metrics(*multi(0), multi_label=True)) == [
        "subset_accuracy",
        "micro_f1",
        "macro_f1",
        "samples_f1",
        "log_loss",
        "ece",
    ]
    with pytest.raises(DataError, match="multi_label=True"):
        metrics.headline_metrics(*single(0), multi_label=True)


def test_abstentions_must_be_accounted_for():
    """A quiet default would make a model that answers only easy texts look good."""
    gold, codes, p = np.array([0, 1, 1]), np.array([0, -1, 1]), np.array([[0.8, 0.2], [np.nan, np.nan], [0.5, 0.5]])

    with pytest.raises(DataError, match="1 of 3 rows have no answer, the first is row 1"):
        metrics.accuracy(gold, codes)
    with pytest.raises(DataError, match="no probabilities"):
        metrics.log_loss(gold, p)
    with pytest.raises(ConfigError, match="'skip' is unknown"):
        metrics.accuracy(gold, codes, abstentions="skip")
    assert metrics.accuracy(gold, codes, abstentions="drop") == 1.0
    assert metrics.accuracy(gold, codes, abstentions="wrong") == pytest.approx(2 / 3)


def test_a_missed_answer_is_no_false_alarm():
    """Silence costs recall of the gold label and nobody's precision."""
    table = metrics.label_table([0, 1, 1], [0, -1, 1], abstentions="wrong")

    assert table.precision.tolist() == [1.0, 1.0]
    assert table.recall.tolist() == [1.0, 0.5]
    assert metrics.micro_f1([0, 1, 1], [0, -1, 1], abstentions="wrong") == pytest.approx(0.8)


def test_a_multi_label_row_without_answer_is_wrong_even_where_no_label_was_right():
    gold, codes = np.array([[0, 0], [1, 0], [0, 0]]), np.array([[-1, -1], [1, 0], [0, 0]])

    assert metrics.subset_accuracy(gold, codes, abstentions="wrong") == pytest.approx(2 / 3)
    assert metrics.samples_f1(gold, codes, abstentions="wrong") == pytest.approx(2 / 3)
    assert metrics.samples_f1(gold, codes, abstentions="drop") == 1.0
    assert metrics.correct_per_row(gold, codes).tolist() == [False, True, True]


def test_missing_forecasts_cost_what_knowing_nothing_costs():
    """Under "wrong" they are uniform; under "drop" the row stays, as NaN, so that sources remain paired."""
    gold, p = np.array([0, 1]), np.array([[1.0, 0.0], [np.nan, np.nan]])

    as_wrong = metrics.log_loss_per_row(gold, p, abstentions="wrong")
    dropped = metrics.log_loss_per_row(gold, p, abstentions="drop")

    np.testing.assert_allclose(as_wrong, [0.0, np.log(2)])
    np.testing.assert_array_equal(np.isnan(dropped), [False, True])
    assert metrics.brier(gold, p, abstentions="wrong") == pytest.approx(0.25)
    assert metrics.ece(gold, p, abstentions="wrong") == metrics.ece(gold, p, abstentions="drop") == 0.0


def test_a_certain_mistake_costs_much_but_not_everything():
    assert metrics.log_loss([1], [[1.0, 0.0]]) == pytest.approx(-np.log(np.finfo(float).eps))


@pytest.mark.parametrize("many", [False, True])
def test_calibration_error_is_small_for_honest_and_large_for_loud_forecasts(many):
    rng = np.random.default_rng(1)
    p = rng.random((20_000, 3)) if many else rng.dirichlet([1, 1, 1], size=20_000)
    gold = (rng.random(p.shape) < p) * 1 if many else (p.cumsum(axis=1) > rng.random((len(p), 1))).argmax(axis=1)
    loud = p**4 / (p**4 + (1 - p) ** 4) if many else p**4 / (p**4).sum(axis=1, keepdims=True)

    assert metrics.ece(gold, p) < 0.015
    assert metrics.classwise_ece(gold, p) < 0.015
    assert metrics.ece(gold, loud) > 0.1
    assert metrics.classwise_ece(gold, loud) > 0.1


def test_ece_is_the_mean_gap_of_bins_of_equal_mass():
    """By hand: 10 rows of confidence 0.6 with 9 hits, 10 rows of 0.9 with 6 hits: gaps of 0.3 and 0.3."""
    p = np.array([[0.6, 0.4]] * 10 + [[0.9, 0.1]] * 10)
    gold = np.array([0] * 9 + [1] + [0] * 6 + [1] * 4)

    assert metrics.ece(gold, p) == pytest.approx(0.3)
    assert metrics.ece(gold, p, n_bins=1) == pytest.approx(0.0)


def test_the_root_mean_squared_gap_is_less_what_chance_puts_there():
    """Two bins of 20, hit rates 0.5 and 1.0 at a confidence of 0.6 and 0.9: by hand."""
    p = np.repeat([[0.6, 0.4], [0.9, 0.1]], 20, axis=0)
    gold = np.repeat([0, 1, 0, 0], 10)

    by_hand = np.sqrt((0.1**2 - 0.25 / 19) / 2 + (0.1**2) / 2)
    assert metrics.rms_calibration_error(gold, p) == pytest.approx(by_hand)
    assert metrics.ece(gold, p) == pytest.approx(0.1)


def test_in_few_honest_rows_only_the_debiased_error_is_about_zero():
    """100 rows of right probabilities: the bins alone make 0.06 of ece."""
    plain, debiased = [], []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        p = rng.dirichlet(np.ones(3), size=100)
        gold = (p.cumsum(axis=1) > rng.random((100, 1))).argmax(axis=1)
        plain.append(metrics.ece(gold, p))
        debiased.append(metrics.rms_calibration_error(gold, p))

    assert np.mean(plain) > 0.06
    assert np.median(debiased) < 0.05


def test_classwise_ece_is_the_mean_over_labels():
    """Label 0 claims 0.5 and is there in 0.75; labels 1 and 2 claim 0.25 and are there in 0.25 and 0."""
    p, gold = np.tile([[0.5, 0.25, 0.25]], (20, 1)), np.repeat([0, 1], [15, 5])

    assert metrics.classwise_ece(gold, p) == pytest.approx((0.25 + 0.0 + 0.25) / 3)


def test_micro_macro_and_samples_f1_are_three_numbers():
    """By hand: label a is never found, label b once with one false alarm; the second row rightly has none."""
    gold, codes = np.array([[1, 1], [0, 0], [1, 0]]), np.array([[0, 1], [0, 0], [0, 1]])

    assert metrics.micro_f1(gold, codes) == pytest.approx(2 * 1 / (3 + 2))
    assert metrics.macro_f1(gold, codes) == pytest.approx((0.0 + 2 * 1 / 3) / 2)
    assert metrics.samples_f1(gold, codes) == pytest.approx((2 / 3 + 1 + 0) / 3)
    assert metrics.subset_accuracy(gold, codes) == pytest.approx(1 / 3)


def test_few_rows_get_few_bins():
    """With a bin per row, calibrated rows too would show a large error."""
    p = np.column_stack([np.linspace(0.7, 0.9, 15), np.linspace(0.3, 0.1, 15)])

    assert metrics.ece([0] * 12 + [1] * 3, p) == pytest.approx(0.0)


def test_confusion_counts_have_a_column_for_no_answer():
    counts = metrics.confusion_counts([0, 0, 1, 1], [0, 1, -1, 1], n_labels=3)

    assert counts.tolist() == [[1, 1, 0, 0], [0, 1, 0, 1], [0, 0, 0, 0]]
    with pytest.raises(DataError, match="label_table"):
        metrics.confusion_counts([[0, 1]], [[0, 1]])


def test_no_rows_have_no_score():
    unknown = np.full((2, 2), np.nan)
    values = metrics.headline_metrics([0, 1], [-1, -1], unknown, multi_label=False, abstentions="drop")

    assert all(np.isnan(value) for value in values.values())
    assert np.isnan(metrics.micro_f1([], []))


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy([0, 1], [0]), "differ in shape"),
        (lambda: metrics.accuracy([-1, 1], [0, 1]), "gold value -1"),
        (lambda: metrics.accuracy([0, 1], [0, -2]), "answer -2"),
        (lambda: metrics.accuracy([[0, 1]], [[0, 1]]), "subset_accuracy"),
        (lambda: metrics.subset_accuracy([0, 1], [0, 1]), "ask for accuracy"),
        (lambda: metrics.label_table([0, 5], [0, 1], n_labels=3), "label code 5"),
        (lambda: metrics.log_loss([2], [[0.5, 0.5]]), r"outside 0\.\.1"),
        (lambda: metrics.log_loss([0], [[3.0, -2.0]]), "from -2 to 3"),
        (lambda: metrics.log_loss([0, 1], [[0.5, 0.5]]), "do not fit gold"),
    ],
)
def test_arrays_that_do_not_fit_are_refused_with_the_remedy(call, message):
    with pytest.raises(DataError, match=message):
        call()
