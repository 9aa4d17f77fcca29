"""Labelled texts as a configuration names them: read, described, and a part of them held out."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textclassify.core import dataset
from textclassify.core.columns import labelled_columns
from textclassify.core.files import HUB, read_hub, read_table
from textclassify.core.findings import describe
from textclassify.core.labels import LabelSchema
from textclassify.core.splits import split
from textclassify.core.texts import listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.runs.config import Config
from textclassify.runs.settings import resolved

FEWEST_TO_SPLIT = 50
"""Rows below which none is held out: a test on fewer than ten texts tells nothing."""


def labelled_file(config: Config, source: str, schema: LabelSchema | None) -> TrainingData:
    """Return the labelled texts in a file, or in a split of a hub's data set, read as the configuration says.

    Raises:
        DataError: they cannot be used; the message names the file.

    """
    return _labelled(config, source, schema)[0]


def _labelled(config: Config, source: str, schema: LabelSchema | None) -> tuple[TrainingData, str, tuple[str, ...]]:
    """Return labelled texts, the column that held the texts and those that held the labels."""
    options: dict[str, Any] = {
        "text_column": config.text_column,
        "label_columns": config.label_columns,
        "group_column": config.group_column,
        "multi_label": config.multi_label if schema is None else schema.multi_label or config.multi_label,
        "schema": schema,
    }
    try:
        frame = read_hub(source) if source.startswith(HUB) else read_table(source, text_column=config.text_column)
        data = dataset.labelled_data(frame, **options)
        with warnings.catch_warnings(action="ignore"):  # said by the line above already
            found = labelled_columns(frame, **options)
    except DataError as error:
        raise type(error)(str(error) if source in str(error) else f"{source}: {error}") from error
    return data, found.text, found.columns


@dataclass(frozen=True)
class FoundData:
    """The configuration with the columns that were found, and what the files hold; rows in findings are the file's."""

    config: Config
    data: TrainingData
    test: TrainingData | None
    held_out: str
    findings: list[str]


def data_of(config_file: Path | None, say: Callable[[str], None]) -> tuple[Config, TrainingData, TrainingData | None]:
    """Return a configuration with the columns that were found, its training data, and its test data if there are any.

    Raises:
        ConfigError: the configuration cannot be read or names no data.
        DataError: the data cannot be used.

    """
    config = resolved(config_file, {}).config
    if config.data is None:
        raise ConfigError(f"{str(config_file)!r} names no training data; set `data` in it")
    found = read_data(config, say)
    return found.config, found.data, found.test


def read_data(config: Config, say: Callable[[str], None]) -> FoundData:
    """Return the training data and the held-out data.

    What was found goes into the configuration: `predict` must not take another column for the texts, nor the test data
    be read as of another kind.
    """
    schema = None if config.labels is None else LabelSchema.of(config.labels, multi_label=config.multi_label)
    data, text, columns = _labelled(config, str(config.data), schema)
    say(f"{config.data}: {len(data):,} rows; texts in {text!r}, labels in {listed(map(repr, columns), 12)}")
    found = {"text_column": text, "label_columns": config.label_columns or list(columns)}
    config = config.model_copy(update={**found, "multi_label": data.multi_label})
    if config.test_data is not None:
        test = labelled_file(config, str(config.test_data), data.schema)
        return FoundData(config, data, test, f"from {config.test_data}", describe(data, test))
    if len(data) < FEWEST_TO_SPLIT:
        say(
            f"{len(data)} rows are too few to hold any out (fewer than {FEWEST_TO_SPLIT}): all are learned from, and "
            "quality is not measured; name test texts with --test-data to have it measured"
        )
        return FoundData(config, data, None, "", describe(data))
    training, test = _split(data, config)
    held_out = f"{len(test)} of {len(data)} rows held out at random (seed {config.random_state})"
    say(f"no test data named: {held_out}; the model learns from the other {len(training)}")
    return FoundData(config, training, test, held_out, describe(data))


def _split(data: TrainingData, config: Config) -> tuple[TrainingData, TrainingData]:
    try:
        return split(data, config.test_size, random_state=config.random_state)
    except DataError as error:
        raise DataError(
            f"{config.data}: no row can be held out of {len(data)}: rows of one wording or group stay together, and "
            "each label keeps one of its texts for training; add texts, or name other ones with --test-data"
        ) from error
