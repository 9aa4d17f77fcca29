"""`ScoreFusion`: scores of several sources in, one calibrated answer out, learned only where it pays."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scores import Scores
from textclassify.ensemble.answering import explained, known_row_ids
from textclassify.ensemble.combining.readings import Floats
from textclassify.ensemble.combining.rows import fusion_rows
from textclassify.ensemble.deferring.asking import as_if_asked, curve_on, rows_to_ask, training_curve
from textclassify.ensemble.deferring.cost_report import CostCurve
from textclassify.ensemble.learned_fusion import LearnedFusion
from textclassify.ensemble.policy import (
    Policy,
    accepted,
    n_asked,
    prediction_sets,
    set_guarantee,
    shift_of,
)
from textclassify.errors import ConfigError

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.ensemble.guarantees import PredictionSets


class ScoreFusion(LearnedFusion):
    """Learns how to combine sources from out-of-fold scores, and which combination is worth deploying.

    Args:
        random_state: seeds folds and networks.
        multi_label: asserted when given; None = as the sources are.
        metric: the headline metric that no gain in log loss may cost, and that thresholds are tuned for: "accuracy",
            "macro_f1", "micro_f1", "subset_accuracy" or "log_loss"; None = accuracy, for multi-label micro-F1.
        combiner: "auto" = the ladder with its gate; "mlp" = the network of the paper, always; "embeddings" = a network
            on the texts' vectors and the scores, always.
        rungs: the rungs to compare, from simple to complex: `Combiner` classes, or callables that take `random_state`;
            None = the defaults.
        calibrator: how sources that give probabilities are calibrated: a name ("temperature", "vector", "platt",
            "beta", "isotonic") or a `Calibrator` class; None = by the number of rows.
        llm_sources: names of the sources that ask a language model; None = recognised by how their scores were made,
            else by a name that starts with "llm".
        non_empty: whether a text always gets a label (multi-label only); None = where all gold rows have one and the
            metric does not suffer.
        guard: share of the rows (at most 1,000, at least 200 or none) that nothing is learned from, for `predict_set`
            and `max_risk`.
        fusion_mlp: a class with the constructor of `FusionMLP`, to be used in its place.
        hidden_dims, learning_rate, epochs, batch_size: of the network; None = the defaults of `NetworkSettings`.

    Learned: `selected_` (name of the deployed rung), `ladder_report_` (what was compared), `weights_`, `needs_` (the
    sources that make a difference), `labels_`, `unused_settings_` (settings of the network that had no effect).

    >>> encoder = Scores.from_probabilities([[0.9, 0.1], [0.2, 0.8]], ["ham", "spam"])
    >>> ScoreFusion().fit({"encoder": encoder}, ["ham", "spam"]).predict({"encoder": encoder}).predictions
    ['ham', 'spam']

    """

    def predict(
        self,
        sources: Mapping[str, Scores],
        embeddings: ArrayLike | None = None,
        *,
        llm_budget: Any = None,
        max_risk: float | None = None,
        confidence: float = 0.95,
        label_shift: bool = False,
        cost_per_call: ArrayLike | None = None,
    ) -> ClassificationResult:
        """Return answers, with each source's scores and what each adds to every answer.

        Args:
            sources: {name: Scores} for the same n texts.
            embeddings: (n, D) vectors of the texts, where the fusion was fitted with them.
            llm_budget: pass over what language models say of texts that `rows_to_ask` would not ask about.
            max_risk: withhold answers so that, with the given confidence, at most this share of the others is wrong.
            confidence: of that bound.
            label_shift: estimate the labels' shares among these very texts, and answer accordingly.
            cost_per_call: expected US dollars of a call, one number or (n,); for an `llm_budget` of money.

        Raises:
            ScoresError: the sources do not fit together or are unknown to the fusion.
            DataError: the guard cannot support the guarantee; the message names the rows needed.

        """
        policy = Policy(llm_budget, max_risk, confidence, label_shift)
        policy.check()
        if llm_budget is not None:
            asked = self.rows_to_ask(sources, llm_budget, embeddings, cost_per_call=cost_per_call)
            sources = as_if_asked(sources, self.llm_sources_, asked)
        return self.answered(sources, embeddings, policy)

    def answered(
        self, sources: Mapping[str, Scores], embeddings: ArrayLike | None = None, policy: Policy | None = None
    ) -> ClassificationResult:
        """Return answers to scores that were obtained under a policy, whose budget they keep already."""
        policy = Policy() if policy is None else policy
        known = self._known(sources)
        vectors = self._vectors(embeddings, known)
        found = self._answers(known, vectors)
        scores = self._scores(found, known)
        metadata: dict[str, Any] = {
            "combiner": self.selected_,
            "weights": self.weights_,
            "settings_without_effect": self.unused_settings_,
        }
        if policy.llm_budget is not None:
            metadata["asked"] = n_asked(known, self.llm_sources_)
        added: dict[str, Floats] = {}
        if policy.label_shift and len(scores):
            shift = shift_of(self, scores)
            metadata["label_shift"] = shift.in_words(self.labels_)
            found = self._answers(known, vectors, shift.transform)
            scores, added["label shift"] = self._scores(found, known), shift.in_logits
        contributions = partial(explained, self.patterns_, known, vectors, added=added)
        result = decide(scores, codes=found.codes, sources=known, metadata=metadata, contributions=contributions)
        return accepted(self, result, policy, vectors)

    def predict_set(
        self,
        sources: Mapping[str, Scores],
        alpha: float = 0.1,
        embeddings: ArrayLike | None = None,
        *,
        llm_budget: Any = None,
        **options: Any,
    ) -> PredictionSets:
        """Return for each text a set of labels that holds the right one with probability 1 - alpha (split conformal).

        Multi-label: sets that miss on average at most a share alpha of a text's labels (conformal risk control).

        Args:
            sources: {name: Scores} for the same n texts.
            alpha: share of misses.
            embeddings: as in `predict`.
            llm_budget: as in `predict`, as a share.
            **options: `method` ("lac" or "aps"), `class_conditional`, `at_least_one`, `random_state`.

        Raises:
            DataError: the guard cannot support the guarantee; the message names the rows needed.

        """
        policy = Policy(llm_budget)
        guarantee = set_guarantee(self, policy, alpha, **options)
        if llm_budget is not None:
            sources = as_if_asked(sources, self.llm_sources_, self.rows_to_ask(sources, llm_budget, embeddings))
        known = self._known(sources)
        scores, vectors = self.predict_scores(known, embeddings), self._vectors(embeddings, known)
        return prediction_sets(self, scores, known, policy, guarantee, vectors)

    def guard_with(
        self,
        sources: Mapping[str, Scores],
        gold: Any,
        embeddings: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
    ) -> None:
        """Take rows for guarantees: scored by what is deployed, and nothing else was learned from them.

        Args:
            sources: {name: Scores} of n texts.
            gold: their labels.
            embeddings: as in `predict`.
            groups: (n,) rows that belong together.

        """
        self.guard_ = fusion_rows(self._known(sources), gold, groups, None, embeddings)

    def rows_to_ask(
        self,
        sources: Mapping[str, Scores],
        budget: Any,
        embeddings: ArrayLike | None = None,
        *,
        cost_per_call: ArrayLike | None = None,
    ) -> NDArray[np.bool_]:
        """Return which texts the language models are worth asking about within a budget; shape (n,).

        Told by the scores of the sources that ask none. Nowhere, if the fusion found that asking does not pay at all.

        Args:
            sources: {name: Scores} of the free sources; others are passed over.
            budget: a share (0.2 or "20%"; a threshold fixed in `fit`, so that no text's answer depends on another), a
                number of calls (200 or "200 calls") or money ("$1.50"), both spent on the texts that need it most.
            embeddings: as in `predict_scores`.
            cost_per_call: expected US dollars, one number or (n,); for a budget of money.

        Raises:
            ConfigError: the budget is none, its price unknown, or the fusion has no free source.

        """
        known = self._known(sources)
        vectors, row_ids = self._vectors(embeddings, known), known_row_ids(known)
        return rows_to_ask(self.deferral_, self.patterns_, known, budget, vectors, cost_per_call, row_ids)

    def cost_curve(
        self,
        sources: Mapping[str, Scores],
        gold: Any,
        embeddings: ArrayLike | None = None,
        *,
        groups: ArrayLike | None = None,
        cost_per_call: float | None = None,
    ) -> pd.DataFrame:
        """Return the quality on labelled rows by the share of them that language models are asked about.

        Columns: share, quality, gain and share of the full gain kept, each with its 95% interval, beside what asking at
        random and asking the most uncertain first would give. Flat, if the fusion found that asking does not pay.

        Args:
            sources: {name: Scores} of all sources for n texts that nothing was learned from.
            gold: their labels.
            embeddings: as in `predict_scores`.
            groups: (n,) rows of one group are drawn together in the bootstrap, as rows of equal text are.
            cost_per_call: US dollars, for the price of the last point gained.

        Raises:
            ConfigError: this fusion has nothing else to answer with.

        """
        known = self._known(sources)
        if not self.patterns_.free_names:
            raise ConfigError(
                "there is no cost curve: every source of this fusion asks a language model, so that no share of calls "
                "can be saved; add a source that asks none"
            )
        rows = fusion_rows(known, gold, groups, None, embeddings)
        curve = curve_on(self.deferral_, self.patterns_, rows, self.metric_, cost_per_call=cost_per_call)
        return curve.to_pandas()

    def training_curve(self, *, cost_per_call: float | None = None) -> CostCurve | None:
        """Return the cross-fitted cost curve of the rows learned from; None where nobody is worth asking.

        Args:
            cost_per_call: US dollars, for the price of the last point gained.

        """
        self._require_fit()
        return training_curve(self.patterns_, self.metric_, self.random_state, cost_per_call=cost_per_call)
