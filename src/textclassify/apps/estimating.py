"""What a prediction or a training run would ask its language models, and what that would cost; nothing is asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any

import pandas as pd
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text
from sklearn.base import clone

from textclassify.apps.asked_models import language_models, runs_here
from textclassify.apps.configured import configured_limits
from textclassify.apps.row_streams import pieces, rows_in
from textclassify.core.columns import text_column_of
from textclassify.core.contract import TextClassifier
from textclassify.core.storage import replies_kept_in
from textclassify.core.texts import as_texts, is_missing
from textclassify.core.types import TrainingData
from textclassify.ensemble.fusion import FusionEnsemble
from textclassify.llm.money.estimates import UNKNOWN_PRICE, Estimate, dollars
from textclassify.llm.money.limits import current, limited
from textclassify.llm.money.prices import how_to_add
from textclassify.llm.money.token_counts import Range
from textclassify.runs.build import build_fusion
from textclassify.runs.config import Config

TRAINING, TEST = "training", "test"
"""What a training run asks about: some training rows, then the held-out rows for the report."""
_PIECE = 1000
_NOBODY = "no language model is asked, so that nothing is paid"


@dataclass(frozen=True)
class AskedModel:
    """What one language model would be asked.

    Args:
        source: its name in the fusion, or the classifier's kind.
        estimate: requests, tokens and cost.
        stage: of a training run, which rows it is about; "" otherwise.

    """

    source: str
    estimate: Estimate
    stage: str = ""


@dataclass(frozen=True)
class RunEstimate:
    """What all language models of a run would be asked.

    Args:
        asked: each model, and of a training run each of its stages.
        notes: what to know about it, in sentences.

    """

    asked: tuple[AskedModel, ...]
    notes: tuple[str, ...] = ()

    @property
    def total(self) -> Estimate | None:
        """Everything together; None when no language model is asked."""
        return reduce(add, (one.estimate for one in self.asked)) if self.asked else None

    def to_dict(self) -> dict[str, Any]:
        """Return the run as plain JSON values; an unknown price is null, and `price` says so."""
        models = [{"source": one.source, "stage": one.stage, **one.estimate.to_dict()} for one in self.asked]
        total = None if self.total is None else self.total.to_dict()
        return {"language_models": models, "total": total, "notes": list(self.notes)}


def estimate_file(
    classifier: TextClassifier, file: str, *, text_column: str | None = None, lines: bool = False
) -> RunEstimate:
    """Return what it would take to label the texts of a file.

    Args:
        classifier: what would answer.
        file: as for `predict`; "-" is standard input.
        text_column: None = as in training, else recognised.
        lines: every line is a text by itself.

    Raises:
        DataError: a row cannot be read or its text is no string; the message names it.

    """
    trained = getattr(getattr(classifier, "config_", None), "text_column", None)
    return estimate_prediction(classifier, texts_in(file, text_column=text_column or trained, lines=lines))


def texts_in(file: str, *, text_column: str | None = None, lines: bool = False) -> list[str]:
    """Return the texts of a file as `predict` reads them; a missing one is blank.

    Raises:
        DataError: a row cannot be read or its text is no string; the message names it.

    """
    texts: list[Any] = []
    column = "text" if lines else None
    with rows_in(file, lines=lines) as rows:
        for piece in pieces(rows, _PIECE):
            column = column or text_column_of(pd.DataFrame(piece), text_column)
            texts += [row.get(column) for row in piece]
    return as_texts(["" if is_missing(text) else text for text in texts])


def estimate_prediction(classifier: TextClassifier, texts: list[str]) -> RunEstimate:
    """Return what it would take to label texts: a fusion asks those of its models that make a difference.

    Raises:
        ConfigError: a classifier asks a language model and cannot say what it costs.

    """
    with configured_limits(classifier):
        asked = [AskedModel(name, one.estimate(texts)) for name, one in language_models(classifier)]
        notes = _notes(asked)
    budget = getattr(getattr(classifier, "config_", None), "llm_budget", None)
    if asked and budget is not None:
        notes.append(f"llm_budget is {budget}: a prediction asks about so much only; the figures are for every text")
    return RunEstimate(tuple(asked), tuple(notes))


def estimate_training(config: Config, data: TrainingData, test: TrainingData | None = None) -> RunEstimate:
    """Return what training by a configuration would ask.

    Args:
        config: what would be trained.
        data: the training rows, after the test rows were taken out.
        test: the rows of the report; None = there is none.

    Raises:
        ConfigError: a provider is unknown, or has no default model and none is named.
        AuthenticationError: a provider's key is missing.

    """
    if not config.llms:
        return RunEstimate((), (_NOBODY,))
    # The linear model keeps the fusion from being empty where a model that nobody named cannot be had.
    asking = config.model_copy(update={"encoder": False, "similarity": False, "linear": True})
    with configured_limits(config), config.limited(fitting=True):
        fusion, notes = build_fusion(asking, data.schema)
        run = estimate_fit(fusion, data, test, test_replies=config.replies_in_predict)
    return RunEstimate(run.asked, (*notes, *run.notes))


def estimate_fit(
    fusion: FusionEnsemble,
    data: TrainingData,
    test: TrainingData | None = None,
    *,
    test_replies: Path | None = None,
) -> RunEstimate:
    """Return what fitting a fusion would ask: about `fusion_rows` of the rows, then about the test rows.

    Args:
        fusion: not fitted.
        data: the training rows.
        test: the test rows; None = there are none.
        test_replies: folder of the answers about test rows; None = as each source says.

    Raises:
        ConfigError: a source asks a language model and cannot say what it costs.

    """
    asked: list[AskedModel] = []
    notes = []
    for name, source in (fusion.sources or {}).items():
        if source.asks_llm:
            ready = _ready_to_ask(source, data)
            rows = fusion.rows_to_ask(ready, data)
            notes.append(f"{name} is asked about {len(rows):,} of {len(data):,} training rows")
            for inner, model in language_models(ready, name):
                asked.append(AskedModel(inner, model.estimate([data.texts[row] for row in rows]), TRAINING))
                if test is not None:
                    with replies_kept_in(test_replies):
                        asked.append(AskedModel(inner, model.estimate(list(test.texts)), TEST))
    return RunEstimate(tuple(asked), (*notes, *_notes(asked)))


def _ready_to_ask(source: TextClassifier, data: TrainingData) -> TextClassifier:
    """Return a copy with the examples that training would show; a model in this process is not run for it."""
    copied: TextClassifier = clone(source)
    if runs_here(copied):
        return copied.set_params(labels=data.schema)  # type: ignore[no-any-return] # sklearn has no types
    with limited(cache_only=True):
        return copied.fit_as_source(data)


def _notes(asked: list[AskedModel]) -> list[str]:
    if not asked:
        return [_NOBODY]
    total = RunEstimate(tuple(asked)).total or asked[0].estimate
    repeated = total.rows - total.blank - total.distinct
    notes = []
    if total.cached:
        notes.append(f"{total.cached:,} of {total.rows:,} answers are kept from earlier runs and not asked for again")
    if repeated:
        notes.append(f"{repeated:,} of {total.rows:,} rows repeat a text, which is asked about once")
    if total.blank:
        notes.append(f"{total.blank:,} of {total.rows:,} rows are blank and not asked about")
    cap = current().max_cost
    if cap is not None and total.cost is not None and total.cost.high > cap:
        sure = "stops" if total.cost.low > cap else "may stop"
        notes.append(f"max_cost is {dollars(cap)}: the run {sure} there; what was answered is kept for the next one")
    return notes + [f"{UNKNOWN_PRICE} of {name}; {how_to_add(*name.split('/', 1))}" for name in total.unpriced]


def estimate_screen(run: RunEstimate) -> RenderableType:
    """Return the table of the language models, their total, and the notes."""
    notes = [Text(f"note: {note}") for note in run.notes]
    total = run.total
    if total is None:
        return Group(*notes)
    title = Text("What would be asked", style="bold")
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("", overflow="fold")
    for column in ("rows", "kept", "requests", "prompt\ntokens", "answer\ntokens", "US dollars"):
        table.add_column(column, justify="right", no_wrap=True)
    for one in run.asked:
        name = f"{one.source}, {one.stage}" if one.stage else one.source
        about = f"\n{one.estimate.provider} {one.estimate.model}\n{one.estimate.method}"
        table.add_row(Text.assemble(name, (about, "dim")), *_figures(one.estimate))
    if len(run.asked) > 1:
        table.add_section()
        table.add_row("in all", *_figures(total), style="bold")
    legend = "Below a figure: the least and the most that it may be, for any tokenizer. Nothing was asked."
    return Group(table, Text(legend, style="dim"), *notes)


def _figures(estimate: Estimate) -> list[Text]:
    counts = [Text(f"{count:,}") for count in (estimate.rows, estimate.cached, estimate.requests)]
    tokens = [_with_bounds(tokens, "{:,.0f}".format) for tokens in (estimate.prompt_tokens, estimate.completion_tokens)]
    cost = Text(UNKNOWN_PRICE) if estimate.cost is None else _with_bounds(estimate.cost, dollars)
    return [*counts, *tokens, cost]


def _with_bounds(figure: Range, written: Callable[[float], str]) -> Text:
    low, high = written(figure.low), written(figure.high)
    bounds = "" if low == high else f"\n{low}\n{high}"
    return Text.assemble(written(figure.expected), (bounds, "dim"))
