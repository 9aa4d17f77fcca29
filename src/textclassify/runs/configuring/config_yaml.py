"""A configuration as a YAML file with a comment above every key."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from textclassify.runs.configuring.config_keys import MEANINGS, SECTIONS, as_text, comment, entry, heading

EXAMPLES: Mapping[str, Any] = MappingProxyType(
    {
        "test_data": "test.csv",
        "group_column": "author",
        "labels": "labels.yaml",
        "max_length": 256,
        "batch_size": 16,
        "num_epochs": 10,
        "ml_lr": 5e-5,
        "llm_language": "auto",
        "llm_method": "auto",
        "max_cost": 5.0,
        "offline": False,
        "metric": "accuracy",
        "guard": 0.2,
        "fusion_rows": 500,
        "llm_budget": "30%",
        "max_risk": 0.05,
    }
)
"""Keys that are shown with a value, to be uncommented."""
_ABOUT = (
    "For `textclassify train --config`. Every key but `data` may be left out; `textclassify schema` lists them all, "
    "`textclassify validate` looks at this file. An environment variable such as TEXTCLASSIFY_NUM_EPOCHS counts more "
    "than what stands here, and a flag more than both. Files to read count from the folder of this file."
)


def commented_yaml(settings: Mapping[str, Any]) -> str:
    """Return the content of a file that gives these settings, and shows some more as comments.

    Args:
        settings: plain values by the keys of `Config`.

    """
    lines = comment(_ABOUT)
    for title, keys in SECTIONS.items():
        shown = [key for key in keys if key in settings or key in EXAMPLES]
        if shown:
            lines += heading(title)
        for key in shown:
            value = settings.get(key, EXAMPLES.get(key))
            lines += entry(key, value, MEANINGS[key], commented=key not in settings)
    return as_text(lines)
