"""Published calls with one mistake in each: the call, the error that it raises, and what the message says."""

from __future__ import annotations

from textclassify import AutoFusionClassifier
from textclassify.core.types import ClassificationType, EnsembleConfig, ModelConfig, ModelType, TrainingData
from textclassify.ensemble import ClassRoutingEnsemble, FusionEnsemble, VotingEnsemble, WeightedEnsemble
from textclassify.errors import ConfigError, DataError, LabelError, ModelError, NotFittedError, StorageError
from textclassify.llm.deepseek_classifier import DeepSeekClassifier
from textclassify.ml.roberta_classifier import RoBERTaClassifier
from textclassify.testing import FixedClassifier
from textclassify.utils.fusion_utils import FusionUtils

from .rows import GENRES, films, sentiment_frame, sentiments

LABELS = ["positive", "negative", "neutral"]
FREE = {"encoder": False, "similarity": False, "llm_provider": None}
"""Sources that need no model: what is wrong is found before any is asked."""
FRAME, FILMS = sentiment_frame(24), films(25)
TEXTS, GOLD = sentiments(24)
TRAINING = TrainingData(TEXTS, GOLD, classification_type=ClassificationType.MULTI_CLASS)


def auto(table=FRAME, **config):
    return AutoFusionClassifier({**FREE, **config}).fit(table)


def member(*shares):
    return FixedClassifier({}, LABELS, default=list(shares) or [0.8, 0.1, 0.1])


def fusion(**parameters):
    models = [member(), member(0.2, 0.5, 0.3)]
    return FusionEnsemble(EnsembleConfig("fusion", models=models, parameters=parameters))


def encoder(**settings):
    return RoBERTaClassifier(config=ModelConfig("minilm", ModelType.TRADITIONAL_ML, **settings))


def deepseek(name="deepseek-chat", kind=ModelType.LLM, **settings):
    return DeepSeekClassifier(config=ModelConfig(name, kind, **settings), label_columns=LABELS)


def binary(width):
    """Return the gold labels as rows of 0 and 1, of the first labels only."""
    matrix = [[int(label == one) for label in LABELS[:width]] for one in GOLD]
    return TrainingData(TEXTS, matrix, classification_type=ClassificationType.MULTI_LABEL)


AUTOMATIC = {
    "provider": (lambda: auto(llm_provider="deepsek"), ConfigError, "'deepsek'", "did you mean 'deepseek'"),
    "key": (lambda: auto(label_colums=["label"]), ConfigError, "'label_colums'", "did you mean 'label_columns'"),
    "value": (lambda: auto(num_epochs="ten"), ConfigError, "'num_epochs' is 'ten'", "integer"),
    "encoder": (lambda: auto(encoder=True, ml_model="roberta-bse"), ModelError, "'roberta-bse'", "or choose"),
    "label column": (lambda: auto(label_columns=["lable"]), DataError, "'lable'", "did you mean 'label'"),
    "no label column": (lambda: auto(label_columns=[]), DataError, "label_columns is empty", "name the label column"),
    "names of nothing": (lambda: auto(label_columns=["good", "bad"]), DataError, "'good'", "columns: 'text', 'label'"),
    "text column": (lambda: auto(text_column="txt"), DataError, "'txt'", "did you mean 'text'"),
    "no text column": (lambda: auto(FRAME[["label"]]), DataError, "'label'", "pass text_column="),
    "labels of several, one wanted": (
        lambda: auto(FILMS, label_columns=GENRES, multi_label=False),
        LabelError,
        "row 0 has 2",
        "pass multi_label=True",
    ),
    "lists, one wanted": (
        lambda: auto(FRAME.assign(label=[[one] for one in GOLD]), multi_label=False),
        LabelError,
        "'label' holds lists",
        "pass multi_label=True",
    ),
    "one text": (lambda: auto().predict("amazing"), DataError, "'amazing'", "wrap it in a list"),
    "before fit": (lambda: AutoFusionClassifier(FREE).predict(["a"]), NotFittedError, "call fit"),
    "gold label": (
        lambda: auto().predict(["a"], ["positve"]),
        LabelError,
        "'positve' in row 0",
        "did you mean 'positive'",
    ),
    "gold labels of another frame": (
        lambda: auto().evaluate(sentiment_frame(9).assign(label="pos")),
        LabelError,
        "'pos' in row 0",
        "known labels: 'negative', 'neutral', 'positive'",
    ),
    "columns of another frame": (
        lambda: auto(FILMS, label_columns=GENRES, multi_label=True).evaluate(FILMS.drop(columns="drama")),
        DataError,
        "'drama'",
        "columns: 'action', 'comedy', 'horror', 'romance'",
    ),
    "width of the gold matrix": (
        lambda: auto(FILMS, label_columns=GENRES, multi_label=True).predict(["a"], [[1, 0, 1]]),
        LabelError,
        "shape (1, 3), 5 labels",
        "one column per label",
    ),
}

