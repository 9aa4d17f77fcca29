"""Kept answers are given for the same data, and for no others."""

from __future__ import annotations

import numpy as np
import pytest

from textclassify.core.labels import LabelSchema
from textclassify.errors import DataError
from textclassify.runs.results import open_run
from textclassify.testing import FixedClassifier

from ..saved_runs import GOLD, TEXTS, answers  # noqa: TID252 - a helper of several folders of tests


@pytest.fixture
def run(manager):
    with manager.start() as run:
        run.save_predictions(answers(90), TEXTS, GOLD)
    return run


def test_the_same_texts_get_their_answers_again(run) -> None:
    """Nothing is computed or paid for twice."""
    found = run.cached_predictions(TEXTS, GOLD)

    assert found.predictions == answers(90).predictions
    assert np.allclose(found.probabilities, answers(90).probabilities, atol=1e-6)
    assert np.allclose(found.confidence, answers(90).confidence, atol=1e-6)


def test_other_texts_get_none_and_a_warning_with_both_hashes(run) -> None:
    """A cache that answers for other data is worse than none."""
    before = run.facts["data"]["test"]["texts_sha256"][:12]

    with pytest.warns(UserWarning, match=rf"texts have changed.*{before}.*119 texts, SHA-256 [0-9a-f]{{12}}"):
        assert run.cached_predictions(TEXTS[1:]) is None


def test_other_gold_answers_are_stale_too(run) -> None:
    """Figures on relabelled rows are other figures."""
    with pytest.raises(DataError, match="labels have changed since"):
        run.cached_predictions(TEXTS, [*GOLD[1:], "ham"], strict=True)


def test_a_run_without_predictions_says_so(manager) -> None:
    """There is nothing to give."""
    with pytest.raises(DataError, match=r"has no predictions: nothing was measured.*--test-data.*save_predictions"):
        manager.start().cached_predictions(TEXTS)


def test_kept_answers_can_be_rolled_up(manager) -> None:
    """The run knows which labels stand below which."""
    labels = LabelSchema(("tea", "bread", "drinks"), parents={"tea": "drinks"})
    classifier = FixedClassifier({"a cup": [0.7, 0.2, 0.1]}, labels)
    with manager.start() as run:
        run.save_predictions(classifier.predict(["a cup"]), ["a cup"])

    assert open_run(run.folder).cached_predictions(["a cup"]).roll_up(0).predictions == ["drinks"]
