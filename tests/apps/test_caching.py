"""What the commands of the cache return, on a cache as runs leave it behind."""

from __future__ import annotations

import io
import json
from hashlib import sha256
from pathlib import Path

import orjson
import pytest

from textclassify.apps import caching
from textclassify.core.storage import replies_folder
from textclassify.errors import ConfigError, StorageError
from textclassify.llm.store.cache import ResponseCache, StoredRow

KEYS = [sha256(str(i).encode()).digest() for i in range(3)]
REPLY = b'{"choices": [{"message": {"content": "sports"}, "finish_reason": "stop"}]}'
LIKELIHOODS = b'{"log_likelihoods": [-1.5, -2.0], "truncated": false}'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return the folder of a cache with two answers of a server and one of a model in this process."""
    with ResponseCache(tmp_path / "replies") as cache:
        run = cache.begin_run("openai", "gpt-4o-mini")
        for key, body in zip(KEYS, (REPLY, REPLY, LIKELIHOODS), strict=True):
            cache.put(key, body)
        cache.put_row(KEYS[0], 1, StoredRow(0, 4, b"\x00\x00\x80?"))
        cache.add_to_run(run, asked=2, answers=2, cost=None)
    return tmp_path / "replies"


def test_stats_are_plain_values(folder: Path) -> None:
    """They are printed, also as JSON; an unknown price is no $0."""
    found = caching.plain(caching.cache_stats(folder))

    assert (found["answers"], found["rows"]) == (3, 1)
    assert (found["runs"][0]["model"], found["runs"][0]["answers"], found["runs"][0]["cost"]) == (
        "gpt-4o-mini",
        2,
        None,
    )
    assert orjson.loads(orjson.dumps(found)) == found


def test_a_cache_that_was_never_used_has_no_figures_and_is_not_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking is no use; without a folder, the cache is where classifiers keep it."""
    monkeypatch.setenv("TEXTCLASSIFY_CACHE_DIR", str(tmp_path / "home"))

    assert replies_folder() == tmp_path / "home" / "replies"
    assert caching.cache_stats().answers == 0
    with pytest.raises(StorageError, match=r"there is no cache in .*home"):
        caching.export_cache(io.StringIO())
    assert not (tmp_path / "home").exists()


def test_pruning_needs_a_limit_that_can_be_understood(folder: Path) -> None:
    """Nothing is removed by mistake."""
    for limits in ({}, {"older_than": "30 moons"}, {"max_size": "big"}, {"older_than": "-1d"}):
        with pytest.raises(ConfigError, match=r"an age|a size"):
            caching.prune_cache(folder, **limits)
    assert caching.prune_cache(folder, older_than="30d", max_size="1GB").answers == 0
    assert caching.prune_cache(folder, older_than="0s").answers == 3


def test_ages_and_sizes_are_read_as_people_write_them() -> None:
    """With or without a space, in any case, with decimals."""
    ages = ["90s", "15m", "12 h", "30d", "2W", "0.5d"]
    sizes = ["800", "10b", "5kB", "500MB", "1.5 gb", "2GiB"]

    assert [caching.seconds_of(age) for age in ages] == [90, 900, 43_200, 2_592_000, 1_209_600, 43_200]
    assert [caching.bytes_of(size) for size in sizes] == [800, 10, 5000, 500_000_000, 1_500_000_000, 2**31]


def test_answers_are_exported_as_lines(folder: Path) -> None:
    """For whoever wants to look at what was paid for."""
    stream = io.StringIO()

    assert caching.export_cache(stream, folder) == 3
    assert [json.loads(line)["reply"] for line in stream.getvalue().splitlines()] == [
        json.loads(body) for body in (REPLY, REPLY, LIKELIHOODS)
    ]


def test_answers_that_cannot_be_read_are_found_and_removed(folder: Path) -> None:
    """Replies of servers and likelihoods of local models are both readable; a cut one is asked about again."""
    assert caching.verify_cache(folder).is_whole
    broken = sha256(b"broken").digest()
    with ResponseCache(folder) as cache:
        cache.put(broken, REPLY[:-5])

    found = caching.plain(caching.verify_cache(folder))
    assert (found["answers"], found["unreadable"], found["damage"]) == (4, [broken.hex()], [])
    caching.verify_cache(folder, remove=True)
    assert caching.verify_cache(folder).is_whole
    assert caching.cache_stats(folder).answers == 3


@pytest.mark.parametrize(("text_only", "rows_left"), [(True, 1), (False, 0)])
def test_texts_can_be_purged_without_the_scores(folder: Path, text_only: bool, rows_left: int) -> None:  # noqa: FBT001 - a case
    """The raw answers may quote confidential texts; the numbers do not."""
    assert caching.purge_cache(folder, text_only=text_only).answers == 3

    found = caching.cache_stats(folder)
    assert (found.answers, found.rows) == (0, rows_left)
