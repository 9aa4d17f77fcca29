"""Language models' scores as fixed inputs of a network that is trained together with an encoder."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.readings import Floats, raw_evidence
from textclassify.ensemble.combining.rows import complete
from textclassify.errors import ConfigError
from textclassify.statistics.folds import stratified_sample

Sources: TypeAlias = Mapping[str, TextClassifier]
Inputs: TypeAlias = NDArray[np.float32]

_FARTHEST = 10.0
"""Evidence in nats beyond which more of it says nothing new."""


def checked_sources(llm: Sources | None) -> dict[str, TextClassifier]:
    """Return the sources by name, sorted, so that their order never matters.

    Raises:
        ConfigError: there is none, or one is no classifier.

    """
    if not llm or not isinstance(llm, Mapping):
        raise ConfigError("joint training needs scores: JointClassifier(encoder, {'llm': LLMClassifier(...)})")
    for name, source in llm.items():
        if not isinstance(source, TextClassifier):
            raise ConfigError(f"source {name!r} is {type(source).__name__}, not a TextClassifier")
    return dict(sorted(llm.items()))


def fitted_source(source: TextClassifier, data: TrainingData) -> TextClassifier:
    """Return a source of scores as it is, or, if it was not fitted yet, a fitted copy.

    Raises:
        ConfigError: it would be trained on the very rows that it scores.

    """
    if hasattr(source, "schema_"):
        return source
    if source.learns:
        raise ConfigError(
            f"{type(source).__name__} would be trained on the rows that it scores, and trusted too much; "
            "pass sources that need no training, or fit it on other rows first"
        )
    fitted: TextClassifier = clone(source).fit_as_source(data)
    return fitted


def asked(sources: Sources, texts: list[str], labels: tuple[object, ...]) -> dict[str, Scores]:
    """Return each source's scores of the texts.

    Raises:
        ScoresError: one has other labels.

    """
    scores = {name: source.predict_scores(texts) for name, source in sources.items()}
    for name, one in scores.items():
        check_same_labels(labels, one.labels, name)  # type: ignore[arg-type] # labels of any type
    return scores


def evidence_of(scores: Mapping[str, Scores]) -> Inputs:
    """Return log-odds (single-label: log-probabilities less their mean over labels) side by side, (n, L K).

    Rows that some source has no scores for are NaN throughout.
    """
    parts: list[Floats] = []
    for one in scores.values():
        evidence = raw_evidence(one)
        centred = evidence if one.multi_label else evidence - evidence.mean(axis=1, keepdims=True)
        parts.append(np.clip(centred, -_FARTHEST, _FARTHEST))
    found = np.concatenate(parts, axis=1).astype(np.float32)
    found[~np.all([complete(one) for one in scores.values()], axis=0)] = np.nan
    return found


def training_evidence(sources: Sources, data: TrainingData, size: int, *, random_state: int) -> Inputs:
    """Return evidence (n, L K) of training rows; NaN for rows that the sources are not asked about.

    They are asked about `size` rows, labels in proportion, and never about texts that they have seen as examples.
    """
    seen = np.concatenate([source.seen_row_ids for source in sources.values()])
    seen_clusters = data.clusters[np.isin(data.row_ids, seen)]
    rows = np.flatnonzero(~np.isin(data.clusters, seen_clusters))
    if size < len(rows):
        rows = rows[stratified_sample(data.gold[rows], size, data.clusters[rows], random_state=random_state)]
    evidence = np.full((len(data), len(sources) * len(data.schema)), np.nan, dtype=np.float32)
    evidence[rows] = evidence_of(asked(sources, [data.texts[row] for row in rows], data.schema.names))
    return evidence


def centre_and_spread(evidence: Inputs) -> tuple[Inputs, Inputs]:
    """Return the mean and the standard deviation (at least 0.001) of each column over the rows with scores."""
    known = evidence[~np.isnan(evidence).any(axis=1)]
    if not len(known):
        return np.zeros(evidence.shape[1], dtype=np.float32), np.ones(evidence.shape[1], dtype=np.float32)
    return known.mean(axis=0), np.maximum(known.std(axis=0), np.float32(1e-3))
