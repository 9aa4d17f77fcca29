"""A number of candidates and a threshold for a target: kept on new texts, honest about what cannot be had."""

import numpy as np
import pytest
from scipy import special

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.operating_point import choose_operating_point

UNASKED = np.full((60, 5), np.nan)


def population(n, seed=0, *, gain=0.3, calls=None):
    """Answers of n texts for each number of candidates; more help, and the confidences claim too much."""
    rng = np.random.default_rng(seed)
    odds, chance = rng.normal(0.8, 1.6, n), rng.random(n)

    def answers(top_k):
        better = odds + gain * np.log(top_k)
        return special.expit(1.5 * better), chance < special.expit(better), np.full(n, calls or float(top_k))

    return answers


def chosen(answers, n=60, k=5, **options):
    return choose_operating_point(
        np.eye(1, k, dtype=bool).repeat(n, axis=0), UNASKED[:1, :k].repeat(n, 0), answers, **options
    )


def checks(n, true_positive=0.9, false_positive=0.1, seed=0):
    """Hits, what was said, and answers of checks until the first yes."""
    rng = np.random.default_rng(seed)
    hits = rng.choice(6, size=n, p=[0.6, 0.15, 0.08, 0.05, 0.02, 0.1])[:, None] == np.arange(5)
    said = (rng.random((n, 5)) < np.where(hits, true_positive, false_positive)).astype(float)

    def answers(top_k):
        yes = said[:, :top_k] == 1
        first = np.where(yes.any(axis=1), yes.argmax(axis=1), -1)
        right = (first >= 0) & hits[np.arange(n), first]
        confidence = np.where(first >= 0, 0.95 - 0.1 * first, np.nan)
        return confidence, right, np.where(first >= 0, first + 1, top_k)

    return hits, said, answers


def test_the_precision_asked_for_is_about_what_new_texts_get():
    """Over 40 draws of 60 rows the mean is met within 3 points, although the confidences claim too much."""
    everyone, met = population(50_000, seed=999), []
    for seed in range(40):
        point = chosen(population(60, seed), min_precision=0.85)
        confidence, correct, _ = everyone(point.top_k)
        met.append(correct[confidence >= point.min_probability].mean())

    assert np.mean(met) == pytest.approx(0.85, abs=0.03)


def test_a_higher_precision_costs_coverage():
    """The same rows, a stricter target: a higher threshold and fewer labels."""
    lax, strict = (chosen(population(200), n=200, min_precision=target) for target in (0.75, 0.9))

    assert strict.predicted.precision >= 0.9
    assert strict.min_probability > lax.min_probability
    assert strict.predicted.coverage < lax.predicted.coverage


def test_calls_bound_the_candidates():
    """More candidates would help, but not at that price; without other targets every label is given."""
    point = chosen(population(200), n=200, max_calls=3)

    assert point.top_k == 3
    assert point.min_probability == 0.0
    assert point.predicted.calls == 3.0


def test_calls_that_gain_nothing_are_not_made():
    """Equal answers for every number of candidates: the fewest."""
    assert chosen(population(60, gain=0.0), max_calls=5).top_k == 1


def test_a_coverage_asked_for_is_had_at_the_best_precision():
    """The strictest threshold that still labels as many texts."""
    point = chosen(population(200), n=200, min_coverage=0.5)
    confidence, _, _ = population(200)(point.top_k)

    assert (confidence >= point.min_probability).mean() == pytest.approx(0.5)
    assert point.predicted.coverage == pytest.approx(0.5)


def test_calls_until_the_first_yes_are_those_of_the_analytic_model():
    """Five candidates take far fewer than five calls, so that they are within a bound of three."""
    hits, said, answers = checks(80)
    point = choose_operating_point(hits, said, answers, decision="first_yes", max_calls=3)

    assert 3 <= point.top_k <= 5
    assert 1 < point.predicted.calls <= 3
    assert point.predicted.calls == pytest.approx(answers(point.top_k)[2].mean(), abs=0.25)
    assert point.table.analytic_calls[point.top_k - 1] == point.predicted.calls


def test_it_prints_as_a_target_and_never_as_a_guarantee():
    """Sixty rows promise nothing; the sentence says from how many it comes and how wide they are."""
    words = str(chosen(population(60), min_precision=0.8))

    assert "target, not a guarantee; from 60 labelled rows" in words
    assert "of them rightly (" in words


def test_checks_that_tell_nothing_are_noted():
    """A model that always says yes: the point stands on retrieval alone, and says so."""
    hits, said, answers = checks(60, true_positive=1.0, false_positive=1.0)
    point = choose_operating_point(hits, said, answers, decision="first_yes", max_calls=5)

    assert "not shown to tell them apart" in point.note
    assert point.predicted.calls == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_precision": 0.999}, r"min_precision=0.999 cannot be expected from these 60 rows: the most is 0\.\d+"),
        ({"max_calls": 0.5}, r"max_calls=0.5 .* top_k=1 with 1.00 calls per text"),
        (
            {"min_precision": 0.9, "min_coverage": 0.95},
            r"min_coverage=0.95 cannot be had at min_precision=0.9: the most",
        ),
    ],
)
def test_a_target_out_of_reach_says_what_can_be_had(options, message):
    """The best there is, and what to change."""
    with pytest.raises(DataError, match=message):
        chosen(population(60), **options)


def test_rows_without_labels_bound_the_coverage():
    """Texts that nothing is said yes to cannot be covered at any threshold."""
    hits, said, answers = checks(60, true_positive=0.5, false_positive=0.02)

    with pytest.raises(DataError, match=r"min_coverage=0.95 cannot be had: the most is 0\.\d+ with top_k=5"):
        choose_operating_point(hits, said, answers, decision="first_yes", min_coverage=0.95)


def test_no_labels_at_all_are_an_error_with_a_remedy():
    """A model that always says no leaves nothing to choose from."""
    hits, said, answers = checks(60, true_positive=0.0, false_positive=0.0)

    with pytest.raises(DataError, match="at most 0 of the 60 rows get a label"):
        choose_operating_point(hits, said, answers, decision="first_yes", min_precision=0.5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "there is no target"),
        ({"min_precision": 90}, "min_precision=90 is not a share"),
        ({"min_coverage": 0.0}, "min_coverage=0.0 is not a share"),
        ({"min_precision": "0.9"}, "min_precision=0.9 is not a share"),
        ({"max_calls": -1}, "max_calls=-1 is out of range"),
    ],
)
def test_targets_that_cannot_be_meant_are_refused(options, message):
    """Percentages for shares are the usual slip."""
    with pytest.raises(ConfigError, match=message):
        chosen(population(60), **options)


def test_rows_that_do_not_fit_or_suffice_are_refused():
    """Nothing is chosen on a dozen rows."""
    with pytest.raises(DataError, match=r"12 labelled rows are too few .* at least 20"):
        chosen(population(12), n=12, max_calls=2)
    with pytest.raises(DataError, match=r"of top_k=1 do not fit 60 rows"):
        chosen(population(61), max_calls=2)
    with pytest.raises(DataError, match="pass probabilities"):
        chosen(lambda _: (np.full(60, 7.0), np.ones(60), np.ones(60)), max_calls=2)
    with pytest.raises(DataError, match="do not fit; pass"):
        choose_operating_point(np.ones((60, 2)), UNASKED, population(60), max_calls=2)
