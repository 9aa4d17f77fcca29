"""`RACClassifier`: labels found by retrieval and checked by a language model; hundreds of labels, no training data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import Label
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED
from textclassify.core.scores import Scores
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.llm.chat import Chat
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.wordings import AUTO, WORDINGS, language_for, learned_language
from textclassify.rac.deciding.abstention import Bounds
from textclassify.rac.deciding.answering import decided
from textclassify.rac.deciding.calibrating import Calibration, calibrated
from textclassify.rac.examples import examples_in
from textclassify.rac.label_ranks import RanksLabels
from textclassify.rac.labelling import Found, Labeller
from textclassify.rac.llm_member import HoldsModel
from textclassify.rac.measuring import MeasuresItself
from textclassify.rac.options import check_options
from textclassify.rac.retrieving.candidates import Candidates, checked_k
from textclassify.rac.retrieving.hierarchy import LabelTree
from textclassify.rac.stored import Parts
from textclassify.rac.verifying.questions import previewed
from textclassify.statistics.folds import stratified_sample

MOST_EXAMPLES = 50
"""Examples per label that `fit` keeps."""
MOST_CALIBRATION_ROWS = 100
"""Rows that `fit` asks a language model about, and never more than a third of all: the retriever must not know them."""
DEMONSTRATIONS = 3
"""Of questions to a model of this process: on TREC-6 and GoEmotions, small ones judged far better with them."""
WEIGHTS = {"first_yes": 1.0, "best": 1.0, "listwise": 1.0, "pairwise": 1.0, "both": 0.7}
"""What a log-odd of a language model's evidence counts where no labelled row says it."""


