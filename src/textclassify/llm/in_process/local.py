"""Exact label likelihoods from a language model in this process: log P(label, end of turn | prompt).

Every prompt's common beginning (instructions, label list, examples) is read once, its keys and values are kept, and
each text is read once after it; all labels are then read as one tree of tokens behind each text.
"""

import functools
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import ConfigError
from textclassify.llm.choices import Choice
from textclassify.llm.in_process.answer_scores import ShowProgress, score_answers
from textclassify.llm.in_process.chat_tokens import ChatTokenizer, PromptTokens, Turn
from textclassify.llm.in_process.loaded_models import LoadedModel, dtype_of, go_on_in_float32, loaded_once
from textclassify.llm.in_process.prompt_forest import TokenQuestion
from textclassify.llm.in_process.question_scores import question_scores
from textclassify.llm.in_process.writing import written
from textclassify.llm.prompting.prompts import TEXT_SLOT
from textclassify.models.dependencies import needs_extra
from textclassify.models.sources import ModelSource, resolve

with needs_extra("torch"):
    from textclassify.models.devices import pick_device

__all__ = ["TEXT_SLOT", "LabelLikelihoods", "LocalScorer"]


@dataclass(frozen=True, slots=True)
class LabelLikelihoods:
    """What `LocalScorer.log_likelihoods` answers.

    Attributes:
        values: (n, K) float32, log P(answer, end of turn | prompt), summed over tokens; at most 0.
        truncated: (n,) whether the end of the text was left out because the prompt did not fit.
        prompt_tokens: (n,) length of each prompt.
    """

    values: NDArray[np.float32]
    truncated: NDArray[np.bool_]
    prompt_tokens: NDArray[np.int64]


