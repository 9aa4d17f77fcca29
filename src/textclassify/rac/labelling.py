"""`Labeller`: candidates by retrieval, checks by a language model, one distribution per text."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.scales import Method, Scale, Status
from textclassify.core.scores import Scores
from textclassify.llm.choices import Choice, Chosen
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.wording import Wording
from textclassify.rac.deciding.posterior import posterior
from textclassify.rac.retrieval import SimilarityClassifier
from textclassify.rac.retrieving.candidates import Candidates, best_of
from textclassify.rac.verification import USES_YES_NO, Choose, verify
from textclassify.rac.verifying.bias import CheckBias
from textclassify.rac.verifying.evidence import Evidence
from textclassify.rac.verifying.questions import Questions
from textclassify.rac.verifying.references import Reference, references

logger = logging.getLogger(__name__)

ALWAYS = 0.9
"""Share of yes to wrong labels, or of texts with no yes at all, from which a user is told."""
MISSES_PER_REFERENCE = 2
"""Labels that do not fit, of each text about a label, that tell how readily the model says yes."""
N_NEAR = 8
"""Labels that are looked at for them, at least."""
FEWEST_TEXTS = 20
"""Texts below which the latter happens."""


@dataclass(frozen=True, eq=False)
class Found:
    """What is known about n texts.

    Args:
        scores: over all K labels.
        candidates: the labels that retrieval ranks highest, (n, k).
        evidence: what the model said about them; None = nobody was asked.
        retrieved: the scores of retrieval alone.
        other: code of the label for what fits none of the others, which is no candidate; None = there is none.

    """

    scores: Scores
    candidates: Candidates
    evidence: Evidence | None
    retrieved: Scores
    other: int | None = None

    @property
    def prior(self) -> NDArray[np.float64]:
        """(n, K) log-probabilities or, multi-label, log-odds of retrieval alone."""
        return comparable(self.retrieved)


@dataclass(frozen=True)
class Labeller:
    """How texts are labelled: which labels are tried, who is asked, and what the answers count.

    Args:
        schema: the labels.
        retriever: ranks them; its scores are the prior.
        choose: asks a language model; None = retrieval alone.
        decision: how candidates are checked, see `verification`.
        top_k: candidates per text.
        weight: what a log-odd of the model counts.
        min_yes: P(yes) from which an answer is a yes.
        source: the name of the scores.
        other: the label for what fits none of the others; None = there is none.
        demonstrations: labels that questions are demonstrated with.
        wording: what questions say.

    """

    schema: LabelSchema
    retriever: TextClassifier
    choose: Choose | None
    decision: str
    top_k: int
    weight: float
    min_yes: float
    source: str
    other: Label | None = None
    demonstrations: int = 0
    wording: Wording = ENGLISH

    @property
    def _other(self) -> int | None:
        return None if self.other is None else self.schema.names.index(self.other)

    def candidates(self, texts: Sequence[str], k: int) -> Candidates:
        """Return the labels that retrieval ranks highest; where it can, without scoring all others."""
        if isinstance(self.retriever, SimilarityClassifier) and self.retriever.other == self.other:
            return self.retriever.top_labels(list(texts), k)
        return self._best_of(comparable(self.retriever.predict_scores(list(texts))), k)

    def _best_of(self, prior: NDArray[np.float64], k: int) -> Candidates:
        """Return the k labels with the highest scores; the one for all that fits none is no candidate."""
        if self.other is not None:
            prior = prior.copy()
            prior[:, self._other] = -np.inf
        return best_of(prior, k)

    def find(self, texts: Sequence[str]) -> Found:
        """Return what retrieval and the model say about texts that are not blank."""
        retrieved = self.retriever.predict_scores(list(texts))
        prior = comparable(retrieved)
        candidates = self._best_of(prior, self.top_k)
        if self.choose is None or not len(texts):
            return Found(replace(retrieved, source=self.source, row_ids=None), candidates, None, retrieved, self._other)
        about = self._references()
        questions = Questions(self.schema, about[: self.demonstrations], self.wording)
        bias = self._bias(questions, about, self.choose)
        evidence = verify(
            texts,
            candidates,
            questions,
            self.choose,
            self.decision,
            prior=np.take_along_axis(prior, np.maximum(candidates.codes, 0), axis=1),
            min_yes=self.min_yes,
            bias=bias,
            weight=self.weight,
            none_option=self.other is not None,
        )
        if bias is not None:
            evidence.cost[0] += bias.cost  # of what all texts share, the first one bears the cost
        _tell_of_refusal(evidence)
        return self.weighed(retrieved, candidates, evidence)

    def questions(self, texts: Sequence[str], *, of_bias: bool = True) -> list[Choice]:
        """Return the questions that labelling texts asks at most, as far as they do not depend on answers.

        Args:
            texts: those that are not blank.
            of_bias: whether those come first that learn what the model says to labels that do not fit.

        """
        asked: list[Choice] = []

        def note(choices: Sequence[Choice]) -> Chosen:
            asked.extend(choices)
            return _undecided(choices) if self.decision == "pairwise" else Chosen.nothing_yet(choices, Method.GIVEN)

        if self.choose is not None and len(texts):
            about = self._references()
            questions = Questions(self.schema, about[: self.demonstrations], self.wording)
            if of_bias:
                self._bias(questions, about, note)
            tried = self.candidates(texts, self.top_k)
            verify(texts, tried, questions, note, self.decision, none_option=self.other is not None)
        return asked

    def _references(self) -> list[Reference]:
        """Return texts about labels; a label for what fits no other one is about nothing."""
        found = references(self.schema, self._ranked, self.wording)
        return [one for one in found if self.other is None or one.label != self._other]

    def _ranked(self, texts: Sequence[str]) -> Candidates:
        """Return candidates of texts about labels, with room for labels that are passed over."""
        return self.candidates(texts, max(N_NEAR, self.top_k + 3))

    def _bias(self, questions: Questions, about: Sequence[Reference], choose: Choose) -> CheckBias | None:
        """Return what the model says to labels that do not fit; None where it is not asked about one at a time.

        What a demonstration tells is not asked.
        """
        if self.decision not in USES_YES_NO:
            return None
        misses = [
            (reference.text, wrong)
            for row, reference in enumerate(about)
            for place, wrong in enumerate(reference.near[:MISSES_PER_REFERENCE])
            if row >= self.demonstrations or place
        ]
        bias = CheckBias.learn(questions, choose, misses)
        if bias.yes_rate >= ALWAYS:
            logger.warning(
                "the language model says yes to %.0f%% of the labels that do not fit, so that its yes says little; "
                "what counts is how sure it is. decision='listwise' asks which of the candidates fits best",
                100 * bias.yes_rate,
            )
        return bias

    def weighed(self, retrieved: Scores, candidates: Candidates, said: Evidence) -> Found:
        """Return the scores that follow from evidence; rows about which no question was answered have none."""
        values = posterior(comparable(retrieved), candidates, said, self.weight, multi_label=self.schema.multi_label)
        silent = said.asked & ~said.answered.any(axis=1)
        status = np.where(silent, np.where(said.status == Status.OK, Status.FAILED, said.status), retrieved.status)
        values[status != Status.OK] = np.nan
        scores = Scores.build(
            values,
            self.schema.names,
            Scale.LOG_ODDS if self.schema.multi_label else Scale.LOG_PROBABILITY,
            source=self.source,
            method=np.where(said.asked, said.method, np.uint8(Method.SIMILARITY)),
            status=status.astype(np.uint8),
            cost=retrieved.cost + said.cost,
            fold=retrieved.fold,
        )
        return Found(scores, candidates, said, retrieved, self._other)


def _tell_of_refusal(evidence: Evidence) -> None:
    """Warn of a model that says no to every candidate of nearly every text."""
    asked, refused = int(evidence.asked.sum()), int(evidence.all_said_no.sum())
    if asked >= FEWEST_TEXTS and refused >= ALWAYS * asked:
        logger.warning(
            "the language model says no to all candidates of %d of %d texts: either the labels do not fit, or its no "
            "says little. decision='listwise' asks which of the candidates fits best",
            refused,
            asked,
        )


def _undecided(choices: Sequence[Choice]) -> Chosen:
    """Return the answers of a model that finds all of them alike."""
    chosen = Chosen.nothing_yet(choices, Method.GIVEN)
    chosen.status[:] = Status.OK
    for row, choice in enumerate(choices):
        chosen.values[row, : len(choice.answers)] = -np.log(len(choice.answers))
    return chosen


def comparable(scores: Scores) -> NDArray[np.float64]:
    """Return (n, K) log-probabilities or, multi-label, log-odds, whatever the scale; -inf where a row has none."""
    if scores.scale in {Scale.LOG_PROBABILITY, Scale.LOG_ODDS}:
        values = scores.values.astype(np.float64)
    else:
        p = np.clip(scores.probabilities, 1e-9, 1 - 1e-9)
        values = np.log(p) - np.log1p(-p) if scores.multi_label else np.log(p)
    return np.nan_to_num(values, nan=-np.inf)