BY_HAND = {
    "parameter": (
        lambda: fusion(fusion_hiden_dims=[8]),
        ConfigError,
        "'fusion_hiden_dims'",
        "did you mean 'fusion_hidden_dims'",
    ),
    "widths as text": (lambda: fusion(fusion_hidden_dims="64").fit(TRAINING), ConfigError, "'64'", "such as [64, 32]"),
    "rounds in part": (lambda: fusion(num_epochs=2.5).fit(TRAINING), ConfigError, "2.5", "pass a whole number"),
    "rate": (lambda: fusion(fusion_lr=-1).fit(TRAINING), ConfigError, "fusion_lr is -1", "above 0"),
    "method": (lambda: EnsembleConfig("fussion"), ConfigError, "'fussion'", "did you mean 'fusion'"),
    "method of another class": (
        lambda: FusionEnsemble(EnsembleConfig("voting", models=[member()])),
        ConfigError,
        "'voting'",
        "VotingEnsemble",
    ),
    "method of this class elsewhere": (
        lambda: VotingEnsemble(EnsembleConfig("fusion", models=[member()])),
        ConfigError,
        "'fusion'",
        "FusionEnsemble",
    ),
    "no models": (lambda: FusionEnsemble(EnsembleConfig("fusion")).fit(TRAINING), ConfigError, "add_llm_model"),
    "a name for a model": (
        lambda: FusionEnsemble(EnsembleConfig("fusion", models=["roberta-base"])),
        ConfigError,
        "'roberta-base'",
        "not a TextClassifier",
    ),
    "a class for a model": (
        lambda: FusionEnsemble(EnsembleConfig("fusion", models=[RoBERTaClassifier])),
        ConfigError,
        "pass an instance: RoBERTaClassifier(...)",
    ),
    "one model for a list": (lambda: EnsembleConfig("fusion", models=member()), ConfigError, "FixedClassifier", "list"),
    "a language model as the other kind": (
        lambda: fusion().add_ml_model(deepseek()),
        ConfigError,
        "DeepSeekClassifier",
        "add_llm_model",
    ),
    "an encoder as the other kind": (
        lambda: fusion().add_llm_model(encoder()),
        ConfigError,
        "RoBERTaClassifier",
        "add_ml_model",
    ),
    "weights": (
        lambda: WeightedEnsemble(EnsembleConfig("weighted", models=[member(), member()], weights=[1])).fit(TRAINING),
        ConfigError,
        "1 weights for 2 members",
        "one for each",
    ),
    "rule": (
        lambda: ClassRoutingEnsemble(
            EnsembleConfig("class_routing", models={"a": member()}, routing_rules={"positiv": "a"})
        ).fit(TRAINING),
        ConfigError,
        "'positiv'",
        "did you mean 'positive'",
    ),
    "option of the encoder": (
        lambda: encoder(parameters={"max_lenght": 8}),
        ConfigError,
        "'max_lenght'",
        "did you mean 'max_length'",
    ),
    "option of the language model": (
        lambda: deepseek(parameters={"temprature": 1}),
        ConfigError,
        "'temprature'",
        "did you mean 'temperature'",
    ),
    "type": (lambda: ModelConfig("minilm", "traditional-ml"), ConfigError, "did you mean 'traditional_ml'"),
    "type of another class": (
        lambda: deepseek("roberta-base", ModelType.TRADITIONAL_ML),
        ConfigError,
        "'roberta-base'",
        "which is for RoBERTaClassifier",
    ),
    "model of another provider": (lambda: deepseek("gpt-4o-mini"), ConfigError, "'gpt-4o-mini'", "OpenAIClassifier"),
    "key among the options": (
        lambda: deepseek(parameters={"api_key": "sk-0123456789"}),
        ConfigError,
        "ModelConfig(api_key=...)",
    ),
    "batch": (lambda: deepseek(batch_size=0), ConfigError, "batch_size is 0", "from 1 on"),
    "before fit": (lambda: fusion().predict(["a"]), NotFittedError, "call fit"),
    "gold label": (
        lambda: fusion().fit(TRAINING).predict(["a"], ["positiv"]),
        LabelError,
        "'positiv'",
        "did you mean 'positive'",
    ),
    "classification type": (
        lambda: TrainingData(["a"], ["b"], classification_type="multiclass"),
        DataError,
        "'multiclass'",
        "did you mean 'multi_class'",
    ),
    "lists of one classification type": (
        lambda: TrainingData(["a", "b"], [["x"], ["y"]], classification_type=ClassificationType.MULTI_CLASS),
        LabelError,
        "row 0 is ['x']",
        "classification_type='multi_label'",
    ),
    "config of the other type": (
        lambda: fusion(multi_label=False).fit(binary(3)),
        ConfigError,
        "multi_label=False",
        "the other classification_type",
    ),
    "width of the training matrix": (lambda: fusion().fit(binary(2)), LabelError, "2 columns, but 3", "'positive'"),
    "lengths": (lambda: TrainingData(["a"], ["x", "y"]), DataError, "1 texts but 2 labels", "one label"),
}

HELPERS = {
    "text column": (
        lambda: FusionUtils.prepare_data_for_fusion(FRAME, text_column="txt", label_columns=["label"]),
        DataError,
        "'txt'",
        "did you mean 'text'",
    ),
    "share": (
        lambda: FusionUtils.prepare_data_for_fusion(FRAME, "text", ["label"], test_size=20),
        DataError,
        "test_size=20",
        "such as 0.2",
    ),
    "gold label": (
        lambda: FusionUtils.evaluate_fusion_model(fusion().fit(TRAINING), ["a"], ["pos"], save_results=False),
        LabelError,
        "'pos' in row 0",
        "known labels",
    ),
    "plots of nothing": (
        lambda: FusionUtils.plot_fusion_results({"accuracy": 1}, save_path="plots"),
        DataError,
        "dict",
        "evaluate_fusion_model",
    ),
    "unfitted": (lambda: FusionUtils.save_fusion_model(fusion(), "model"), NotFittedError, "call fit"),
    "folder": (lambda: FusionUtils.load_fusion_model("modle"), StorageError, "'modle'", "name the folder"),
}
