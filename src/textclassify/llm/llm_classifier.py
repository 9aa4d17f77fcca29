"""`LLMClassifier`: labels from a language model, in this process or behind an API."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, Scale, Status
from textclassify.core.scores import Scores
from textclassify.core.storage import cache_folder
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.llm.asking import Answers, Elicitation, HardLabels, Likelihoods
from textclassify.llm.cache import ResponseCache
from textclassify.llm.chat import Chat
from textclassify.llm.prompts import Demonstration, prior_texts
from textclassify.llm.providers import resolve_endpoint

logger = logging.getLogger(__name__)

LOCAL = "local"
"""The provider that runs a model in this process."""
PRIOR_ROWS = 200
"""Unlabelled texts from which a model's prior is learned in `fit` (batch calibration, Zhou et al. 2024)."""


class LLMClassifier(TextClassifier):
    """Asks a language model which label fits, zero-shot or with examples; predicts unfitted with `labels=`.

    With `provider="local"` each label's likelihood is computed exactly in this process, and the model's preference for
    some labels whatever the text is taken out: by its mean scores of made-up texts, or, after `fit`, by its mean scores
    of unlabelled training texts, which are then frozen. Any other provider is asked over its API, and the label that it
    names is one vote.

    Args:
        labels: the label schema; descriptions go into the prompt.
        provider: "local", or a provider such as "openai", "deepseek", "gemini", "openrouter", "ollama", "vllm".
        model: its model; None = the provider's default, locally the embedded one.
        base_url: address with the version path; None = the provider's, or the environment's.
        api_key: None = from the environment. It is never saved or shown.
        api_key_env: the environment variable that holds the key.
        chat: an object with the `Chat` protocol, asked instead of a provider.
        cache_dir: folder of the response cache; None = in the user's cache folder.
        concurrency: most requests in flight.
        examples_per_label: examples from `fit` shown in the prompt; those texts count as seen.
        temperature: of a remote model's sampling.
        max_completion_tokens: longest reply of a remote model.
        multi_label: overrides what the schema says.
        random_state: which examples are shown.

    Learned: `demonstrations_`, `prior_` (K,) log-scores taken out of a local model's.

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
        cache_dir: str | Path | None = None,
        concurrency: int = 64,
        examples_per_label: int = 0,
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
        self.cache_dir = cache_dir
        self.concurrency = concurrency
        self.examples_per_label = examples_per_label
        self.temperature = temperature
        self.max_completion_tokens = max_completion_tokens
        self.multi_label = multi_label
        self.random_state = random_state

    def _fit(self, data: TrainingData) -> None:
        rng = np.random.default_rng(self.random_state)
        self.demonstrations_ = _drawn_examples(data, self.examples_per_label, rng)
        self.prior_ = None
        if self.chat is None and self.provider == LOCAL:
            shown = {example.text for example in self.demonstrations_}
            texts = [data.texts[row] for row in rng.permutation(len(data)) if data.texts[row] not in shown][:PRIOR_ROWS]
            self.prior_ = self._prior(texts if len(texts) >= 2 * len(data.schema) else prior_texts(data.schema))

    def _score(self, texts: list[str]) -> Scores:
        schema = self._require_schema()
        answers = self._ask(texts)
        values = answers.values
        if answers.scale is not Scale.VOTE_SHARE:
            values = _comparable(values, schema) - self._known_prior()
            if answers.scale is Scale.LOG_LIKELIHOOD and len(values):
                values = np.asarray(log_softmax(values, axis=1))
        scale = Scale.LOG_PROBABILITY if answers.scale is Scale.LOG_LIKELIHOOD else answers.scale
        seen = np.isin(hash_texts(texts), self.seen_row_ids)
        return Scores.build(
            values,
            schema.names,
            scale,
            source=f"{self.provider}:{self.model or 'default'}",
            multi_label=schema.multi_label,
            method=answers.method,
            status=answers.status,
            fold=np.where(seen, IN_SAMPLE, NEVER_TRAINED),
            cost=np.where(answers.status == Status.OK, 0.0 if self.provider == LOCAL else np.nan, 0.0),
        )

    def _known_prior(self) -> NDArray[np.float64]:
        prior: NDArray[np.float64] | None = getattr(self, "prior_", None)
        if prior is None:
            prior = self.prior_ = self._prior(prior_texts(self._require_schema()))
        return prior

    def _prior(self, texts: list[str]) -> NDArray[np.float64]:
        """Return the mean log-score of each label over texts, (K,)."""
        return np.asarray(np.nanmean(_comparable(self._ask(texts).values, self._require_schema()), axis=0))

    def _ask(self, texts: list[str]) -> Answers:
        with ResponseCache(self.cache_dir or cache_folder() / "replies") as cache:
            return self._elicitation(cache).ask(texts, self._require_schema(), self._demonstrations)

    @property
    def seen_row_ids(self) -> NDArray[np.uint64]:
        """Hashes of the texts that the prompt shows as examples."""
        return hash_texts([example.text for example in self._demonstrations])

    @property
    def _demonstrations(self) -> tuple[Demonstration, ...]:
        return getattr(self, "demonstrations_", ())

    def _elicitation(self, cache: ResponseCache) -> Elicitation:
        if self.chat is None and self.provider == LOCAL:
            if self.api_key or self.base_url:
                raise ConfigError("provider='local' runs in this process; name a provider to use base_url or api_key")
            from textclassify.llm.local import LocalScorer

            return Likelihoods(LocalScorer(self.model), cache)
        return HardLabels(
            self.chat or self._remote_chat(),
            cache,
            concurrency=self.concurrency,
            temperature=self.temperature,
            max_tokens=self.max_completion_tokens,
        )

    def check_model(self) -> None:
        """Make sure that the model is there, or that the provider and its key are known, without asking anything."""
        if self.chat is None and self.provider == LOCAL:
            from textclassify.models.sources import resolve

            resolve(self.model, "causal")
        elif self.chat is None:
            self._remote_chat()

    def _remote_chat(self) -> Chat:
        from textclassify.llm.transport import HttpChat

        endpoint = resolve_endpoint(
            self.provider,
            self.base_url,
            self.api_key,
            self.api_key_env,
            base_url_from_file=getattr(self, "_from_file", False),
        )
        model = self.model or endpoint.provider.default_model
        if model is None:
            raise ConfigError(
                f"provider {self.provider!r} has no default model; pass model=..., as the server lists it"
            )
        return HttpChat(endpoint, model)

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state["api_key"] = None
        return state

    def _stored_parameters(self) -> dict[str, Any]:
        left_out = {"api_key", "chat", "cache_dir"}
        return {name: value for name, value in super()._stored_parameters().items() if name not in left_out}

    def _write(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002 - everything fits into JSON
        examples = [{"text": example.text, "label": example.label} for example in self._demonstrations]
        prior = getattr(self, "prior_", None)
        return {"demonstrations": examples, "prior": None if prior is None else prior.tolist()}

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:  # noqa: ARG002 - see _write
        self.demonstrations_ = tuple(
            Demonstration(example["text"], example["label"]) for example in learned["demonstrations"]
        )
        self.prior_ = None if learned["prior"] is None else np.array(learned["prior"])
        self._from_file = True


def _comparable(values: NDArray[np.float64], schema: LabelSchema) -> NDArray[np.float64]:
    """Return scores whose mean over texts is a prior: log-probabilities among the labels; log-odds as they are."""
    return values if schema.multi_label or not len(values) else np.asarray(log_softmax(values, axis=1))


def _drawn_examples(data: TrainingData, per_label: int, rng: np.random.Generator) -> tuple[Demonstration, ...]:
    """Return examples of every label in random order, no text twice."""
    chosen: dict[str, Demonstration] = {}
    order = rng.permutation(len(data))
    indicator = data.gold if data.multi_label else np.eye(len(data.schema), dtype=np.uint8)[data.gold]
    for k in range(len(data.schema)):
        rows = [int(row) for row in order if indicator[row, k] and data.texts[row] not in chosen]
        for row in rows[:per_label]:
            label = data.schema.decode(data.gold[[row]])[0]
            chosen[data.texts[row]] = Demonstration(data.texts[row], label)
    examples = list(chosen.values())
    return tuple(examples[place] for place in rng.permutation(len(examples)))
