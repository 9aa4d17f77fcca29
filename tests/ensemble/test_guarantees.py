"""Guarantees as a fusion hands them out: from guard scores to sets of labels and accepted answers."""

from dataclasses import replace

import numpy as np
import pytest

from textclassify import Scores
from textclassify.core.result import decide
from textclassify.core.scales import Status
from textclassify.ensemble.guarantees import AcceptanceRule, SetGuarantee
from textclassify.errors import ConfigError, DataError, ScoresError


def with_failures(scores, rows):
    """The same scores, missing in some rows."""
    values, status = scores.values.copy(), scores.status.copy()
    values[rows], status[rows] = np.nan, Status.FAILED
    return replace(scores, values=values, status=status)


def test_sets_hold_the_right_label_as_often_as_promised(simulate):
    """From the guard's scores to new ones, in labels."""
    simulation = simulate(4300)
    scores = simulation.source(1.5)
    guarantee = SetGuarantee.fit(scores.take(slice(0, 300)), simulation.codes[:300], alpha=0.2)
    sets = guarantee.apply(scores.take(slice(300, None)))
    held = np.array([label in one for label, one in zip(simulation.gold[300:], sets, strict=True)])

    assert 0.75 < held.mean() < 0.87
    assert np.array_equal(held, sets.indicator[np.arange(4000), simulation.codes[300:]])
    assert [len(one) for one in sets] == sets.sizes.tolist()
    assert sets[0][0] == decide(scores.take([300])).predictions[0]
    assert (sets.alpha, sets.method, sets.labels) == (0.2, "lac", scores.labels)


def test_what_was_seen_on_the_guard_is_honest(simulate):
    """Each part of the guard is judged by sets that were made without it: about what new texts get."""
    simulation = simulate(4500)
    scores = simulation.source(1.0)
    guarantee = SetGuarantee.fit(scores.take(slice(0, 500)), simulation.codes[:500], class_conditional=True)
    sets = guarantee.apply(scores.take(slice(500, None)))
    new = sets.indicator[np.arange(4000), simulation.codes[500:]].mean()

    assert guarantee.coverage.overall.low <= new <= guarantee.coverage.overall.high
    assert guarantee.coverage.mean_size == pytest.approx(sets.sizes.mean(), rel=0.1)
    assert sets.coverage.rows_by_label.sum() == 500
    assert "500 guard rows" in str(guarantee)


def test_rows_that_failed_teach_nothing_and_get_no_set(simulate):
    """And both are said."""
    simulation = simulate(300)
    scores = simulation.source(1.5)
    gaps = with_failures(scores, np.arange(0, 300, 3))
    guarantee = SetGuarantee.fit(gaps, simulation.codes)
    kept = np.flatnonzero(np.arange(300) % 3)
    sets = guarantee.apply(gaps)

    assert np.array_equal(
        guarantee.rule.thresholds, SetGuarantee.fit(scores.take(kept), simulation.codes[kept]).rule.thresholds
    )
    assert sets[0] is None
    assert not sets.indicator[::3].any()
    assert sets.status[0] == Status.FAILED
    assert guarantee.coverage.n_unscored == 100
    assert "100 guard rows had no scores" in str(guarantee)
    assert sets.to_pandas()["labels"].isna().sum() == 100


def test_labels_with_too_few_guard_rows_are_in_every_set_and_named(simulate):
    simulation = simulate(300)
    few = np.flatnonzero(np.cumsum(simulation.codes == 3) * (simulation.codes == 3) <= 5)
    scores = simulation.source(3.0).take(few)
    guarantee = SetGuarantee.fit(scores, simulation.codes[few], class_conditional=True)

    assert guarantee.always_included == ("d",)
    assert all("d" in one for one in guarantee.apply(scores))
    assert "In every set, for want of guard rows: d" in str(guarantee)


def test_no_set_of_a_scored_text_is_empty_unless_that_is_asked_for(simulate):
    """An easy task and a lax promise: the smallest sets that keep it would often hold nothing."""
    simulation = simulate(400)
    scores = simulation.source(3.0)
    filled = SetGuarantee.fit(scores, simulation.codes, alpha=0.3).apply(scores)
    exact = SetGuarantee.fit(scores, simulation.codes, alpha=0.3, at_least_one=False).apply(scores)

    assert filled.sizes.min() == 1
    assert (exact.sizes == 0).any()
    assert not (exact.indicator & ~filled.indicator).any()


def test_copies_of_a_text_count_once(simulate):
    simulation = simulate(200)
    scores, copied = simulation.source(1.5), np.repeat(np.arange(200), 3)
    once = SetGuarantee.fit(scores, simulation.codes)
    copies = SetGuarantee.fit(scores.take(copied), simulation.codes[copied], clusters=copied)

    assert np.array_equal(once.rule.thresholds, copies.rule.thresholds)
    assert copies.coverage.overall.low < once.coverage.overall.low + 0.05


