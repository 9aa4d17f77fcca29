"""`Parts`: what a `RACClassifier` has in a folder beside its options: the classifiers it asks, and what it learned."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.saved_classifiers import read_part
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.rac.deciding.calibrating import Calibration
from textclassify.rac.examples import Examples
from textclassify.rac.llm_member import with_remedy

_RETRIEVER, _MODEL = "retriever", "llm"


@dataclass(frozen=True, eq=False)
class Parts:
    """The classifiers that a `RACClassifier` asks, and what it learned.

    Args:
        ranks: what ranks the labels, ready to score.
        was_fitted: whether it was given fitted; None = it was not given at all.
        model: the language model that checks; None = there is none.
        examples: example texts by label.
        calibration: what labelled rows told; None = nothing.
        calibration_row_ids: hashes of those rows.

    """

    ranks: TextClassifier
    was_fitted: bool | None
    model: LLMClassifier | None
    examples: Examples
    calibration: Calibration | None
    calibration_row_ids: NDArray[np.uint64]

    def write_into(self, folder: Path, schema: LabelSchema) -> dict[str, Any]:
        """Write the classifiers into folders of their own, and return the rest as plain JSON values.

        Args:
            folder: an existing one.
            schema: the labels, for a model that was given none.

        """
        parts = {_RETRIEVER: self.ranks}
        if self.model is not None:
            parts[_MODEL] = _with_labels(self.model, schema)
        for name, part in parts.items():
            (folder / name).mkdir()
            part.write_into(folder / name)
        return {
            "llm": self.model is not None,
            "retriever": self.was_fitted,
            "examples": [[name, list(texts)] for name, texts in self.examples.items()],
            "calibration": None if self.calibration is None else asdict(self.calibration),
            "calibration_row_ids": [int(one) for one in self.calibration_row_ids],
        }

    @classmethod
    def read(cls, folder: Path, learned: dict[str, Any]) -> Self:
        """Return what `write_into` wrote."""
        return cls(
            ranks=read_part(folder / _RETRIEVER),
            was_fitted=learned["retriever"],
            model=with_remedy(cast("LLMClassifier", read_part(folder / _MODEL))) if learned["llm"] else None,
            examples={name: list(texts) for name, texts in learned["examples"]},
            calibration=None if learned["calibration"] is None else Calibration(**learned["calibration"]),
            calibration_row_ids=np.array(learned["calibration_row_ids"], dtype=np.uint64),
        )

    @property
    def retriever(self) -> TextClassifier | None:
        """The retriever as it was given; None = it was not."""
        if self.was_fitted is None:
            return None
        given: TextClassifier = self.ranks if self.was_fitted else clone(self.ranks)
        return given


def _with_labels(model: LLMClassifier, schema: LabelSchema) -> LLMClassifier:
    """Return a language model that can be saved: one that was given no labels is given these."""
    if hasattr(model, "schema_") or model.labels is not None:
        return model
    copied: LLMClassifier = clone(model)
    copied.schema_ = schema
    return copied
