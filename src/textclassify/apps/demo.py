"""The example data that come with the package, and the settings of the demo."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path
from typing import Any

from textclassify.errors import DataError

EXAMPLE = "customer_messages"
DEFAULT_OUTPUT = Path("textclassify_demo")


def example_folder() -> Path:
    """Return the folder of the example data: inside the installed package, else beside its source tree.

    Raises:
        DataError: it is in neither place.

    """
    package = Path(str(files("textclassify")))
    for folder in (package / "examples" / EXAMPLE, package.parents[1] / "examples" / EXAMPLE):
        if (folder / "train.csv").is_file():
            return folder
    raise DataError(f"the example data are not in {str(package)!r}; install textclassify again")


def demo_settings(seed: int) -> dict[str, Any]:
    """Return the settings of the demo: four sources, all on this machine, no network."""
    folder = example_folder()
    return {
        "data": str(folder / "train.csv"),
        "test_data": str(folder / "test.csv"),
        "labels": str(folder / "labels.yaml"),
        "text_column": "text",
        "label_columns": ["label"],
        "ml_model": "minilm",
        "llm_provider": "local",
        "llm_model": "smollm2",
        "random_state": seed,
    }
