"""Configuration files, read: in our own form or in the paper's, their paths made to count from the file's folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from textclassify.core.settings_files import expanded, read_settings_file
from textclassify.core.storage import FromFile
from textclassify.errors import ConfigError
from textclassify.runs.configuring.published_config import FlatSettings, flat


def read_settings(path: str | Path) -> dict[str, Any]:
    """Return the settings of a YAML configuration file under our own keys; relative paths count from its folder.

    Its `llm_base_url` is marked as read from a file: no provider's key goes there.

    Raises:
        ConfigError: no such file, no YAML, no mapping, or a nested key that does not exist.

    """
    found = read_flat(path)
    if found.problems:
        raise ConfigError("\n".join(map(str, found.problems)))
    return found.settings


def read_flat(path: str | Path) -> FlatSettings:
    """Return the same with the names that the file has for its keys, and with the problems in place of an error.

    Raises:
        ConfigError: no such file, no YAML, or no mapping.

    """
    path = expanded(path)
    try:
        content = read_settings_file(path)
    except FileNotFoundError:
        raise ConfigError(f"no configuration file {str(path)!r}; `textclassify init` writes one") from None
    except OSError as error:
        raise ConfigError(
            f"configuration file {str(path)!r} cannot be read: {error.strerror}; name a YAML file that you may read"
        ) from error
    except ValueError as error:
        raise ConfigError(f"configuration file {str(path)!r} cannot be read: {error}") from error
    if not isinstance(content, dict):
        raise ConfigError(
            f"configuration file {str(path)!r} holds no `key: value` lines; `textclassify init` writes one"
        )
    found = flat(content)
    for key in ("data", "test_data", "labels", "prompt_template"):
        value = found.settings.get(key)
        if isinstance(value, str) and not value.startswith("hf:"):
            found.settings[key] = str(path.parent / expanded(value))
    if isinstance(found.settings.get("llm_base_url"), str):
        found.settings["llm_base_url"] = FromFile(found.settings["llm_base_url"])
    return found
