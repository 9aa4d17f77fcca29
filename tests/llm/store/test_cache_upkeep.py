import io
import json
import re
import sqlite3
import time
from hashlib import sha256

import pytest

from textclassify.errors import StorageError
from textclassify.llm.store.cache import ResponseCache, StoredRow

KEYS = [sha256(str(i).encode()).digest() for i in range(1200)]
ROW = StoredRow(0, 4, b"\x00\x00\x80?")
SECRET = b"the patient's name is Maria"


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path / "c") as opened:
        yield opened


def fill(cache, n, body=b'{"x": "' + b"y" * 1000 + b'"}'):
    for key in KEYS[:n]:
        cache.put(key, body)
        cache.put_row(key, 1, ROW)
    cache.flush()


def age(cache, n, seconds):
    """Make the first n answers and rows older."""
    cache.close()
    with sqlite3.connect(cache.path) as db:
        for key in KEYS[:n]:
            db.execute("UPDATE replies SET received_at = received_at - ? WHERE key = ?", (seconds, key))
            db.execute("UPDATE rows SET read_at = read_at - ? WHERE key = ?", (seconds, key))
    db.close()


def files_with(cache, text):
    return [path.name for path in cache.path.parent.iterdir() if text in path.read_bytes()]


def test_stats_say_what_there_is(cache):
    """What a user wants to know before anything is removed."""
    empty = cache.stats()
    assert (empty.answers, empty.rows, empty.oldest, empty.newest, empty.runs) == (0, 0, None, None, ())
    run = cache.begin_run("openai", "m")
    fill(cache, 100)
    cache.add_to_run(run, answers=100, cost=0.5)
    age(cache, 1, 60)

    found = cache.stats()
    assert (found.answers, found.rows) == (100, 100)
    assert found.size_bytes >= 100_000
    assert found.oldest < time.time() - 60 < found.newest <= time.time()
    assert [(each.answers, each.cost) for each in found.runs] == [(100, 0.5)]


def test_what_is_older_than_an_age_goes(cache):
    """Answers with the rows read from them; the disk gets its room back."""
    fill(cache, 1000)
    age(cache, 900, 3600)
    removed = cache.prune(older_than_seconds=1800)

    assert (removed.answers, removed.rows) == (900, 900)
    assert removed.freed_bytes > 500_000
    assert cache.get_many(KEYS).keys() == cache.rows(KEYS, 1).keys() == set(KEYS[900:1000])


def test_the_oldest_go_until_the_file_is_small_enough(cache):
    """And no more than that."""
    fill(cache, 1200)
    for n in (300, 600, 900):
        age(cache, n, 3600)
    size = 800_000
    cache.prune(max_bytes=size)

    left = cache.get_many(KEYS).keys()
    assert left == set(KEYS[-len(left) :])
    assert 300 <= len(left) <= 600
    assert cache.stats().size_bytes <= size + 50_000


def test_nothing_goes_when_nothing_is_too_old_or_too_much(cache):
    """Pruning is done by habit."""
    fill(cache, 10)
    removed = cache.prune(older_than_seconds=60, max_bytes=10_000_000)
    assert (removed.answers, removed.rows, len(cache)) == (0, 0, 10)


def test_a_size_below_that_of_an_empty_file_leaves_nothing(cache):
    """It ends, too."""
    fill(cache, 50)
    assert cache.prune(max_bytes=1).answers == 50


def test_every_answer_is_exported_as_one_line(cache):
    """More than are read at a time; also those that were sent over several lines, or are no JSON."""
    bodies = {key: b'{"n":\n%d}' % i for i, key in enumerate(KEYS)} | {KEYS[7]: b'cut "short\n\xff'}
    for key, body in bodies.items():
        cache.put(key, body)
    stream = io.StringIO()

    assert cache.export(stream) == 1200
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [line["key"] for line in lines] == [key.hex() for key in KEYS]
    assert [line["reply"] for line in lines[6:9]] == [{"n": 6}, 'cut "short\n\ufffd', {"n": 8}]
    assert time.time() - 60 < lines[0]["received_at"] <= time.time()


def test_verify_names_what_cannot_be_read(cache):
    """By its key, so that it can be removed and asked about again."""
    fill(cache, 3)
    cache.put(KEYS[5], b"broken")
    found = cache.verify(lambda body: body != b"broken")

    assert (found.answers, found.unreadable, found.damage) == (4, (KEYS[5],), ())
    assert not found.is_whole
    cache.forget(found.unreadable)
    assert cache.verify(lambda body: body != b"broken").is_whole


def test_verify_tells_damage_and_sets_nothing_aside(cache):
    """It is a diagnosis: what can be saved is still there."""
    fill(cache, 1200)
    cache.close()
    with cache.path.open("r+b") as file:
        file.seek(cache.path.stat().st_size // 2)
        file.write(b"\xff" * 40_000)
    found = cache.verify(lambda _: True)

    assert re.search("malformed|page|row|freelist|btree", " ".join(found.damage), re.IGNORECASE)
    assert not list(cache.path.parent.glob("*.corrupt-*"))


def test_texts_are_gone_for_good_and_scores_stay(cache):
    """Not in a free page, not in the journal, not in a damaged file that lies beside it."""
    fill(cache, 100, SECRET)
    run = cache.begin_run("openai", "m")
    aside = cache.path.with_name(f"{cache.path.name}.corrupt-1")
    aside.write_bytes(SECRET)
    assert files_with(cache, SECRET)

    removed = cache.purge_text()
    assert (removed.answers, removed.rows) == (100, 0)
    assert files_with(cache, SECRET) == []
    assert (len(cache), len(cache.rows(KEYS, 1)), cache.runs()[0].run) == (0, 100, run)


def test_a_purge_leaves_nothing(cache):
    """As if it had never been used; and it can be used again."""
    fill(cache, 100, SECRET)
    cache.begin_run("openai", "m")
    cache.set_fact("a", "b")
    removed = cache.purge()

    assert (removed.answers, removed.rows) == (100, 100)
    assert (len(cache), cache.rows(KEYS, 1), cache.runs(), cache.fact("a")) == (0, {}, [], None)
    fill(cache, 1)
    assert len(cache) == 1


def test_a_purge_says_when_somebody_else_keeps_the_texts_in_the_journal(cache, monkeypatch):
    """A reader in another process holds the journal; the user would believe them gone."""
    monkeypatch.setattr("textclassify.llm.store.cache_schema._BUSY_SECONDS", 0.05)
    fill(cache, 100, SECRET)
    reader = sqlite3.connect(cache.path)
    reader.execute("BEGIN")
    reader.execute("SELECT count(*) FROM replies").fetchone()

    with pytest.raises(StorageError, match="end that process and purge again"):
        cache.purge_text()
    reader.close()
    cache.purge_text()
    assert files_with(cache, SECRET) == []
