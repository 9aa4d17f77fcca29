"""How a `TransformerClassifier` learns: from which rows, in which way, from which start, and when it stops.

It is the half of that class that knows gold answers; the other half reads texts and answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.labels import LabelSchema
from textclassify.core.shared_work import shared
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, ModelError
from textclassify.ml import few_rows
from textclassify.ml.frozen_vectors import frozen_vectors
from textclassify.ml.label_weights import row_weights
from textclassify.ml.long_texts import Encoded, means_of_pieces
from textclassify.models.dependencies import needs_extra
from textclassify.statistics.folds import assign_folds

with needs_extra("torch"):
    import torch

    from textclassify.ml.fine_tuning_options import recipe_of, says_how_to_train
    from textclassify.ml.lora import trained_by_adapters
    from textclassify.ml.network import EncoderNetwork, first_head
    from textclassify.ml.training import FineTuning, Lesson, Recipe
    from textclassify.models.devices import pick_dtype
    from textclassify.models.inference import ShowProgress, reading_texts

_ROWS_FOR_FIRST_HEAD = 5000


class EncoderTraining:
    """The training of a classifier that has a network and reads texts; see `TransformerClassifier` for its options."""

    schema_: LabelSchema
    network_: EncoderNetwork
    validation_losses_: list[float]
    num_epochs: int | None
    lora: int | None
    warm_head: bool
    contrastive: bool | None
    class_weight: str | Mapping[Any, float] | None
    early_stopping: bool
    validation_fraction: float
    precision: str
    random_state: int

    if TYPE_CHECKING:  # what the classifier has

        @property
        def _padding(self) -> int: ...
        def get_params(self, deep: bool = True) -> dict[str, Any]: ...  # noqa: D102, FBT001, FBT002 - scikit-learn's
        def _device(self) -> torch.device: ...
        def _encode(self, texts: Sequence[str]) -> Encoded: ...
        def _values(self, encoded: Encoded, show_progress: ShowProgress) -> NDArray[np.float64]: ...
        def _vectors(self, pieces: Sequence[Sequence[int]]) -> NDArray[np.float32]: ...

    def _learn(self, way: str, data: TrainingData, encoded: Encoded, held: NDArray[np.bool_], n: int) -> None:
        """Train the network on the rows that are not held back."""
        recipe = self._recipe(n)
        lesson, validation = self._lessons(data, encoded, held)
        if way == few_rows.PAIRS:
            few_rows.learn_pairs(self.network_, lesson, recipe, self._padding)
        if self.warm_head:
            self._warm_head(data, encoded, np.flatnonzero(~held))
        if way != few_rows.FINE_TUNING and self.num_epochs is None:
            recipe = replace(recipe, num_epochs=0)
        with trained_by_adapters(self.network_, self.lora, self.random_state):
            tuning = FineTuning(self.network_, recipe, self._padding)
            self.validation_losses_ = tuning.run(lesson, validation)

    def _chosen_way(self, data: TrainingData, encoded: Encoded, n: int) -> str:
        """Return how the encoder learns; with few rows per label that may take trials, made once for all folds."""
        options = self.get_params(deep=False)
        if self.contrastive is None and not says_how_to_train(options) and few_rows.has_few_rows(data.gold[:n]):
            trial = lambda way, held: self._tried(way, data, encoded, held, n)  # noqa: E731
            return shared(
                ("way", repr(sorted(options.items()))), lambda: few_rows.best_way(data, n, self.random_state, trial)
            )
        return few_rows.PAIRS if self.contrastive else few_rows.FINE_TUNING

    def _tried(
        self, way: str, data: TrainingData, encoded: Encoded, held: NDArray[np.bool_], n: int
    ) -> NDArray[np.float64]:
        """Return the log losses of the rows held back after learning from the others, and unlearn it."""
        start = {name: weight.clone() for name, weight in self.network_.state_dict().items()}
        rows = np.flatnonzero(held)
        try:
            self._learn(way, data, encoded, held, n)
            found = self._values(self._encode([data.texts[row] for row in rows]), reading_texts)
        finally:
            self.network_.load_state_dict(start)
        losses: NDArray[np.float64] = -found[np.arange(len(rows)), data.gold[rows]]
        return losses

    def _recipe(self, n: int) -> Recipe:
        return recipe_of(
            self.get_params(deep=False),
            n_texts=n,
            n_labels=len(self.schema_),
            width=self.network_.head.in_features,
            dtype=pick_dtype(self.precision, self._device()),
        )

    def _held_back(self, data: TrainingData, n: int) -> NDArray[np.bool_]:
        """Return which rows are validated on: with early stopping some of the first n, the others being cards."""
        held = np.zeros(len(data), dtype=bool)
        if self.early_stopping:
            n_parts = round(1 / self.validation_fraction)
            held[:n] = assign_folds(data.gold[:n], n_parts, data.clusters[:n], random_state=self.random_state) == 0
            if held[:n].all() or not held.any():
                raise ConfigError(f"{n} rows are too few for early_stopping; leave it off, or label more rows")
        return held

    def _lessons(self, data: TrainingData, encoded: Encoded, held: NDArray[np.bool_]) -> tuple[Lesson, Lesson | None]:
        """Return what is trained on and, with early stopping, what is validated on."""
        weight, positive = row_weights(data, self.class_weight)
        row = encoded.row_of_piece
        piece_weight = weight[row] / encoded.pieces_per_row[row]

        def lesson(rows: NDArray[np.bool_]) -> Lesson:
            pieces = np.flatnonzero(rows[row])
            taken = [encoded.pieces[piece] for piece in pieces]
            return Lesson(taken, data.gold[row[pieces]], piece_weight[pieces], positive)

        return lesson(~held), lesson(held) if self.early_stopping else None

    def _warm_head(self, data: TrainingData, encoded: Encoded, rows: NDArray[np.intp]) -> None:
        """Fit the linear layer to the rows on the untrained encoder."""
        if len(rows) > _ROWS_FOR_FIRST_HEAD:
            rows = np.sort(np.random.default_rng(self.random_state).permutation(rows)[:_ROWS_FOR_FIRST_HEAD])
        chosen = np.flatnonzero(np.isin(encoded.row_of_piece, rows))
        pieces = [encoded.pieces[piece] for piece in chosen]
        settings = f"{pick_dtype(self.precision, self._device())} {self._device().type}"
        of_pieces = frozen_vectors(pieces, self.network_, settings, self._vectors)
        vectors = means_of_pieces(of_pieces, np.searchsorted(rows, encoded.row_of_piece[chosen]), len(rows))
        weight, positive = row_weights(data, self.class_weight)
        weights, biases = first_head(vectors, data.gold[rows], weight[rows], len(data.schema), positive)
        self.network_.set_head(weights, biases)

    def check_learns(self) -> None:
        """Check that training works here: sixteen texts with arbitrary labels are learned by heart.

        Takes seconds with the embedded encoder. A model that fails is broken, or its learning rate is far off.

        Raises:
            ModelError: fewer than sixteen are right.

        """
        texts = [f"{thing} number {number}" for thing in ("A red house", "The old river") for number in range(8)]
        labels = ["even" if number % 2 else "odd" for number in range(16)]
        options = {
            "labels": None,
            "multi_label": None,
            "class_weight": None,
            "early_stopping": False,
            "contrastive": None,
        }
        learner = clone(self).set_params(**options, warm_head=False, num_epochs=40, batch_size=8)
        right = int((np.asarray(learner.fit(texts, labels).predict(texts)) == np.array(labels)).sum())
        if right < len(texts):
            raise ModelError(f"the encoder learned only {right} of 16 texts; try another learning_rate or model")
