"""`Ranking`: what ranks the labels of a `RACClassifier`, and whether that is still the same."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any

from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.errors import ConfigError
from textclassify.rac.retrieval import SimilarityClassifier

_FILES_REMEMBERED = 8


class Ranking:
    """An unfitted classifier for labels with all that is known about them.

    Args:
        schema: the labels.
        retriever: what ranks them, unfitted; None = `SimilarityClassifier()`.
        other: the label for texts that fit no other one; None = there is none.

    """

    def __init__(self, schema: LabelSchema, retriever: TextClassifier | None, other: Label | None) -> None:
        self._schema = schema
        self._retriever = retriever
        self._other = other
        # As they are now: the retriever's own may be set to others later.
        self._options: dict[str, Any] = {} if retriever is None else retriever.get_params(deep=False)

    def is_same(self, other: Ranking) -> bool:
        """Return whether another one ranks the same labels with the same options."""
        one, two = self._options, other._options
        return (
            type(self._retriever) is type(other._retriever)
            and self._other == other._other
            and one.keys() == two.keys()
            and all(one[name] is two[name] for name in one)  # what cannot be compared is another one
            and self._schema == other._schema
        )

    def classifier(self) -> TextClassifier:
        """Return what ranks the labels; it has been asked nothing yet.

        Raises:
            ConfigError: the retriever has to be fitted first.

        """
        ranks: TextClassifier = SimilarityClassifier() if self._retriever is None else clone(self._retriever)
        options = ranks.get_params(deep=False)
        if ranks.learns or "labels" not in options:
            raise ConfigError(f"the retriever {type(ranks).__name__} is not fitted; fit it on the same labels first")
        ranks.set_params(labels=self._schema)
        return ranks.set_params(other=self._other) if "other" in options else ranks


def schema_in(path: Path, multi_label: bool | None) -> LabelSchema:  # noqa: FBT001 - as it is given
    """Return the labels of a file, which is read again only after it has changed."""
    try:
        found = path.stat()
    except OSError:
        return LabelSchema.of(path, multi_label=multi_label)  # which says what is wrong
    return _read(path, (found.st_mtime_ns, found.st_size), multi_label)


@lru_cache(_FILES_REMEMBERED)
def _read(path: Path, stamp: tuple[int, int], multi_label: bool | None) -> LabelSchema:  # noqa: FBT001 - as it is given
    del stamp  # tells one state of the file from another
    return LabelSchema.of(path, multi_label=multi_label)
