"""Coroutines from code that is none."""

import asyncio
import os
import signal
import threading

import pytest

from textclassify.core.progress import listening, report
from textclassify.llm.event_loops import run_coroutine


async def said():
    await asyncio.sleep(0)
    return "done"


def test_it_works_in_a_script_and_inside_a_running_event_loop():
    """Notebooks have one."""

    async def notebook_cell():
        return run_coroutine(said())

    assert run_coroutine(said()) == "done"
    assert asyncio.run(notebook_cell()) == "done"


def test_progress_is_heard_from_the_private_thread():
    """The listener lives in a context variable, which a new thread does not have."""
    heard = []

    async def work():
        report("texts", 1, 2)

    async def cell():
        run_coroutine(work())

    with listening(lambda *told: heard.append(told)):
        asyncio.run(cell())
    assert heard == [("texts", 1, 2, "")]


@pytest.mark.skipif(os.name != "posix", reason="sends itself a POSIX signal")
def test_an_interrupt_inside_a_running_loop_lets_the_work_tidy_up():
    """The private thread must not go on asking after Ctrl-C in a notebook."""
    at_work, tidied = threading.Event(), threading.Event()

    async def work():
        at_work.set()
        try:
            await asyncio.sleep(30)
        finally:
            tidied.set()

    def interrupt(thread):
        at_work.wait(10)
        while not tidied.wait(1.0):  # an interrupt that hits a destructor is lost, so a user presses again
            signal.pthread_kill(thread, signal.SIGINT)

    async def cell():
        threading.Thread(target=interrupt, args=(threading.get_ident(),)).start()
        return run_coroutine(work())

    loop = asyncio.new_event_loop()  # as a notebook's: unlike asyncio.run, it leaves the signal alone
    with pytest.raises(KeyboardInterrupt):
        loop.run_until_complete(cell())
    loop.close()
    assert tidied.is_set()
