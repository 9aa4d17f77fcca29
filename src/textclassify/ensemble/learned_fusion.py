"""What a fusion learns from scores of several sources, and the fused scores that follow."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike

from textclassify.core.labels import Label, LabelSchema
from textclassify.core.model_card import CardFacts, write_card
from textclassify.core.scores import Scores
from textclassify.core.seeds import check_seed
from textclassify.core.storage import new_folder, read_manifest, write_manifest
from textclassify.ensemble.answering import Answers, answers, fused_scores
from textclassify.ensemble.combining.ladder import Ladder, RungFactory
from textclassify.ensemble.combining.ladder_report import LadderReport
from textclassify.ensemble.combining.patterns import Patterns
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import Embeddings, FusionRows, asks_llm, checked_embeddings, fusion_rows
from textclassify.ensemble.combining.rungs import (
    COMBINERS,
    NETWORK_SETTINGS,
    check_calibrator,
    check_metric,
    check_options,
    chosen_rungs,
    settings_without_effect,
)
from textclassify.ensemble.deferral import Deferral
from textclassify.ensemble.deferring.asking import fitted_deferral
from textclassify.ensemble.guard import guard_rows
from textclassify.ensemble.source_checks import known_sources
from textclassify.errors import ConfigError, NotFittedError, StorageError

logger = logging.getLogger(__name__)

KIND = "score_fusion"
OPTIONS = ("random_state", "multi_label", "metric", "combiner", "non_empty", "guard", *NETWORK_SETTINGS)


class LearnedFusion:
    """What `ScoreFusion` learns and keeps; the ways to use it are there, and so are its options explained."""

    def __init__(
        self,
        *,
        random_state: int = 0,
        multi_label: bool | None = None,
        metric: str | None = None,
        combiner: str = "auto",
        rungs: Sequence[RungFactory] | None = None,
        calibrator: Any = None,
        llm_sources: Sequence[str] | None = None,
        non_empty: bool | None = None,
        guard: float = 0.0,
        fusion_mlp: Any = None,
        hidden_dims: Sequence[int] | None = None,
        learning_rate: float | None = None,
        epochs: int | None = None,
        batch_size: int | None = None,
    ) -> None:
        self.random_state = random_state
        self.multi_label = multi_label
        self.metric = metric
        self.combiner = combiner
        self.rungs = rungs
        self.calibrator = calibrator
        self.llm_sources = llm_sources
        self.non_empty = non_empty
        self.guard = guard
        self.fusion_mlp = fusion_mlp
        self.hidden_dims = hidden_dims
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size

    def fit(
        self,
        sources: Mapping[str, Scores],
        gold: Any,
        embeddings: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        learn: bool = True,
    ) -> Self:
        """Learn from scores that each source gave for texts it was not trained on.

        Args:
            sources: {name: Scores} for the same n texts; a source may miss some or all of them.
            gold: n labels, or lists of labels (or a 0/1 matrix) for multi-label.
            embeddings: (n, D) vectors of the texts by a model that was not trained on them; they add a rung.
            groups: (n,) rows of one group stay together in every split, as rows of equal text do.
            sample_weight: (n,) weights >= 0, of which only the proportions count; the ladder's comparisons ignore them.
            learn: False = take the prior weights: for scores that nothing may be learned from.

        Raises:
            ScoresError: the sources do not fit together, or one was trained on these texts.
            LabelError: a gold label is missing or unknown.

        """
        rows = fusion_rows(sources, gold, groups, sample_weight, embeddings)
        self.check(sources, n_labels=len(rows.labels), multi_label=rows.multi_label)
        if self.multi_label is not None and self.multi_label != rows.multi_label:
            raise ConfigError(f"multi_label={self.multi_label}, but the sources' scores say {rows.multi_label}")
        self.llm_sources_ = frozenset(
            [name for name, scores in rows.sources.items() if asks_llm(name, scores)]
            if self.llm_sources is None
            else self.llm_sources
        )
        self.known_names_ = tuple(sorted(sources))
        self.learns_ = learn
        kept = guard_rows(rows.clusters, self.guard if learn else 0.0, random_state=self.random_state)
        if self.guard and learn and not kept.any():
            logger.warning("%d rows are too few to keep any as guard: no guarantee can be given", len(rows))
        self.set_rows(rows.take(np.flatnonzero(~kept)), {})
        self.deferral_: Deferral | None = fitted_deferral(self.patterns_, self.metric_)
        self.guard_: FusionRows | None = rows.take(np.flatnonzero(kept)) if kept.any() else None
        return self

    def check(
        self,
        names: Iterable[str],
        *,
        n_labels: int,
        multi_label: bool,
        called: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Refuse options that no fusion of such sources can be made with, before anything is trained or asked.

        Args:
            names: of the sources.
            n_labels: how many labels there are.
            multi_label: whether a text may have any number of them.
            called: what the user knows the settings of the network as, where it is another name.

        Raises:
            ConfigError: an option is unknown or out of range, or does not fit the data.

        """
        check_options(self.combiner, self.rungs, self._network_settings(), self.llm_sources, names, called)
        check_seed(self.random_state)
        if self.non_empty not in (None, True, False):
            raise ConfigError(f"non_empty={self.non_empty!r} is none of None, True and False")
        check_metric(self.metric, multi_label=multi_label)
        check_calibrator(self.calibrator, n_labels, multi_label=multi_label)

    def set_rows(self, rows: FusionRows, fitted: dict[tuple[str, ...], Ladder]) -> None:
        """Take rows to learn from, and what was fitted to them already."""
        self.labels_: tuple[Label, ...] = rows.labels
        self.multi_label_ = rows.multi_label
        self.metric_ = self.metric or ("micro_f1" if rows.multi_label else "accuracy")
        self.patterns_ = Patterns(rows, self.llm_sources_, self._new_ladder, fitted)
        self.ladder_report_: LadderReport = self.patterns_.report

    @property
    def rows_(self) -> FusionRows:
        """What was learned from."""
        return self._require_fit().patterns_.rows

    @property
    def selected_(self) -> str:
        """Name of the deployed rung; "without_llm" when asking the language model was not worth it."""
        return self._require_fit().ladder_report_.selected

    @property
    def needs_(self) -> tuple[str, ...]:
        """The sources whose scores (and "embeddings", where they) make a difference to the deployed combiner."""
        self._require_fit()
        return self.patterns_.deployed.combiner.needs

    @property
    def weights_(self) -> dict[str, float]:
        """Each source's weight in the deployed combiner, where it has one number for it."""
        return dict(self._require_fit().ladder_report_.weights)

    @property
    def unused_settings_(self) -> list[str]:
        """Settings of the network that were given and had no effect on the deployed combiner."""
        self._require_fit()
        return settings_without_effect(self.patterns_.deployed.combiner, self._network_settings(), self.fusion_mlp)

    def predict_scores(self, sources: Mapping[str, Scores], embeddings: ArrayLike | None = None) -> Scores:
        """Return fused scores; a source may be left out or miss rows, and each row uses what there is for it.

        Args:
            sources: {name: Scores} for the same n texts.
            embeddings: (n, D) vectors of the texts, where the fusion was fitted with them.

        Raises:
            ScoresError: the sources do not fit together or are unknown to the fusion.

        """
        known = self._known(sources)
        return self._scores(self._answers(known, self._vectors(embeddings, known)), known)

    def save(self, folder: str | Path, *, card: Mapping[str, Any] | None = None) -> None:
        """Write what was learned into a new folder: JSON and safetensors, and a model card for people.

        Args:
            folder: a new or empty one, or that of a saved fusion, which is replaced.
            card: what the card says beside the labels and sources: `metrics`, `intended_use`, `data`, `limitations`.

        Raises:
            StorageError: the folder cannot be written, or a rung of the user's own was deployed.
            ConfigError: the card has an unknown key.

        """
        self._require_fit()
        facts = self._card_facts({} if card is None else card)
        with new_folder(folder) as temporary:
            state = self.write_into(temporary)
            write_card(temporary, facts)
            write_manifest(temporary, KIND, state)

    def _card_facts(self, given: Mapping[str, Any]) -> CardFacts:
        rows = self.rows_
        return CardFacts(
            kind=KIND,
            class_name=type(self).__name__,
            model=self.selected_,
            schema=LabelSchema(rows.labels, multi_label=rows.multi_label),
            sources={name: scores.source for name, scores in rows.sources.items()},
            training={"rows": len(rows)},
            takes="scores",
            given=given,
        )

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """Return the fusion that `save` wrote.

        Raises:
            StorageError: no saved fusion, damaged, or of another version.

        """
        kind, state = read_manifest(folder)
        if kind != KIND:
            raise StorageError(f"{str(folder)!r} holds a {kind}, not a score fusion; use textclassify.load")
        return cls.read_from(Path(folder), state)

    def write_into(self, folder: Path) -> dict[str, Any]:
        """Write scores, gold and fitted combiners into an existing folder; return what belongs into JSON."""
        from textclassify.ensemble.stored import write_fusion

        return write_fusion(folder, self)

    @classmethod
    def read_from(cls, folder: Path, state: dict[str, Any]) -> Self:
        """Return the fusion that `write_into` wrote."""
        from textclassify.ensemble.stored import read_fusion

        return read_fusion(folder, state, cls)

    def _answers(
        self,
        known: Mapping[str, Scores],
        embeddings: Embeddings | None,
        change: Callable[[Floats], Floats] | None = None,
    ) -> Answers:
        return answers(self.patterns_, known, embeddings, multi_label=self.multi_label_, change=change)

    def _scores(self, found: Answers, known: Mapping[str, Scores]) -> Scores:
        calibration = f"{self.selected_} on {self.ladder_report_.n_rows} rows"
        return fused_scores(found.values, known, calibration, multi_label=self.multi_label_)

    def _known(self, sources: Mapping[str, Scores]) -> dict[str, Scores]:
        self._require_fit()
        return known_sources(sources, self.rows_, self.known_names_)

    def _vectors(self, embeddings: ArrayLike | None, known: Mapping[str, Scores]) -> Embeddings | None:
        return checked_embeddings(embeddings, len(next(iter(known.values()))))

    def _network_settings(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in NETWORK_SETTINGS}

    def _new_ladder(self) -> Ladder:
        return Ladder(
            self.rungs or chosen_rungs(self.combiner, self._network_settings(), self.fusion_mlp),
            self.llm_sources_,
            self.metric_,
            self.random_state,
            forced=self.combiner != COMBINERS[0],
            learns=self.learns_,
            non_empty=self.non_empty,
            calibrator=self.calibrator,
        )

    def _require_fit(self) -> Self:
        if not hasattr(self, "patterns_"):
            raise NotFittedError("this ScoreFusion has learned nothing yet; call fit({name: scores}, gold) first")
        return self
