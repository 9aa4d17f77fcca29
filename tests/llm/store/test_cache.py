import os
import pickle
import sqlite3
import subprocess
import sys
import threading
import tracemalloc
from hashlib import sha256

import pytest

from textclassify.errors import StorageError
from textclassify.llm.store.cache import ResponseCache, StoredRow

KEYS = [sha256(str(i).encode()).digest() for i in range(10_000)]
ROW = StoredRow(0, 4, b"\x00\x00\x80?")


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path / "c") as opened:
        yield opened


@pytest.fixture
def other(cache):
    """Another object on the same file, as another process has one."""
    with ResponseCache(cache.path.parent) as opened:
        yield opened


def test_an_answer_is_found_again_by_its_key(cache, other):
    """Byte by byte, by another process too, and with more keys than one query takes."""
    for i, key in enumerate(KEYS):
        cache.put(key, b'{"n": %d, "text": "\xff"}' % i)
    cache.flush()

    assert other.get_many([*KEYS, bytes(32)]) == {key: b'{"n": %d, "text": "\xff"}' % i for i, key in enumerate(KEYS)}
    assert len(other) == 10_000


def test_an_answer_that_was_put_is_found_before_it_is_committed(cache, other):
    """The one who put it must not ask again; others do not see it yet."""
    cache.put(KEYS[0], b"a")

    assert cache.waiting == 1
    assert cache.get_many(KEYS[:2]) == {KEYS[0]: b"a"}
    assert other.get_many(KEYS[:2]) == {}


def test_the_first_answer_stays(cache, other):
    """Two processes that ask the same at once must replay the same afterwards."""
    cache.put(KEYS[0], b"first")
    cache.put(KEYS[0], b"second")
    cache.flush()
    other.put(KEYS[0], b"third")
    assert other.get_many(KEYS[:1]) == {KEYS[0]: b"first"}
    other.flush()

    assert other.get_many(KEYS[:1]) == cache.get_many(KEYS[:1]) == {KEYS[0]: b"first"}


def test_an_answer_that_is_forgotten_makes_room_for_another(cache):
    """One that cannot be read would otherwise be asked for again in every run."""
    cache.put(KEYS[0], b"broken")
    cache.flush()
    cache.forget(KEYS[:1])
    cache.put(KEYS[0], b"whole")
    cache.flush()

    assert cache.get_many(KEYS[:1]) == {KEYS[0]: b"whole"}


def test_rows_are_found_by_key_and_version_alone(cache, other):
    """A reading that has changed must read the raw replies again, and then replaces the old row."""
    cache.put_row(KEYS[0], 1, ROW)
    cache.put_row(KEYS[1], 1, StoredRow(3, 4, b""))
    waiting = cache.rows(KEYS[:3], 1)
    assert cache.rows(KEYS[:3], 2) == {}
    cache.close()

    assert waiting == other.rows(KEYS[:3], 1) == {KEYS[0]: ROW, KEYS[1]: StoredRow(3, 4, b"")}
    assert cache.rows(KEYS[:3], 2) == {}
    cache.put_row(KEYS[0], 2, ROW)
    cache.close()
    assert cache.rows(KEYS[:3], 2) == {KEYS[0]: ROW}
    assert cache.rows(KEYS[:3], 1).keys() == {KEYS[1]}


def test_rows_wait_for_each_other_and_are_written_together(cache, other):
    """One batch after the other, they would cost more than the replies; the raw replies are there meanwhile."""
    for key in KEYS[:100]:
        cache.put(key, b"a")
        cache.put_row(key, 1, ROW)
    cache.flush()
    assert (len(other.get_many(KEYS)), len(other.rows(KEYS, 1))) == (100, 0)

    for key in KEYS:
        cache.put_row(key, 1, ROW)
    cache.flush()
    assert len(other.rows(KEYS, 1)) == 10_000


def test_rows_that_their_replies_do_not_tell_are_written_at_once(cache, other):
    """Of several texts that share a request, the reply does not say which they were."""
    cache.put_row(KEYS[0], 1, ROW)
    cache.flush(rows=True)
    assert other.rows(KEYS, 1) == {KEYS[0]: ROW}


def test_reading_blocks_of_rows_needs_no_more_memory_the_more_there_are(cache):
    """A million rows are streamed through."""
    for key in KEYS:
        cache.put_row(key, 1, ROW)
    cache.close()
    tracemalloc.start()
    peaks = []
    for start in range(0, 10_000, 1000):
        cache.rows(KEYS[start : start + 1000], 1)
        peaks.append(tracemalloc.get_traced_memory()[1])
    tracemalloc.stop()

    assert peaks[-1] < 1.2 * peaks[0]


def test_blocks_of_many_sizes_prepare_few_queries(cache):
    """A prepared query with thousands of places takes a megabyte, and SQLite's module keeps a hundred of them."""
    seen = set()
    with cache:
        cache.rows(KEYS[:1], 1)
        cache._file._connection.set_trace_callback(lambda query: seen.add(query.count(",")))
        for n in range(1, 300):
            cache.rows(KEYS[:n], 1)

    assert len(seen) <= 10


