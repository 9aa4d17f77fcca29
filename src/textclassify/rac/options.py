"""`check_options`: the options of a `RACClassifier`, looked at before anything is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from textclassify.core.contract import TextClassifier
from textclassify.core.number_checks import is_whole
from textclassify.errors import ConfigError
from textclassify.llm.prompting.wordings import checked_language
from textclassify.rac.retrieving.no_label import check_other
from textclassify.rac.verification import USES_YES_NO, check_decision

if TYPE_CHECKING:
    from textclassify.core.labels import LabelSchema
    from textclassify.rac.rac_classifier import RACClassifier

_SHARES = ("min_probability", "margin", "min_yes")


def check_options(classifier: RACClassifier) -> None:
    """Make sure that every option is of its kind and in its range, and that they go together and with known labels.

    Raises:
        ConfigError: one is not; the message names the option, its value and what is allowed.

    """
    schema = classifier.known_schema
    multi_label = bool(classifier.multi_label if schema is None else schema.multi_label)
    checked_language(classifier.language)
    check_decision(classifier.decision, multi_label=multi_label)
    _check_numbers(classifier)
    for name in _SHARES:
        value = getattr(classifier, name)
        is_number = isinstance(value, int | float | np.number) and not isinstance(value, bool)
        if not (is_number and 0 <= value <= 1) and not (name == "min_yes" and value is None):
            raise ConfigError(f"{name} is {value!r}; pass a probability, from 0 to 1")
    if not (classifier.multi_label is None or isinstance(classifier.multi_label, bool | np.bool_)):
        raise ConfigError(
            f"multi_label is {classifier.multi_label!r:.60}; pass True, False, or None for as the labels say"
        )
    if not (classifier.retriever is None or isinstance(classifier.retriever, TextClassifier)):
        raise ConfigError(
            f"retriever is {classifier.retriever!r:.60}; pass a classifier such as SimilarityClassifier(), or leave it "
            "out"
        )
    if classifier.min_yes is not None and classifier.decision not in USES_YES_NO:
        raise ConfigError(
            f"min_yes={classifier.min_yes} needs a yes or no to each label, and decision={classifier.decision!r} asks "
            "for none; pass decision='best', or leave it out"
        )
    if classifier.back_off:
        _check_back_off(classifier, schema, multi_label=multi_label)
    if multi_label and classifier.margin:
        raise ConfigError(
            f"margin={classifier.margin} is for texts with one label; multi-label, pass min_probability, the threshold "
            "of each label"
        )
    if classifier.other is not None and schema is not None:
        check_other(classifier.other, schema)


def _check_numbers(classifier: RACClassifier) -> None:
    for name, least, may_be_none in (("top_k", 1, False), ("demonstrations", 0, True)):
        value: Any = getattr(classifier, name)
        is_allowed = is_whole(value) and value >= least
        if not is_allowed and not (may_be_none and value is None):
            raise ConfigError(
                f"{name} is {value!r}; pass a whole number from {least} on{', or None' if may_be_none else ''}"
            )


def _check_back_off(classifier: RACClassifier, schema: LabelSchema | None, *, multi_label: bool) -> None:
    if multi_label or not classifier.min_probability:
        why = "texts with several labels" if multi_label else "min_probability=0, which every narrow label reaches"
        raise ConfigError(f"back_off=True does not go with {why}; set min_probability, or leave back_off out")
    if schema is not None and not schema.parents:
        raise ConfigError("back_off=True needs broader labels; give the labels a `parent`, or leave back_off out")
