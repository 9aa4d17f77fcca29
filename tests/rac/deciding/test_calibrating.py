"""What labelled rows tell about a model's answers."""

import numpy as np
import pytest

from textclassify import LabelSchema
from textclassify.core.dataset import training_data
from textclassify.rac.deciding.calibrating import calibrated
from textclassify.rac.labelling import Labeller
from textclassify.testing import FixedClassifier

from ..checking import Believer  # noqa: TID252 - a helper of several folders of tests

NAMES = ("bill", "cat", "dog")
TEXTS = [f"{name} {number}" for number in range(30) for name in NAMES]


def labeller(schema, choose, top_k=3):
    ranks = FixedClassifier({}, labels=schema, default=[0.4, 0.35, 0.25], multi_label=schema.multi_label)
    options = {"decision": "best", "weight": 1.0, "min_yes": 0.5, "source": "rac"}
    return Labeller(schema=schema, retriever=ranks, choose=choose, top_k=top_k, **options)


@pytest.mark.parametrize("multi_label", [False, True])
@pytest.mark.parametrize(("belief", "low", "high"), [(3.0, 1.0, 2.0), (0.0, 1.0, 1.0), (-3.0, 0.0, 0.0)])
def test_the_weight_is_what_the_answers_are_worth(multi_label, belief, low, high):
    """A model that is right counts, one that says nothing stays as it is, one that is wrong is not used."""
    schema = LabelSchema(NAMES, multi_label=multi_label)
    gold = [[text.split()[0]] if multi_label else text.split()[0] for text in TEXTS]
    model = Believer(lambda text, name: belief if name in text else -belief)

    found = calibrated(labeller(schema, model), training_data(TEXTS, gold, schema=schema))

    assert low <= found.weight <= high
    assert (found.rows, found.recall) == (90, 1.0)


@pytest.mark.parametrize("multi_label", [False, True])
def test_recall_is_that_of_the_candidates(multi_label):
    schema = LabelSchema(NAMES, multi_label=multi_label)
    gold = [[text.split()[0]] if multi_label else text.split()[0] for text in TEXTS]

    found = calibrated(labeller(schema, Believer(lambda *_: 0.0), top_k=2), training_data(TEXTS, gold, schema=schema))

    assert found.recall == pytest.approx(2 / 3)


def test_a_row_without_labels_has_none_to_miss():
    schema = LabelSchema(NAMES, multi_label=True)
    data = training_data(["cat", "rain"], [["cat"], []], schema=schema)

    assert calibrated(labeller(schema, Believer(lambda *_: 0.0), top_k=2), data).recall == 1.0


def test_rows_without_an_answer_are_left_out():
    schema = LabelSchema(NAMES)
    silent = [(text, "") for text in TEXTS[:60]]
    model = Believer(lambda *_: 1.0, silent_about=silent)

    found = calibrated(
        labeller(schema, model), training_data(TEXTS, [text.split()[0] for text in TEXTS], schema=schema)
    )

    assert found.rows == 30
    assert np.isfinite(found.weight)
