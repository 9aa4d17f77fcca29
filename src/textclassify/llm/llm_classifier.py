"""`LLMClassifier`: labels from a language model, in this process or behind an API."""

from __future__ import annotations

import itertools
import logging
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from textclassify.core import dataset
from textclassify.core.contract import TextClassifier
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED
from textclassify.core.scores import Scores
from textclassify.core.storage import replies_folder
from textclassify.core.texts import blank_rows, hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError, DataError
from textclassify.llm.chat import AbsentChat, Chat
from textclassify.llm.chat_holding import LOCAL, absent
from textclassify.llm.choosing.asks_questions import AsksQuestions
from textclassify.llm.event_loops import run_coroutine
from textclassify.llm.in_process.likelihoods import Answers
from textclassify.llm.in_process.local_model import LocalModel
from textclassify.llm.money.estimates import Estimate
from textclassify.llm.money.limits import Redaction
from textclassify.llm.options import checked_options
from textclassify.llm.prompting.demonstrations import Demonstration, NearestExamples, drawn_examples
from textclassify.llm.prompting.in_english import ENGLISH
from textclassify.llm.prompting.templates import Template, load_template
from textclassify.llm.prompting.wording import Wording
from textclassify.llm.prompting.wordings import AUTO, WORDINGS, language_for, learned_language
from textclassify.llm.question_making import Examples, RemoteSettings
from textclassify.llm.remote import RemoteModel
from textclassify.llm.rows import ScoredRows
from textclassify.llm.streams import StreamedRow, streamed
from textclassify.statistics.folds import stratified_sample

logger = logging.getLogger(__name__)

LARGEST_POOL = 1000
"""Training rows that the nearest examples are chosen from, and never more than half of them: they count as seen."""
_STREAM_PIECE = 1000
_NEVER_STORED = ("api_key", "chat", "cache_dir", "redact", "template", "max_cost", "cache_only", "offline")
_REMOTE_OPTIONS = ("n_samples", "texts_per_request", "concurrency", "temperature", "max_completion_tokens")


