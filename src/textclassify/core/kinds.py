"""The one table from the name of a kind of classifier to its class, loaded when asked for."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    from textclassify.core.contract import TextClassifier

KINDS = {
    "auto_fusion": "textclassify.auto:AutoFusionClassifier",
    "fixed": "textclassify.testing:FixedClassifier",
    "fold_average": "textclassify.ensemble.out_of_fold:FoldAverage",
    "fusion": "textclassify.ensemble.fusion:FusionEnsemble",
    "linear": "textclassify.ml.linear:LinearClassifier",
    "llm": "textclassify.llm.llm_classifier:LLMClassifier",
    "roberta": "textclassify.ml.roberta_classifier:RoBERTaClassifier",
    "similarity": "textclassify.rac.retrieval:SimilarityClassifier",
    "transformer": "textclassify.ml.roberta_classifier:TransformerClassifier",
}


def class_of(kind: str) -> type[TextClassifier]:
    """Return the class of a kind.

    Raises:
        ConfigError: the kind is unknown.

    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of classifier {kind!r}{did_you_mean(kind, KINDS)}; known: {', '.join(KINDS)}")
    module, name = KINDS[kind].split(":")
    found: type[TextClassifier] = getattr(import_module(module), name)
    return found
