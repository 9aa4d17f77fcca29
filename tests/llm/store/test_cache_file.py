import contextlib
import os
import shutil
import sqlite3
import stat
import subprocess
import sys
import tempfile
import threading
import warnings
from hashlib import sha256
from pathlib import Path

import pytest

from textclassify.errors import StorageError
from textclassify.llm.store.cache import ResponseCache, StoredRow

KEYS = [sha256(str(i).encode()).digest() for i in range(1200)]
ROW = StoredRow(0, 4, b"\x00\x00\x80?")
posix = pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path / "c") as opened:
        yield opened


@pytest.fixture
def frozen():
    """A folder with a filled cache, as somebody sees it who may read and may not write."""
    folder = Path(tempfile.mkdtemp())
    with ResponseCache(folder) as cache:
        fill(cache)
    cache.path.chmod(0o444)
    folder.chmod(0o555)
    user = os.geteuid()
    if user == 0:
        os.seteuid(65534)  # root may write everywhere
    yield folder
    os.seteuid(user)
    folder.chmod(0o755)
    shutil.rmtree(folder)


def fill(cache):
    for key in KEYS:
        cache.put(key, b'{"x": "' + b"y" * 200 + b'"}')
        cache.put_row(key, 1, ROW)
    cache.close()


def damage(path):
    """Overwrite all pages but the first, so that the header is whole."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))


def make_old_file(path):
    """As the first version of the library wrote it."""
    path.parent.mkdir()
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA journal_mode=WAL")
        db.execute("CREATE TABLE replies (key BLOB PRIMARY KEY, reply TEXT NOT NULL, received_at REAL NOT NULL)")
        db.execute("INSERT INTO replies VALUES (?, ?, ?)", (KEYS[0], '{"old": "é"}', 1.5))
        db.execute("PRAGMA user_version=1")
    db.close()


@posix
def test_only_the_owner_can_read_it(cache):
    """Answers quote texts that may be confidential; a file made wider by hand is narrowed."""
    cache.put(KEYS[0], b"a")
    cache.flush()
    assert stat.S_IMODE(cache.path.parent.stat().st_mode) == 0o700
    cache.path.chmod(0o644)
    cache.close()
    cache.claim(KEYS)
    cache.put(KEYS[1], b"a")
    cache.flush()

    files = list(cache.path.parent.iterdir())
    assert len(files) == 4
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_corrupt_file_is_set_aside_with_a_warning(cache):
    """A damaged cache costs its answers, never the run."""
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database, whatever its name says" * 100)

    with pytest.warns(UserWarning, match="corrupt; it was set aside"):
        assert cache.get_many(KEYS[:1]) == {}
    cache.put(KEYS[0], b"a")
    cache.close()
    assert cache.get_many(KEYS[:1]) == {KEYS[0]: b"a"}
    assert len(list(cache.path.parent.glob("*.corrupt-*"))) == 1


@pytest.mark.parametrize("work", ["get_many", "claim", "rows", "flush"])
def test_damage_that_shows_in_the_middle_of_a_run_costs_nothing_that_waits(cache, work):
    """The header may be whole and a page not; what was collected, the ledger too, goes into the new file."""
    fill(cache)
    run = cache.begin_run("openai", "m")
    cache.put(KEYS[0], b"new")
    cache.add_to_run(run, answers=1)
    cache._file.close()
    damage(cache.path)

    with pytest.warns(UserWarning, match="corrupt"):
        {
            "get_many": lambda: cache.get_many(KEYS),
            "claim": lambda: cache.claim(KEYS),
            "rows": lambda: cache.rows(KEYS, 1),
            "flush": cache.flush,
        }[work]()
    cache.flush()
    assert cache.get_many(KEYS) == {KEYS[0]: b"new"}
    assert [(each.run, each.model, each.answers) for each in cache.runs()] == [(run, "m", 1)]


def test_a_file_that_others_have_replaced_is_not_set_aside_again(cache):
    """Two processes find the same damage; the second must not throw away what the first has begun."""
    fill(cache)
    damage(cache.path)

    def read_everything(db):
        if not list(cache.path.parent.glob("*.corrupt-*")):  # the other one is faster
            with pytest.warns(UserWarning, match="corrupt"):
                cache.get_many(KEYS)
            cache.put(KEYS[0], b"new")
            cache.flush()
        return db.execute("SELECT max(reply) FROM replies").fetchone()

    with ResponseCache(cache.path.parent) as second, warnings.catch_warnings():
        warnings.simplefilter("error")
        assert second._file.use(read_everything) == (b"new",)


def test_answers_go_to_the_folder_also_when_it_was_emptied_in_the_middle_of_a_run(cache):
    """A connection to a removed file would take them and lose them."""
    cache.put(KEYS[0], b"a")
    cache.flush()
    shutil.rmtree(cache.path.parent)
    cache.put(KEYS[1], b"b")
    cache.close()

    assert cache.get_many(KEYS) == {KEYS[1]: b"b"}


def test_a_file_of_a_newer_version_is_left_alone(cache):
    """Its answers are paid for; an older library must not throw them away."""
    cache.path.parent.mkdir()
    with sqlite3.connect(cache.path) as newer:
        newer.execute("PRAGMA user_version=99")
    newer.close()

    for each in (cache, ResponseCache(cache.path.parent, read_only=True)):
        with pytest.raises(StorageError, match=r"newer textclassify \(schema 99"):
            each.get_many(KEYS[:1])


@pytest.mark.parametrize("read_only", [False, True])
def test_a_file_of_the_first_version_is_read_and_brought_up_to_date(cache, read_only):
    """What was paid for then is still there."""
    make_old_file(cache.path)
    with ResponseCache(cache.path.parent, read_only=read_only) as old:
        assert old.get_many(KEYS[:2]) == {KEYS[0]: '{"old": "é"}'.encode()}
        assert (old.rows(KEYS[:2], 1), old.fact("any"), old.runs()) == ({}, None, [])
        assert (old.stats().answers, old.stats().oldest) == (1, 1.5)
        old.put(KEYS[1], b"\xffnew")
        old.put_row(KEYS[0], 1, ROW)

    assert len(cache.get_many(KEYS)) == (1 if read_only else 2)
    assert len(cache.rows(KEYS, 1)) == (0 if read_only else 1)
    with contextlib.closing(sqlite3.connect(cache.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    """Before anything is asked and paid."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name another cache_dir"):
        ResponseCache(tmp_path / "file" / "c").get_many(KEYS[:1])


