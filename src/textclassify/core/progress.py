"""Progress without threading a callback through every signature: work reports, whoever listens shows it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Listener: TypeAlias = Callable[[str, int, int, str], None]
"""Called with what is being done, how much of it is done, how much there is, and further figures in words."""

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)
_doing: ContextVar[str] = ContextVar("doing", default="")


def report(task: str, done: int, total: int, figures: str = "") -> None:
    """Tell whoever listens how far a task has come; nobody listening costs next to nothing."""
    listener = _listener.get()
    if listener is not None:
        listener(f"{_doing.get()}{task}", done, total, figures)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Have `listener` hear every report made inside the block."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def silenced() -> Iterator[None]:
    """Have nobody hear the reports made inside the block: steps of a step that reports itself."""
    token = _listener.set(None)
    try:
        yield
    finally:
        _listener.reset(token)


@contextmanager
def doing(what: str) -> Iterator[None]:
    """Put `what` before the task of every report made inside the block, e.g. "encoder, fold 2 of 5: "."""
    token = _doing.set(_doing.get() + what)
    try:
        yield
    finally:
        _doing.reset(token)
