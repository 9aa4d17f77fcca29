"""`LLMClassifier`: labels from a language model, in this process or behind an API."""

from __future__ import annotations

import copy
import logging
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import log_softmax

from textclassify.core.contract import TextClassifier
from textclassify.core.labels import LabelSchema
from textclassify.core.result import ClassificationResult, decide
from textclassify.core.scales import IN_SAMPLE, NEVER_TRAINED, Scale, Status
from textclassify.core.scores import Scores
from textclassify.core.storage import cache_folder
from textclassify.core.texts import hash_texts
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.llm.asking import Answers, Elicitation, HardLabels, Likelihoods
from textclassify.llm.cache import ResponseCache
from textclassify.llm.chat import AbsentChat, Chat
from textclassify.llm.keys import Secret, checked_variable
from textclassify.llm.prompts import Demonstration, prior_texts
from textclassify.llm.providers import find_provider, resolve_endpoint

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
        base_url: address with the version path; None = the provider's, or the environment's. No key goes to one that
            `load` read from a folder: give it anew, or by the environment.
        api_key: None = from the environment. It is never saved or shown.
        api_key_env: the environment variable that holds the key.
        chat: an object with the `Chat` protocol, asked instead of a provider. Copies and clones share it; it is never
            saved, so that a loaded or unpickled classifier knows the cached replies and needs it anew for others.
        cache_dir: folder of the response cache; None = in the user's cache folder.
        concurrency: most requests in flight.
        examples_per_label: examples from `fit` shown in the prompt; those texts count as seen.
        temperature: of a remote model's sampling.
        max_completion_tokens: longest reply of a remote model.
        multi_label: overrides what the schema says.
        random_state: which examples are shown.

    Learned: `demonstrations_`, `prior_` (K,) log-scores taken out of a local model's; with each prediction
    `truncated_share_`, the share of its texts that a local model was shown without their end.

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

    @property
    def api_key(self) -> Secret | None:
        """The key, which shows itself to nobody."""
        return self._api_key

    @api_key.setter
    def api_key(self, key: str | Secret | None) -> None:
        self._api_key = Secret(key) if isinstance(key, str) else key

    @property
    def api_key_env(self) -> str | None:
        """Name of the environment variable that holds the key."""
        return self._api_key_env

    @api_key_env.setter
    def api_key_env(self, name: str | None) -> None:
        self._api_key_env = checked_variable(name)  # at once, because whatever is kept is shown and saved

    @property
    def _runs_here(self) -> bool:
        return self.chat is None and self.provider == LOCAL

    def _fit(self, data: TrainingData) -> None:
        rng = np.random.default_rng(self.random_state)
        self.demonstrations_ = _drawn_examples(data, self.examples_per_label, rng)
        self.prior_: NDArray[np.float64] | None = None
        if self._runs_here:
            shown = {example.text for example in self.demonstrations_}
            texts = [data.texts[row] for row in rng.permutation(len(data)) if data.texts[row] not in shown][:PRIOR_ROWS]
            self._learn_prior(texts if len(texts) >= 2 * len(data.schema) else prior_texts(data.schema))

    def _score(self, texts: list[str]) -> Scores:
        schema = self._require_schema()
        answers = self._ask(texts)
        self.truncated_share_ = float(answers.truncated.mean()) if texts else 0.0
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
            source=f"{self.provider}:{self.model or 'default'}"
            if self.chat is None
            else f"{self.chat.name}:{self.chat.model}",
            multi_label=schema.multi_label,
            method=answers.method,
            status=answers.status,
            fold=np.where(seen, IN_SAMPLE, NEVER_TRAINED),
            cost=np.where(answers.status == Status.OK, 0.0 if self._runs_here else np.nan, 0.0),
        )

    def _decide(self, scores: Scores) -> ClassificationResult:
        return decide(scores, metadata={"truncated_share": self.truncated_share_})

    def _known_prior(self) -> NDArray[np.float64]:
        prior = self._current_prior()
        return self._learn_prior(prior_texts(self._require_schema())) if prior is None else prior

    def _current_prior(self) -> NDArray[np.float64] | None:
        """Return the prior, unless it is another model's or of other labels."""
        return self.prior_ if getattr(self, "prior_", None) is not None and self._prior_of == self._asked() else None

    def _learn_prior(self, texts: list[str]) -> NDArray[np.float64]:
        """Keep and return the mean log-score of each label over texts, (K,)."""
        prior = np.asarray(np.nanmean(_comparable(self._ask(texts).values, self._require_schema()), axis=0))
        self.prior_, self._prior_of = prior, self._asked()
        return prior

    def _asked(self) -> tuple[Any, ...]:
        """Return what a prior belongs to."""
        return self._require_schema(), self.provider, self.model

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
        if self._runs_here:
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

    @property
    def model_used(self) -> str:
        """The language model that is asked, and whose it is."""
        if self.chat is not None:
            return f"{self.chat.model} ({self.chat.name})"
        if self.provider == LOCAL:
            from textclassify.models.sources import resolve

            source = resolve(self.model, "causal")
            return f"{source.name} ({source.origin})"
        return f"{self.model or find_provider(self.provider).default_model} ({self.provider})"

    def check_model(self) -> None:
        """Make sure that the model is there, or that the provider and its key are known, without asking anything."""
        if self._runs_here:
            from textclassify.models.sources import resolve

            resolve(self.model, "causal")
        elif self.chat is None:
            self._remote_chat()

    def _remote_chat(self) -> Chat:
        from textclassify.llm.transport import HttpChat

        endpoint = resolve_endpoint(self.provider, self.base_url, self.api_key, self.api_key_env)
        model = self.model or endpoint.provider.default_model
        if model is None:
            raise ConfigError(
                f"provider {self.provider!r} has no default model; pass model=..., as the server lists it"
            )
        return HttpChat(endpoint, model)

    def __getstate__(self) -> dict[str, Any]:
        return {**super().__getstate__(), "_api_key": None, "chat": self._absent_chat()}

    def __copy__(self) -> Self:
        return self._with_state(self.__dict__)

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        memo[id(self.chat)] = self.chat  # shared, because it may hold connections and locks
        return self._with_state(copy.deepcopy(self.__dict__, memo))

    def __sklearn_clone__(self) -> Self:
        without = copy.copy(self)
        without.chat = None
        cloned: Self = super(LLMClassifier, without).__sklearn_clone__()
        cloned.chat = self.chat
        return cloned

    def _with_state(self, state: dict[str, Any]) -> Self:
        copied = object.__new__(type(self))
        copied.__dict__.update(state)
        return copied

    def _absent_chat(self) -> AbsentChat | None:
        return None if self.chat is None else AbsentChat(self.chat.name, self.chat.model)

    def _stored_parameters(self) -> dict[str, Any]:
        left_out = {"api_key", "chat", "cache_dir"}
        return {name: value for name, value in super()._stored_parameters().items() if name not in left_out}

    def _write(self, folder: Path) -> dict[str, Any]:  # noqa: ARG002 - everything fits into JSON
        examples = [{"text": example.text, "label": example.label} for example in self._demonstrations]
        prior, chat = self._current_prior(), self.chat
        return {
            "demonstrations": examples,
            "prior": None if prior is None else prior.tolist(),
            "chat": None if chat is None else {"name": chat.name, "model": chat.model},
        }

    def _read(self, folder: Path, learned: dict[str, Any]) -> None:  # noqa: ARG002 - see _write
        self.demonstrations_ = tuple(
            Demonstration(example["text"], example["label"]) for example in learned["demonstrations"]
        )
        self.prior_ = None if learned["prior"] is None else np.array(learned["prior"])
        self._prior_of = self._asked()
        self.chat = None if learned["chat"] is None else AbsentChat(**learned["chat"])


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
