"""`RememberedScores`: a source that is asked once about each text, however many models are trained on its scores."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from threading import RLock
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.saved_classifiers import read_part
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.ensemble.source_scores import not_called
from textclassify.errors import ConfigError

_PART = "classifier"
_KEPT = (Status.OK, Status.ABSTAINED, Status.REFUSED, Status.FILTERED, Status.TOO_LONG)
"""What is said about a text and will be said again; a failure is not."""


@dataclass
class _Memory:
    """Scores by the hash of their text, shared by all copies of a `RememberedScores`."""

    scores: Scores | None = None
    place: dict[int, int] = field(default_factory=dict)
    asks: bool = True
    lock: RLock = field(default_factory=RLock)

    def unseen(self, row_ids: NDArray[np.uint64]) -> list[int]:
        """Return the first row of each text that nothing is remembered about."""
        _, first = np.unique(row_ids, return_index=True)
        return [int(row) for row in np.sort(first) if int(row_ids[row]) not in self.place]

    def answers(self, row_ids: NDArray[np.uint64], fresh: Scores) -> Scores:
        """Return what is known about texts, fresh answers included, which are remembered unless they failed."""
        known = fresh if self.scores is None else Scores.concat([self.scores, fresh])
        start = 0 if self.scores is None else len(self.scores)
        fresh_ids: list[int] = [] if fresh.row_ids is None else fresh.row_ids.tolist()
        place = self.place | {row_id: start + number for number, row_id in enumerate(fresh_ids)}
        rows = np.array([place.get(row_id, len(known)) for row_id in row_ids.tolist()], dtype=np.intp)
        kept = np.concatenate([np.arange(start), start + np.flatnonzero(np.isin(fresh.status, _KEPT))])
        self.scores = known.take(kept)
        ids = [] if self.scores.row_ids is None else self.scores.row_ids.tolist()
        self.place = {row_id: number for number, row_id in enumerate(ids)}
        return Scores.concat([known, not_called(known)]).take(rows)

    def __getstate__(self) -> dict[str, Any]:
        return {"scores": self.scores, "place": self.place, "asks": self.asks}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__init__(**state)  # type: ignore[misc]


class RememberedScores(TextClassifier):
    """A classifier whose scores are kept by text: it is asked about texts that it has not scored yet, and no others.

    What is remembered costs 0. Rows that failed are asked again. Copies of a fitted one (`sklearn.base.clone`,
    `copy.deepcopy`) share its memory, so that five models trained on one language model's scores ask it once. The
    memory ends with the process, or goes with a pickle; a saved folder holds the classifier alone.

    Args:
        classifier: a classifier that needs no training. Fitted, it is asked as it is; else `fit` fits a copy, whose
            memory starts empty.
        labels: as for any classifier; None = the classifier's own.

    >>> from textclassify.testing import FixedClassifier
    >>> source = RememberedScores(FixedClassifier({"a text": [0.9, 0.1]}))
    >>> source.predict(["a text"]).predictions + source.predict(["a text"]).predictions
    ['a', 'a']
    >>> source.classifier.asked
    ['a text']

    """

    kind: ClassVar[str] = "remembered"
    learns: ClassVar[bool] = False

    def __init__(self, classifier: TextClassifier | None = None, labels: Any = None) -> None:
        self.classifier = classifier
        self.labels = labels
        self._memory = _Memory()

    def __sklearn_clone__(self) -> Self:
        if hasattr(self.classifier, "schema_"):
            return copy.copy(self)
        return type(self)(clone(self.classifier), self.labels)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return copy.copy(self)

    @property
    def source(self) -> TextClassifier:
        """The classifier that is asked about unseen texts.

        Raises:
            ConfigError: none was given.

        """
        found = self.classifier_ if hasattr(self, "classifier_") else self.classifier
        if found is None:
            raise ConfigError("RememberedScores needs a classifier: RememberedScores(LLMClassifier(...))")
        return found

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # as the classifier that is asked
        """Whether an unseen text costs a language model's time or money."""
        return self.source.asks_llm

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that the classifier has seen as examples."""
        return self.source.seen_row_ids

    @property
    def model_used(self) -> str:
        """Name of the model that is asked."""
        return self.source.model_used

    def check_model(self) -> None:
        """Make sure that the model that is asked can be had."""
        self.source.check_model()

    @contextmanager
    def asking_nobody(self) -> Iterator[None]:
        """Answer from memory alone inside the block, all copies too; unseen texts come back as NOT_CALLED."""
        before, self._memory.asks = self._memory.asks, False
        try:
            yield
        finally:
            self._memory.asks = before

    def _given_schema(self) -> LabelSchema | None:
        given = super()._given_schema()
        return given or getattr(self.source, "schema_", None) or self.source._given_schema()  # noqa: SLF001 - its own kind

    def _fit(self, data: TrainingData) -> None:
        if hasattr(self.classifier, "schema_"):
            return
        if self.source.learns:
            raise ConfigError(
                f"{type(self.source).__name__} would be trained on these rows and score them too well; "
                "fit it on others first, or make it a source of its own"
            )
        self.classifier_ = clone(self.classifier).fit(data)
        self._memory = _Memory()

    def _score(self, texts: list[str]) -> Scores:
        memory, row_ids = self._memory, hash_texts(texts)
        with memory.lock:
            unseen = memory.unseen(row_ids) if memory.asks else []
            fresh = self.source.predict_scores([texts[row] for row in unseen])
            cost = np.zeros(len(texts))
            cost[unseen] = fresh.cost
            return replace(memory.answers(row_ids, fresh), cost=cost, row_ids=None)

    def _write(self, folder: Path) -> dict[str, Any]:
        (folder / _PART).mkdir()
        self.source.write_into(folder / _PART)
        return {}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        del learned  # everything is in the part
        self.classifier = read_part(folder / _PART)

    def _stored_parameters(self) -> dict[str, Any]:
        return {}
