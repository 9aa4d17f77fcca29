"""`ScoreFusion`: scores of several sources in, one calibrated answer out, learned only where it pays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.labels import Label
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scales import Method, Scale, Status
from textclassify.core.scores import Scores, check_same_labels
from textclassify.core.seeds import check_seed
from textclassify.core.storage import new_folder, read_manifest, write_manifest
from textclassify.core.texts import did_you_mean, listed
from textclassify.ensemble.ladder import Ladder, RungFactory
from textclassify.ensemble.ladder_report import LadderReport
from textclassify.ensemble.patterns import Patterns
from textclassify.ensemble.pooling import LogLinearPool, VectorScalingPool
from textclassify.ensemble.readings import Floats
from textclassify.ensemble.rows import FusionRows, aligned, asks_llm, fusion_rows
from textclassify.ensemble.stored import read_ladder, read_rows, read_rungs, write_ladder, write_rows, write_rungs
from textclassify.errors import ConfigError, MissingDependencyError, NotFittedError, ScoresError, StorageError

COMBINERS = ("auto", "mlp")
KIND = "score_fusion"
_KINDS = {True: "multi-label", False: "single-label"}


class ScoreFusion:
    """Learns how to combine sources from out-of-fold scores, and which combination is worth deploying.

    Args:
        random_state: seeds folds and networks.
        multi_label: asserted when given; None = as the sources are.
        metric: the headline metric that no gain in log loss may cost: "accuracy", "micro_f1", "subset_accuracy" or
            "log_loss"; None = accuracy, for multi-label micro-F1.
        combiner: "auto" = the ladder with its gate; "mlp" = the network of the paper, always.
        rungs: the rungs to compare, from simple to complex: `Combiner` classes, or callables that take `random_state`;
            None = the defaults.
        llm_sources: names of the sources that ask a language model; None = recognised by how their scores were made,
            else by a name that starts with "llm".
        hidden_dims, learning_rate, epochs, batch_size: of the network; None = the defaults of `NetworkSettings`.

    Learned: `selected_` (name of the deployed rung), `ladder_report_` (what was compared), `weights_`, `needs_` (the
    sources that make a difference), `labels_`.

    >>> encoder = Scores.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["ham", "spam"])
    >>> ScoreFusion().fit({"encoder": encoder}, ["ham", "spam"]).predict({"encoder": encoder}).predictions
    ['ham', 'spam']

    """

    def __init__(
        self,
        *,
        random_state: int = 0,
        multi_label: bool | None = None,
        metric: str | None = None,
        combiner: str = "auto",
        rungs: Sequence[RungFactory] | None = None,
        llm_sources: Sequence[str] | None = None,
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
        self.llm_sources = llm_sources
        self.hidden_dims = hidden_dims
        self.learning_rate = learning_rate
        self.epochs = epochs
        self.batch_size = batch_size

    def fit(
        self,
        sources: Mapping[str, Scores],
        gold: Any,
        *,
        groups: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
        learn: bool = True,
    ) -> Self:
        """Learn from scores that each source gave for texts it was not trained on.

        Args:
            sources: {name: Scores} for the same n texts; a source may miss some or all of them.
            gold: n labels, or lists of labels (or a 0/1 matrix) for multi-label.
            groups: (n,) rows of one group stay together in every split, as rows of equal text do.
            sample_weight: (n,) weights >= 0, of which only the proportions count; the ladder's comparisons ignore them.
            learn: False = take the prior weights: for scores that nothing may be learned from.

        Raises:
            ScoresError: the sources do not fit together, or one was trained on these texts.
            LabelError: a gold label is missing or unknown.

        """
        self._refuse_unknown_options()
        rows = fusion_rows(sources, gold, groups, sample_weight)
        if self.multi_label is not None and self.multi_label != rows.multi_label:
            raise ConfigError(f"multi_label={self.multi_label}, but the sources' scores say {rows.multi_label}")
        self.labels_: tuple[Label, ...] = rows.labels
        self.multi_label_ = rows.multi_label
        self.llm_sources_ = frozenset(
            [name for name, scores in rows.sources.items() if asks_llm(name, scores)]
            if self.llm_sources is None
            else self.llm_sources
        )
        self.known_names_ = tuple(sorted(sources))
        self._learns = learn
        self.patterns_ = Patterns(rows, self.llm_sources_, self._new_ladder)
        self.ladder_report_: LadderReport = self.patterns_.report
        return self

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
        """The sources whose scores make a difference to the deployed combiner."""
        self._require_fit()
        return self.patterns_.deployed.combiner.needs

    @property
    def weights_(self) -> dict[str, float]:
        """Each source's weight in the deployed combiner, where it has one number for it."""
        return dict(self._require_fit().ladder_report_.weights)

    def predict_scores(self, sources: Mapping[str, Scores]) -> Scores:
        """Return fused scores; a source may be left out or miss rows, and each row uses what there is for it.

        Raises:
            ScoresError: the sources do not fit together or are unknown to the fusion.

        """
        known = self._known(sources)
        first = next(iter(known.values()))
        values = np.full((len(first), len(self.labels_)), np.nan)
        for names, rows in self.patterns_.by_row(known):
            ladder = self.patterns_.ladder_for(names)
            values[rows] = ladder.scores({name: known[name].take(rows) for name in ladder.combiner.needs})
        scale = Scale.LOG_ODDS if self.multi_label_ else Scale.LOG_PROBABILITY
        missing = np.isnan(values).all(axis=1)
        return Scores.build(
            values if self.multi_label_ else _normalised(values),
            self.labels_,
            scale,
            source="fusion",
            method=Method.FUSED,
            status=np.where(missing, _reason(list(known.values())), Status.OK),
            cost=np.sum([scores.cost for scores in known.values()], axis=0),
            row_ids=first.row_ids,
            calibration=f"{self.selected_} on {self.ladder_report_.n_rows} rows",
        )

    def predict(self, sources: Mapping[str, Scores]) -> ClassificationResult:
        """Return answers, with each source's scores and what each adds to every answer."""
        known = self._known(sources)
        metadata = {"combiner": self.selected_, "weights": self.weights_}
        return decide(
            self.predict_scores(known), sources=known, metadata=metadata, contributions=partial(self._explain, known)
        )

    def save(self, folder: str | Path) -> None:
        """Write what was learned into a new folder: JSON and safetensors.

        Raises:
            StorageError: the folder cannot be written, or a rung of the user's own was deployed.

        """
        self._require_fit()
        with new_folder(folder) as temporary:
            write_manifest(temporary, KIND, self.write_into(temporary))

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
        state: dict[str, Any] = {"options": self._options(), "rows": write_rows(folder, self.rows_)}
        state["rungs"] = write_rungs(self.rungs)
        state |= {"llm_sources": sorted(self.llm_sources_), "known": list(self.known_names_), "learns": self._learns}
        state["combiners"] = [
            write_ladder(folder / f"combiner_{number}.safetensors", names, ladder)
            for number, (names, ladder) in enumerate(sorted(self.patterns_.fitted.items()))
        ]
        return state

    @classmethod
    def read_from(cls, folder: Path, state: dict[str, Any]) -> Self:
        """Return the fusion that `write_into` wrote."""
        fusion = cls(**state["options"], rungs=read_rungs(state["rungs"]))
        rows = read_rows(folder, state["rows"])
        fusion.labels_, fusion.multi_label_ = rows.labels, rows.multi_label
        fusion.llm_sources_, fusion.known_names_ = frozenset(state["llm_sources"]), tuple(state["known"])
        fusion._learns = state["learns"]
        fusion.patterns_ = Patterns(rows, fusion.llm_sources_, fusion._new_ladder)
        for number, written in enumerate(state["combiners"]):
            ladder = Ladder((), fusion.llm_sources_, "restored")  # holds what was fitted; new patterns make their own
            read_ladder(folder / f"combiner_{number}.safetensors", written, ladder, rows)
            fusion.patterns_.fitted[tuple(written["names"])] = ladder
        fusion.ladder_report_ = fusion.patterns_.report
        return fusion

    def _options(self) -> dict[str, Any]:
        names = (
            "random_state",
            "multi_label",
            "metric",
            "combiner",
            "hidden_dims",
            "learning_rate",
            "epochs",
            "batch_size",
        )
        return {name: getattr(self, name) for name in names}

    def _explain(self, sources: Mapping[str, Scores], row: int) -> dict[str, float]:
        one = {name: scores.take([row]) for name, scores in sources.items()}
        patterns = self.patterns_.by_row(one)
        if not patterns:
            return {}
        parts = self.patterns_.ladder_for(patterns[0][0]).combiner.contributions(one)
        total = np.sum(list(parts.values()), axis=0)[0]
        if self.multi_label_:
            label = int(np.abs(total).argmin())
            return {name: float(part[0, label]) for name, part in parts.items()}
        order = np.argsort(-total, kind="stable")
        rival = order[1] if len(order) > 1 else order[0]
        return {name: float(part[0, order[0]] - part[0, rival]) for name, part in parts.items()}

    def _known(self, sources: Mapping[str, Scores]) -> dict[str, Scores]:
        self._require_fit()
        known = aligned(sources)
        name, first = next(iter(known.items()))
        check_same_labels(self.labels_, first.labels, name)
        if first.multi_label != self.multi_label_:
            raise ScoresError(
                f"source {name!r} is {_KINDS[first.multi_label]} and the fusion is {_KINDS[self.multi_label_]}; "
                f"pass multi_label={self.multi_label_} to Scores.from_probabilities or from_votes"
            )
        for name, scores in known.items():
            if name not in self.known_names_:
                hint = did_you_mean(name, self.known_names_)
                raise ScoresError(
                    f"the fusion was not fitted with a source {name!r}{hint}; it knows {listed(self.known_names_)}"
                )
            _check_same_kind(name, self.rows_.sources.get(name), scores)
        return {name: scores for name, scores in known.items() if name in self.rows_.sources} or known

    def _new_ladder(self) -> Ladder:
        metric = self.metric or ("micro_f1" if self.multi_label_ else "accuracy")
        forced = self.combiner == "mlp"
        rungs = (
            self._mlp_rungs(published=True) if forced else self._default_rungs() if self.rungs is None else self.rungs
        )
        return Ladder(rungs, self.llm_sources_, metric, self.random_state, forced, self._learns)

    def _default_rungs(self) -> list[RungFactory]:
        rungs: list[RungFactory] = [LogLinearPool, VectorScalingPool]
        try:
            return rungs + self._mlp_rungs(published=False)
        except ImportError:  # without torch the ladder ends one rung earlier
            return rungs

    def _mlp_rungs(self, *, published: bool) -> list[RungFactory]:
        try:
            from textclassify.ensemble.mlp import NetworkSettings, PublishedMLP, ResidualMLP
        except ImportError as error:
            raise MissingDependencyError('the "mlp" combiner needs torch; pip install "textclassify[torch]"') from error

        given = {
            "hidden_dims": None if self.hidden_dims is None else tuple(self.hidden_dims),
            "learning_rate": self.learning_rate,
            "epochs": self.epochs,
            "batch_size": self.batch_size,
        }
        settings = NetworkSettings(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]
        rung = PublishedMLP if published else ResidualMLP
        return [partial(rung, settings=settings)]

    def _refuse_unknown_options(self) -> None:
        if self.combiner not in COMBINERS:
            hint = did_you_mean(self.combiner, COMBINERS)
            raise ConfigError(f"unknown combiner {self.combiner!r}{hint}; known: {', '.join(COMBINERS)}")
        for rung in self.rungs or ():
            if not callable(rung):
                raise ConfigError(f"rung {rung!r} is no Combiner class; pass classes such as LogLinearPool")
        if self.hidden_dims is not None and not all(width > 0 for width in self.hidden_dims):
            raise ConfigError(f"hidden_dims must be widths of at least 1, got {list(self.hidden_dims)}")
        check_seed(self.random_state)

    def _require_fit(self) -> Self:
        if not hasattr(self, "patterns_"):
            raise NotFittedError("this ScoreFusion has learned nothing yet; call fit({name: scores}, gold) first")
        return self


def _reason(sources: Sequence[Scores]) -> NDArray[np.uint8]:
    """Return why rows have no scores: the gravest reason that any source gives."""
    return np.asarray(np.max([scores.status for scores in sources], axis=0, initial=np.uint8(Status.NOT_CALLED)))


def _check_same_kind(name: str, learned: Scores | None, scores: Scores) -> None:
    """Refuse probabilities where votes were learned from, and the other way round: they are read differently."""
    votes = Scale.VOTE_SHARE
    if learned is not None and scores.answered.any() and (learned.scale is votes) != (scores.scale is votes):
        raise ScoresError(
            f"source {name!r} gave {learned.scale.value} in fitting and gives {scores.scale.value} now; "
            "pass scores made in the same way"
        )


def _normalised(values: Floats) -> Floats:
    return np.maximum(values, np.log(1e-9))