class LocalScorer:
    """A causal language model that scores whole answers exactly, on this machine.

    Args:
        model: a Hugging Face folder, a `.gguf` file, a name; None or "smollm2" is the embedded model.
        device: "auto" (a GPU where there is one), "cpu", "cuda".
        precision: "auto" (bf16 where the processor has it, else fp32), "fp32", "bf16", "fp16".
        max_tokens: longest prompt with its answer; longer texts are cut. None = what the model can read.

    The weights are loaded at the first text and shared by all scorers of the process that want the same. A model whose
    scores are no numbers in half precision is loaded again in float32, for the rest of the process and with a warning.

    Example:
        >>> from textclassify.llm.chat import Message
        >>> turns = [Message("user", f"Is this text glad or sad? {TEXT_SLOT}")]
        >>> LocalScorer().log_likelihoods(turns, ["I won!"], ["glad", "sad"]).values.shape
        (1, 2)
    """

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        *,
        device: str = "auto",
        precision: str = "auto",
        max_tokens: int | None = None,
    ) -> None:
        self.model = model
        self.device = device
        self.precision = precision
        self.max_tokens = max_tokens

    def __getstate__(self) -> dict[str, Any]:
        return {name: vars(self)[name] for name in ("model", "device", "precision", "max_tokens")}

    @functools.cached_property
    def source(self) -> ModelSource:
        """Where the model is; resolved when first asked."""
        return resolve(self.model, "causal")

    @property
    def identity(self) -> str:
        """What tells its answers from another's: where the model is, its weights' sizes and dates, how it computes.

        It changes when the model's activations leave the range of half precision, and it goes on in float32.
        """
        dtype = str(dtype_of(self.source, self.device, self.precision))
        return json.dumps([self.source.location, self._files, dtype, pick_device(self.device).type, self.max_tokens])

    @functools.cached_property
    def _files(self) -> list[tuple[str, int, int]]:
        place = Path(self.source.location)
        files = sorted(place.glob("*.safetensors")) if place.is_dir() else [place] if place.is_file() else []
        return [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in files]

    @functools.cached_property
    def weights(self) -> int:
        """How many weights the model has; it is loaded for this."""
        return int(self._loaded().model.num_parameters())

    def _loaded(self) -> LoadedModel:
        return loaded_once(self.source, self.device, self.precision)

    def _falls_back(self, values: NDArray[Any], model: Any) -> bool:
        """Whether scores have to be computed again, in float32, because these left the range of half precision."""
        if np.isfinite(values).all() or str(model.dtype) == "torch.float32":
            return False
        go_on_in_float32(self.source, self.device, self.precision)
        return True

    def log_likelihoods(
        self,
        turns: Sequence[Turn] | Sequence[Sequence[Turn]],
        texts: Sequence[str],
        answers: Sequence[str],
        *,
        show_progress: ShowProgress | None = None,
    ) -> LabelLikelihoods:
        """Log-likelihood of each answer as the whole reply, for each text.

        `turns` are the messages of the prompt, with `TEXT_SLOT` once in the place of the text; or a list of such
        messages for each text. `show_progress` is called with (texts done, texts in all), equal prompts counted once.

        Raises:
            ConfigError: no slot, no answers, or a prompt whose instructions alone do not fit.
            ModelError: the model cannot be had or loaded.
        """
        if not answers:
            raise ConfigError("there is no answer to score; name at least one label")
        loaded = self._loaded()
        replies = [loaded.chat.answer(answer) for answer in answers]
        context = min(loaded.context, self.max_tokens or loaded.context)
        room = context - max(map(len, replies))
        prompts = _prompts(loaded.chat, turns, texts, room)
        distinct = {ids: row for row, ids in enumerate(dict.fromkeys(prompt.ids for prompt in prompts))}
        values = score_answers(loaded.model, list(distinct), replies, show_progress=show_progress)
        if self._falls_back(values, loaded.model):
            del loaded  # both formats at once may not fit into the memory
            values = score_answers(self._loaded().model, list(distinct), replies, show_progress=show_progress)
        return LabelLikelihoods(
            values=values[[distinct[prompt.ids] for prompt in prompts]],
            truncated=np.array([prompt.truncated for prompt in prompts], dtype=np.bool_),
            prompt_tokens=np.array([len(prompt.ids) for prompt in prompts], dtype=np.int64),
        )

    def choices_scored(self, choices: Sequence[Choice]) -> Iterator[tuple[int, NDArray[np.float64], bool]]:
        """Yield the place of each question, the log-likelihood of its answers (A,), and whether its text was cut.

        They come in an order of their own: questions that begin alike, such as those about one text, are read together.

        Raises:
            ConfigError: a prompt whose instructions alone do not fit.
            ModelError: the model cannot be had or loaded.
        """
        if not choices:
            return
        chat, context = self._loaded().chat, self._loaded().context
        context = min(context, self.max_tokens or context)
        replies = functools.cache(lambda answers: tuple(chat.answer(answer) for answer in answers))
        alike: dict[tuple[Any, ...], list[int]] = {}
        for place, choice in enumerate(choices):
            alike.setdefault((choice.messages, choice.answers), []).append(place)
        prompts: dict[int, PromptTokens] = {}
        for (messages, answers), places in alike.items():
            room = context - max(map(len, replies(answers)))
            texts = [choices[place].text for place in places]
            prompts |= zip(places, chat.prompts(messages, texts, max_tokens=room), strict=True)
        questions = [TokenQuestion(prompts[place].ids, replies(choice.answers)) for place, choice in enumerate(choices)]
        for place, scores in self._questions_scored(questions):
            yield place, scores, prompts[place].truncated

    def _questions_scored(self, questions: Sequence[TokenQuestion]) -> Iterator[tuple[int, NDArray[np.float64]]]:
        """Yield places and scores; from the first that is no number in half precision on, in float32."""
        left = dict.fromkeys(range(len(questions)))
        model = self._loaded().model
        for place, scores in question_scores(model, questions):
            if self._falls_back(scores, model):
                break
            del left[place]
            yield place, scores
        del model
        places = list(left)
        for position, scores in question_scores(self._loaded().model, [questions[place] for place in places]):
            yield places[position], scores

    def written(self, conversations: Sequence[Sequence[Turn]], *, max_tokens: int) -> Iterator[tuple[int, str | None]]:
        """Yield the place of each conversation and what the model most likely says next; None where it does not fit.

        Raises:
            ModelError: the model cannot be had or loaded.
        """
        if conversations:
            loaded = self._loaded()
            room = min(loaded.context, self.max_tokens or loaded.context) - max_tokens
            yield from written(loaded.model, loaded.chat, conversations, max_tokens=max_tokens, room=room)


def _prompts(
    chat: ChatTokenizer, turns: Sequence[Turn] | Sequence[Sequence[Turn]], texts: Sequence[str], room: int
) -> list[PromptTokens]:
    if not texts:
        return []
    if all(hasattr(turn, "role") for turn in turns):
        return chat.prompts(cast("Sequence[Turn]", turns), texts, max_tokens=room)
    own = cast("Sequence[Sequence[Turn]]", turns)
    return [chat.prompts(mine, [text], max_tokens=room)[0] for mine, text in zip(own, texts, strict=True)]
