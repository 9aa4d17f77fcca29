"""The analytic model for texts with several labels."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from textclassify.errors import ConfigError, DataError
from textclassify.rac.tuning.analytic_multi_label import MultiLabelModel
from textclassify.statistics.metrics import label_table, micro_f1

SHARES = st.lists(st.floats(0, 1, allow_subnormal=False), min_size=1, max_size=6)


def checked(n, seed=0):
    """Candidates of 8 labels, of which 5 are asked about, with t = 0.8 and f = 0.1: gold and answers (n, 8)."""
    rng = np.random.default_rng(seed)
    gold = rng.random((n, 8)) < [0.5, 0.3, 0.2, 0.1, 0.1, 0.05, 0.05, 0.05]
    said = rng.random((n, 8)) < np.where(gold, 0.8, 0.1)
    return gold, said


def test_checks_of_known_rates_do_what_the_model_says():
    """Micro-averages over 20,000 texts, as the library's own metrics have them."""
    gold, said = checked(20_000)
    codes = (said & (np.arange(8) < 5)).astype(int)
    expected = MultiLabelModel([0.5, 0.3, 0.2, 0.1, 0.1], 1.35, 0.8, 0.1).at(5)
    counts = label_table(gold.astype(int), codes)

    assert expected.f1 == pytest.approx(micro_f1(gold.astype(int), codes), abs=0.01)
    assert expected.precision == pytest.approx(counts.hits.sum() / counts.predicted.sum(), abs=0.01)
    assert expected.recall == pytest.approx(counts.hits.sum() / counts.support.sum(), abs=0.01)


def test_labelled_rows_give_the_rates():
    """Gold labels that are not among the candidates count against recall."""
    gold, said = checked(5000)
    model = MultiLabelModel.estimate(gold[:, :5], said[:, :5], gold.sum(axis=1))

    assert model.true_positive_rate == pytest.approx(0.8, abs=0.02)
    assert model.false_positive_rate == pytest.approx(0.1, abs=0.02)
    assert model.labels_per_text == pytest.approx(1.35, abs=0.05)


@given(SHARES, st.floats(0, 1, allow_subnormal=False), st.floats(0, 1, allow_subnormal=False))
def test_more_candidates_never_find_fewer_gold_labels(recall, true_positive, false_positive):
    """Recall rises with the calls, and with f = 0 every label given is right."""
    model = MultiLabelModel(recall, sum(recall) + 0.5, true_positive, false_positive)
    strict = MultiLabelModel(recall, sum(recall) + 0.5, true_positive, 0.0).curve().precision

    assert (np.diff(model.curve().recall) >= 0).all()
    assert (model.curve().calls == model.curve().top_k).all()
    assert (strict.isna() | (strict == 1.0)).all()


def test_what_cannot_be_is_refused():
    """More labels found than there are, rows that miss hits, and unknown ranks."""
    with pytest.raises(ConfigError, match=r"below the 1\.4 labels"):
        MultiLabelModel([0.9, 0.5], 1.0, 0.9, 0.1)
    with pytest.raises(ConfigError, match=r"false_positive_rate=-0\.1"):
        MultiLabelModel([0.9], 1.0, 0.9, -0.1)
    with pytest.raises(ConfigError, match="top_k=3 is out of range"):
        MultiLabelModel([0.9, 0.5], 2.0, 0.9, 0.1).at(3)
    with pytest.raises(DataError, match="at least its hits"):
        MultiLabelModel.estimate([[True, True]], [[1, 0]], [1])
