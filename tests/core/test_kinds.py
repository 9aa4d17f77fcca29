"""The one table that configuration and loading use."""

import pytest

from textclassify.core.contract import TextClassifier
from textclassify.core.kinds import KINDS, class_of
from textclassify.errors import ConfigError


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_names_a_classifier_of_that_kind(kind):
    """A folder says its kind; loading finds the class by it."""
    assert issubclass(class_of(kind), TextClassifier)
    assert class_of(kind).kind == kind


def test_an_unknown_kind_suggests_the_nearest():
    """Typing errors in a configuration end here."""
    with pytest.raises(ConfigError, match="unknown kind of classifier 'liner'; did you mean 'linear'"):
        class_of("liner")
