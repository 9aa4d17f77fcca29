"""`EmbeddingClassifier`: a small head over the features of frozen models, and of how alike their layers are."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.contract import TextClassifier
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scales import Method, Scale
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.ml.embedding.options import check_options
from textclassify.ml.embedding.sources import (
    FeatureSource,
    as_source,
    check_different,
    check_same,
    described,
    name_of,
)
from textclassify.ml.label_weights import row_weights
from textclassify.models.dependencies import needs_extra
from textclassify.statistics.folds import assign_folds

with needs_extra("torch"):
    import torch

    from textclassify.ml.embedding.features import Features, Shape, spreads
    from textclassify.ml.embedding.linear_part import first_log_odds, mix_linear_in
    from textclassify.ml.embedding.network import Blocks, CooccurrenceNetwork, SingleVectors
    from textclassify.ml.embedding.published import PowerNorm, PublishedNetwork
    from textclassify.ml.embedding.saturation import saturated_share
    from textclassify.ml.embedding.training import HeadLesson, HeadRecipe, HeadTraining, logits_of
    from textclassify.ml.training import seeded
    from textclassify.models.devices import pick_device

logger = logging.getLogger(__name__)

DEFAULT_SOURCES = ("minilm", "smollm2")
FEW_ROWS = 500
"""Below this many rows none is spared for validation."""

_TEXTS_AT_ONCE = 4096
_NETWORK = "network.safetensors"


class EmbeddingClassifier(TextClassifier):
    """A small network over features of frozen models: their vectors, and the products of all pairs of their layers.

    Texts are read by models that stay as they are; what is learned is small and takes seconds to minutes. Layers are
    standardised, projected to a common width and brought to length 1; the products of all pairs of these rows pass
    through a tanh whose scale is learned, and stand beside the standardised vectors (the mean of a language model's
    layers; an encoder's vector). A hidden layer makes logits of them, into which logistic regression on the same
    vectors is mixed, with the weight that does best on held-out rows: 0 and 1 among them.

    `compat="llmembed"` is the network as published (LLMEmbed, ACL 2024, paper 433), see `PublishedNetwork`: one source
    with layers, encoders beside it, products of rows of any length under tanh, no linear part; Adam at a fixed rate. Of
    the options below it takes `power_norm` and what is said of all training. It learns from logits (the published code
    has a softmax before its cross-entropy) and stops early on held-out rows (the published one on none).

    Args:
        sources: names or folders of models, `FrozenEncoder`s, `StoredFeatures`, or anything with `rows(texts)` and
            `identity`; None = the embedded encoder and language model. Models by name are read in five layers, spread
            over their depth; in the published form a language model in its last five (at most 200 tokens), an encoder
            by its first token.
        labels: the label schema; None = the labels that occur in training.
        multi_label: overrides what the schema says.
        compat: None, or "llmembed" for the published form.
        power_norm: published form only: "readme" has tanh(2 x), "code" has tanh(x / 2).
        use_gram: whether the products of layers are read.
        use_vectors: whether the vectors are read.
        single_vectors: whether the vectors of sources without layers are read "standardised", "projected" to the common
            width, or "left out" (their products stay).
        linear_part: whether logistic regression on the standardised vectors is mixed in.
        width: the common width.
        hidden_size: of the hidden layer.
        dropout: share of inputs and of hidden numbers that a training step leaves out.
        class_weight: None, "balanced", or {label: weight}; multi-label: weight of the texts that have the label.
        num_epochs: times that each text is seen at most; None = 60 (200 as published, 60 without early stopping).
        batch_size: texts per training step.
        learning_rate: None = 3e-4 (1e-4 as published).
        weight_decay: of AdamW; none in the published form.
        early_stopping: whether part of the rows is held back, and the weights that do best on it are kept; None = from
            500 rows on.
        validation_fraction: that part; texts that are equal but for case and white space stay together.
        patience: epochs without improvement after which training stops; None = 4 (10 as published).
        device: "auto", "cpu", "cuda", for the network and for models that are given by name.
        random_state: seeds weights, batches, dropout and the held-out part; equal seeds give equal classifiers on the
            CPU.

    Learned: `saturated_share_`, the share of products whose tanh is beyond 0.999 in absolute value (above 0.01 a
    warning is logged); `linear_share_`, the weight of the linear part; `validation_losses_`, one per epoch;
    `identities_`, what the features were computed with.

    >>> from textclassify import EmbeddingClassifier
    >>> texts = ["They won the cup.", "She scored twice.", "Parliament voted.", "The minister resigned."]
    >>> classifier = EmbeddingClassifier(["minilm"]).fit(texts, ["sports", "sports", "politics", "politics"])
    >>> classifier.predict(["The team lost the final."]).predictions
    ['sports']

    """

    kind: ClassVar[str] = "embedding"

    def __init__(
        self,
        sources: Sequence[Any] | None = None,
        labels: Any = None,
        *,
        multi_label: bool | None = None,
        compat: Literal["llmembed"] | None = None,
        power_norm: PowerNorm = "readme",
        use_gram: bool = True,
        use_vectors: bool = True,
        single_vectors: SingleVectors = "standardised",
        linear_part: bool = True,
        width: int = 128,
        hidden_size: int = 256,
        dropout: float = 0.5,
        class_weight: str | Mapping[Any, float] | None = None,
        num_epochs: int | None = None,
        batch_size: int = 128,
        learning_rate: float | None = None,
        weight_decay: float = 0.01,
        early_stopping: bool | None = None,
        validation_fraction: float = 0.1,
        patience: int | None = None,
        device: str = "auto",
        random_state: int = 0,
    ) -> None:
        self.sources = sources
        self.labels = labels
        self.multi_label = multi_label
        self.compat = compat
        self.power_norm = power_norm
        self.use_gram = use_gram
        self.use_vectors = use_vectors
        self.single_vectors = single_vectors
        self.linear_part = linear_part
        self.width = width
        self.hidden_size = hidden_size
        self.dropout = dropout
        self.class_weight = class_weight
        self.num_epochs = num_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.device = device
        self.random_state = random_state

    @property
    def model_used(self) -> str:
        """The models whose features were learned on."""
        return " + ".join(self.source_names_) if hasattr(self, "source_names_") else super().model_used

    def check_model(self) -> None:
        """Make sure that the models can be had, without loading them."""
        for source in self._sources():
            check = getattr(source, "check_model", None)
            if check is not None:
                check()

    def _fit(self, data: TrainingData) -> None:
        check_options(self.get_params(deep=False))
        if data.sample_weight is not None:
            data = data.take(data.sample_weight > 0)
        sources = self._sources()
        self.identities_ = [source.identity for source in sources]
        check_different(self.identities_)
        self.source_names_ = [name_of(source) for source in sources]
        features = Features([source.rows(data.texts) for source in sources], self.source_names_)
        self.shapes_ = features.shapes
        device = pick_device(self.device)
        with seeded(self.random_state, device):
            self.network_ = self._new_network().to(device)
            self._train(data, features)
        self._watch_saturation(features)

    def _train(self, data: TrainingData, features: Features) -> None:
        held = self._held_back(data)
        weight, positive = row_weights(data, self.class_weight)

        def lesson(rows: NDArray[np.bool_]) -> HeadLesson:
            return HeadLesson(features, np.flatnonzero(rows), data.gold, weight, positive)

        learned, validation = lesson(~held), lesson(held) if held.any() else None
        if isinstance(self.network_, CooccurrenceNetwork):
            self.network_.standardise(*spreads(features, learned.rows))
            self.network_.start_from(first_log_odds(learned, len(data.schema)))
        training = HeadTraining(self.network_, self._recipe(early_stopping=validation is not None))
        self.validation_losses_ = training.run(learned, validation)
        if isinstance(self.network_, CooccurrenceNetwork) and self.linear_part:
            mix_linear_in(self.network_, learned, validation, self.random_state)

    def _held_back(self, data: TrainingData) -> NDArray[np.bool_]:
        """Return which rows are validated on; none where there is no early stopping."""
        held = np.zeros(len(data), dtype=bool)
        wanted = len(data) >= FEW_ROWS if self.early_stopping is None else self.early_stopping
        if wanted:
            n_parts = max(2, round(1 / self.validation_fraction))
            held = assign_folds(data.gold, n_parts, data.clusters, random_state=self.random_state) == 0
            if self.early_stopping and (held.all() or not held.any()):
                raise ConfigError(f"{len(data)} rows are too few for early_stopping; leave it off, or label more rows")
        return np.zeros(len(data), dtype=bool) if held.all() else held

    def _recipe(self, *, early_stopping: bool) -> HeadRecipe:
        published = self.compat is not None
        usual_epochs = 200 if published and early_stopping else 60
        usual_rate = 1e-4 if published else 3e-4
        usual_patience = 10 if published else 4
        return HeadRecipe(
            num_epochs=usual_epochs if self.num_epochs is None else self.num_epochs,
            batch_size=self.batch_size,
            learning_rate=usual_rate if self.learning_rate is None else self.learning_rate,
            weight_decay=0.0 if published else self.weight_decay,
            patience=usual_patience if self.patience is None else self.patience,
            seed=self.random_state,
        )

    def _new_network(self) -> CooccurrenceNetwork | PublishedNetwork:
        K = len(self.schema_)
        if self.compat is not None:
            return PublishedNetwork(self.shapes_, K, power_norm=self.power_norm)
        names = ("use_gram", "use_vectors", "single_vectors", "width", "hidden_size", "dropout")
        return CooccurrenceNetwork(self.shapes_, K, Blocks(**{name: getattr(self, name) for name in names}))

    def _watch_saturation(self, features: Features) -> None:
        self.saturated_share_ = saturated_share(self.network_, features, self.random_state)
        if self.saturated_share_ > 0.01:
            logger.warning(
                "%.1f%% of the products of layers are saturated: tanh tells them no longer apart%s",
                100 * self.saturated_share_,
                "" if self.compat is None else "; compat=None brings rows to length 1 and learns the scale",
            )

    @property
    def linear_share_(self) -> float:
        """The weight of logistic regression in the logits, from 0 to 1."""
        return float(self.network_.linear_share) if isinstance(self.network_, CooccurrenceNetwork) else 0.0

    def _score(self, texts: list[str]) -> Scores:
        schema = self.schema_
        none: NDArray[np.float32] = np.zeros((0, len(schema)), dtype=np.float32)
        logits = np.concatenate([none, *self._logits(texts)]).astype(np.float64)
        options: dict[str, Any] = {"source": self.kind, "method": Method.TRAINED}
        if schema.multi_label:
            return Scores.build(logits, schema.names, Scale.LOG_ODDS, **options)
        values = log_softmax(logits, axis=1) if len(texts) else logits
        return Scores.build(values, schema.names, Scale.LOG_PROBABILITY, **options)

    def _logits(self, texts: list[str]) -> Iterator[NDArray[np.float32]]:
        """Give the logits of the texts, some rows at a time: their features need not fit into memory together."""
        sources = self._sources()
        check_same(self.identities_, [source.identity for source in sources])
        self.network_.to(pick_device(self.device))
        for start in range(0, len(texts), _TEXTS_AT_ONCE):
            some = texts[start : start + _TEXTS_AT_ONCE]
            features = Features([source.rows(some) for source in sources], self.source_names_)
            self._check_shapes(features.shapes)
            yield logits_of(self.network_, features, np.arange(len(some))).numpy()

    def _check_shapes(self, shapes: tuple[Shape, ...]) -> None:
        for name, learned, found in zip(self.source_names_, self.shapes_, shapes, strict=True):
            if learned != found:
                raise ConfigError(
                    f"{name} gives features of shape {found} now, and gave {learned} in training; use the same model"
                )

    def _decide(self, scores: Scores) -> ClassificationResult:
        return decide(scores, metadata={"features": list(self.identities_)})

    def _sources(self) -> list[FeatureSource]:
        given = DEFAULT_SOURCES if self.sources is None else self.sources
        if isinstance(given, str) or not len(given):
            raise ConfigError(f"sources must be a list of at least one source of features, got {given!r}")
        return [as_source(source, self.device, published=self.compat is not None) for source in given]

    def _write(self, folder: Path) -> dict[str, Any]:
        weights = {name: value.detach().cpu().numpy() for name, value in self.network_.state_dict().items()}
        write_arrays(folder / _NETWORK, weights)
        return {
            "identities": self.identities_,
            "source_names": self.source_names_,
            "shapes": [list(shape) for shape in self.shapes_],
            "saturated_share": self.saturated_share_,
            "validation_losses": self.validation_losses_,
        }

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        self.identities_ = learned["identities"]
        self.source_names_ = learned["source_names"]
        self.shapes_ = tuple(tuple(shape) for shape in learned["shapes"])
        self.saturated_share_ = learned["saturated_share"]
        self.validation_losses_ = learned["validation_losses"]
        with seeded(0, torch.device("cpu")):
            self.network_ = self._new_network()
        weights = {name: torch.from_numpy(array) for name, array in read_arrays(folder / _NETWORK).items()}
        try:
            self.network_.load_state_dict(weights)
        except RuntimeError as error:
            raise ValueError(str(error)) from error  # the contract says which folder, and what to do
        self.network_.eval()

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters["sources"] = None if self.sources is None else [described(source) for source in self.sources]
        if isinstance(self.class_weight, Mapping):  # only training needs it, and JSON has no keys but text
            parameters["class_weight"] = None
        return parameters

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "network_"):
            self.network_.cpu()  # a pickle made beside a GPU opens without one; the next prediction moves it back
        state: dict[str, Any] = super().__getstate__()
        return state
