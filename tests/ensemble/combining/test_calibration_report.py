"""What calibration was worth, in numbers that can be checked by hand."""

import numpy as np
import pytest

from textclassify.ensemble.combining.calibration_report import calibration_report
from textclassify.errors import DataError
from textclassify.statistics.metrics import brier, classwise_ece, ece, log_loss

LOUD, HONEST = np.tile([[0.99, 0.01]], (20, 1)), np.tile([[0.75, 0.25]], (20, 1))
GOLD = np.repeat([0, 1], [15, 5])


def test_every_measure_is_taken_before_and_after():
    report = calibration_report([("encoder", LOUD, HONEST, GOLD)])
    encoder = report.sources[0]

    assert encoder.ece == pytest.approx((0.24, 0.0))
    assert encoder.brier == (brier(GOLD, LOUD), brier(GOLD, HONEST))
    assert encoder.log_loss == (log_loss(GOLD, LOUD), log_loss(GOLD, HONEST))
    assert encoder.classwise_ece == (classwise_ece(GOLD, LOUD), classwise_ece(GOLD, HONEST))


def test_sets_of_labels_are_measured_label_by_label():
    gold = np.repeat([[1, 0], [0, 0]], 10, axis=0)
    before, after = np.full((20, 2), 0.9), np.tile([[0.5, 0.01]], (20, 1))
    fusion = calibration_report([("fusion", before, after, gold)]).sources[0]

    assert fusion.ece == (ece(gold, before), ece(gold, after))
    assert fusion.classwise_ece == pytest.approx((0.65, 0.005))


def test_rows_without_probabilities_count_nowhere():
    holed = LOUD.copy()
    holed[:4] = np.nan
    report = calibration_report([("llm", holed, HONEST, GOLD)])

    assert report.sources[0].n_rows == 16
    assert report.sources[0].brier[1] == brier(GOLD[4:], HONEST[4:])


def test_the_report_is_a_table_and_a_text():
    """Two rows per source in the table, a line per source in the text."""
    report = calibration_report([("encoder", LOUD, HONEST, GOLD), ("fusion", HONEST, HONEST, GOLD)])
    table = report.to_pandas()

    assert table[["source", "calibrated"]].values.tolist() == [
        ["encoder", False],
        ["encoder", True],
        ["fusion", False],
        ["fusion", True],
    ]
    assert table["ece"].tolist() == pytest.approx([0.24, 0.0, 0.0, 0.0])
    assert "encoder (20 rows): ECE 0.240 -> 0.000, class-wise ECE 0.240 -> 0.000" in str(report)
    assert len(str(report).splitlines()) == 2


def test_probabilities_of_other_rows_are_refused():
    with pytest.raises(DataError, match="pass the same rows"):
        calibration_report([("llm", LOUD, HONEST[:3], GOLD)])