def test_right_labels_are_missed_no_more_often_than_promised(simulate_multi_label):
    """Several labels per text: the share of a text's labels that its set misses."""
    simulation = simulate_multi_label(4400)
    scores = simulation.source(0.8)
    guarantee = SetGuarantee.fit(scores.take(slice(0, 400)), simulation.indicator[:400], alpha=0.15)
    sets, gold = guarantee.apply(scores.take(slice(400, None))), simulation.indicator[400:]
    having = gold.any(axis=1)
    missed = 1 - (sets.indicator & (gold > 0)).sum(axis=1)[having] / gold.sum(axis=1)[having]

    assert 0.1 < missed.mean() < 0.19
    assert "miss on average at most 15.0% of a text's labels" in str(guarantee)


def test_alpha_at_the_edge_of_what_the_rows_allow_is_taken(simulate):
    """With one row fewer every label would be in every set, and so it is where parts of the guard are held out."""
    simulation = simulate(99)
    guarantee = SetGuarantee.fit(simulation.source(2.0), simulation.codes, alpha=0.01)

    assert guarantee.coverage.overall.estimate == 1.0
    with pytest.raises(DataError, match="needs 199"):
        SetGuarantee.fit(simulation.source(2.0), simulation.codes, alpha=0.005)


def test_a_slice_of_sets_is_sets(simulate):
    simulation = simulate(200)
    sets = SetGuarantee.fit(simulation.source(1.5), simulation.codes).apply(simulation.source(1.5))

    assert list(sets[10:20]) == list(sets)[10:20]
    assert len(sets[10:20]) == 10


def test_randomised_sets_are_drawn_by_text(simulate):
    """A text's set is the same alone and among others."""
    simulation = simulate(200)
    scores = replace(simulation.source(1.0), row_ids=np.arange(200).astype(np.uint64))
    guarantee = SetGuarantee.fit(scores, simulation.codes, method="aps", random_state=0)

    assert guarantee.apply(scores.take([7]))[0] == guarantee.apply(scores)[7]
    with pytest.raises(DataError, match="row_ids"):
        guarantee.apply(simulation.source(1.0))


def test_accepted_answers_are_wrong_no_more_often_than_promised(simulate):
    simulation = simulate(5000)
    result = decide(simulation.source(2.0))
    rule = AcceptanceRule.fit(result[:600], simulation.codes[:600], max_risk=0.1)
    accepted = rule.accepts(result[600:])
    wrong = result[600:].codes != simulation.codes[600:]

    assert wrong.mean() > 0.12
    assert wrong[accepted].mean() < 0.1
    assert accepted.mean() > 0.5
    assert "At most 10.0% of the accepted answers are wrong, promised with 95% confidence" in str(rule)


def test_a_failed_row_is_never_accepted_and_no_evidence(simulate):
    """Neither right nor wrong: it has no answer, in the guard as later."""
    simulation = simulate(600)
    scores = with_failures(simulation.source(2.0), np.arange(0, 600, 4))
    rule = AcceptanceRule.fit(decide(scores), simulation.codes, max_risk=0.1)

    assert not rule.accepts(decide(scores))[::4].any()
    assert (rule.bound.n_rows, rule.bound.n_unanswered) == (600, 150)
    assert rule.bound.n_accepted == rule.accepts(decide(scores)).sum()
    assert "(150 had no answer)" in str(rule)


def test_an_answer_of_several_labels_is_right_as_a_whole(simulate_multi_label):
    simulation = simulate_multi_label(800)
    result = decide(simulation.source(2.0))
    rule = AcceptanceRule.fit(result, simulation.indicator, max_risk=0.1)
    wrong = (result.codes != simulation.indicator).any(axis=1)

    assert rule.bound.n_errors == wrong[rule.accepts(result)].sum()
    assert "not exactly right" in str(rule)


def test_answers_that_cannot_be_vouched_for_are_refused_with_a_remedy(simulate):
    simulation = simulate(200)
    with pytest.raises(DataError, match=r"max_risk=0\.01 .* takes 299"):
        AcceptanceRule.fit(decide(simulation.source(1.0)), simulation.codes, max_risk=0.01)


def test_what_does_not_fit_is_refused(simulate, simulate_multi_label):
    simulation, several = simulate(100), simulate_multi_label(100)
    guarantee = SetGuarantee.fit(simulation.source(1.0), simulation.codes)

    with pytest.raises(ScoresError, match="expected"):
        guarantee.apply(Scores.from_probabilities([[0.5, 0.5]], ["x", "y"]))
    with pytest.raises(DataError, match="gold of shape"):
        SetGuarantee.fit(several.source(1.0), simulation.codes)
    with pytest.raises(DataError, match="gold of shape"):
        AcceptanceRule.fit(decide(several.source(1.0)), simulation.codes, max_risk=0.1)
    with pytest.raises(ConfigError, match="'aps'"):
        SetGuarantee.fit(several.source(1.0), several.indicator, method="aps")
