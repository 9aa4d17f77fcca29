import os
import pickle
import sqlite3
import stat
import subprocess
import sys
from hashlib import sha256

import pytest

from textclassify.errors import StorageError
from textclassify.llm.cache import ResponseCache

KEYS = [sha256(str(i).encode()).hexdigest() for i in range(1200)]


@pytest.fixture
def cache(tmp_path):
    with ResponseCache(tmp_path / "c") as opened:
        yield opened


def test_an_answer_is_found_again_by_its_key(cache, tmp_path):
    """By another process too; more keys than one query takes."""
    for i, key in enumerate(KEYS):
        cache.put(key, {"n": i, "text": "é\ud83d"})
    cache.close()

    with ResponseCache(tmp_path / "c") as again:
        assert again.get_many([*KEYS, "ff" * 32]) == {key: {"n": i, "text": "é\ud83d"} for i, key in enumerate(KEYS)}
        assert len(again) == 1200


def test_an_answer_that_was_put_is_found_before_it_is_flushed(cache):
    """The one who put it must not ask again."""
    cache.put(KEYS[0], {"a": 1})
    assert cache.get_many(KEYS[:2]) == {KEYS[0]: {"a": 1}}


def test_the_first_answer_stays(cache):
    """Two processes that ask the same at once must replay the same afterwards."""
    cache.put(KEYS[0], {"a": 1})
    cache.flush()
    cache.put(KEYS[0], {"a": 2})
    assert cache.get_many(KEYS[:1]) == {KEYS[0]: {"a": 1}}


@pytest.mark.skipif(os.name != "posix", reason="permissions are POSIX")
def test_only_the_owner_can_read_it(cache):
    """Answers quote texts that may be confidential; a file made wider by hand is narrowed."""
    cache.put(KEYS[0], {})
    cache.flush()
    cache.path.chmod(0o644)
    cache.close()
    cache.put(KEYS[1], {})
    cache.flush()

    files = list(cache.path.parent.iterdir())
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}


def test_a_corrupt_file_is_set_aside_with_a_warning(cache):
    """A damaged cache costs its answers, never the run."""
    cache.path.parent.mkdir()
    cache.path.write_bytes(b"this is no database, whatever its name says" * 100)

    with pytest.warns(UserWarning, match="corrupt; it was set aside"):
        assert cache.get_many(KEYS[:1]) == {}
    cache.put(KEYS[0], {"a": 1})
    assert cache.get_many(KEYS[:1]) == {KEYS[0]: {"a": 1}}
    assert len(list(cache.path.parent.glob("*.corrupt-*"))) == 1


def test_damage_that_shows_only_later_is_set_aside_too(cache):
    """The header may be whole and a page not."""
    for key in KEYS:
        cache.put(key, {"x": "y" * 200})
    cache.close()
    size = cache.path.stat().st_size
    with cache.path.open("r+b") as file:
        file.seek(4096)
        file.write(os.urandom(size - 4096))

    with pytest.warns(UserWarning, match="corrupt"):
        assert cache.get_many(KEYS) == {}


def test_a_file_of_a_newer_version_is_left_alone(cache):
    """Its answers are paid for; an older library must not throw them away."""
    cache.path.parent.mkdir()
    with sqlite3.connect(cache.path) as newer:
        newer.execute("PRAGMA user_version=99")
    newer.close()

    with pytest.raises(StorageError, match=r"newer textclassify \(schema 99"):
        cache.get_many(KEYS[:1])


def test_a_folder_that_cannot_be_used_is_named(tmp_path):
    """Before anything is asked and paid."""
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="name another cache_dir"):
        ResponseCache(tmp_path / "file" / "c").get_many(KEYS[:1])


def test_a_pickle_holds_the_folder_alone(cache):
    """Connections cannot travel, and answers need not."""
    cache.put(KEYS[0], {"text": "confidential"})
    pickled = pickle.dumps(cache)

    assert b"confidential" not in pickled
    with pickle.loads(pickled) as again:
        assert again.path == cache.path


def test_two_processes_may_write_at_once(tmp_path):
    """People start the same script twice."""
    program = (
        "import sys; from hashlib import sha256; from textclassify.llm.cache import ResponseCache\n"
        "cache = ResponseCache(sys.argv[1])\n"
        "for i in range(300):\n"
        "    cache.put(sha256(f'{i}{sys.argv[2] if i % 2 else 0}'.encode()).hexdigest(), {'i': i}); cache.flush()\n"
        "cache.close()"
    )
    writers = [
        subprocess.Popen([sys.executable, "-W", "error", "-c", program, str(tmp_path), name], stderr=subprocess.PIPE)
        for name in "ab"
    ]
    errors = [writer.communicate(timeout=60)[1] for writer in writers]

    assert errors == [b"", b""]
    with ResponseCache(tmp_path) as cache:
        assert len(cache) == 150 + 2 * 150
