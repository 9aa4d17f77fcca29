"""What is learned on top of several sources: honest out-of-fold scores, the fusion of them, and simpler ensembles.

Every name below is loaded when it is first used.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "ClassRoutingEnsemble": "class_routing",
    "FusionEnsemble": "fusion",
    "VotingEnsemble": "voting",
    "WeightedEnsemble": "weighted",
}

__all__ = ["ClassRoutingEnsemble", "FusionEnsemble", "VotingEnsemble", "WeightedEnsemble"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'textclassify.ensemble' has no attribute {name!r}")
    value = getattr(import_module(f"textclassify.ensemble.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
