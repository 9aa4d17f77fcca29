"""The one table from the name of a kind to its class, loaded when asked for, and `load`, which opens any kind."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, Self

from textclassify.core.storage import read_manifest, written_by
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError, StorageError

if TYPE_CHECKING:
    from textclassify.core.contract import TextClassifier

KINDS = {
    "auto_fusion": "textclassify.auto:AutoFusionClassifier",
    "class_routing": "textclassify.ensemble.class_routing:ClassRoutingEnsemble",
    "deepseek": "textclassify.llm.deepseek_classifier:DeepSeekClassifier",
    "embedding": "textclassify.ml.embedding_classifier:EmbeddingClassifier",
    "fixed": "textclassify.testing:FixedClassifier",
    "fold_average": "textclassify.ensemble.out_of_fold:FoldAverage",
    "fusion": "textclassify.ensemble.fusion:FusionEnsemble",
    "gemini": "textclassify.llm.gemini_classifier:GeminiClassifier",
    "joint": "textclassify.ensemble.joint.joint_classifier:JointClassifier",
    "linear": "textclassify.ml.linear:LinearClassifier",
    "llm": "textclassify.llm.llm_classifier:LLMClassifier",
    "openai": "textclassify.llm.openai_classifier:OpenAIClassifier",
    "rac": "textclassify.rac.rac_classifier:RACClassifier",
    "remembered": "textclassify.ensemble.joint.remembered:RememberedScores",
    "roberta": "textclassify.ml.roberta_classifier:RoBERTaClassifier",
    "similarity": "textclassify.rac.retrieval:SimilarityClassifier",
    "transformer": "textclassify.ml.transformer_classifier:TransformerClassifier",
    "voting": "textclassify.ensemble.voting:VotingEnsemble",
    "weighted": "textclassify.ensemble.weighted:WeightedEnsemble",
}

OTHER_KINDS = {"score_fusion": "textclassify.ensemble.score_fusion:ScoreFusion"}
"""What is saved like a classifier and is none: it takes scores, not texts."""


class Saved(Protocol):
    """What can be written into a folder and read back."""

    def save(self, folder: str | Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Write it into a folder, with a card for people."""

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return what `save` wrote."""
        ...


def load(folder: str | Path) -> Saved:
    """Return whatever was saved, of the class that it was: a classifier, or a `ScoreFusion`.

    Raises:
        StorageError: nothing saved there, damaged, or of another version.

    """
    kind, _ = read_manifest(folder, verify=False)  # which the class does
    path = (KINDS | OTHER_KINDS).get(kind)
    if path is None:
        raise StorageError(
            f"{str(folder)!r} holds a {kind!r}, which is not known here: it was {written_by(folder)}; use the one that "
            "wrote it"
        )
    found: type[Saved] = _imported(path)
    return found.load(folder)


def class_of(kind: str) -> type[TextClassifier]:
    """Return the class of a kind.

    Raises:
        ConfigError: the kind is unknown.

    """
    if kind not in KINDS:
        raise ConfigError(f"unknown kind of classifier {kind!r}{did_you_mean(kind, KINDS)}; known: {', '.join(KINDS)}")
    found: type[TextClassifier] = _imported(KINDS[kind])
    return found


def _imported(path: str) -> Any:
    module, name = path.split(":")
    return getattr(import_module(module), name)
