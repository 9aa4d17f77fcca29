"""What the ensembles beside the fusion share: how members are fitted, asked and saved, and the interface."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult, gold_for
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.shared_work import sharing
from textclassify.core.types import TrainingData
from textclassify.ensemble.combining.readings import Reading
from textclassify.ensemble.honest_answers import HonestAnswers, read_readings, write_readings
from textclassify.ensemble.member_answers import MemberAnswers
from textclassify.ensemble.members import HasMembers, check_members, labels_of_members, named_sources, own_options
from textclassify.ensemble.source_training import SourceTraining
from textclassify.ensemble.stored import StoredSources
from textclassify.errors import ConfigError

logger = logging.getLogger(__name__)


class MemberEnsemble(HasMembers, TextClassifier):
    """An ensemble whose members are fitted, asked, and then joined as a subclass says.

    Where nothing is learned on top of the members (`_learns_on_top`), each is fitted once, on all rows. Otherwise they
    are fitted as the sources of a `FusionEnsemble` are, and `_learn` gets their scores of rows that they were not
    trained on. Where no member has to be fitted, the ensemble need not be either.

    A subclass stores its own options, and calls this constructor last.

    Learned: `sources_` (fitted members by name), `asked_` (names of those whose answers can make a difference),
    `readings_` (how each is calibrated, by name; empty where none is).
    """

    own_state: ClassVar[tuple[str, ...]] = ()
    """Names of what a subclass learns, as JSON can hold it."""

    def __init__(
        self,
        sources: Any,
        labels: Any,
        *,
        calibrated: bool,
        n_folds: int,
        one_model: bool,
        fusion_rows: int | None,
        multi_label: bool | None,
        random_state: int,
    ) -> None:
        self.sources = sources
        self.labels = labels
        self.calibrated = calibrated
        self.n_folds = n_folds
        self.one_model = one_model
        self.fusion_rows = fusion_rows
        self.multi_label = multi_label
        self.random_state = random_state
        self._settle(own_options(type(self)))

    @property
    def _learns_on_top(self) -> bool:
        """Whether something is learned from the members' scores, so that these have to be honest."""
        return self.calibrated

    @abstractmethod
    def _check_options(self, schema: LabelSchema, names: tuple[str, ...]) -> None:
        """Refuse options that make no sense for these labels and members, before anything is trained or asked."""

    @abstractmethod
    def _learn(self, names: tuple[str, ...], honest: HonestAnswers | None) -> None:
        """Learn how the members are joined; `honest` is None by option, or for want of rows."""

    @abstractmethod
    def _joined(self, said: MemberAnswers) -> ClassificationResult:
        """Return the ensemble's answers."""

    def _whom_to_ask(self) -> list[str]:
        """Return the names of the fitted members whose answers can make a difference."""
        return list(self.sources_)

    def _fit(self, data: TrainingData) -> None:
        members = self._checked_members(data.schema)
        training = SourceTraining(members, self.n_folds, self.one_model, 0.0, self.fusion_rows, self.random_state)
        training.check()
        if not self._learns_on_top:
            self._fit_once(members, data, as_source=False)
            return
        folds = training.plan(data).folds
        held_out = np.flatnonzero(folds >= 0)
        if not len(held_out):
            logger.warning("no row of %d can be held out: nothing is learned on top of the members", len(data))
            self._fit_once(members, data, as_source=False)
            return
        fitted, scores = training.fit(data, folds)
        honest = HonestAnswers.of(data, scores, held_out, calibrated=self.calibrated)
        self._set(fitted, honest)

    def _fit_once(self, members: Mapping[str, TextClassifier], data: TrainingData, *, as_source: bool) -> None:
        """Fit every member on all rows."""
        fitted: dict[str, TextClassifier] = {}
        with sharing():
            for name, member in members.items():
                with doing(f"{name}: "):
                    fitted[name] = clone(member).fit_as_source(data) if as_source else clone(member).fit(data)
        self._set(fitted, None)

    def _set(self, members: Mapping[str, TextClassifier], honest: HonestAnswers | None) -> None:
        self.sources_: Mapping[str, TextClassifier] = members
        self.readings_: dict[str, Reading] = {} if honest is None else dict(honest.readings)
        self._learn(tuple(members), honest)
        self.asked_ = self._whom_to_ask()

    def fit_as_source(self, data: TrainingData) -> Self:
        """Have members that are not trained learn only what an ensemble cannot learn on top; others learn all."""
        if self.learns:
            return self.fit(data)
        self.schema_ = data.schema
        self._fit_once(self._checked_members(data.schema), data, as_source=True)
        return self

    def _checked_members(self, schema: LabelSchema) -> dict[str, TextClassifier]:
        """Return the members by name, once they and the options are known to fit together.

        Raises:
            ConfigError: there is none, one is no classifier or of the other kind, an option makes no sense, or the
                ensemble was loaded.
            ScoresError: a member has other labels.

        """
        self._refuse_loaded()
        members = named_sources(self.sources or {})
        if not members:
            raise ConfigError(
                f"{type(self).__name__} has no members; pass [LinearClassifier(), ...], or add them by add_model"
            )
        check_members(members, schema)
        for option in ("calibrated", "one_model"):
            if not isinstance(getattr(self, option), bool):
                raise ConfigError(f"{option}={getattr(self, option)!r} is neither True nor False")
        self._check_options(schema, tuple(members))
        return members

    def _given_schema(self) -> LabelSchema | None:
        """Return the labels that were given, or else those of a member; the data say how many of them a text has."""
        given, of_members = super()._given_schema(), labels_of_members(self.sources)
        if given is not None or of_members is None:
            return given
        return replace(of_members, multi_label=bool(self.multi_label))

    def _require_schema(self) -> LabelSchema:
        """Return the labels; where nothing was fitted, the members say how many a text has."""
        schema, of_members = super()._require_schema(), labels_of_members(self.sources)
        if hasattr(self, "schema_") or of_members is None or self.multi_label is not None:
            return schema
        return replace(schema, multi_label=of_members.multi_label)

    def _known_members(self) -> Mapping[str, TextClassifier]:
        """Return the fitted members, or else those that were given."""
        return self.sources_ if hasattr(self, "schema_") else named_sources(self.sources or {})

    def _prepare(self) -> None:
        """Take the given members as they are where the ensemble was not fitted, and none of them has to be."""
        schema = self._require_schema()
        if not hasattr(self, "schema_"):
            self._set(self._checked_members(schema), None)

    @property
    def learns(self) -> bool:  # type: ignore[override] # an ensemble does if one of its members does
        """Whether it has to be fitted: a member learns, or something is learned on top."""
        members = self._known_members().values()
        return not members or self._learns_on_top or any(member.learns for member in members)

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # an ensemble does if one of its members does
        """Whether a text may cost a language model's time or money."""
        members = self._known_members()
        names = self.asked_ if hasattr(self, "schema_") else members
        return any(members[name].asks_llm for name in names)

    @property
    def model_used(self) -> str:
        """The members' models, each once."""
        used = {member.model_used for member in self._known_members().values()}
        return f"{self.kind} of {', '.join(sorted(used))}" if used else self.kind

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that members which are not trained have seen all the same."""
        seen = [member.seen_row_ids for member in self._known_members().values()]
        return np.unique(np.concatenate([super().seen_row_ids, *seen]))

    def check_model(self) -> None:
        """Make sure that every member's model can be had; see `TextClassifier.check_model`."""
        for member in self._known_members().values():
            member.check_model()

    def source_scores(self, texts: Any) -> dict[str, Scores]:
        """Return the scores of each member whose answers count, by name."""
        return self._said(dataset.texts_of(texts)).scores

    def predict(self, texts: Any, labels: Any = None) -> ClassificationResult:
        """Return answers, with each member's scores in `sources`.

        Args:
            texts: n texts.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else.

        """
        schema, rows = self._require_schema(), dataset.texts_of(texts)
        if labels is not None:
            gold_for(labels, schema, len(rows))  # before anybody is asked
        result = self._joined(self._said(rows))
        result.metadata["models"] = {name: self.sources_[name].model_used for name in result.sources}
        return self._with_metrics(result, labels)

    def _score(self, texts: list[str]) -> Scores:
        return self._joined(self._said(texts)).scores

    def _said(self, texts: list[str]) -> MemberAnswers:
        self._prepare()
        labels, results = self._require_schema().names, {}
        for name in sorted(self.asked_):
            with doing(f"{name}: "):
                results[name] = self.sources_[name].predict(texts)
            check_same_labels(labels, results[name].classes, name)
        return MemberAnswers.of(results, self.readings_)

    def _write(self, folder: Path) -> dict[str, Any]:
        self._prepare()
        for number, member in enumerate(self.sources_.values()):
            part = folder / f"source_{number}"
            part.mkdir()
            member.write_into(part)
        return {
            "sources": list(self.sources_),
            "asked": self.asked_,
            "readings": write_readings(folder, self.readings_),
            "own": {name: getattr(self, name) for name in self.own_state},
        }

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        parts = {name: folder / f"source_{number}" for number, name in enumerate(learned["sources"])}
        for name in self.own_state:
            setattr(self, name, learned["own"][name])
        self.asked_ = learned["asked"]
        self.sources_ = StoredSources(parts, needed=self.asked_)
        self.readings_ = read_readings(folder, learned["readings"], multi_label=self.schema_.multi_label)

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters.pop("sources")
        return parameters
