"""Small data in the shapes of the published documents: sentiments, and films of several genres."""

from __future__ import annotations

from itertools import product

import pandas as pd

SENTIMENTS = {
    "positive": ("I love this {}", "an amazing {}", "what a great {}", "a wonderful {}"),
    "negative": ("a terrible {}", "this {} is awful", "I hate this {}", "the worst {} ever"),
    "neutral": ("an okay {}", "a rather average {}", "quite an ordinary {}", "the {} is so-so"),
}
GENRES = ["action", "comedy", "drama", "horror", "romance"]
_FILMS = {
    ("action", "comedy"): ("a funny action film", "one joke after every fight"),
    ("drama",): ("a sad story", "grief and tears"),
    ("horror", "drama"): ("a ghost in tears", "scary and full of grief"),
    ("romance", "comedy"): ("a funny wedding", "lovers who laugh"),
    ("action",): ("an action movie", "one long fight"),
}
_THINGS = ("phone", "hotel", "book", "lamp", "camera", "train", "film", "shoe", "meal", "chair")


def sentiments(rows: int, *, start: int = 0) -> tuple[list[str], list[str]]:
    """Return texts and the sentiment of each; another start gives other texts."""
    pairs = list(product(range(4), _THINGS))
    texts, labels = [], []
    for row in range(start, start + rows):
        label = list(SENTIMENTS)[row % 3]
        form, thing = pairs[(row // 3) % len(pairs)]
        texts.append(SENTIMENTS[label][(form + row // 3) % 4].format(f"{thing} number {row}"))
        labels.append(label)
    return texts, labels


def sentiment_frame(rows: int, *, start: int = 0, column: str = "label") -> pd.DataFrame:
    """Return them as a table with one label column."""
    texts, labels = sentiments(rows, start=start)
    return pd.DataFrame({"text": texts, column: labels})


def sentiment_columns(rows: int, *, start: int = 0) -> pd.DataFrame:
    """Return them as a table with one 0/1 column per label."""
    texts, labels = sentiments(rows, start=start)
    return pd.DataFrame({"text": texts} | {name: [int(one == name) for one in labels] for name in SENTIMENTS})


def films(rows: int) -> pd.DataFrame:
    """Return descriptions of films with a 0/1 column per genre."""
    kinds = list(_FILMS)
    chosen = [kinds[row % len(kinds)] for row in range(rows)]
    texts = [f"{_FILMS[kind][row // len(kinds) % 2]}, film {row}" for row, kind in enumerate(chosen)]
    return pd.DataFrame({"text": texts} | {genre: [int(genre in kind) for kind in chosen] for genre in GENRES})
