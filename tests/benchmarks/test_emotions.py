"""The fusion's lead is over the same rows and seeds, and answers are found again."""

import numpy as np
import pytest

pytest.importorskip("torch")

GOLD = np.array([0, 1] * 50)
SYSTEM = "TF-IDF, linear"


@pytest.fixture
def answers(script, tmp_path):
    return script("emotions_answers").Answers(tmp_path / "answers", tmp_path / "figures.json", "made up", GOLD)


def right_in(rows):
    codes = GOLD.copy()
    codes[rows:] = 1 - codes[rows:]
    return np.eye(2)[codes]


def test_a_lead_is_the_mean_over_the_common_seeds(script, answers):
    """A system without seeds stands beside every seed of the fusion."""
    answers.keep("fusion", 0, right_in(90), {"cpu": 1.0})
    answers.keep("fusion", 1, right_in(80), {"cpu": 1.0})
    answers.keep(SYSTEM, 0, right_in(70), {"cpu": 1.0})

    found = script("emotions_report").compared(answers, np.arange(100, dtype=np.uint64))[SYSTEM]

    assert found["lead"][0] == pytest.approx(0.15)
    assert found["lead"][1] > 0
    assert found["mid_p_holm"] < 0.001


def test_without_a_fusion_nothing_is_compared(script, answers):
    answers.keep(SYSTEM, 0, right_in(70), {"cpu": 1.0})

    assert script("emotions_report").compared(answers, np.arange(100, dtype=np.uint64)) == {}
    assert list(answers.by_seed(SYSTEM)) == [0]
