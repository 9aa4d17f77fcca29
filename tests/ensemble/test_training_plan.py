"""What each training row is for: to learn a fusion from, to train its sources only, or to guard it."""

import numpy as np
import pytest

from textclassify import TrainingData
from textclassify.ensemble.training_plan import GUARD, TrainingPlan
from textclassify.errors import ConfigError


def rows(n, **columns):
    return TrainingData([f"text {row}" for row in range(n)], ["a" if row % 3 else "b" for row in range(n)], **columns)


def plan(data, *, guard=0.2, one_model=False, n_folds=5, random_state=0):
    return TrainingPlan.of(data, n_folds=n_folds, one_model=one_model, guard=guard, random_state=random_state)


def test_every_row_is_learned_from_or_guards():
    """And none does both."""
    found = plan(rows(1200))
    assert len(found.guard) == 240
    assert np.array_equal(np.sort(np.concatenate([found.learned, found.guard])), np.arange(1200))
    assert set(found.folds[found.learned]) == {0, 1, 2, 3, 4}
    assert set(found.folds[found.guard]) == {GUARD}


def test_under_a_thousand_rows_all_are_learned_from():
    """No guarantee is offered that 200 rows do not support."""
    found = plan(rows(999))
    assert len(found.guard) == 0
    assert len(found.learned) == 999
    assert len(plan(rows(1200), guard=0).guard) == 0


@pytest.mark.parametrize(("n", "one_model"), [(2600, False), (1200, True)])
def test_with_many_rows_or_one_model_a_fifth_of_the_rest_is_held_out(n, one_model):
    """The source is trained once, on rows that are in no fold."""
    folds = plan(rows(n), one_model=one_model).folds
    assert (folds == GUARD).sum() == n // 5
    assert (folds == 0).sum() == pytest.approx(0.8 * n / 5, abs=2)
    assert ((folds == 0) | (folds == -1) | (folds == GUARD)).all()


def test_rows_that_a_ranking_picked_only_train():
    """They are hard by design: a guard or a fold of them would be a wrong picture of what comes."""
    chosen_by = np.where(np.arange(1500) % 5 == 0, "ranking", "random")
    found = plan(rows(1500, chosen_by=chosen_by))
    assert len(found.guard) == 240
    assert (found.folds[chosen_by == "ranking"] == -1).all()
    assert (found.folds[(chosen_by == "random") & (found.folds != GUARD)] >= 0).all()


def test_no_copy_of_a_row_that_a_ranking_picked_guards():
    """In another case and with other spaces it is the same text."""
    texts = [f"text {row}" for row in range(1400)] + [f" TEXT  {row}" for row in range(700)]
    chosen_by = np.where(np.arange(2100) < 1400, "random", "ranking")
    data = TrainingData(texts, ["a" if row % 3 else "b" for row in range(2100)], chosen_by=chosen_by)
    found = plan(data, guard=0.4)
    assert len(found.guard) == 560
    assert found.guard.min() >= 700
    assert found.guard.max() < 1400


def test_of_unknown_origin_rows_guard_only_where_none_is_random():
    """A few hundred rows drawn at random say more than thousands of which nobody knows why."""
    unknown = np.array(["unknown"] * 1200)
    mixed = np.where(np.arange(1200) < 1100, "random", "unknown")
    assert len(plan(rows(1200, chosen_by=unknown)).guard) == 240
    assert plan(rows(1200, chosen_by=mixed)).guard.max() < 1100


def test_groups_are_whole_on_one_side():
    groups = [row // 4 for row in range(1200)]
    found = plan(rows(1200, groups=groups))
    numbers = np.array(groups)
    assert len(found.guard) == 240
    assert not set(numbers[found.guard]) & set(numbers[found.learned])


def test_the_guard_does_not_depend_on_gold_and_follows_the_seed():
    """Or its rows would have been chosen by what they are to judge."""
    data = rows(1200)
    other = TrainingData(data.texts, list(np.random.default_rng(0).permutation(data.labels)))
    assert np.array_equal(plan(data).guard, plan(other).guard)
    assert not np.array_equal(plan(data).guard, plan(data, random_state=1).guard)


@pytest.mark.parametrize("guard", [None, -1, 1])
def test_what_is_no_share_is_refused(guard):
    with pytest.raises(ConfigError, match="is no share of the rows"):
        plan(rows(20), guard=guard)
