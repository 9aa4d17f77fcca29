"""Labels for a file of texts by what the labels mean: what came of each row, and what was left unlabelled."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, cast

import numpy as np

from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.failures import said_of
from textclassify.apps.predicting import (
    PIECE,
    PIECE_OF_REMOTE,
    column_of_texts,
    columns_of,
    rounded,
    texts_of_piece,
)
from textclassify.apps.row_streams import Row, pieces, pieces_as_they_come, rows_in
from textclassify.apps.row_writers import free_names, refuse_taken, writer_for
from textclassify.core.files import STANDARD_INPUT
from textclassify.core.labels import Label, LabelSchema
from textclassify.core.progress import doing
from textclassify.core.result import ClassificationResult
from textclassify.core.scales import Status
from textclassify.core.scores import Scores
from textclassify.errors import ConfigError, LabelError
from textclassify.llm.llm_classifier import LLMClassifier
from textclassify.llm.money.estimates import UNKNOWN_PRICE, dollars

if TYPE_CHECKING:
    from textclassify.rac.rac_classifier import RACClassifier

_UNREADABLE = Status.INVALID.name.lower()
"""The reason of a row about which the language model said nothing that can be read."""


def rac_classifier(
    labels: Path,
    *,
    provider: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    examples: Path | None = None,
    other: str | None = None,
    multi_label: bool | None = None,
    random_state: int = 0,
    **options: Any,
) -> RACClassifier:
    """Return what labels by the cards of a label file; nothing is asked or loaded yet.

    Args:
        labels: the label file.
        provider: who checks the labels that retrieval finds; None = nobody.
        model: its model; None = the provider's default.
        base_url: its address; None = the provider's, or the environment's.
        examples: labelled texts that are added to the cards.
        other: the label for texts that fit no other one, as it is written in the file.
        multi_label: None = as the file says.
        random_state: of everything random.
        **options: `top_k`, `decision`, `min_probability` and `margin` of `RACClassifier`.

    Raises:
        ConfigError: the options do not fit together, or a model or address is named without a provider.
        LabelError: the label file cannot be used, or `other` is none of its labels.

    """
    from textclassify.rac.examples import examples_by_label
    from textclassify.rac.rac_classifier import RACClassifier

    for flag, value in (("--model", model), ("--base-url", base_url)):
        if provider is None and value is not None:
            raise ConfigError(f"{flag} {value!r} needs --provider, which says whom to ask; known: local, openai, ...")
    schema = LabelSchema.of(labels, multi_label=multi_label)
    if examples is not None:
        with said_of(f"--examples {str(examples)!r}"):
            schema = schema.with_examples(examples_by_label(examples, schema))
    asked = None if provider is None else LLMClassifier(provider=provider, model=model, base_url=base_url)
    return RACClassifier(
        schema,
        asked,
        other=None if other is None else _named(schema, other),
        random_state=random_state,
        **{name: value for name, value in options.items() if value is not None},
    )


def _named(schema: LabelSchema, name: str) -> Label:
    """Return a label as the schema has it, which may be a number."""
    found = [label for label in schema.names if str(label) == name]
    if not found:
        raise LabelError(f"--other {name!r} is none of the labels; add it to the label file, without a description")
    return found[0]


@dataclass
class Labelling:
    """Labels texts piece by piece, and counts.

    Args:
        classifier: what labels.
        keeps: whether texts and answers are kept, for a student to be taught by them.

    """

    classifier: RACClassifier
    keeps: bool = False
    n_rows: int = field(default=0, init=False)
    n_labelled: int = field(default=0, init=False)
    n_calls: int = field(default=0, init=False)
    cost: float = field(default=0.0, init=False)
    reasons: Counter[str] = field(default_factory=Counter, init=False)
    texts: list[str] = field(default_factory=list, init=False)
    _answers: list[ClassificationResult] = field(default_factory=list, init=False)

    def answer(self, texts: list[str]) -> ClassificationResult:
        """Return the answers to some texts."""
        result = self.classifier.predict(texts)
        self.n_rows += len(result)
        self.n_labelled += int((result.status == Status.OK).sum())
        self.n_calls += int(result.details["calls"].sum())
        self.cost += float(result.scores.cost.sum())  # NaN where a price is unknown, and it stays that
        self.reasons.update(reason for reason in result.reasons if reason is not None)
        if self.keeps:
            self.texts += texts
            self._answers.append(result)
        return result

    @property
    def answers(self) -> ClassificationResult:
        """The answers to all texts, where they were kept."""
        some = self._answers
        declined = [np.zeros(len(one), dtype=bool) if one.declined is None else one.declined for one in some]
        details = {name: np.concatenate([one.details[name] for one in some]) for name in some[0].details}
        return ClassificationResult(
            Scores.concat([one.scores for one in some]),
            cast("Any", np.concatenate([one.codes for one in some])),
            declined=np.concatenate(declined),
            details=details,
        )

    @property
    def cost_in_words(self) -> str:
        """What was spent now."""
        return UNKNOWN_PRICE if np.isnan(self.cost) else dollars(self.cost)

    def summary(self) -> Iterator[str]:
        """Return what to say in the end: how many rows are labelled, why the others are not, what was asked."""
        share = f" ({self.n_labelled / self.n_rows:.1%})" if self.n_rows else ""
        yield f"{self.n_labelled:,} of {self.n_rows:,} rows labelled{share}"
        if self.reasons:
            yield "unlabelled: " + ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.most_common())
        if self.classifier.asks_llm and self.n_rows:
            per_text = self.n_calls / self.n_rows
            yield f"questions about texts: {self.n_calls:,}, {per_text:.2f} each; spent now: {self.cost_in_words}"
        if self.reasons[_UNREADABLE]:
            yield (
                f"note: {_UNREADABLE} means that the language model replied with none of the answers asked for; try "
                "another --model or --decision"
            )

    def to_dict(self) -> dict[str, Any]:
        """Return the counts as plain JSON values; an unknown cost is null."""
        return {
            "rows": self.n_rows,
            "labelled": self.n_labelled,
            "coverage": self.n_labelled / self.n_rows if self.n_rows else None,
            "unlabelled": dict(self.reasons.most_common()),
            "questions": self.n_calls,
            "questions_per_text": self.n_calls / self.n_rows if self.n_rows else None,
            "cost": None if np.isnan(self.cost) else self.cost,
        }


def label_stream(
    labelling: Labelling,
    source: str,
    stream: IO[bytes],
    *,
    file_format: str,
    text_column: str | None = None,
    lines: bool = False,
    escape_formulas: bool = False,
) -> None:
    """Write the rows of a file with their labels to a stream; `labelling` counts them.

    Args:
        labelling: what labels.
        source: a file, or "-", whose rows are labelled as they come.
        stream: binary.
        file_format: of the output.
        text_column: None = recognised.
        lines: every line is a text by itself.
        escape_formulas: as for `writer_for`.

    Raises:
        DataError: a row cannot be read or its text is no string; the message names it.
        BudgetError: the money is spent that a limit around the call allows.
        InterruptedRunError: Ctrl-C where a language model was asked; the message says how to go on.

    """
    classifier, n_rows = labelling.classifier, 0
    remote = asks_remotely(classifier)
    size = PIECE_OF_REMOTE if remote else PIECE
    with (
        resumable(remote, "run the same command again to go on"),
        tempfile.SpooledTemporaryFile(max_size=1 << 26) as waiting,
        rows_in(source, lines=lines) as rows,
        doing("labelling: "),
    ):
        for piece in pieces_as_they_come(rows, size) if source == STANDARD_INPUT else pieces(rows, size):
            if n_rows == 0:
                text_column = "text" if lines else column_of_texts(classifier, piece, text_column)
                types = _types(classifier)
                names = free_names(list(types), columns_of(piece))
                typed = {names[name]: kind for name, kind in types.items()}
                kept = cast("IO[bytes]", waiting)
                writer = writer_for(file_format, stream, typed, kept, escape_formulas=escape_formulas)
            result = labelling.answer(texts_of_piece(piece, str(text_column), n_rows))
            writer.write(_labelled(piece, result, names, n_rows))
            n_rows += len(piece)
        writer.close()


def _types(classifier: RACClassifier) -> dict[str, Any]:
    """Return the columns that are added, and what they hold."""
    schema = classifier._require_schema()  # noqa: SLF001 - classifiers that need no training have no `schema_`
    kind = type(schema.names[0])
    labels = {"labels": [kind]} if schema.multi_label else {"label": kind}
    tried = {"candidates": [kind], "candidate_probabilities": [float]}
    return {**labels, "confidence": float, "status": str, "reason": str, **tried, "calls": int}


def _labelled(piece: Sequence[Row], result: ClassificationResult, names: dict[str, str], start: int) -> list[Row]:
    confidence, shares, status = result.confidence, result.probabilities, result.status
    code = {label: k for k, label in enumerate(result.classes)}
    predictions, reasons, tried = result.predictions, result.reasons, result.details["candidates"]
    rows = []
    for number, row in enumerate(piece):
        refuse_taken(row, list(names.values()), start + number)
        answered = status[number] == Status.OK
        answers = {
            "label": predictions[number] if answered else None,
            "labels": predictions[number] if answered else None,
            "confidence": rounded(confidence[number]) if answered else None,
            "status": Status(status[number]).name.lower(),
            "reason": reasons[number],
            "candidates": list(tried[number]),
            "candidate_probabilities": [rounded(shares[number, code[label]]) for label in tried[number]],
            "calls": int(result.details["calls"][number]),
        }
        rows.append({**row, **{written: answers[name] for name, written in names.items()}})
    return rows
