"""`ClassRoutingEnsemble`: each label has the member that knows it best, and that member's word on it counts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textclassify.core.labels import Label, LabelSchema, plain_label
from textclassify.core.result import NO_LABEL, ClassificationResult
from textclassify.core.texts import did_you_mean, listed
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.honest_answers import HonestAnswers
from textclassify.ensemble.member_answers import MemberAnswers, implied_codes
from textclassify.ensemble.member_ensemble import MemberEnsemble
from textclassify.ensemble.members import check_member_name
from textclassify.errors import ConfigError
from textclassify.statistics.metrics import label_table

SHRINKAGE = 10.0
"""How firmly a member's F1 on a label is held at its F1 over all labels: as so many rows of the label would."""

_SAME_F1 = 1e-9


class ClassRoutingEnsemble(MemberEnsemble):
    """Every label has a specialist among the members, whose answer counts where it names that label.

    A text that one specialist claims (it answers its own label) gets that label. Where several claim it for different
    labels, the most probable claim wins, by the specialists' own probabilities, and of equal ones the label that comes
    first. Where none claims it, the default member answers. The text's scores are those of the member that is followed,
    which `details["member"]` names. Where a label's specialist does not answer (it abstained or failed) the next member
    stands in for it: the default, then the others in the order of their validation F1, with given rules in the order
    in which they were passed; a language model that has no label and is not the default is not asked. Where nobody
    answers, the text has the gravest status that a member gives.
    Multi-label: each label is decided by its specialist alone, or by who stands in for it.

    Rules that are given are used as they are, and each member is trained once, on all rows. Without them they are
    learned: members that learn are trained out-of-fold, as the sources of a `FusionEnsemble` are, and each member's F1
    per label is taken over the held-out rows that it scored, of the answers that its probabilities imply (multi-label:
    labels of at least 0.5, whatever thresholds of its own it answers by). It is shrunk to the member's F1 over all
    labels as `SHRINKAGE` rows would, so that a label which is rare among these rows goes to the best member overall; so
    does one on which another member is only equally good. Where no row can be held out, all labels go to the first
    member.

    Args:
        sources: {name: classifier}, a list of classifiers (named by kind: "linear", "llm", "llm_2"), or an
            `EnsembleConfig` with the method "class_routing".
        labels: the label schema; None = as a member was given it, else from the data.
        routing_rules: {label: name of its specialist}; labels without one go to the default. None = learned.
        default: name of the default member; None = the best one overall, with given rules the first.
        calibrated: whether each member's probabilities are calibrated on held-out rows, and its answers are those that
            they imply.
        n_folds: folds under 2,000 rows, where anything is learned.
        one_model: reserve a fifth for the rules instead, and train each member once.
        fusion_rows: rows that a language model is asked about for the rules; None = max(500, 10 K).
        multi_label: asserted when given.
        random_state: seeds folds and samples.

    Learned: `sources_` (fitted members by name), `specialists_` (a member per label, in the labels' order), `order_`
    (the members, as they stand in for each other), `f1_` ({member: F1 per label, shrunk}; empty with given rules).

    >>> from textclassify.testing import FixedClassifier
    >>> members = {"one": FixedClassifier({"hi": [0.9, 0.1]}), "other": FixedClassifier({"hi": [0.2, 0.8]})}
    >>> ClassRoutingEnsemble(members, routing_rules={"a": "other", "b": "one"}).predict(["hi"]).predictions
    ['a']

    """

    kind: ClassVar[str] = "class_routing"
    own_state: ClassVar[tuple[str, ...]] = ("specialists_", "order_", "f1_")

    def __init__(
        self,
        sources: Any = None,
        labels: Any = None,
        *,
        routing_rules: Mapping[Any, str] | None = None,
        default: str | None = None,
        calibrated: bool = False,
        n_folds: int = 5,
        one_model: bool = False,
        fusion_rows: int | None = None,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.routing_rules = routing_rules
        self.default = default
        super().__init__(
            sources,
            labels,
            calibrated=calibrated,
            n_folds=n_folds,
            one_model=one_model,
            fusion_rows=fusion_rows,
            multi_label=multi_label,
            random_state=random_state,
        )

    @property
    def _learns_on_top(self) -> bool:
        return self.routing_rules is None or self.calibrated

    @property
    def rules_(self) -> dict[Label, str]:
        """The specialist of each label."""
        return dict(zip(self._require_schema().names, self.specialists_, strict=True))

    def _check_options(self, schema: LabelSchema, names: tuple[str, ...]) -> None:
        if self.default is not None:
            check_member_name(self.default, names, "default")
        if self.routing_rules is None:
            return
        if not isinstance(self.routing_rules, Mapping):
            raise ConfigError(f"routing_rules={self.routing_rules!r:.60} are none; pass {{label: name of a member}}")
        for label, name in self.routing_rules.items():
            if plain_label(label) not in schema.names:
                raise ConfigError(
                    f"routing_rules have the label {label!r}, which is unknown{did_you_mean(label, schema.names)}; "
                    f"known labels: {listed(map(repr, schema.names), 12)}"
                )
            check_member_name(name, names, f"the rule for {label!r}")

    def _learn(self, names: tuple[str, ...], honest: HonestAnswers | None) -> None:
        labels = self._require_schema().names
        self.f1_: dict[str, list[float]] = {}
        self.order_ = _with_first(list(names), self.default)
        if self.routing_rules is not None:
            rules = {plain_label(label): name for label, name in self.routing_rules.items()}
            self.specialists_ = [rules.get(label, self.order_[0]) for label in labels]
            return
        self.specialists_ = [self.order_[0]] * len(labels)
        if honest is not None:
            self._learn_rules(names, honest)

    def _learn_rules(self, names: tuple[str, ...], honest: HonestAnswers) -> None:
        overall, by_label = shrunk_f1(honest)
        best_first = sorted(range(len(honest.names)), key=lambda member: (-overall[member], honest.names[member]))
        silent = [name for name in names if name not in honest.names]
        self.order_ = _with_first([honest.names[member] for member in best_first] + silent, self.default)
        self.f1_ = dict(zip(honest.names, by_label.tolist(), strict=True))
        ranked = by_label[best_first]  # so that of equal members the best one overall comes first
        best = (ranked >= ranked.max(axis=0) - _SAME_F1).argmax(axis=0)
        self.specialists_ = [honest.names[best_first[member]] for member in best]

    def _whom_to_ask(self) -> list[str]:
        needed = {*self.specialists_, self.order_[0]}
        return [name for name in self.order_ if name in needed or not self.sources_[name].asks_llm]

    def _joined(self, said: MemberAnswers) -> ClassificationResult:
        metadata = {"rules": self.rules_, "default": self.order_[0]}
        place = {name: number for number, name in enumerate(said.names)}
        order = np.array([place[name] for name in self.order_ if name in place])
        specialists = _first_able(said, np.array([[place[name], *order] for name in self.specialists_]).T)
        rows, labels = np.ogrid[: len(specialists), : len(said.labels)]
        votes, likely = said.votes[specialists, rows, labels], said.probabilities[specialists, rows, labels]
        if said.multi_label:
            values, codes = np.where(np.isnan(votes), np.nan, likely), np.nan_to_num(votes).astype(np.int64)
            return said.result(values, self.kind, votes=False, codes=codes, metadata=metadata)
        default = _first_able(said, np.repeat(order[:, None], len(said.labels), axis=1))[:, 0]
        member = _followed(votes, likely, specialists, default)
        values, votes = said.probabilities[member, rows[:, 0]], said.votes[member, rows[:, 0]]
        silent = np.isnan(votes).any(axis=1)
        values[silent] = np.nan
        named = np.array(said.names, dtype=object)[member]
        named[silent] = None
        codes = np.where(silent, NO_LABEL, np.nan_to_num(votes).argmax(axis=1))
        details = {"member": named}
        return said.result(values, self.kind, votes=False, codes=codes, metadata=metadata, details=details)

    def _stored_parameters(self) -> dict[str, Any]:
        parameters = super()._stored_parameters()
        parameters.pop("routing_rules")
        return parameters

    def _write(self, folder: Path) -> dict[str, Any]:
        return super()._write(folder) | {"rules_given": self.routing_rules is not None}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        super()._read(folder, learned)
        if learned["rules_given"]:
            self.routing_rules = self.rules_  # as fitted: JSON has no keys that are numbers


def _first_able(said: MemberAnswers, members: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return for each text and label (n, K) the first of its members (S, K) who answers; if none does, the first."""
    answers = ~np.isnan(said.votes)
    able = np.stack([answers[of_label, :, label] for label, of_label in enumerate(members.T)], axis=-1)
    first: NDArray[np.intp] = members[able.argmax(axis=0), np.arange(members.shape[1])]
    return first


def _followed(
    votes: Floats, likely: Floats, specialists: NDArray[np.intp], default: NDArray[np.intp]
) -> NDArray[np.intp]:
    """Return the member (n,) that is followed: of the specialists who claim a text the surest, else the default.

    Args:
        votes: (n, K) 1 where the label's specialist answers that label.
        likely: (n, K) the probability that it gives it.
        specialists: (n, K) who that is.
        default: (n,) who answers if nobody claims the text.

    """
    claims = votes == 1
    surest = np.where(claims, np.nan_to_num(likely), -1.0).argmax(axis=1)
    return np.where(claims.any(axis=1), specialists[np.arange(len(surest)), surest], default)


def _with_first(names: Sequence[str], first: str | None) -> list[str]:
    """Return names with one of them put first."""
    return list(names) if first is None else [first, *(name for name in names if name != first)]


def shrunk_f1(honest: HonestAnswers) -> tuple[Floats, Floats]:
    """Return each member's F1 over all labels (M,), and per label (M, K), shrunk to it by `SHRINKAGE` rows.

    F1 = 2 hits / (gold + predicted), counted over the rows that the member scored; over all labels, counts are summed.
    """
    n_labels = honest.probabilities.shape[2]
    overall, by_label = np.zeros(len(honest.names)), np.zeros((len(honest.names), n_labels))
    for member, said in enumerate(honest.probabilities):
        scored = ~np.isnan(said).any(axis=1)
        codes = implied_codes(said[scored], multi_label=honest.gold.ndim > 1)
        counts = label_table(honest.gold[scored], codes, n_labels=n_labels)
        hits, marked = 2 * counts.hits, counts.support + counts.predicted
        overall[member] = hits.sum() / max(int(marked.sum()), 1)
        by_label[member] = (hits + 2 * SHRINKAGE * overall[member]) / (marked + 2 * SHRINKAGE)
    return overall, by_label