class RACClassifier(HoldsModel, RanksLabels, MeasuresItself):
    """Retrieval-augmented classification: labels found by their descriptions, the likeliest checked by a model.

    Retrieval ranks all labels for a text (`SimilarityClassifier`), the model is asked about the `top_k` most related
    ones (arXiv 2501.12332), and both are joined by Bayes' rule: a label's log-probability is that of retrieval plus the
    model's log-odds for it. Without a model it is retrieval alone. Predicts unfitted with `labels=`.

    Args:
        labels: the label schema, or the path of a label file; retrieval goes by descriptions and examples.
        llm: the language model that checks: an `LLMClassifier`, or any object with the `Chat` protocol; None = the one
            of `provider`, or none.
        provider: "local", or a provider such as "openai"; in the place of `llm`.
        model: its model; None = the provider's default.
        top_k: labels per text that the model is asked about.
        decision: "best" (each candidate by a yes/no question), "first_yes" (the paper: most related first, stop at the
            first yes), "listwise" (one question over all candidates, in two orders), "pairwise" (listwise, then the two
            best against each other), "both" ("best" and "listwise": the most questions, and the most evidence).
        examples: labelled texts that are added to the label cards: {label: [texts]}, a table, or a path.
        retriever: what ranks the labels; None = `SimilarityClassifier()`. Any classifier that was fitted on the same
            labels serves, too.
        min_probability: answers less probable than this are withheld (multi-label: the threshold of each label).
        margin: answers that lead over the second label by less, in probability, are withheld.
        min_yes: candidates with a lower P(yes) are no answers; for "best" and "first_yes" alone. None = no such bound,
            with `first_yes` 0.5.
        demonstrations: labels whose cards show the model, before each question, how it is answered; None = three for a
            model of this process, which reads them once, none behind an API, where each question would pay for them.
        back_off: whether a text whose narrow label does not reach `min_probability` gets the narrowest broader one
            (`parents` of the schema) that does, with all labels below it.
        other: the label for texts that fit no other one; it has no card, and takes what would stay unlabelled.
        language: of the questions, as for `LLMClassifier`; "auto" = the one that `llm` was given, else that of the
            training texts, unfitted that of the label descriptions, else English.
        multi_label: overrides what the schema says.
        cache_dir: folder of the response cache; None = in the user's cache folder.
        random_state: which rows `fit` asks about.

    Learned by `fit`, from labelled rows: `examples_` for retrieval, `calibration_`, what the model's answers count, and
    `language_`, of the questions. All of them count as seen.

    >>> from textclassify import RACClassifier
    >>> RACClassifier({"refund": "wants money back", "delay": "asks where it is"}).predict(["Where is my parcel?"])[0]
    'delay'

    """

    kind: ClassVar[str] = "rac"
    learns: ClassVar[bool] = False

    def __init__(
        self,
        labels: Any = None,
        llm: LLMClassifier | Chat | None = None,
        *,
        provider: str | None = None,
        model: str | None = None,
        top_k: int = 5,
        decision: str = "best",
        examples: Any = None,
        retriever: TextClassifier | None = None,
        min_probability: float = 0.0,
        margin: float = 0.0,
        min_yes: float | None = None,
        demonstrations: int | None = None,
        back_off: bool = False,
        other: Label | None = None,
        language: str = AUTO,
        multi_label: bool | None = None,
        cache_dir: str | Path | None = None,
        random_state: int = 0,
    ) -> None:
        self.labels = labels
        self.llm = llm
        self.provider = provider
        self.model = model
        self.top_k = top_k
        self.decision = decision
        self.examples = examples
        self.retriever = retriever
        self.min_probability = min_probability
        self.margin = margin
        self.min_yes = min_yes
        self.demonstrations = demonstrations
        self.back_off = back_off
        self.other = other
        self.language = language
        self.multi_label = multi_label
        self.cache_dir = cache_dir
        self.random_state = random_state

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # it does if it has a model
        """Whether labelling a text asks a language model."""
        return self._has_model

    def _fit(self, data: TrainingData) -> None:
        check_options(self)
        self._learn_language(data)
        self.examples_ = {}
        self.calibration_: Calibration | None = None
        self.calibration_row_ids_ = np.zeros(0, dtype=np.uint64)
        rows = self._calibration_rows(data) if self._has_model else np.zeros(0, dtype=np.intp)
        if len(rows):
            kept = np.flatnonzero(~np.isin(data.clusters, data.clusters[rows]))
            if len(kept):
                self.examples_ = examples_in(data.take(kept), MOST_EXAMPLES, self.random_state)
            with self._one_budget():
                self.calibration_ = calibrated(self._labeller(), data.take(rows))
            self.calibration_row_ids_ = data.row_ids[rows]
        self.examples_ = examples_in(data, MOST_EXAMPLES, self.random_state)

    def fit_as_source(self, data: TrainingData) -> Self:
        """Learn the labels and the language of the texts alone; see `RanksLabels`."""
        super().fit_as_source(data)
        self._learn_language(data)
        return self

    def _learn_language(self, data: TrainingData) -> None:
        self.language_ = language_for(self.language, data.schema, data.texts)

    @property
    def _wording(self) -> Wording:
        """What questions say."""
        model = self._model()
        if model is not None and AUTO == self.language != model.language:
            return WORDINGS[model.language]
        return WORDINGS[learned_language(self, self._card_schema())]

    def _calibration_rows(self, data: TrainingData) -> NDArray[np.intp]:
        """Return the rows to ask about; none where all belong together, were picked for being hard, or are known."""
        known = data.clusters[np.isin(data.row_ids, self.seen_row_ids)]
        honest = np.flatnonzero(data.honest_rows & ~np.isin(data.clusters, known))
        if not len(honest):
            return honest
        size = min(MOST_CALIBRATION_ROWS, max(1, len(data) // 3))
        gold, clusters = data.gold[honest], data.clusters[honest]
        return honest[stratified_sample(gold, size, clusters, random_state=self.random_state)]

    def _score(self, texts: list[str]) -> Scores:
        return self._found(texts).scores

    def predict(self, texts: Any, labels: Any = None) -> ClassificationResult:
        """Return a `ClassificationResult`; rows without a label say why in `reasons`.

        Its `details` hold for each row `reason`, `candidates` (the labels that were tried, most probable first) and
        `calls` (questions asked).

        Args:
            texts: n texts.
            labels: gold labels; they fill `metadata["metrics"]` and change nothing else.

        """
        rows, asked, blank = self._rows_of(texts)
        found = self._found(asked)
        return self._with_metrics(self._answers(found, rows, blank), labels)

    def rank_labels(self, texts: Any, top_k: int | None = None) -> list[list[Label]]:
        """Return the labels of each text that retrieval ranks highest, best first; no language model is asked.

        Args:
            texts: n texts; a blank one has no labels.
            top_k: labels per text; None = the classifier's.

        """
        rows, asked, blank = self._rows_of(texts)
        ranked = iter(self._candidates(asked, self.top_k if top_k is None else top_k).names(self._require_schema()))
        return [[] if empty else next(ranked) for empty, _ in zip(blank, rows, strict=True)]

    def estimate(self, texts: Any) -> Estimate:
        """Return what labelling texts would ask and cost at most, without asking anything.

        Args:
            texts: n texts.

        """
        _, asked, _ = self._rows_of(texts)
        model = self._model()
        if model is None:
            return Estimate.free(provider="retrieval", model=self._retriever().model_used, rows=len(asked), blank=0)
        return model.estimate_choices(self._labeller().questions(asked))

    def preview(self, text: str) -> str:
        """Return what the language model is asked about a text, as a person reads it: the first question of each kind.

        Raises:
            ConfigError: there is no language model.
            DataError: the text is blank.

        """
        model = self._model()
        if model is None:
            raise ConfigError("no language model is asked; pass llm= or provider= to see what one would be asked")
        asked = self._labeller().questions([text], of_bias=False)
        if not asked:
            raise DataError(f"nobody is asked about the text {text!r}, which is blank; pass one with words")
        return previewed(asked, model.preview_choice)

    def check_model(self) -> None:
        """Make sure that the models can be had, and that the options fit together, without asking anything."""
        check_options(self)
        model = self._model()
        if model is not None:
            model.check_model()
        if self.retriever is not None:
            self.retriever.check_model()

    @property
    def model_used(self) -> str:
        """The model that checks, and what ranks the labels."""
        model = self._model()
        ranked = self._retriever().model_used
        return f"retrieval by {ranked}" if model is None else f"{model.model_used}, retrieval by {ranked}"

    def _labeller(self, top_k: int | None = None) -> Labeller:
        check_options(self)
        model = self._model()
        return Labeller(
            schema=self._card_schema(),
            retriever=self._retriever(),
            choose=None if model is None else model.choose,
            decision=self.decision,
            top_k=self.top_k if top_k is None else checked_k(top_k),
            weight=self._weight,
            min_yes=0.5 if self.min_yes is None else self.min_yes,
            source=self.kind,
            other=self.other,
            demonstrations=self._demonstrations(model),
            wording=self._wording,
        )

    @property
    def _weight(self) -> float:
        """What the model's answers count: as labelled rows told for this decision, else its default."""
        calibration: Calibration | None = getattr(self, "calibration_", None)
        if calibration is None or calibration.decision != self.decision:
            return WEIGHTS[self.decision]
        return calibration.weight

    def _demonstrations(self, model: LLMClassifier | None) -> int:
        """Return how many labels questions are demonstrated with."""
        if self.demonstrations is not None:
            return self.demonstrations
        return DEMONSTRATIONS if model is not None and model.runs_here else 0

    def _found(self, texts: Sequence[str], top_k: int | None = None) -> Found:
        with self._one_budget():
            found = self._labeller(top_k).find(list(texts))
        seen = np.isin(hash_texts(list(texts)), self.seen_row_ids)
        before = NEVER_TRAINED if found.scores.fold is None else found.scores.fold
        fold = np.where(seen, IN_SAMPLE, before).astype(np.int16)
        return replace(found, scores=replace(found.scores, fold=fold))

    def _answers(self, found: Found, rows: list[str], blank: NDArray[np.bool_]) -> ClassificationResult:
        """Return the answers to all rows, where something was found about those that are not blank."""
        bounds = Bounds(self.min_probability, self.margin, self.min_yes)
        return decided(
            self._completed(found.scores, rows, blank),
            found,
            np.flatnonzero(~blank),
            bounds,
            first_yes=self.decision == "first_yes",
            tree=LabelTree(self._require_schema()) if self.back_off else None,
        )

    def _candidates(self, texts: Sequence[str], k: int) -> Candidates:
        return self._labeller().candidates(list(texts), k)

    def _stored_parameters(self) -> dict[str, Any]:
        left_out = ("llm", "retriever", "examples", "cache_dir")
        return {name: value for name, value in super()._stored_parameters().items() if name not in left_out}

    def _write(self, folder: Path) -> dict[str, Any]:
        parts = Parts(
            ranks=self._retriever(),
            was_fitted=None if self.retriever is None else hasattr(self.retriever, "schema_"),
            model=self._model(),
            examples={name: list(texts) for name, texts in self._card_schema().examples.items()},
            calibration=getattr(self, "calibration_", None),
            calibration_row_ids=getattr(self, "calibration_row_ids_", np.zeros(0, dtype=np.uint64)),
        )
        return parts.write_into(folder, self._require_schema()) | {"language": self._wording.language}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        parts = Parts.read(folder, learned)
        if parts.model is not None:
            self.llm, self.provider, self.model = parts.model, None, None
        self.examples_, self.calibration_ = parts.examples, parts.calibration
        self.calibration_row_ids_ = parts.calibration_row_ids
        self.language_ = learned.get("language", ENGLISH.language)  # older folders were written in English alone
        self.retriever = parts.retriever
        if not parts.was_fitted:
            self._remember(parts.ranks)