@posix
def test_a_cache_that_cannot_be_written_can_be_read(frozen):
    """A replay of finished runs needs no more: from a DVD, or from a colleague's folder."""
    with ResponseCache(frozen, read_only=True) as cache:
        assert len(cache.get_many(KEYS)) == len(cache.rows(KEYS, 1)) == 1200
        assert cache.stats().answers == 1200
    with ResponseCache(frozen) as cache, pytest.raises(StorageError, match="cannot use the cache"):
        cache.get_many(KEYS)


def test_reading_alone_sees_what_others_write_and_writes_nothing_itself(cache):
    """It may run beside the run that pays."""
    cache.put(KEYS[0], b"a")
    cache.put_row(KEYS[0], 1, ROW)
    cache.flush()
    with ResponseCache(cache.path.parent, read_only=True) as reader:
        reader.put(KEYS[1], b"b")
        reader.put_row(KEYS[1], 1, ROW)
        reader.release(KEYS[1])
        reader.set_fact("a", "b")
        reader.forget(KEYS)
        reader.add_to_run(reader.begin_run("openai", "m"), asked=1)
        reader.flush()
        assert reader.claim(KEYS) == set()
        assert reader.get_many(KEYS) == {KEYS[0]: b"a"}

    assert (len(cache), cache.fact("a"), cache.runs()) == (1, None, [])


def test_nothing_to_read_is_an_empty_cache_and_stays_nothing(tmp_path):
    """A look leaves no trace; a file that appears later is seen."""
    with ResponseCache(tmp_path / "c", read_only=True) as reader:
        assert (reader.get_many(KEYS), reader.rows(KEYS, 1), reader.runs()) == ({}, {}, [])
        assert not (tmp_path / "c").exists()
        with ResponseCache(tmp_path / "c") as cache:
            cache.put(KEYS[0], b"a")
        assert reader.get_many(KEYS) == {KEYS[0]: b"a"}


def test_reading_alone_leaves_a_corrupt_file_where_it_is(cache):
    """It changes nothing on disk, and goes on without answers."""
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database" * 500)
    with (
        ResponseCache(cache.path.parent, read_only=True) as reader,
        pytest.warns(UserWarning, match="read as an empty"),
    ):
        assert reader.get_many(KEYS) == {}

    assert [path.name for path in cache.path.parent.iterdir()] == [cache.path.name]


def test_other_connections_of_the_process_keep_their_locks(cache):
    """Closing any descriptor of a file frees the locks of all, so nothing but SQLite may open it."""
    cache.put(KEYS[0], b"a")
    cache.flush()
    with ResponseCache(cache.path.parent) as second:
        second.get_many(KEYS[:1])
    program = "import sqlite3, sys; db = sqlite3.connect(sys.argv[1]); db.execute('SELECT * FROM facts'); db.close()"
    subprocess.run([sys.executable, "-c", program, str(cache.path)], check=True)

    # Whoever finds no lock when it closes takes itself for the last, and removes the journal that is written to here.
    assert cache.path.with_name(f"{cache.path.name}-wal").exists()


def test_who_changes_the_file_is_alone_and_others_wait(cache):
    """What is read and what is then written must not have another's commit between them; nor may the other fail."""
    with ResponseCache(cache.path.parent) as other:
        other.get_many(KEYS[:1])
        thread = threading.Thread(target=other.set_fact, args=("a", "theirs"))

        def change(db):
            db.execute("SELECT * FROM facts").fetchall()
            thread.start()
            thread.join(0.05)
            db.execute("INSERT INTO facts VALUES ('a', 'ours')")

        cache._file.write(change)
        thread.join()

    assert cache.fact("a") == "theirs"


def test_a_change_that_is_interrupted_leaves_nothing_behind(cache):
    """Ctrl-C may come at any time; what comes after it must find the file unlocked."""

    def change(db):
        db.execute("INSERT INTO facts VALUES ('a', 'half')")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        cache._file.write(change)
    cache.set_fact("b", "whole")

    assert (cache.fact("a"), cache.fact("b")) == (None, "whole")
