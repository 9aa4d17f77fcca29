"""Where each setting of a run comes from: flags count more than the environment, that more than a file or a default."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from textclassify.core.settings_files import read_setting
from textclassify.core.texts import did_you_mean
from textclassify.errors import ConfigError
from textclassify.runs.config import Config
from textclassify.runs.configuring.config_files import read_flat
from textclassify.runs.configuring.config_problems import VARIABLE
from textclassify.runs.configuring.published_config import FlatSettings

logger = logging.getLogger(__name__)

Origin = Literal["flag", "environment", "file", "default"]

OTHER_VARIABLES = ("CACHE_DIR", "DATA", "MODEL_PATHS", "OFFLINE", "PRICES")
"""What variables beginning with TEXTCLASSIFY_ mean that set no key, though some are called as one: the folder of all
that can be made again, the benchmarks' data, folders in the place of models, no network at all, prices of models."""
KEYS = {key.upper(): key for key in Config.model_fields if key.upper() not in OTHER_VARIABLES}
"""Keys by the ends of the variables that set them."""


@dataclass(frozen=True)
class ResolvedSettings:
    """The settings of a run.

    Args:
        settings: {key: value}, those that are given anywhere; `Config` takes them.
        origins: {key: where its value comes from}, for every key of `Config`.

    """

    settings: dict[str, Any]
    origins: dict[str, Origin]

    @property
    def config(self) -> Config:
        """The configuration that they make."""
        return Config.of(self.settings)


def resolved(config_file: str | Path | None, flags: Mapping[str, Any]) -> ResolvedSettings:
    """Return the settings of a run from flags, environment variables such as TEXTCLASSIFY_NUM_EPOCHS, and a file.

    Args:
        config_file: YAML in our own form or the paper's; None = there is none.
        flags: {key: value}, what was typed; None is a value too.

    Raises:
        ConfigError: the file cannot be read, or a key or value is wrong; the message says what it was called where it
            was given.

    """
    found = FlatSettings({}) if config_file is None else read_flat(config_file)
    environment = environment_settings(os.environ)
    settings = {**found.settings, **environment.settings, **flags}
    names = {key: name for key, name in (found.names | environment.names).items() if key not in flags}
    Config.of_flat(FlatSettings(settings, names, found.problems))
    origins: dict[str, Origin] = dict.fromkeys(Config.model_fields, "default")
    given: tuple[tuple[Origin, Mapping[str, Any]], ...] = (
        ("file", found.settings),
        ("environment", environment.settings),
        ("flag", flags),
    )
    for origin, keys in given:
        origins |= dict.fromkeys(keys, origin)
    return ResolvedSettings(settings, origins)


def environment_settings(variables: Mapping[str, str]) -> FlatSettings:
    """Return what environment variables set: the values are read as YAML, an empty one sets nothing.

    A variable that is nearly one of these is warned about.

    Raises:
        ConfigError: a value is no YAML; the message names the variable.

    """
    found = FlatSettings({})
    for variable, written in variables.items():
        end = variable.removeprefix(VARIABLE)
        if end == variable or not written.strip() or end in OTHER_VARIABLES:
            continue
        if end not in KEYS:
            _say_if_nearly(variable)
            continue
        try:
            found.settings[KEYS[end]] = read_setting(written)
        except ValueError as error:
            raise ConfigError(f"environment variable {variable} cannot be read as YAML: {error}") from error
        found.names[KEYS[end]] = variable
    return found


def _say_if_nearly(variable: str) -> None:
    """Warn of a variable that was probably meant to set a key."""
    hint = did_you_mean(variable.removeprefix(VARIABLE), (*KEYS.values(), *OTHER_VARIABLES))
    if hint:
        logger.warning("environment variable %s sets no key%s", variable, hint)
