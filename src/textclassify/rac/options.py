"""`check_options`: the options of a `RACClassifier`, looked at before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.errors import ConfigError
from textclassify.rac.retrieving.no_label import check_other
from textclassify.rac.verification import USES_YES_NO, check_decision

if TYPE_CHECKING:
    from textclassify.rac.rac_classifier import RACClassifier

_SHARES = ("min_probability", "margin", "min_yes")


def check_options(classifier: RACClassifier) -> None:
    """Make sure that every option is of its kind and in its range, and that they go together and with known labels.

    Raises:
        ConfigError: one is not; the message names the option, its value and what is allowed.

    """
    schema = classifier.known_schema
    multi_label = bool(classifier.multi_label if schema is None else schema.multi_label)
    check_decision(classifier.decision, multi_label=multi_label)
    top_k: Any = classifier.top_k
    if isinstance(top_k, bool) or not isinstance(top_k, int | np.integer) or top_k < 1:
        raise ConfigError(f"top_k is {top_k!r}; pass a whole number from 1 on")
    for name in _SHARES:
        value = getattr(classifier, name)
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (is_number and 0 <= value <= 1) and not (name == "min_yes" and value is None):
            raise ConfigError(f"{name} is {value!r}; pass a probability, from 0 to 1")
    if classifier.min_yes is not None and classifier.decision not in USES_YES_NO:
        raise ConfigError(
            f"min_yes={classifier.min_yes} needs a yes or no to each label, and decision={classifier.decision!r} asks "
            "for none; pass decision='best', or leave it out"
        )
    if multi_label and classifier.margin:
        raise ConfigError(
            f"margin={classifier.margin} is for texts with one label; multi-label, pass min_probability, the threshold "
            "of each label"
        )
    if classifier.other is not None and schema is not None:
        check_other(classifier.other, schema)