class LLMClassifier(AsksQuestions, TextClassifier):
    """Asks a language model which label fits, zero-shot or with examples; predicts unfitted with `labels=`.

    With `provider="local"` each label's likelihood is computed exactly in this process, and the model's preference for
    some labels whatever the text is taken out: by its mean scores of made-up texts, or, after `fit`, by its mean scores
    of unlabelled training texts, which are then frozen. Any other provider is asked over its API; every answer is kept
    in the cache before it is handed on, so that none is paid for twice.

    Args:
        labels: the label schema; descriptions go into the prompt.
        provider: "local", or a provider such as "openai", "deepseek", "gemini", "openrouter", "ollama", "vllm".
        model: its model; None = the provider's default, locally the embedded one.
        base_url: address with the version path; None = the provider's, or the environment's. No key goes to one that
            `load` read from a folder: give it anew, or by the environment.
        api_key: None = from the environment. It is never saved or shown.
        api_key_env: the environment variable that holds the key.
        chat: an object with the `Chat` protocol, asked instead of a provider. Copies and clones share it; it is never
            saved, so that a loaded or unpickled classifier knows the cached replies and needs it anew for others.
        method: how a remote model's scores are obtained. "logprobs": from the log-probabilities of the label codes;
            "votes": from the labels that `n_samples` replies name; "verbal": from the scores that it writes down for
            each label; "hard": from the one label that it names; "auto": logprobs where the first reply brings usable
            ones, else hard.
        n_samples: replies per text with "votes".
        texts_per_request: texts that one request asks about, with "hard" and "votes"; what comes back wrong is asked
            again one by one. A text's answer may then depend on its neighbours.
        examples_per_label: examples from `fit` shown in every prompt; those texts count as seen.
        nearest_examples: examples shown with a text, those of a pool from `fit` that are most similar to it; the pool
            counts as seen.
        template: file of a prompt of your own; see `llm.prompting.templates`.
        language: of what the model reads around texts and labels: "en", "de", "es", "fr" or "it". "auto" = the one that
            most training texts are in; unfitted, the one of the label descriptions; where that is none of these,
            English. The texts of a call have no say, so that no text's answer depends on its neighbours.
        redact: returns a text as it may leave the process; never saved.
        cache_dir: folder of the response cache; None = in the user's cache folder.
        cache_only: answer from the cache alone; other rows come back NOT_CALLED. No key is needed.
        offline: allow addresses of this machine only, as TEXTCLASSIFY_OFFLINE=1 does.
        max_cost: US dollars that one call may cost at most; see `BudgetError`.
        concurrency: most requests in flight.
        requests_per_minute: limit that is kept from the start; None = what the server says.
        tokens_per_minute: as `requests_per_minute`.
        timeout: seconds for one request.
        max_retries: of one request, when the server fails.
        temperature: of a remote model's sampling; 0 with "votes" stands for 0.7.
        max_completion_tokens: longest reply of a remote model.
        multi_label: overrides what the schema says.
        random_state: which examples are shown.

    Learned: `demonstrations_`; `pool_`, of the nearest examples; `prior_` (K,) log-scores taken out of a local model's;
    `method_`, what "auto" came to; `language_`, of the prompts; with each prediction `truncated_share_`, the share of
    its texts that a local model was shown without their end.

    """

    kind: ClassVar[str] = "llm"
    learns: ClassVar[bool] = False
    asks_llm: ClassVar[bool] = True

    def __init__(
        self,
        labels: Any = None,
        *,
        provider: str = LOCAL,
        model: str | None = None,
        base_url: str | None = None,
        api_key: str | None = None,
        api_key_env: str | None = None,
        chat: Chat | None = None,
        method: str = "auto",
        n_samples: int = 5,
        texts_per_request: int = 1,
        examples_per_label: int = 0,
        nearest_examples: int = 0,
        template: str | Path | None = None,
        language: str = AUTO,
        redact: Redaction | None = None,
        cache_dir: str | Path | None = None,
        cache_only: bool = False,
        offline: bool = False,
        max_cost: float | None = None,
        concurrency: int = 64,
        requests_per_minute: float | None = None,
        tokens_per_minute: float | None = None,
        timeout: float = 60.0,
        max_retries: int = 8,
        temperature: float = 0.0,
        max_completion_tokens: int = 150,
        multi_label: bool | None = None,
        random_state: int = 0,
    ) -> None:
        self.labels = labels
        self.provider = provider
        self.model = model
        self.base_url = base_url
        self.api_key = api_key
        self.api_key_env = api_key_env
        self.chat = chat
        self.method = method
        self.n_samples = n_samples
        self.texts_per_request = texts_per_request
        self.examples_per_label = examples_per_label
        self.nearest_examples = nearest_examples
        self.template = template
        self.language = language
        self.redact = redact
        self.cache_dir = cache_dir
        self.cache_only = cache_only
        self.offline = offline
        self.max_cost = max_cost
        self.concurrency = concurrency
        self.requests_per_minute = requests_per_minute
        self.tokens_per_minute = tokens_per_minute
        self.timeout = timeout
        self.max_retries = max_retries
        self.temperature = temperature
        self.max_completion_tokens = max_completion_tokens
        self.multi_label = multi_label
        self.random_state = random_state

    def _fit(self, data: TrainingData) -> None:
        checked_options(self)
        self.language_ = language_for(self.language, data.schema, data.texts)
        rng = np.random.default_rng(self.random_state)
        self.demonstrations_ = drawn_examples(data, self.examples_per_label, rng)
        self.pool_ = None
        if self.nearest_examples and self.examples_per_label:
            raise ConfigError(
                f"nearest_examples {self.nearest_examples} and examples_per_label {self.examples_per_label} do not go "
                "together; set one of them to 0"
            )
        if self.nearest_examples:
            size = min(LARGEST_POOL, max(1, len(data) // 2))
            pool = stratified_sample(data.gold, size, data.clusters, random_state=self.random_state)
            self.pool_ = NearestExamples(self.nearest_examples).fit(data.take(pool))
        self.prior_: NDArray[np.float64] | None = None
        if self.runs_here:
            shown = {example.text for example in self.demonstrations_}
            texts = [data.texts[row] for row in rng.permutation(len(data)) if data.texts[row] not in shown]
            self._keep_prior(self._local().learned_prior(texts))

    def _score(self, texts: list[str]) -> Scores:
        if self.runs_here:
            local = self._local()
            return self._scores(texts, local.score(texts, self._known_prior(local)))
        return run_coroutine(self._ascore(texts))

    async def _ascore(self, texts: list[str]) -> Scores:
        if self.runs_here:
            return await super()._ascore(texts)
        with self._remote(sends=bool(texts)) as remote:
            answers = await remote.score(texts)
            self._learn_method(remote)
        return self._scores(texts, answers)

    async def astream(self, texts: Iterable[str]) -> AsyncIterator[StreamedRow]:
        """Yield each text's answer as soon as it is there and kept, in the order of arrival; see `StreamedRow.row`.

        Args:
            texts: any number of texts, read by the block of 4,096 as they are needed, so that a generator of millions
                of them works; nothing else happens while the next one is waited for.

        """
        self._require_schema()
        if isinstance(texts, str | bytes) or not isinstance(texts, Iterable):
            raise DataError(f"astream takes an iterable of texts, got {type(texts).__name__}; pass a list or generator")
        if self.runs_here:
            async for row in self._stream_here(texts):
                yield row
            return
        with self._remote() as remote:
            async for scored in remote.stream(texts):
                self._learn_method(remote)
                for row in streamed(self._built(scored), scored.rows):
                    yield row

    async def _stream_here(self, texts: Iterable[str]) -> AsyncIterator[StreamedRow]:
        numbered = iter(texts)
        start = 0
        while piece := list(itertools.islice(numbered, _STREAM_PIECE)):
            scores = await self.apredict_scores(piece)
            for row in streamed(scores, np.arange(start, start + len(piece))):
                yield row
            start += len(piece)

    def estimate(self, texts: Any) -> Estimate:
        """Return what labelling texts would ask and cost, without asking anything; a local model costs nothing.

        Args:
            texts: n texts.

        """
        rows = dataset.texts_of(texts)
        wanted = [text for text, empty in zip(rows, blank_rows(rows), strict=True) if not empty]
        if self.runs_here:
            return Estimate.free(provider=LOCAL, model=self.model_used, rows=len(rows), blank=len(rows) - len(wanted))
        with self._remote(sends=False) as remote:
            return remote.estimate(wanted, n_rows=len(rows))

    def preview(self, text: str) -> str:
        """Return the conversation in which a model is asked about a text, as a person reads it."""
        if self.runs_here:
            return self._local().preview(text)
        with self._remote(sends=False) as remote:
            return remote.preview(text)

    def _scores(self, texts: list[str], answers: Answers) -> Scores:
        self.truncated_share_ = float(answers.truncated.mean()) if texts else 0.0
        seen = np.isin(hash_texts(texts), self.seen_row_ids)
        return replace(self._built(answers), fold=np.where(seen, IN_SAMPLE, NEVER_TRAINED).astype(np.int16))

    def _built(self, scored: Answers | ScoredRows) -> Scores:
        schema = self._require_schema()
        return Scores.build(
            scored.values,
            schema.names,
            scored.scale,
            source=self._name,
            multi_label=schema.multi_label,
            method=scored.method,
            status=scored.status,
            cost=scored.cost,
        )

    def _decide(self, scores: Scores) -> ClassificationResult:
        return decide(scores, metadata={"truncated_share": self.truncated_share_})

    def _known_prior(self, local: LocalModel) -> NDArray[np.float64]:
        """Return the prior that was learned; one of made-up texts where that is another model's or of other labels."""
        known = getattr(self, "prior_", None)
        return (
            self._keep_prior(local.learned_prior(())) if known is None or self._prior_of != self._prompted() else known
        )

    def _keep_prior(self, prior: NDArray[np.float64]) -> NDArray[np.float64]:
        self.prior_, self._prior_of = prior, self._prompted()
        return prior

    def _asked(self) -> tuple[Any, ...]:
        """Return what a way of asking belongs to."""
        return self._require_schema(), self._name

    def _prompted(self) -> tuple[Any, ...]:
        """Return what a prior belongs to."""
        return *self._asked(), self._wording.language

    @property
    def _wording(self) -> Wording:
        """What prompts say."""
        return WORDINGS[learned_language(self, self._require_schema())]

    def _local(self) -> LocalModel:
        self._check_local()
        folder = replies_folder(self.cache_dir)
        return LocalModel(self.model, self._require_schema(), self._demonstrations, folder, self._wording)

    @contextmanager
    def _remote(self, *, sends: bool = True) -> Iterator[RemoteModel]:
        """Give the remote model with its cache open."""
        with self._access(sends=sends) as access:
            yield RemoteModel(
                access,
                self._require_schema(),
                self._settings(access.redact),
                examples=Examples(self._demonstrations, getattr(self, "pool_", None)),
                template=self._own_template(),
            )

    def _settings(self, redact: Redaction | None) -> RemoteSettings:
        learned = self._learned_method()
        return RemoteSettings(
            method=self.method,
            gives_logprobs=None if learned is None else learned == "logprobs",
            redact=redact,
            wording=self._wording,
            **{name: getattr(self, name) for name in _REMOTE_OPTIONS},
        )

    def _learned_method(self) -> str | None:
        """Return what "auto" came to, unless it was another model's."""
        return getattr(self, "method_", None) if getattr(self, "_method_of", None) == self._asked() else None

    def _own_template(self) -> Template | None:
        """Return the prompt in the user's own words: the file's, or what it was when the classifier was saved."""
        return getattr(self, "template_", None) if self.template is None else load_template(self.template)

    def _learn_method(self, remote: RemoteModel) -> None:
        """Remember what "auto" came to, so that what was learned from such scores gets such scores."""
        decision = remote.question.decision
        if self.method == "auto" and (decision is None or decision.made is not None):
            gives_logprobs = decision is not None and decision.made
            self.method_, self._method_of = "logprobs" if gives_logprobs else "hard", self._asked()

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that prompts may show as examples."""
        pool = getattr(self, "pool_", None)
        return hash_texts([example.text for example in self._demonstrations] + ([] if pool is None else pool.texts))

    @property
    def _demonstrations(self) -> tuple[Demonstration, ...]:
        return getattr(self, "demonstrations_", ())

    @property
    def _name(self) -> str:
        """What scores name as their source."""
        if self.chat is not None:
            return f"{self.chat.name}:{self.chat.model}"
        return f"{self.provider}:{self.model or 'default'}"

    def _stored_parameters(self) -> dict[str, Any]:
        return {name: value for name, value in super()._stored_parameters().items() if name not in _NEVER_STORED}

    def _write(self, folder: Path) -> dict[str, Any]:
        examples = [{"text": example.text, "label": example.label} for example in self._demonstrations]
        prior, pool = getattr(self, "prior_", None), getattr(self, "pool_", None)
        if prior is not None and self._prior_of != self._prompted():
            prior = None
        if pool is not None:
            pool.save(folder)
        chat, template = absent(self.chat), self._own_template()
        return {
            "demonstrations": examples,
            "pool": pool is not None,
            "prior": None if prior is None else prior.tolist(),
            "method": self._learned_method(),
            "language": self._wording.language,
            "redacted": self.redact is not None or getattr(self, "_was_redacted", False),
            "template": None if template is None else template.content,
            "chat": None if chat is None else {"name": chat.name, "model": chat.model},
        }

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:
        self.demonstrations_ = tuple(
            Demonstration(example["text"], example["label"]) for example in learned["demonstrations"]
        )
        self.pool_ = NearestExamples.load(folder) if learned["pool"] else None
        self.prior_ = None if learned["prior"] is None else np.array(learned["prior"])
        self.method_ = learned["method"]
        self.language_ = learned.get("language", ENGLISH.language)  # older folders were written in English alone
        self.chat = None if learned["chat"] is None else AbsentChat(**learned["chat"])
        self._prior_of, self._method_of = self._prompted(), self._asked()
        self._was_redacted = learned["redacted"]
        self.template_ = None if learned["template"] is None else Template(learned["template"])
