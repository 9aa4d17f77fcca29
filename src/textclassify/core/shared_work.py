"""Work that several classifiers of one run have in common, done once: loaded weights, tokens, vectors."""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar, cast

Thing = TypeVar("Thing")


class _Place:
    """Where one shared thing is made, by one thread at a time."""

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.is_made = False
        self.thing: Any = None


_places: ContextVar[dict[Hashable, _Place] | None] = ContextVar("places", default=None)


@contextmanager
def sharing() -> Iterator[None]:
    """Remember what `shared` makes until the outermost block ends.

    Threads share with the block that started them if they run in a copy of its context
    (`contextvars.copy_context().run`); others make their own.
    """
    if _places.get() is not None:
        yield
        return
    token = _places.set({})
    try:
        yield
    finally:
        _places.reset(token)


def shared(key: Hashable, make: Callable[[], Thing]) -> Thing:
    """Return the thing of this key: made at the first request inside `sharing()`, outside of it at every request.

    What is returned inside is one object for everybody: read it, or take an `own_copy`. A failure is not remembered.

    Args:
        key: says what the thing is and all that it depends on; begins with a word for its kind.
        make: returns the thing.

    """
    places = _places.get()
    if places is None:
        return make()
    place = places.setdefault(key, _Place())
    with place.lock:
        if not place.is_made:
            place.thing, place.is_made = make(), True
    return cast("Thing", place.thing)


def own_copy(key: Hashable, make: Callable[[], Thing]) -> Thing:
    """Return a thing to change at will: a deep copy of the shared one inside `sharing()`, outside a new one."""
    thing = shared(key, make)
    return thing if _places.get() is None else copy.deepcopy(thing)
