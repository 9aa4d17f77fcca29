"""Label texts with a fusion of a fine-tuned encoder and language models: calibrated, and honest about what it is worth.

Every name below is loaded when it is first used: importing the package loads neither torch nor a provider's client.
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "AutoFusionClassifier": "auto",
    "ClassRoutingEnsemble": "ensemble.class_routing",
    "ClassificationResult": "core.result",
    "ClassificationType": "core.types",
    "DeepSeekClassifier": "llm.deepseek_classifier",
    "EmbeddingClassifier": "ml.embedding_classifier",
    "EnsembleConfig": "core.types",
    "FrozenEncoder": "ml.encoder",
    "FusionEnsemble": "ensemble.fusion",
    "FusionMLP": "ensemble.mlp",
    "FusionWrapper": "ensemble.mlp",
    "GeminiClassifier": "llm.gemini_classifier",
    "JointClassifier": "ensemble.joint.joint_classifier",
    "LLMClassifier": "llm.llm_classifier",
    "LabelSchema": "core.labels",
    "LinearClassifier": "ml.linear",
    "ModelConfig": "core.types",
    "ModelType": "core.types",
    "OpenAIClassifier": "llm.openai_classifier",
    "RACClassifier": "rac.rac_classifier",
    "ResultsManager": "runs.results",
    "RoBERTaClassifier": "ml.roberta_classifier",
    "ScoreFusion": "ensemble.score_fusion",
    "Scores": "core.scores",
    "SimilarityClassifier": "rac.retrieval",
    "Status": "core.scales",
    "StoredFeatures": "ml.stored_features",
    "TextClassifier": "core.contract",
    "TrainingData": "core.types",
    "TransformerClassifier": "ml.transformer_classifier",
    "VotingEnsemble": "ensemble.voting",
    "WeightedEnsemble": "ensemble.weighted",
    "distil": "ensemble.distillation",
    "estimate_prevalence": "statistics.prevalence",
    "label_errors": "ensemble.review",
    "load": "core.kinds",
    "open_run": "runs.results",
    "rows_to_label": "ensemble.review",
}

__all__ = [  # noqa: PLE0604 - the names are the keys of the table above
    "__version__",
    *_HOMES,
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textclassify' has no attribute {name!r}")
    value = getattr(import_module(f"textclassify.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
