"""A fusion of an encoder and a language model, put together by hand: one label per text, then several.

Run it from anywhere: `python examples/fusion_ensemble_example.py`. With the key of a provider in the environment
(DEEPSEEK_API_KEY, OPENAI_API_KEY or GEMINI_API_KEY), that provider is asked, about some 200 short texts; with none, the
small language model that is installed with the package. Either way it takes a minute or two on a laptop.
"""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from textclassify import FusionEnsemble, LabelSchema, LLMClassifier, RoBERTaClassifier, TrainingData
from textclassify.core.types import EnsembleConfig, ModelConfig, ModelType

DATA = Path(__file__).parent / "customer_messages"
KEYS = {"deepseek": "DEEPSEEK_API_KEY", "openai": "OPENAI_API_KEY", "gemini": "GEMINI_API_KEY"}
LABELS = ["billing_problem", "delivery_delay", "account_access"]
ROWS_PER_LABEL = 12
ENCODER = "minilm"  # comes with the package; a name or a folder of Hugging Face, such as "roberta-base", does as well


def provider() -> str:
    """Return the provider whose key is set; "local" is the language model of this process."""
    return next((name for name, key in KEYS.items() if os.environ.get(key)), "local")


def fusion(labels: LabelSchema) -> FusionEnsemble:
    """Return an encoder and a language model, to be trained together."""
    settings = {"max_length": 64, "num_epochs": 3}
    encoder = RoBERTaClassifier(config=ModelConfig(ENCODER, ModelType.TRADITIONAL_ML, parameters=settings))
    ensemble = FusionEnsemble(
        EnsembleConfig(
            ensemble_method="fusion",
            models=[encoder, LLMClassifier(labels, provider=provider())],
            parameters={"fusion_hidden_dims": [64, 32], "fusion_lr": 1e-3, "num_epochs": 10},
        )
    )
    return ensemble.add_ml_model(encoder)  # again: it is a member already, and stays one


def one_label_per_text(labels: LabelSchema, rows: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Print how often the fusion is right, and what it is made of."""
    fitted = fusion(labels).fit(TrainingData(texts=rows["text"], labels=rows["label"], schema=labels))
    result = fitted.predict(tests["text"], tests["label"])
    print(f"one label per text: {result.metadata['metrics']['accuracy']:.0%} of {len(tests)} are right")
    print(f"  answered by {fitted.selected_!r} on {', '.join(fitted.fusion_.needs_)}")
    print(f"  {tests['text'].iloc[0]!r:.70} -> {result.predictions[0]} ({result.confidence[0]:.0%})")


def two_in_one(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the messages once more, half of them with another one behind: these have two labels."""
    others = rows.sample(frac=1, random_state=1).reset_index(drop=True)
    rows = rows.reset_index(drop=True)
    both = rows.index % 2 == 0
    texts = rows["text"].where(~both, rows["text"] + " " + others["text"])
    columns = {name: (rows["label"] == name) | (both & (others["label"] == name)) for name in LABELS}
    return pd.DataFrame({"text": texts, **columns}).astype(dict.fromkeys(LABELS, int))


def several_labels_per_text(labels: LabelSchema, rows: pd.DataFrame, tests: pd.DataFrame) -> None:
    """Print how well the sets of labels are met; gold labels are rows of 0 and 1 here."""
    rows, tests = two_in_one(rows), two_in_one(tests)
    data = TrainingData(texts=rows["text"], labels=rows[LABELS].to_numpy(), schema=labels)
    result = fusion(labels).fit(data).predict(tests["text"], tests[LABELS].to_numpy())
    print(f"several labels per text: micro-F1 {result.metadata['metrics']['micro_f1']:.2f} on {len(tests)} texts")
    print(f"  {tests['text'].iloc[0]!r:.70} -> {', '.join(map(str, result.predictions[0])) or 'no label'}")


def sample(file: str, rows_per_label: int) -> pd.DataFrame:
    """Return some rows of each label of the example data, in mixed order."""
    rows = pd.read_csv(DATA / file)
    chosen = rows[rows["label"].isin(LABELS)].groupby("label").head(rows_per_label)
    return chosen.sample(frac=1, random_state=0)


def main() -> None:
    """Train and measure both."""
    described = LabelSchema.of(DATA / "labels.yaml").descriptions
    labels = LabelSchema.of({name: described[name] for name in LABELS})
    print(f"language model: {provider()}")
    rows, tests = sample("train.csv", ROWS_PER_LABEL), sample("test.csv", 8)
    one_label_per_text(labels, rows, tests)
    several_labels_per_text(LabelSchema.of(labels, multi_label=True), rows, tests)


if __name__ == "__main__":
    main()
