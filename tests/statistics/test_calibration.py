"""Which calibrator is taken, by rule or by choice."""

import pytest

from textclassify.errors import ConfigError
from textclassify.statistics.calibration import (
    CALIBRATORS,
    IsotonicPerLabel,
    PlattScaling,
    TemperatureScaling,
    VectorScaling,
    calibrator_for,
    new_calibrator,
)


@pytest.mark.parametrize(
    ("n_rows", "n_labels", "multi_label", "kind"),
    [
        (49, 4, False, TemperatureScaling),
        (50, 4, False, VectorScaling),
        (10_000, 77, False, VectorScaling),
        (10_000, 1000, False, TemperatureScaling),
        (49, 28, True, TemperatureScaling),
        (50, 28, True, PlattScaling),
        (1999, 28, True, PlattScaling),
        (2000, 28, True, IsotonicPerLabel),
    ],
)
def test_the_number_of_rows_decides(n_rows, n_labels, multi_label, kind):
    assert type(calibrator_for(n_rows, n_labels, multi_label=multi_label)) is kind


@pytest.mark.parametrize("name", CALIBRATORS)
def test_every_name_makes_its_calibrator(name):
    made = new_calibrator(name, 10, 4, multi_label=True)

    assert made.name == name
    assert type(made) is CALIBRATORS[name]


def test_a_choice_may_be_a_class_a_factory_or_a_pattern_to_copy():
    pattern = VectorScaling(l2=7.0)

    assert isinstance(new_calibrator(VectorScaling, 10, 4, multi_label=False), VectorScaling)
    assert new_calibrator(lambda: VectorScaling(l2=3.0), 10, 4, multi_label=False).l2 == 3.0
    copied = new_calibrator(pattern, 10, 4, multi_label=False)
    assert copied.l2 == 7.0
    assert copied is not pattern


def test_without_a_choice_the_rule_decides():
    assert isinstance(new_calibrator(None, 500, 4, multi_label=False), VectorScaling)


@pytest.mark.parametrize(
    ("choice", "message"),
    [("platts", "did you mean 'platt'"), (dict, "is no Calibrator"), (3, "calibrator=3")],
)
def test_what_makes_no_calibrator_is_refused_with_the_remedy(choice, message):
    with pytest.raises(ConfigError, match=message):
        new_calibrator(choice, 10, 4, multi_label=False)
