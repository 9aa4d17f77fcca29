"""How readily a model says yes to a label that does not fit, learned without a single labelled text."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.verifying.bias import MISSES_PER_REFERENCE, N_REFERENCES, CheckBias, near_misses

from ..checking import Believer  # noqa: TID252 - a helper of several folders of tests

NAMES = tuple(f"topic {letter}" for letter in "abcdefgh")
LABELS = LabelSchema(NAMES, {name: f"All about {name}." for name in NAMES})
MANY = LabelSchema(tuple(f"topic {number}" for number in range(60)))


def in_order(texts, k=4):
    """Ranks the first labels highest, whatever the text."""
    codes = np.tile(np.arange(k), (len(texts), 1))
    return Candidates(codes, -codes.astype(np.float32))


def test_the_bias_is_the_mean_logit_of_labels_that_do_not_fit():
    misses = [("one", 0), ("two", 1), ("three", 1)]
    bias = CheckBias.learn(LABELS, Believer(lambda _, name: 4.0 if name.startswith("topic a") else -2.0), misses)

    assert bias.log_odds == pytest.approx(0.0, abs=1e-6)
    assert bias.yes_rate == pytest.approx(1 / 3)
    assert bias.calls == 3
    assert bias.cost == pytest.approx(1.5)


def test_all_is_asked_in_one_wave_and_never_about_the_text_s_own_label():
    misses = near_misses(LABELS, in_order)
    model = Believer(lambda *_: -1.0)

    CheckBias.learn(LABELS, model, misses)

    assert model.calls == [len(misses)] == [len(NAMES) * MISSES_PER_REFERENCE]
    assert not any(text == f"All about {NAMES[code]}." for text, code in misses)


def test_the_number_of_questions_does_not_grow_with_the_labels():
    assert len(near_misses(MANY, in_order)) == N_REFERENCES * MISSES_PER_REFERENCE


def test_the_order_of_the_labels_does_not_matter():
    """It would change every score of a label set whose file was sorted."""
    other = LabelSchema(MANY.names[::-1])

    assert {text for text, _ in near_misses(MANY, in_order)} == {text for text, _ in near_misses(other, in_order)}


def test_broader_and_narrower_labels_are_passed_over():
    """A text about beer is about drinks as well."""
    labels = LabelSchema(("drinks", "beer", "cars"), parents={"beer": "drinks"})

    found = near_misses(labels, lambda texts: in_order(texts, 3))

    assert {(text, labels.names[code]) for text, code in found} == {
        ("beer", "cars"), ("drinks", "cars"), ("cars", "drinks"), ("cars", "beer"),
    }  # fmt: skip


def test_a_single_label_is_tried_on_ordinary_sentences():
    assert {code for _, code in near_misses(LabelSchema(("only",)), in_order)} == {0}


def test_a_model_that_says_yes_to_everything_is_seen():
    misses = near_misses(LABELS, in_order)

    assert CheckBias.learn(LABELS, Believer(lambda *_: 3.0), misses).yes_rate == 1
    assert CheckBias.learn(LABELS, Believer(lambda *_: -3.0), misses).yes_rate == 0


def test_a_model_without_an_answer_has_no_bias():
    model = Believer(lambda *_: 0.0, silent_about=[(text, "Label") for text, _ in near_misses(LABELS, in_order)])

    bias = CheckBias.learn(LABELS, model, near_misses(LABELS, in_order))

    assert bias.log_odds == 0
    assert np.isnan(bias.yes_rate)
