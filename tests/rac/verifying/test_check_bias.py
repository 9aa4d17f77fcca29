"""How readily a model says yes to a label that does not fit, learned without a single labelled text."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.rac.verifying.bias import CheckBias
from textclassify.rac.verifying.questions import Questions

from ..checking import Believer  # noqa: TID252 - a helper of several folders of tests

ASKED = Questions(LabelSchema(("topic a", "topic b", "topic c")))
MISSES = [("one", 0), ("two", 1), ("three", 1)]


def test_the_bias_is_the_mean_logit_of_labels_that_do_not_fit():
    model = Believer(lambda _, name: 4.0 if name.startswith("topic a") else -2.0)

    bias = CheckBias.learn(ASKED, model, MISSES)

    assert bias.log_odds == pytest.approx(0.0, abs=1e-6)
    assert bias.yes_rate == pytest.approx(1 / 3)
    assert model.calls == [bias.calls] == [3]
    assert bias.cost == pytest.approx(1.5)


def test_a_model_that_says_yes_to_everything_is_seen():
    assert CheckBias.learn(ASKED, Believer(lambda *_: 3.0), MISSES).yes_rate == 1
    assert CheckBias.learn(ASKED, Believer(lambda *_: -3.0), MISSES).yes_rate == 0


def test_a_model_without_an_answer_has_no_bias():
    bias = CheckBias.learn(
        ASKED, Believer(lambda *_: 0.0, silent_about=[(text, "Label") for text, _ in MISSES]), MISSES
    )

    assert bias.log_odds == 0
    assert np.isnan(bias.yes_rate)
