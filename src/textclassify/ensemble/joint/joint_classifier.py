"""`JointClassifier`: an encoder and a fusion network trained together on language models' scores, as published."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import log_softmax
from sklearn.base import clone

from textclassify.core.contract import TextClassifier
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.saved_classifiers import read_part
from textclassify.core.scales import Method, Scale
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.network import FusionMLP, NetworkSettings, flat_weights, new_network, with_weights
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.joint.llm_evidence import (
    asked,
    centre_and_spread,
    checked_sources,
    evidence_of,
    fitted_source,
    training_evidence,
)
from textclassify.ensemble.joint.training import JointLesson, JointNetwork, JointTuning
from textclassify.errors import ConfigError, StorageError
from textclassify.ml.label_weights import row_weights, with_label_cards
from textclassify.ml.long_texts import Encoded, encode_texts
from textclassify.ml.roberta_classifier import RoBERTaClassifier
from textclassify.ml.training import Recipe
from textclassify.ml.transformer_classifier import TransformerClassifier
from textclassify.models.devices import pick_device, pick_dtype
from textclassify.models.inference import compute_in_batches, steady
from textclassify.statistics.folds import assign_folds

logger = logging.getLogger(__name__)

_ENCODER = "encoder"
_ARRAYS = "fusion.safetensors"
_TEXTS_SEEN = 4000
_FEWEST_CHECKED = 10
"""Rows that training is stopped on, below which it is not stopped early."""


class JointClassifier(TextClassifier):
    """An encoder and a FusionMLP trained together: a small learning rate below, a larger one above.

    The network reads the encoder's logits and the language models' scores, (1 + number of models) K inputs: 2 K with
    one model, as published. The scores are fixed: nothing is learned through them. A text that some model has no scores
    for is answered by the encoder's own logits and teaches only these; it is never given scores that look like some.

    Its scores of the rows that it was trained on are as flattering as an encoder's: what is learned on top, the
    calibration above all, needs out-of-fold scores.

    Args:
        encoder: how the encoder is made and read (its epochs, learning rate and early stopping are those below);
            None = `RoBERTaClassifier()`.
        llm: {name: classifier} that need no training; fitted ones are asked as they are, others are fitted first. Pass
            `RememberedScores` where several joint classifiers are trained on one model's scores.
        labels: the label schema; None = from the data.
        multi_label: overrides what the schema says.
        hidden_dims: widths of the network's hidden layers.
        ml_lr: learning rate of the encoder's body; its head has its own.
        fusion_lr: learning rate of the network.
        epochs: times that each text is seen at most; None = 4,000 / texts, between 3 and 10.
        batch_size: texts per training step.
        validation_fraction: share of the rows on which training stops; where that is under ten rows, all train.
        patience: epochs without improvement after which training stops; the best weights are restored.
        fusion_rows: training rows that the language models are asked about; None = max(500, 10 K).
        fusion_mlp: a class to use in place of FusionMLP, with its constructor; such a classifier is pickled, not saved.
        random_state: seeds the network, batches, dropout and samples.

    Learned: `encoder_` and `llm_` (fitted), `network_` (a `FusionWrapper`), `validation_losses_`.

    >>> from textclassify.testing import FixedClassifier
    >>> llm = FixedClassifier({}, ["politics", "sports"], default=[0.5, 0.5])
    >>> joint = JointClassifier(RoBERTaClassifier("minilm"), {"llm": llm}, epochs=1)
    >>> texts = ["They won the cup.", "She scored twice.", "Parliament voted.", "The minister resigned."]
    >>> joint.fit(texts, ["sports", "sports", "politics", "politics"]).predict(texts[:1]).status.tolist()
    [0]

    """

    kind: ClassVar[str] = "joint"

    def __init__(
        self,
        encoder: TransformerClassifier | None = None,
        llm: Mapping[str, TextClassifier] | None = None,
        labels: Any = None,
        *,
        multi_label: bool | None = None,
        hidden_dims: Sequence[int] = (64, 32),
        ml_lr: float = 2e-5,
        fusion_lr: float = 1e-3,
        epochs: int | None = None,
        batch_size: int = 16,
        validation_fraction: float = 0.1,
        patience: int = 3,
        fusion_rows: int | None = None,
        fusion_mlp: type[torch.nn.Module] | None = None,
        random_state: int = 0,
    ) -> None:
        self.encoder = encoder
        self.llm = llm
        self.labels = labels
        self.multi_label = multi_label
        self.hidden_dims = hidden_dims
        self.ml_lr = ml_lr
        self.fusion_lr = fusion_lr
        self.epochs = epochs
        self.batch_size = batch_size
        self.validation_fraction = validation_fraction
        self.patience = patience
        self.fusion_rows = fusion_rows
        self.fusion_mlp = fusion_mlp
        self.random_state = random_state

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # if one of its sources does
        """Whether a text may cost a language model's time or money."""
        sources: Mapping[str, TextClassifier] = getattr(self, "llm_", self.llm) or {}
        return any(source.asks_llm for source in sources.values())

    @property
    def model_used(self) -> str:
        """The encoder, and the models whose scores it is fused with."""
        if not hasattr(self, "llm_"):
            return super().model_used
        return " + ".join([self.encoder_.model_used, *(source.model_used for source in self.llm_.values())])

    def check_model(self) -> None:
        """Make sure that the encoder and the language models can be had, without loading them."""
        for source in (self._encoder(), *checked_sources(self.llm).values()):
            source.check_model()

    def _fit(self, data: TrainingData) -> None:
        self._check_options()
        if data.sample_weight is not None:
            data = data.take(data.sample_weight > 0)
        sources = checked_sources(self.llm)
        self.llm_ = {name: fitted_source(source, data) for name, source in sources.items()}
        size = max(500, 10 * len(data.schema)) if self.fusion_rows is None else self.fusion_rows
        evidence = training_evidence(self.llm_, data, size, random_state=self.random_state)
        held = self._held_back(data)
        training = data.take(~held)
        self.encoder_ = self._untrained_encoder(training)
        self.centre_, self.spread_ = centre_and_spread(evidence[~held])
        settings = NetworkSettings(hidden_dims=tuple(self.hidden_dims), network=self.fusion_mlp or FusionMLP)
        K = len(data.schema)
        fusion_mlp = new_network(settings, K + evidence.shape[1], K, seed=self.random_state)
        self.network_ = JointNetwork(self.encoder_.network_, fusion_mlp).to(self._device())
        if self.encoder_.label_cards:
            training = with_label_cards(training)
        tuning = JointTuning(
            self.network_,
            self._recipe(int((~held).sum())),
            fusion_learning_rate=self.fusion_lr,
            pad_token_id=self._padding,
        )
        checked = self._lesson(data.take(held), evidence[held]) if held.any() else None
        self.validation_losses_ = tuning.run(self._lesson(training, evidence[~held]), checked)

    def _check_options(self) -> None:
        for name, least in {"epochs": 0, "batch_size": 1, "patience": 1, "fusion_lr": 0.0, "ml_lr": 0.0}.items():
            value = getattr(self, name)
            if value is not None and value < least:
                raise ConfigError(f"{name} must be at least {least}, got {value}")
        if not 0 <= self.validation_fraction < 1:
            raise ConfigError(f"validation_fraction must be at least 0 and below 1, got {self.validation_fraction}")

    def _encoder(self) -> TransformerClassifier:
        encoder = RoBERTaClassifier(random_state=self.random_state) if self.encoder is None else self.encoder
        if not isinstance(encoder, TransformerClassifier):
            raise ConfigError(
                f"encoder is {type(encoder).__name__}; only a TransformerClassifier can be trained jointly"
            )
        if encoder.lora is not None:
            raise ConfigError(f"joint training trains the encoder whole; leave lora={encoder.lora} out")
        return encoder

    def _held_back(self, data: TrainingData) -> NDArray[np.bool_]:
        """Return which rows training is stopped on."""
        none = np.zeros(len(data), dtype=bool)
        if self.validation_fraction * len(data) < _FEWEST_CHECKED:
            return none
        n_parts = max(2, round(1 / self.validation_fraction))
        return np.asarray(assign_folds(data.gold, n_parts, data.clusters, random_state=self.random_state) == 0)

    def _untrained_encoder(self, data: TrainingData) -> TransformerClassifier:
        """Return the encoder with its head fitted to the rows, its body as it was."""
        given = clone(self._encoder())
        options = {"num_epochs": given.num_epochs, "early_stopping": given.early_stopping}
        given.set_params(num_epochs=0, early_stopping=False).fit(data)
        encoder: TransformerClassifier = given.set_params(**options)
        return encoder

    def _recipe(self, n: int) -> Recipe:
        encoder = self.encoder_
        usual_epochs = int(np.clip(np.ceil(_TEXTS_SEEN / n), 3, 10))
        return Recipe(
            num_epochs=usual_epochs if self.epochs is None else self.epochs,
            batch_size=self.batch_size,
            learning_rate=self.ml_lr,
            head_learning_rate=encoder.head_learning_rate,
            weight_decay=encoder.weight_decay,
            warmup_share=encoder.warmup_share,
            patience=self.patience,
            seed=self.random_state,
            dtype=pick_dtype(encoder.precision, self._device()),
        )

    def _lesson(self, data: TrainingData, evidence: NDArray[np.float32]) -> JointLesson:
        """Return the texts as pieces; rows beyond the evidence, which are label cards, have none."""
        encoded = self._encode(data.texts)
        row = encoded.row_of_piece
        weight, positive = row_weights(data, self.encoder_.class_weight)
        cards = np.full((len(data) - len(evidence), evidence.shape[1]), np.nan, dtype=np.float32)
        return JointLesson(
            encoded.pieces,
            data.gold[row],
            weight[row] / encoded.pieces_per_row[row],
            positive,
            llm_scores=self._standardised(np.concatenate([evidence, cards]))[row],
        )

    def _score(self, texts: list[str]) -> Scores:
        scores = asked(self.llm_, texts, self.schema_.names)
        evidence = self._standardised(evidence_of(scores))
        encoded = self._encode(texts)
        values = _row_means(self._fused_logits(encoded, evidence), encoded)
        multi_label = self.schema_.multi_label
        return Scores.build(
            values if multi_label else log_softmax(values, axis=1) if len(values) else values,
            self.schema_.names,
            Scale.LOG_ODDS if multi_label else Scale.LOG_PROBABILITY,
            source=self.kind,
            method=np.where(np.isnan(evidence).any(axis=1), Method.TRAINED, Method.FUSED),
            cost=np.sum([one.cost for one in scores.values()], axis=0),
        )

    def _fused_logits(self, encoded: Encoded, evidence: NDArray[np.float32]) -> Floats:
        """Return log-probabilities, multi-label log-odds, of each piece, (pieces, K)."""
        device = self._device()
        self.network_.to(device).eval()
        logits = compute_in_batches(
            self.network_.ml_model,
            encoded.pieces,
            len(self.schema_),
            device=device,
            dtype=steady(self.network_, pick_dtype(self.encoder_.precision, device)),
            pad_token_id=self._padding,
        )
        with torch.inference_mode():
            scores = torch.from_numpy(evidence[encoded.row_of_piece]).to(device)
            fused = self.network_.fuse(torch.from_numpy(logits).to(device), scores).cpu().numpy().astype(np.float64)
        return fused if self.schema_.multi_label or not len(fused) else np.asarray(log_softmax(fused, axis=1))

    def _decide(self, scores: Scores) -> ClassificationResult:
        fused = float((scores.method == Method.FUSED).mean()) if len(scores) else 0.0
        return decide(scores, metadata={"encoder": self.encoder_.encoder_, "fused_share": fused})

    def _standardised(self, evidence: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((evidence - self.centre_) / self.spread_, dtype=np.float32)

    def _encode(self, texts: Sequence[str]) -> Encoded:
        encoder = self.encoder_
        return encode_texts(texts, encoder.tokenizer_, max_length=encoder.max_tokens_, long_texts=encoder.long_texts)

    def _device(self) -> torch.device:
        return pick_device(self.encoder_.device)

    @property
    def _padding(self) -> int:
        return self.encoder_.tokenizer_.pad_token_id or 0

    def _write(self, folder: Path) -> dict[str, Any]:
        if self.fusion_mlp is not None and self.fusion_mlp is not FusionMLP:
            raise StorageError(
                f"a network of the class {self.fusion_mlp.__name__} cannot be restored from a folder, which holds no "
                "code; pickle the classifier instead"
            )
        parts = {_ENCODER: self.encoder_} | {f"llm_{number}": one for number, one in enumerate(self.llm_.values())}
        for name, part in parts.items():
            (folder / name).mkdir()
            part.write_into(folder / name)
        arrays = {"weights": flat_weights(self.network_.fusion_mlp), "centre": self.centre_, "spread": self.spread_}
        write_arrays(folder / _ARRAYS, arrays)
        return {"llm": list(self.llm_), "validation_losses": self.validation_losses_}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        encoder = read_part(folder / _ENCODER)
        if not isinstance(encoder, TransformerClassifier):
            raise StorageError(f"the encoder in {str(folder)!r} is a {type(encoder).__name__}; save the model again")
        self.encoder_, self.encoder = encoder, clone(encoder)
        self.llm_ = {name: read_part(folder / f"llm_{number}") for number, name in enumerate(learned["llm"])}
        self.llm = self.llm_
        self.validation_losses_ = learned["validation_losses"]
        arrays = read_arrays(folder / _ARRAYS)
        self.centre_, self.spread_ = arrays["centre"], arrays["spread"]
        K = len(self.schema_)
        settings = NetworkSettings(hidden_dims=tuple(self.hidden_dims))
        fusion_mlp = with_weights(new_network(settings, K + len(self.centre_), K, seed=0), arrays["weights"])
        self.network_ = JointNetwork(encoder.network_, fusion_mlp)

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        for name in ("encoder", "llm", "fusion_mlp"):
            parameters.pop(name)
        return parameters | {"hidden_dims": [int(width) for width in self.hidden_dims]}

    def __getstate__(self) -> dict[str, Any]:
        if hasattr(self, "network_"):
            self.network_.cpu()  # a pickle made beside a GPU opens without one; the next prediction moves it back
        state: dict[str, Any] = super().__getstate__()
        return state


def _row_means(values: Floats, encoded: Encoded) -> Floats:
    """Return the mean over the pieces of each text, (n, K)."""
    sums = np.zeros((len(encoded.was_cut), values.shape[1]))
    np.add.at(sums, encoded.row_of_piece, values)
    return np.asarray(sums / encoded.pieces_per_row[:, None])
