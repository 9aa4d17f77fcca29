"""Runs are compared on the same rows, or not at all."""

from __future__ import annotations

import numpy as np
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.errors import ConfigError, DataError
from textclassify.testing import FixedClassifier

from ..saved_runs import GOLD, LABELS, TEXTS, answers  # noqa: TID252 - a helper of several folders of tests


def saved(manager, name, result, texts=TEXTS, gold=GOLD, **settings):
    with manager.start(name, config=settings) as run:
        run.save_predictions(result, texts, gold)
    return run


def test_the_better_run_leads_with_an_interval_and_a_p_value(manager) -> None:
    """20 more texts right of 120 is no accident; what else differs stands beside it."""
    saved(manager, "good", answers(110), ml_lr=1e-5)
    saved(manager, "weak", answers(80), ml_lr=1e-3)

    found = manager.compare("good", "weak")
    against = found.runs[1].comparison

    assert against.difference == pytest.approx(0.25)
    assert 0 < against.low < 0.25 < against.high
    assert against.p_adjusted < 0.001
    assert (found.runs[1].only_first, found.runs[1].only_this) == (30, 0)
    assert found.differences["config"] == {"ml_lr": [1e-5, 1e-3]}
    assert "good: accuracy 0.917" in str(found)


def test_a_run_is_not_compared_with_itself(manager) -> None:
    """It was a slip: no difference is what one would find."""
    run = saved(manager, "good", answers(110))

    with pytest.raises(DataError, match="is named twice; name each run once"):
        manager.compare("good", run.id)


def test_the_seed_of_a_comparison_is_one(manager) -> None:
    """Before anything is computed."""
    runs = [saved(manager, name, answers(110)) for name in ("good", "same")]

    with pytest.raises(ConfigError, match="random_state is -1"):
        manager.compare(*runs, random_state=-1)


def test_rows_in_another_order_are_brought_together(manager) -> None:
    """A shuffled test file is the same test file."""
    order = np.random.default_rng(0).permutation(len(TEXTS))
    texts, gold = [TEXTS[row] for row in order], [GOLD[row] for row in order]
    known = dict(zip(TEXTS, answers(90).probabilities, strict=True))
    saved(manager, "straight", answers(90))
    saved(manager, "moved", FixedClassifier(known, LABELS).predict(texts), texts, gold)

    found = manager.compare("straight", "moved")

    assert found.runs[1].comparison.difference == 0
    assert found.runs[1].metrics["accuracy"] == found.runs[0].metrics["accuracy"] == 0.75
    assert found.runs[1].only_first == found.runs[1].only_this == 0


def test_p_values_are_adjusted_for_several_comparisons(manager) -> None:
    """Who compares often finds something."""
    for name, n_right in (("a", 100), ("b", 94), ("c", 95)):
        saved(manager, name, answers(n_right))

    alone = manager.compare("a", "b").runs[1].comparison.p_adjusted
    among = manager.compare("a", "b", "c").runs[1].comparison.p_adjusted

    assert among > alone


def test_other_test_texts_are_refused_with_hashes_and_counts(manager) -> None:
    """Figures on different texts do not compare."""
    first = saved(manager, "whole", answers(90))
    saved(manager, "half", answers(40, GOLD[:60]), TEXTS[:60], GOLD[:60])

    digest = first.facts["data"]["test"]["sha256"][:12]

    with pytest.raises(DataError, match=rf"has 120 rows, SHA-256 {digest}.*has 60 rows.*60 texts are in both"):
        manager.compare("whole", "half")


def test_other_gold_answers_are_refused(manager) -> None:
    """The texts alone do not make a test set."""
    saved(manager, "before", answers(90))
    saved(manager, "after", answers(90), TEXTS, ["ham", *GOLD[:-1]])

    with pytest.raises(DataError, match="of the texts have another gold answer"):
        manager.compare("before", "after")


def test_runs_without_gold_answers_or_predictions_are_named(manager) -> None:
    """Nobody knows who was right."""
    saved(manager, "measured", answers(90))
    saved(manager, "blind", answers(90), gold=None)
    manager.start("empty")

    with pytest.raises(DataError, match="has no gold answers"):
        manager.compare("measured", "blind")
    with pytest.raises(DataError, match="has no predictions"):
        manager.compare("measured", "empty")
    with pytest.raises(DataError, match="at least two"):
        manager.compare("measured")


def test_several_labels_are_compared_by_micro_f1(manager) -> None:
    """Whole sets are too strict a measure where there are many labels."""
    schema = LabelSchema(("x", "y"), multi_label=True)
    texts = [f"t{row}" for row in range(40)]
    gold = [["x"] if row % 2 else ["x", "y"] for row in range(40)]
    right = {text: [0.9, 0.9 if len(names) == 2 else 0.1] for text, names in zip(texts, gold, strict=True)}
    wrong = {text: [0.1, 0.9] for text in texts}
    saved(manager, "right", FixedClassifier(right, schema).predict(texts), texts, gold)
    saved(manager, "wrong", FixedClassifier(wrong, schema).predict(texts), texts, gold)

    found = manager.compare("right", "wrong")

    assert found.metric == "micro_f1"
    assert found.runs[1].comparison.test == "paired bootstrap by text"
    assert found.runs[1].comparison.low > 0


def test_runs_without_texts_compare_all_the_same(manager) -> None:
    """Their hashes tell which row is which."""
    for name, n_right in (("a", 100), ("b", 90)):
        with manager.start(name) as run:
            run.save_predictions(answers(n_right), TEXTS, GOLD, keep_texts=False)

    assert manager.compare("a", "b").runs[1].comparison.difference == pytest.approx(10 / 120)
