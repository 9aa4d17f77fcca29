"""`RACClassifier`: labels found by retrieval and checked by a language model; hundreds of labels, no training data."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self, cast

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone

from textclassify.core.contract import TextClassifier, read_part
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.result import ClassificationResult, gold_for
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED
from textclassify.core.scores import Scores
from textclassify.core.settings_files import expanded
from textclassify.core.texts import hash_texts, listed
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.llm.chat import Chat
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.money.estimates import Estimate
from textclassify.rac.deciding.abstention import Bounds
from textclassify.rac.deciding.answering import decided
from textclassify.rac.deciding.calibrating import Calibration, calibrated
from textclassify.rac.examples import Examples, examples_by_label, examples_in
from textclassify.rac.labelling import Found, Labeller
from textclassify.rac.llm_member import HoldsModel, with_remedy
from textclassify.rac.options import check_options
from textclassify.rac.retrieving.candidates import Candidates
from textclassify.rac.retrieving.no_label import check_other
from textclassify.rac.retrieving.ranking import Ranking, schema_in
from textclassify.statistics.folds import stratified_sample

if TYPE_CHECKING:
    import pandas as pd

    from textclassify.rac.tuning.operating_point import OperatingPoint
    from textclassify.statistics.risk_bounds import RiskBound

MOST_EXAMPLES = 50
"""Examples per label that `fit` keeps."""
MOST_CALIBRATION_ROWS = 100
"""Rows that `fit` asks a language model about, and never more than a third of all: the retriever must not know them."""
WEIGHTS = {"first_yes": 1.0, "best": 1.0, "listwise": 1.0, "pairwise": 1.0, "both": 0.7}
"""What a log-odd of a language model's evidence counts where no labelled row says it."""


