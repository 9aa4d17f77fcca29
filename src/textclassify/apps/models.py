"""The model that a command names."""

from __future__ import annotations

from pathlib import Path

from textclassify.core.contract import TextClassifier
from textclassify.core.saved_classifiers import load
from textclassify.core.storage import MANIFEST
from textclassify.errors import StorageError

MODEL_FOLDER = "model"
"""Where a run's folder holds its model."""


def is_model(folder: Path) -> bool:
    """Return whether a folder is a saved classifier."""
    return (folder / MANIFEST).is_file()


CONFIGURATIONS = (".yaml", ".yml")
"""Ends of the names of files that describe a model that labels without training."""


def load_model(folder: Path) -> TextClassifier:
    """Return the classifier in a folder, or the language model that a configuration has label without training.

    Raises:
        ConfigError: there is no such configuration, or it names no labels, or not one language model.
        StorageError: the folder holds no classifier; the message names the folder inside it that does.

    """
    if folder.suffix.lower() in CONFIGURATIONS and not folder.is_dir():
        from textclassify.runs.build import build_llm
        from textclassify.runs.settings import resolved

        return build_llm(resolved(folder, {}).config)
    if folder.is_file():
        raise StorageError(f"{str(folder)!r} is a file; name the folder that `train` wrote, such as run/{MODEL_FOLDER}")
    inside = folder / MODEL_FOLDER
    if not is_model(folder) and is_model(inside):
        raise StorageError(f"{str(folder)!r} is the folder of a run; its model is in {str(inside)!r}: name that")
    return load(folder)