def test_a_full_disk_loses_nothing_that_is_in_memory(cache):
    """The answers are paid for: they stay until there is room."""
    run = cache.begin_run("openai", "m")
    cache._file._connection.execute("PRAGMA max_page_count=20")
    for key in KEYS[:100]:
        cache.put(key, b"x" * 4000)
    cache.add_to_run(run, answers=100, cost=0.5)

    with pytest.raises(StorageError, match=r"full\): free space, or name another cache_dir"):
        cache.flush()
    cache.put(KEYS[100], b"later")
    cache.add_to_run(run, answers=1, cost=None)
    assert (cache.waiting, len(cache), len(cache.get_many(KEYS))) == (101, 0, 101)

    cache.flush()  # there is room again: the limit was the connection's
    assert (cache.waiting, len(cache), cache.runs()[0].answers) == (0, 101, 101)
    assert cache.runs()[0].cost is None


def test_facts_are_known_to_others_at_once(cache, other):
    """What one run has learned about a server, the next one need not try."""
    assert cache.fact("log-probabilities") is None
    cache.set_fact("log-probabilities", "yes")
    other.set_fact("log-probabilities", "no")

    assert cache.fact("log-probabilities") == "no"


def test_a_pickle_holds_the_folder_alone(cache):
    """Connections cannot travel, and answers need not."""
    cache.put(KEYS[0], b"confidential")
    pickled = pickle.dumps(cache)

    assert b"confidential" not in pickled
    with pickle.loads(pickled) as again:
        assert (again.path, again.read_only) == (cache.path, False)
    assert pickle.loads(pickle.dumps(ResponseCache("x", read_only=True))).read_only


def test_it_is_opened_when_it_is_needed_and_again_after_it_was_closed(tmp_path):
    """Classifiers are made long before they are used, and used again."""
    cache = ResponseCache(tmp_path / "c")
    cache.close()
    assert not cache.path.parent.exists()
    for key in KEYS[:2]:
        cache.put(key, b"a")
        cache.close()

    assert len(cache.get_many(KEYS[:2])) == 2
    cache.close()


def test_threads_may_share_one_object(cache):
    """A server answers several requests at once."""

    def work(part):
        for key in KEYS[part::4][:250]:
            cache.put(key, key)
            cache.put_row(key, 1, ROW)
            cache.flush()
            assert cache.get_many([key]) == {key: key}

    threads = [threading.Thread(target=work, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(cache) == 1000
    assert len(cache.rows(KEYS[:1000], 1)) == 1000


def test_two_processes_may_write_at_once(tmp_path):
    """People start the same script twice, and the file may be new to both."""
    program = (
        "import sys; from hashlib import sha256; from textclassify.llm.store.cache import ResponseCache, StoredRow\n"
        "cache = ResponseCache(sys.argv[1])\n"
        "for i in range(300):\n"
        "    key = sha256(f'{i}{sys.argv[2] if i % 2 else 0}'.encode()).digest()\n"
        "    cache.put(key, b'a'); cache.put_row(key, 1, StoredRow(0, 1, b'')); cache.flush()\n"
        "cache.close()"
    )
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in "ab"
    ]
    errors = [writer.communicate(timeout=60)[1] for writer in writers]

    assert errors == [b"", b""]
    with ResponseCache(tmp_path) as cache:
        assert (cache.stats().answers, cache.stats().rows) == (150 + 2 * 150, 150 + 2 * 150)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="processes are forked on POSIX alone")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_forked_process_begins_with_nothing_of_its_parents(cache):
    """Else it would commit, count and release what its parent does, through one and the same connection."""
    run = cache.begin_run("openai", "m")
    cache.claim(KEYS[:1])
    cache.put(KEYS[1], b"parent")
    cache.add_to_run(run, answers=1)
    child = os.fork()
    if not child:
        is_new = cache.waiting == 0 and cache.claim(KEYS[:1]) == set()
        cache.put(KEYS[2], b"child")
        cache.close()
        os._exit(0 if is_new else 1)
    _, status = os.waitpid(child, 0)
    cache.flush()

    assert status == 0
    assert cache.get_many(KEYS[:3]) == {KEYS[1]: b"parent", KEYS[2]: b"child"}
    assert cache.runs()[0].answers == 1


def test_the_file_holds_what_was_put_and_no_more(cache):
    """Nothing of requests, addresses or keys: their digests alone."""
    cache.begin_run("openai", "m")
    cache.put(KEYS[0], b"a")
    cache.close()
    with sqlite3.connect(cache.path) as db:
        columns = {
            row[1]
            for name in ("replies", "rows", "claims", "facts")
            for row in db.execute(f"PRAGMA table_info({name})")
        }
    db.close()

    assert columns == {
        *("key", "received_at", "run", "reply"),
        *("version", "status", "method", "scores", "read_at"),
        *("asker", "name", "value"),
    }