class RACClassifier(HoldsModel, TextClassifier):
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
        other: the label for texts that fit no other one; it has no card, and takes what would stay unlabelled.
        multi_label: overrides what the schema says.
        cache_dir: folder of the response cache; None = in the user's cache folder.
        random_state: which rows `fit` asks about.

    Learned by `fit`, from labelled rows: `examples_` for retrieval, and `calibration_`, what the model's answers count.
    All of them count as seen.

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
        other: Label | None = None,
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
        self.other = other
        self.multi_label = multi_label
        self.cache_dir = cache_dir
        self.random_state = random_state

    @property
    def asks_llm(self) -> bool:  # type: ignore[override] # it does if it has a model
        """Whether labelling a text asks a language model."""
        return self._has_model

    @property
    def known_schema(self) -> LabelSchema | None:
        """The labels; None = not known yet."""
        return self.schema_ if hasattr(self, "schema_") else self._given_schema()

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that are examples of the labels, and of those that calibrated."""
        texts = [text for texts in self._card_schema().examples.values() for text in texts]
        return np.concatenate([hash_texts(texts), getattr(self, "calibration_row_ids_", np.zeros(0, np.uint64))])

    def fit_as_source(self, data: TrainingData) -> Self:
        """Learn the labels alone: an ensemble calibrates by itself, and a row that is learned from is lost to it."""
        given = self._given_schema()
        self.schema_ = data.schema if given is None else given
        return self

    def _fit(self, data: TrainingData) -> None:
        check_options(self)
        self.examples_: Examples = {}
        self.calibration_: Calibration | None = None
        self.calibration_row_ids_ = np.zeros(0, dtype=np.uint64)
        rows = self._calibration_rows(data) if self._has_model else np.zeros(0, dtype=np.intp)
        if len(rows):
            kept = np.flatnonzero(~np.isin(data.clusters, data.clusters[rows]))
            if len(kept):
                self.examples_ = examples_in(data.take(kept), MOST_EXAMPLES, self.random_state)
            self.calibration_ = calibrated(self._labeller(), data.take(rows))
            self.calibration_row_ids_ = data.row_ids[rows]
        self.examples_ = examples_in(data, MOST_EXAMPLES, self.random_state)

    def _calibration_rows(self, data: TrainingData) -> NDArray[np.intp]:
        """Return the rows to ask about; none where all of them belong together, or were picked for being hard."""
        honest = np.flatnonzero(data.honest_rows)
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

    def recall_report(self, texts: Any, gold: Any = None, **options: Any) -> pd.DataFrame:
        """Return how often the gold label is among the first k, before anything is spent; see `rac.retrieving.recall`.

        Args:
            texts: n texts.
            gold: their gold labels; None = a proxy for coverage alone.
            **options: of `recall.recall_report`.

        """
        from textclassify.rac.retrieving.recall import recall_report

        return recall_report(self._retriever(), texts, gold, **options)

    def coverage_curve(self, texts: Any, gold: Any) -> pd.DataFrame:
        """Return coverage, quality, risk and calls for every threshold on the probability; see `rac.tuning.coverage`.

        Args:
            texts: n texts.
            gold: their gold labels.

        """
        from textclassify.rac.tuning.labelled_rows import measured_curve

        rows, found, codes = self._labelled(texts, gold)
        return measured_curve(found, codes, rows, self.decision)

    def operating_point(self, texts: Any, gold: Any, *, top_k: int | None = None, **targets: Any) -> OperatingPoint:
        """Return the `top_k` and `min_probability` that reach a target: predicted from labelled rows, not guaranteed.

        Args:
            texts: n texts, none of them an example of the labels.
            gold: their gold labels.
            top_k: candidates to try at most; None = the classifier's.
            **targets: `min_precision`, `max_calls` and `min_coverage` of `rac.tuning.operating_point`.

        """
        from textclassify.rac.tuning.labelled_rows import chosen_point

        tried = self if top_k is None else copy.copy(self).set_params(top_k=top_k)
        _, found, codes = tried._labelled(texts, gold)  # noqa: SLF001 - the same classifier
        return chosen_point(tried._labeller(), found, codes, **targets)  # noqa: SLF001

    def risk_bound(self, texts: Any, gold: Any, *, max_risk: float, confidence: float = 0.95) -> RiskBound:
        """Return the `threshold` for `min_probability` above which at most `max_risk` of the answers is wrong.

        A guarantee, by learn-then-test, if nothing about the classifier was chosen on these rows.

        Args:
            texts: n texts.
            gold: their gold labels.
            max_risk: share of wrong answers among those given.
            confidence: how often the promise is kept.

        Raises:
            DataError: the rows do not allow the bound; the message names how many would.

        """
        from textclassify.rac.tuning.labelled_rows import risk_bound

        rows, found, codes = self._labelled(texts, gold)
        return risk_bound(found, codes, rows, self.decision, max_risk=max_risk, confidence_level=confidence)

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

    def _labelled(self, texts: Any, gold: Any) -> tuple[list[str], Found, Any]:
        """Return labelled rows, what is found about them, and their labels as codes."""
        rows, asked, blank = self._rows_of(texts)
        if blank.any():
            raise DataError(f"row {int(blank.argmax())} is blank; leave such rows out of what is measured on")
        codes = gold_for(gold, self._require_schema(), len(rows))
        return rows, self._found(asked), codes

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

    def _given_schema(self) -> LabelSchema | None:
        if isinstance(self.labels, str | Path):
            return schema_in(expanded(self.labels), self.multi_label)
        return super()._given_schema()

    def _card_schema(self) -> LabelSchema:
        """Return the labels with all examples that are known."""
        schema = self._require_schema()
        if self.other is not None:
            check_other(self.other, schema)
        for examples in (self.examples, getattr(self, "examples_", None)):
            if examples is not None:
                schema = schema.with_examples(examples_by_label(examples, schema))
        return schema

    def _retriever(self) -> TextClassifier:
        """Return what ranks the labels, ready to score; the same as long as nothing about it changes."""
        if self.retriever is not None and hasattr(self.retriever, "schema_"):
            _check_labels(self._require_schema(), self.retriever)
            return self.retriever
        wanted = Ranking(self._card_schema(), self.retriever, self.other)
        known: tuple[Ranking, TextClassifier] | None = getattr(self, "_ranks", None)
        if known is None or not known[0].is_same(wanted):
            self._ranks = known = (wanted, wanted.classifier())
        return known[1]

    def _labeller(self) -> Labeller:
        check_options(self)
        model, calibration = self._model(), getattr(self, "calibration_", None)
        return Labeller(
            schema=self._card_schema(),
            retriever=self._retriever(),
            choose=None if model is None else model.choose,
            decision=self.decision,
            top_k=self.top_k,
            weight=WEIGHTS[self.decision] if calibration is None else calibration.weight,
            min_yes=0.5 if self.min_yes is None else self.min_yes,
            source=self.kind,
            other=self.other,
        )

    def _found(self, texts: Sequence[str]) -> Found:
        found = self._labeller().find(list(texts))
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
        )

    def _candidates(self, texts: Sequence[str], k: int) -> Candidates:
        return self._labeller().candidates(list(texts), k)

    def _stored_parameters(self) -> dict[str, Any]:
        left_out = ("llm", "retriever", "examples", "cache_dir")
        return {name: value for name, value in super()._stored_parameters().items() if name not in left_out}

    def _write(self, folder: Path) -> dict[str, Any]:
        model, calibration = self._model(), getattr(self, "calibration_", None)
        parts = {"retriever": self._retriever()}
        if model is not None:
            parts["llm"] = _with_labels(model, self._require_schema())
        for name, part in parts.items():
            (folder / name).mkdir()
            part.write_into(folder / name)
        cards = self._card_schema().to_dict()["labels"]
        return {
            "llm": model is not None,
            "retriever": None if self.retriever is None else hasattr(self.retriever, "schema_"),
            "examples": [[card["name"], card["examples"]] for card in cards if "examples" in card],
            "calibration": None if calibration is None else asdict(calibration),
            "calibration_row_ids": [int(one) for one in getattr(self, "calibration_row_ids_", ())],
        }

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        if learned["llm"]:
            self.llm = with_remedy(cast("LLMClassifier", read_part(folder / "llm")))
            self.provider = self.model = None
        self.examples_ = {name: list(texts) for name, texts in learned["examples"]}
        self.calibration_ = None if learned["calibration"] is None else Calibration(**learned["calibration"])
        self.calibration_row_ids_ = np.array(learned["calibration_row_ids"], dtype=np.uint64)
        ranks, was_fitted = read_part(folder / "retriever"), learned["retriever"]
        if was_fitted is not None:
            self.retriever = ranks if was_fitted else clone(ranks)
        if not was_fitted:
            self._ranks = (Ranking(self._card_schema(), self.retriever, self.other), ranks)


def _check_labels(schema: LabelSchema, retriever: TextClassifier) -> None:
    """Make sure that a retriever that was fitted elsewhere means the same labels.

    Raises:
        ConfigError: it does not.

    """
    theirs = retriever._require_schema()  # noqa: SLF001 - its own kind
    if theirs.names != schema.names or theirs.multi_label != schema.multi_label:
        raise ConfigError(
            f"the retriever was fitted on the labels [{listed(map(repr, theirs.names), 6)}] "
            f"(multi_label={theirs.multi_label}), but labels are [{listed(map(repr, schema.names), 6)}] "
            f"(multi_label={schema.multi_label}); pass one that was fitted on these, in this order, or an unfitted one"
        )


def _with_labels(part: TextClassifier, schema: LabelSchema) -> TextClassifier:
    """Return a classifier that can be saved: one that was given no labels is given these."""
    if hasattr(part, "schema_") or part._given_schema() is not None:  # noqa: SLF001 - its own kind
        return part
    copied: TextClassifier = clone(part)
    copied.schema_ = schema
    return copied
