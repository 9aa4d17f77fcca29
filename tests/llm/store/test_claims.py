import itertools
import os
import signal
import subprocess
import sys
from hashlib import sha256

import pytest

from textclassify.llm.store.cache import ResponseCache

KEYS = [sha256(str(i).encode()).digest() for i in range(600)]
HOLDER = """
import sys; from hashlib import sha256; from textclassify.llm.store.cache import ResponseCache
keys = [sha256(str(i).encode()).digest() for i in range(int(sys.argv[2]))]
cache = ResponseCache(sys.argv[1])
run = cache.begin_run("openai", "m")
assert cache.claim(keys) == set(keys)
cache.put(keys[0], b"answer"); cache.flush()
cache.put(keys[1], b"never committed")
print(run, flush=True); sys.stdin.read()
"""
pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="claims need flock")


@pytest.fixture
def ours(tmp_path):
    with ResponseCache(tmp_path) as cache:
        yield cache


@pytest.fixture
def theirs(tmp_path):
    with ResponseCache(tmp_path) as cache:
        yield cache


@pytest.fixture
def holder(tmp_path):
    """A process that holds claims on the first 5 keys, has the answer to one of them kept, and waits."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(tmp_path), "5"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    process.run_number = int(process.stdout.readline())
    yield process
    process.kill()
    process.communicate()


def lock_files(cache):
    return list(cache.path.parent.glob("*-asker-*"))


def test_a_question_belongs_to_the_first_who_claims_it(ours, theirs):
    """Two runs over the same texts pay once; claiming again what is ours is no conflict."""
    assert ours.claim(KEYS[:3]) == set(KEYS[:3])
    assert theirs.claim(KEYS[2:5]) == set(KEYS[3:5])
    assert ours.claim(KEYS[:5]) == set(KEYS[:3])
    assert ours.claim([]) == set()


def test_an_answer_settles_the_claim(ours, theirs):
    """With its commit, so that nobody can claim the question and not see the answer."""
    ours.claim(KEYS[:2])
    ours.put(KEYS[0], b"a")
    assert theirs.claim(KEYS[:1]) == set()
    ours.flush()

    assert theirs.claim(KEYS[:2]) == {KEYS[0]}
    assert theirs.get_many(KEYS[:1]) == {KEYS[0]: b"a"}


def test_a_claim_is_given_back(ours, theirs):
    """A question that failed may be asked by somebody else."""
    ours.claim(KEYS[:2])
    ours.release(KEYS[0])
    ours.flush()
    assert theirs.claim(KEYS[:2]) == {KEYS[0]}

    ours.close()
    assert theirs.claim(KEYS[:2]) == set(KEYS[:2])


def test_what_is_held_when_it_closes_is_given_back_and_not_lost(ours, theirs):
    """Nobody died: who closes has waited for what was in flight."""
    ours.begin_run("openai", "m")
    ours.claim(KEYS[:2])
    ours.close()

    assert theirs.claim(KEYS[:2]) == set(KEYS[:2])
    assert theirs.runs()[0].lost == 0


def test_nobody_gives_back_what_others_hold(ours, theirs):
    """An answer may come twice, and the second one settles nothing."""
    theirs.claim(KEYS[:1])
    ours.claim(KEYS[1:2])
    ours.release(KEYS[0])
    ours.put(KEYS[0], b"a")
    ours.flush()

    assert ours.claim(KEYS[:1]) == set()


def test_a_question_that_is_claimed_anew_stays_claimed(ours, theirs):
    """Given back and taken again before the commit, it must not be given back by it."""
    ours.claim(KEYS[:1])
    ours.release(KEYS[0])
    ours.claim(KEYS[:1])
    ours.flush()

    assert theirs.claim(KEYS[:1]) == set()


def test_a_living_process_keeps_its_claims(ours, holder):
    """However long its server takes."""
    assert ours.claim(KEYS[:8]) == {KEYS[0], *KEYS[5:8]}
    assert ours.get_many(KEYS[:8]) == {KEYS[0]: b"answer"}
    assert holder.poll() is None


def test_the_claims_of_a_killed_process_are_free_at_once_and_counted_once(ours, theirs, holder):
    """Kill -9 leaves no time to give back; what was in flight then may have been paid."""
    holder.send_signal(signal.SIGKILL)
    holder.wait()

    assert ours.claim(KEYS[1:3]) == set(KEYS[1:3])
    assert theirs.claim(KEYS[1:5]) == set(KEYS[3:5])
    theirs.begin_run("openai", "m")
    assert {run.run: run.lost for run in ours.runs() if run.lost} == {holder.run_number: 4}
    assert ours.get_many(KEYS[:5]) == {KEYS[0]: b"answer"}


def test_what_the_dead_have_lost_is_known_without_claiming_the_same(ours, holder):
    """The figures of a run that was killed are asked for before it is resumed."""
    holder.kill()
    holder.wait()

    assert ours.stats().runs[0].lost == 4
    assert lock_files(ours) == []


def test_claims_made_before_a_run_has_its_number_belong_to_it(ours, theirs):
    """A run is entered into the ledger with its first answer."""
    ours.claim(KEYS[:3])
    run = ours.begin_run("openai", "m")
    ours._asker.close()  # as dying does

    theirs.begin_run("openai", "m")
    assert {each.run: each.lost for each in theirs.runs()}[run] == 3


def test_a_forgotten_object_holds_nothing(ours, tmp_path):
    """A notebook overwrites its variables without closing anything."""
    forgotten = ResponseCache(tmp_path)
    forgotten.claim(KEYS[:1])
    forgotten._file.close()
    del forgotten

    assert ours.claim(KEYS[:1]) == {KEYS[0]}


def test_lock_files_are_private_and_do_not_pile_up(ours, theirs):
    """One for each who asks, until it closes."""
    ours.claim(KEYS[:1])
    theirs.claim(KEYS[1:2])
    assert {file.stat().st_mode & 0o777 for file in lock_files(ours)} == {0o600}
    assert len(lock_files(ours)) == 2

    ours.close()
    theirs.close()
    assert lock_files(ours) == []


def test_claims_survive_a_folder_that_was_emptied(ours, theirs):
    """Somebody tidies up in the middle of a run."""
    ours.claim(KEYS[:1])
    for file in ours.path.parent.iterdir():
        file.unlink()

    assert ours.claim(KEYS[:2]) == set(KEYS[:2])
    assert theirs.claim(KEYS[:2]) == set()


@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_that_outlives_its_parent_does_not_keep_the_claims(tmp_path, ours):
    """Workers of data loaders are forked and may hang; the lock must not live on in them."""
    program = HOLDER.replace(
        "print(run", "import os, time\nif not os.fork(): print(flush=True); time.sleep(60)\nprint(run"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path), "5"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    for _ in ("parent", "child"):
        process.stdout.readline()
    process.kill()
    process.wait()

    try:
        assert ours.claim(KEYS[1:5]) == set(KEYS[1:5])
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_many_processes_never_hold_the_same_question(tmp_path):
    """Each claims what it can get, and keeps it; together they get everything, once."""
    program = (
        "import sys; from hashlib import sha256; from textclassify.llm.store.cache import ResponseCache\n"
        "keys = [sha256(str(i).encode()).digest() for i in range(600)]\n"
        "cache = ResponseCache(sys.argv[1]); mine = set()\n"
        "for start in range(0, 600, 7): mine |= cache.claim(keys[start : start + 20])\n"
        "print(*(key.hex() for key in mine), flush=True); sys.stdin.read()"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    held = [process.stdout.readline().split() for process in processes]
    for process in processes:
        process.communicate()

    assert sorted(itertools.chain.from_iterable(held)) == sorted(key.hex() for key in KEYS)
