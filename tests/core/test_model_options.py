"""Published names become a classifier's own options, and no value is lost or overruled on the way."""

import inspect

import numpy as np
import pytest

from textclassify.core.model_options import native_options, parameters_of, shows_options
from textclassify.errors import ConfigError


class Native:
    def __init__(self, model=None, *, rate=0.1):
        self.model, self.rate = model, rate


def options(*parts):
    return native_options(*parts, known=["model", "rate", "api_key"], published={"ml_lr": "rate"}, owner="Native")


def test_values_stay_the_objects_that_they_are():
    """Scikit-learn's clone asks for that."""
    labels = ["a", "b"]

    assert options({"model": labels})["model"] is labels


def test_a_published_name_is_the_option_that_it_means():
    assert options({"ml_lr": 0.5}, {"model": "m"}) == {"rate": 0.5, "model": "m"}


def test_one_option_given_twice_must_agree():
    assert options({"ml_lr": 0.5}, {"rate": 0.5}) == {"rate": 0.5}
    with pytest.raises(ConfigError, match=r"'rate' of Native has two values, 0\.1 and 0\.5; give it once"):
        options({"rate": 0.1}, {"rate": 0.5})
    with pytest.raises(ConfigError, match=r"'rate' \('ml_lr'\) of Native has two values"):
        options({"rate": 0.1, "ml_lr": 0.5})


def test_arrays_that_are_given_twice_count_as_different():
    """Whether two arrays are equal is no yes or no."""
    with pytest.raises(ConfigError, match="'model' of Native has two values"):
        options({"model": np.array([1, 2])}, {"model": np.array([1, 2])})


def test_a_key_that_is_given_twice_is_not_shown():
    with pytest.raises(ConfigError, match="'api_key' of Native has two values; give it once") as caught:
        options({"api_key": "sk-0123"}, {"api_key": "sk-4567"})

    assert "sk-" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [("rat", "did you mean 'rate'"), ("ml_l", "did you mean 'ml_lr'"), ("xyz", "; known: model, rate, api_key")],
)
def test_an_unknown_name_suggests_the_nearest(name, message):
    with pytest.raises(ConfigError, match=message):
        options({name: 1})


def test_the_parameters_of_a_class_are_those_of_its_constructor():
    assert parameters_of(Native) == {"model": None, "rate": 0.1}
    assert parameters_of(Native, without=["model"]) == {"rate": 0.1}


def test_help_names_the_options_that_a_constructor_hands_on():
    """`**options` alone would tell a user nothing."""

    class Named(Native):
        @shows_options(parameters_of(Native))
        def __init__(self, model=None, *, config=None, **more):  # noqa: ARG002 - named all the same
            super().__init__(model, **more)

    assert list(inspect.signature(Named).parameters) == ["model", "config", "rate"]
    assert inspect.signature(Named).parameters["rate"].default == 0.1
    assert Named(rate=2).rate == 2
