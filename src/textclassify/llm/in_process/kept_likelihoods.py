"""`KeptLikelihoods`: what a model of this process has said, in the cache, so that nothing is computed twice."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TypeVar

import orjson

from textclassify.llm.chat import Message
from textclassify.llm.store.cache import ResponseCache

logger = logging.getLogger(__name__)

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Scored:
    """What is known, and cached, about one text: a log-likelihood per answer, and whether its end was left out."""

    log_likelihoods: list[float]
    truncated: bool


@dataclass(frozen=True)
class KeptLikelihoods:
    """Log-likelihoods of answers by the digest of all that shapes them.

    Args:
        cache: where they are kept; None = nowhere.

    """

    cache: ResponseCache | None

    def of(self, keys: Mapping[Item, bytes], n_answers: Mapping[Item, int]) -> dict[Item, Scored]:
        """Return what is kept; an entry that cannot be read makes room for a new one.

        Args:
            keys: of what is looked up.
            n_answers: how many log-likelihoods each entry has.

        """
        if self.cache is None:
            return {}
        known = self.cache.get_many(list(keys.values()))
        found: dict[Item, Scored] = {}
        damaged: list[bytes] = []
        for item, key in keys.items():
            if key in known:
                one = _scored(known[key], n_answers[item])
                if one is None:
                    damaged.append(key)
                else:
                    found[item] = one
        if damaged:
            logger.warning("%d kept scores cannot be read and are computed again", len(damaged))
            self.cache.forget(damaged)
        return found

    def keep(self, found: Iterable[tuple[bytes, Scored]]) -> None:
        """Have entries kept, at once."""
        if self.cache is not None:
            for key, one in found:
                self.cache.put(key, orjson.dumps(asdict(one)))
            self.cache.flush()


def likelihood_key(identity: str, messages: Sequence[Message], answers: Sequence[str], text: str) -> bytes:
    """Return the digest (32 bytes) of all that shapes the log-likelihoods of answers about a text.

    Args:
        identity: of the model.
        messages: the conversation, with `TEXT_SLOT` in the place of the text.
        answers: those that are scored.
        text: what is asked about.

    """
    turns = [(message.role, message.content) for message in messages]
    return hashlib.sha256(json.dumps([identity, turns, answers, text]).encode()).digest()


def _scored(body: bytes, n_answers: int) -> Scored | None:
    """Return what a kept entry holds; None where it is damaged."""
    try:
        one = Scored(**orjson.loads(body))
        is_whole = len(one.log_likelihoods) == n_answers and {type(value) for value in one.log_likelihoods} <= {float}
    except (ValueError, TypeError):
        return None
    return one if is_whole and isinstance(one.truncated, bool) else None
