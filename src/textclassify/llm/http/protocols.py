"""How a request is written: in OpenAI's chat completions protocol, or in Gemini's own where that says more."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

import orjson

from textclassify.llm.chat import ChatRequest

LONGEST_ANSWER = frozenset({"max_tokens", "max_completion_tokens"})
"""The two names of the longest answer."""
_INSTRUCTING = {"system", "developer"}
_GENERATION_CONFIG = {
    "temperature": "temperature",
    "max_tokens": "maxOutputTokens",
    "max_completion_tokens": "maxOutputTokens",
    "seed": "seed",
    "stop": "stopSequences",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "logprobs": "responseLogprobs",
    "top_logprobs": "logprobs",
}
"""OpenAI's name of a parameter -> Gemini's."""
_THINKING_BUDGETS = {"none": 0, "minimal": 512, "low": 1024, "medium": 8192, "high": 24_576}
"""Tokens, for models before Gemini 3, which know no levels."""


def written_parameters(
    request: ChatRequest, max_tokens_parameter: str, defaults: Mapping[str, Any], left_out: Iterable[str]
) -> dict[str, Any]:
    """What is asked, in the words of OpenAI's protocol.

    Args:
        request: what to ask.
        max_tokens_parameter: the name of the longest answer.
        defaults: further parameters where the request's `extra` does not hold them.
        left_out: parameters that the model refuses.

    """
    sent: dict[str, Any] = {
        "model": request.model,
        "messages": [{"role": each.role, "content": each.content} for each in request.messages],
        **defaults,
    }
    if request.temperature is not None:
        sent["temperature"] = request.temperature
    if request.max_tokens is not None:
        sent[max_tokens_parameter] = request.max_tokens
    if request.seed is not None:
        sent["seed"] = request.seed
    if request.top_logprobs is not None:
        sent["logprobs"] = True
        sent["top_logprobs"] = request.top_logprobs
    if request.response_schema is not None:
        schema = {"name": "answer", "strict": True, "schema": request.response_schema}
        sent["response_format"] = {"type": "json_schema", "json_schema": schema}
    if request.extra:
        sent.update(request.extra)
        sent = {name: value for name, value in sent.items() if value is not None}
    if left_out:
        _leave_out(sent, set(left_out))
    return sent


def encoded(sent: Mapping[str, Any]) -> bytes:
    """A request's body; a lone surrogate, which UTF-8 cannot hold, becomes a question mark."""
    try:
        return orjson.dumps(sent)
    except TypeError:
        return json.dumps(sent, ensure_ascii=False, default=dict).encode("utf-8", "replace")


def native_path(model: str) -> str:
    """Where Gemini's own protocol asks a model, below its address."""
    return f"/models/{quote(model.removeprefix('models/'), safe='')}:generateContent"


def native_parameters(sent: Mapping[str, Any]) -> dict[str, Any]:
    """What is asked, in the words of Gemini's own protocol; parameters without a translation are passed on."""
    sent = dict(sent)
    model, messages = sent.pop("model"), sent.pop("messages")
    config = {_GENERATION_CONFIG[name]: sent.pop(name) for name in list(sent) if name in _GENERATION_CONFIG}
    if "response_format" in sent:
        config["responseMimeType"] = "application/json"
        schema = sent.pop("response_format").get("json_schema")
        config |= {"responseJsonSchema": schema["schema"]} if schema else {}
    if "reasoning_effort" in sent:
        config["thinkingConfig"] = _thinking(model, sent.pop("reasoning_effort"))
    if isinstance(config.get("stopSequences"), str):
        config["stopSequences"] = [config["stopSequences"]]
    system = [{"text": each["content"]} for each in messages if each["role"] in _INSTRUCTING]
    turns = [
        {"role": "model" if each["role"] == "assistant" else "user", "parts": [{"text": each["content"]}]}
        for each in messages
        if each["role"] not in _INSTRUCTING
    ]
    config |= sent.pop("generationConfig", {})
    instruction = {"systemInstruction": {"parts": system}} if system else {}
    return {**instruction, "contents": turns, "generationConfig": config, **sent}


def _thinking(model: str, effort: Any) -> dict[str, Any]:
    """How much a model may think before it answers: a budget for older ones, a level for newer ones."""
    if effort == "none" or "gemini-2." in model:
        return {"thinkingBudget": _THINKING_BUDGETS.get(effort, 0)}
    return {"thinkingLevel": effort}


def _leave_out(sent: dict[str, Any], left_out: set[str]) -> None:
    """Remove refused parameters; the longest answer is asked for under its other name before it is left out."""
    refused = left_out & LONGEST_ANSWER
    if len(refused) == 1 and (old := refused.pop()) in sent:
        (other,) = LONGEST_ANSWER - {old}
        sent[other] = sent[old]
    for name in left_out:
        sent.pop(name, None)
    if "logprobs" in left_out:
        sent.pop("top_logprobs", None)
