"""The sources of a fusion made into one: an encoder and a fusion network trained together on the models' scores."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from textclassify.core.contract import TextClassifier
from textclassify.core.texts import listed
from textclassify.errors import ConfigError

logger = logging.getLogger(__name__)

JOINT = "joint"
"""Name of the combiner, and of the one source that it makes."""


def joint_source(sources: Mapping[str, TextClassifier], settings: Mapping[str, Any]) -> dict[str, TextClassifier]:
    """Return {"joint": classifier} of a fusion's encoder and language models; its other sources have no part in it.

    Args:
        sources: {name: classifier}, one of them an encoder, at least one other asking a language model.
        settings: of `JointClassifier` by name; None = its default.

    Raises:
        ConfigError: there is not exactly one encoder, or no language model.

    """
    from textclassify.ensemble.joint import JointClassifier
    from textclassify.ensemble.joint_remembered import RememberedScores
    from textclassify.ml.roberta_classifier import TransformerClassifier

    encoders = {name: one for name, one in sources.items() if isinstance(one, TransformerClassifier)}
    models = {name: RememberedScores(one) for name, one in sources.items() if name not in encoders and one.asks_llm}
    if len(encoders) != 1 or not models:
        raise ConfigError(
            f'combiner="joint" trains one encoder on the scores of language models; there are {len(encoders)} encoders '
            f'and {len(models)} language models among the sources ({listed(sources)}); use combiner="auto" for others'
        )
    ((_, encoder),) = encoders.items()
    unused = [name for name in sources if name not in encoders and name not in models]
    if unused:
        logger.warning('%s: no part in combiner="joint", which is an encoder and language models', listed(unused))
    given: dict[str, Any] = {
        "ml_lr": encoder.learning_rate,
        "epochs": encoder.num_epochs,
        "batch_size": encoder.batch_size,
    }
    given |= settings
    options = {name: value for name, value in given.items() if value is not None}
    return {JOINT: JointClassifier(encoder, models, **options)}
