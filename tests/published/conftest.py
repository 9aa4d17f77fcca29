"""What the published documents leave to their reader: a provider that answers, an encoder, and data of their shape."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from textclassify.models.sources import EMBEDDED_ENCODER, PATHS_VARIABLE, resolve

from ..loopback import LoopbackModel  # noqa: TID252 - a helper of several folders of tests
from ..tiny_encoder import tiny_encoder_in  # noqa: TID252 - a helper of several folders of tests

MEANT = {
    "positive": ("love", "amazing", "great", "wonderful"),
    "negative": ("terrible", "awful", "hate", "worst"),
    "neutral": ("okay", "average", "ordinary", "so-so"),
    "action": ("action", "chase", "fight"),
    "comedy": ("funny", "joke", "laugh"),
    "drama": ("sad", "tears", "grief"),
    "horror": ("scary", "ghost", "blood"),
    "romance": ("kiss", "wedding", "lovers"),
}
"""Words that say which labels a text has: to the server, and to whoever reads the rows."""


def answer_to(request: dict[str, Any]) -> str:
    """Return the labels of the text among those that the request offers, as its instructions want them."""
    rules, *_, question = (str(message["content"]) for message in request["messages"])
    offered = [label for label in MEANT if f": {label}" in rules]
    fitting = [label for label in offered if any(word in question.lower() for word in MEANT[label])]
    if "all labels that fit" in rules:
        return ", ".join(fitting) or "none"
    return (fitting or offered or ["A"])[0]


@pytest.fixture
def provider(monkeypatch: pytest.MonkeyPatch) -> Iterator[LoopbackModel]:
    """Return a language model on this machine that answers in the place of all three providers."""
    with LoopbackModel(answer_to).serving() as server:
        monkeypatch.delenv("TEXTCLASSIFY_OFFLINE", raising=False)
        monkeypatch.delenv("GOOGLE_API_KEY", raising=False)
        for name in ("DEEPSEEK", "OPENAI", "GEMINI"):
            monkeypatch.setenv(f"{name}_BASE_URL", server.url)
            monkeypatch.setenv(f"{name}_API_KEY", f"fake-key-of-{name.lower()}")
        yield server


@pytest.fixture
def encoder(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return the name `roberta-base`, which stands for the embedded encoder here: the hub is not asked."""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv(PATHS_VARIABLE, f"roberta-base={resolve(EMBEDDED_ENCODER, 'encoder').location}")
    return "roberta-base"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return an empty working folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "cache"))
    return tmp_path


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of an encoder that trains in milliseconds and knows the words above."""
    words = {word for meant in MEANT.values() for word in meant} | {"a", "an", "the", "this", "is"}
    return tiny_encoder_in(tmp_path_factory.mktemp("tiny-encoder"), sorted(words))
