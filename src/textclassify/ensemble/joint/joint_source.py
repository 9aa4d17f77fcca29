"""The sources of a fusion made into one: an encoder and a fusion network trained together on the models' scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.scales import Method
from textclassify.core.scores import Scores
from textclassify.core.texts import listed
from textclassify.core.types import TrainingData
from textclassify.ensemble.answering import without_rows
from textclassify.ensemble.source_training import SourceTraining
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    from textclassify.ml.transformer_classifier import TransformerClassifier

logger = logging.getLogger(__name__)

JOINT = "joint"
"""Name of the combiner, and of the one source that it makes."""


def fit_joint(
    training: SourceTraining, data: TrainingData, folds: NDArray[np.int16], settings: Mapping[str, Any]
) -> tuple[dict[str, TextClassifier], dict[str, Scores]]:
    """Return {"joint": fitted classifier} of an encoder and language models, and its honest scores of all rows.

    The models are asked once about the rows that any fusion would ask them about, and nobody is asked in training.
    Rows without their scores teach the encoder, and nothing is learned from its answers to them.

    Args:
        training: whose sources are one encoder and language models; others have no part in it.
        data: the training rows.
        folds: the fold of each row.
        settings: of `JointClassifier` by name, without those that are None.

    Raises:
        ConfigError: there is not exactly one encoder, or no language model.

    """
    from textclassify.ensemble.joint.joint_classifier import JointClassifier
    from textclassify.ensemble.joint.remembered import RememberedScores

    encoder, models = _parts(training.sources)
    remembered = {name: RememberedScores(clone(model).fit_as_source(data)) for name, model in models.items()}
    for model in remembered.values():
        model.predict_scores([data.texts[row] for row in training.asked(model, data, folds)])
    given: dict[str, Any] = {"ml_lr": encoder.learning_rate, "epochs": encoder.num_epochs}
    given |= {"batch_size": encoder.batch_size, **settings, "fusion_rows": len(data)}
    joint = JointClassifier(encoder, remembered, **{name: value for name, value in given.items() if value is not None})
    with ExitStack() as silence:
        for model in remembered.values():
            silence.enter_context(model.asking_nobody())
        fitted, scores = replace(training, sources={JOINT: joint}).fit(data, folds)
    seen = np.concatenate([model.seen_row_ids for model in remembered.values()])
    unusable = (scores[JOINT].method != Method.FUSED) | np.isin(data.row_ids, seen)
    return fitted, {JOINT: without_rows(scores[JOINT], unusable & scores[JOINT].answered)}


def _parts(sources: Mapping[str, TextClassifier]) -> tuple[TransformerClassifier, dict[str, TextClassifier]]:
    from textclassify.ml.transformer_classifier import TransformerClassifier

    encoders = {name: one for name, one in sources.items() if isinstance(one, TransformerClassifier)}
    models = {name: one for name, one in sources.items() if name not in encoders and one.asks_llm}
    if len(encoders) != 1 or not models:
        raise ConfigError(
            f'combiner="joint" trains one encoder on the scores of language models; there are {len(encoders)} encoders '
            f'and {len(models)} language models among the sources ({listed(sources)}); use combiner="auto" for others'
        )
    unused = [name for name in sources if name not in encoders and name not in models]
    if unused:
        logger.warning('%s: no part in combiner="joint", which is an encoder and language models', listed(unused))
    return next(iter(encoders.values())), models
