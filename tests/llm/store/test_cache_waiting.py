from hashlib import sha256

from textclassify.llm.store.cache_waiting import StoredRow, Waiting
from textclassify.llm.store.ledger import Sums

KEYS = [sha256(str(i).encode()).digest() for i in range(3)]


def test_what_came_during_a_commit_that_failed_is_added_to_what_it_held():
    """Threads go on collecting while another one commits; nothing of either is lost, and the first answer stays."""
    held, later = Waiting(), Waiting()
    for waiting, word in ((held, b"held"), (later, b"later")):
        waiting.replies = {KEYS[0]: word}
        waiting.rows = {KEYS[0]: (1, StoredRow(0, 4, word))}
        waiting.sums = {1: Sums("openai", "m")}
        waiting.sums[1].add({"asked": 2, "cost": 0.5})
    later.replies[KEYS[1]] = b"later"
    later.released = {KEYS[2]}
    held.add(later)

    assert held.replies == {KEYS[0]: b"held", KEYS[1]: b"later"}
    assert held.rows[KEYS[0]][1].values == b"later"
    assert held.released == {KEYS[2]}
    assert (held.sums[1].counts["asked"], held.sums[1].counts["cost"]) == (4, 1.0)
