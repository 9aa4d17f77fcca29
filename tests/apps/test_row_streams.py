"""Rows of a pipe are given on as they come."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from textclassify.apps.row_streams import Row, pieces_as_they_come
from textclassify.errors import DataError

from .test_other_commands import CLI, ENVIRONMENT


def numbered(n: int) -> Iterator[Row]:
    return ({"text": str(number)} for number in range(n))


def test_rows_that_are_there_come_in_whole_pieces_and_in_order() -> None:
    """A file that is piped in is taken as fast as any other."""
    found = list(pieces_as_they_come(numbered(25), 10, wait_seconds=30))

    assert [len(piece) for piece in found] == [10, 10, 5]
    assert [row["text"] for piece in found for row in piece] == [str(number) for number in range(25)]


def test_rows_that_came_do_not_wait_for_those_that_may_come() -> None:
    """Whoever writes one row an hour wants an answer in that hour."""
    answered = threading.Event()

    def slow() -> Iterator[Row]:
        yield {"text": "first"}
        assert answered.wait(20)
        yield {"text": "second"}

    found = pieces_as_they_come(slow(), 10, wait_seconds=0.01)

    assert next(found) == [{"text": "first"}]
    answered.set()
    assert list(found) == [[{"text": "second"}]]


def test_an_error_comes_after_the_rows_before_it() -> None:
    """It is that of the row, raised where the rows are wanted."""

    def broken() -> Iterator[Row]:
        yield {"text": "whole"}
        raise DataError("row 1 is broken")

    found = pieces_as_they_come(broken(), 10)

    assert next(found) == [{"text": "whole"}]
    with pytest.raises(DataError, match="row 1 is broken"):
        next(found)


def test_the_thread_ends_with_whoever_reads() -> None:
    """It must not wait for ever to hand on a row that nobody wants."""
    before = threading.active_count()
    found = pieces_as_they_come(numbered(1000), 3)
    next(found)
    found.close()

    for thread in threading.enumerate()[before:]:
        thread.join(10)
    assert threading.active_count() == before


@pytest.mark.skipif(sys.platform == "win32", reason="kept to POSIX pipes")
def test_a_live_pipe_is_answered_line_by_line(model: Path) -> None:
    """`tail -f log | textclassify predict MODEL -` shows an answer before the next line is written."""
    command = [*CLI, "predict", str(model), "-", "--lines"]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True, env=ENVIRONMENT) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        answers = []
        for line in ("my parcel\n", "my invoice\n"):
            process.stdin.write(line)
            process.stdin.flush()
            answers += [process.stdout.readline() for _ in range(1 if answers else 2)]
        _, stderr = process.communicate(timeout=20)

    assert [answer.split(",")[1] for answer in answers] == ["label", "delivery", "billing"]
    assert process.returncode == 0, stderr
