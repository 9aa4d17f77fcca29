"""Cases of `llm_client.py` about what is lost and paid twice; each returns the lines of its table and all figures."""

from __future__ import annotations

import time
from typing import Any

from llm_client_parts import Bench, Client, Figures, Outcome, Server

REQUESTS_PER_ROW = 1.12
REFUSED_SHARE = 0.05
CONCURRENCY = 64
FAULTS = {"fail": "all=.05,429=.05", "rate": 500, "hang_seconds": 5}
JUST_SENT_SECONDS = 0.1
"""An answer that left the server so shortly before the kill may not have reached the client."""


def faults(bench: Bench) -> tuple[list[Outcome], Figures]:
    """5% mixed faults, 5% random 429s and a limit of 500 requests a second."""
    outcomes, figures = [], {}
    with bench.server() as server:
        for rows in (bench.size(2000, 1000), bench.size(5000, 1500)):
            for latency_ms in (0, 50):
                what = f"5% faults, 5% 429, 500/s, {rows:,} texts, {latency_ms} ms"
                bench.say(what)
                run = bench.predict(server, _job(rows), latency_ms=latency_ms, **FAULTS)
                outcomes.append(_after_faults(what, rows, run))
                figures[what] = run
    return outcomes, figures


def overload(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Far more offered than the server's limit allows."""
    outcomes, figures = [], {}
    with bench.server() as server:
        for limit, rows in ((100, bench.size(2000, 600)), (500, bench.size(5000, 2000))):
            what = f"{rows:,} texts offered at once to a server that takes {limit}/s"
            bench.say(what)
            run = bench.predict(server, _job(rows), rate=limit)
            counted = run["server"]
            lost, share = _lost(rows, run), counted["rate_limited"] / counted["requests"]
            outcome = Outcome(
                what,
                f"0 lost; at most {REFUSED_SHARE:.0%} refused",
                f"{lost} lost; {share:.1%} refused ({counted['rate_limited']} of {counted['requests']})",
                f"takes {max(0, rows - limit) / limit:.0f} s at least, took {run['client']['wall_s']:.0f} s",
                lost == 0 and share <= REFUSED_SHARE,
            )
            outcomes.append(outcome)
            figures[what] = run
    return outcomes, figures


def kill(bench: Bench) -> tuple[list[Outcome], Figures]:
    """A kill -9 after some of the answers, and a second run that goes on."""
    rows = bench.size(2000, 640)
    outcomes, figures = [], {}
    with bench.server() as server:
        for share in (0.2, 0.5, 0.8):
            what = f"kill -9 after {share:.0%} of {rows:,} texts, resumed"
            bench.say(what)
            with bench.fresh_cache() as cache:
                found = _killed_and_resumed(server, _job(rows) | {"cache_dir": cache}, share)
            figures[what] = found
            outcomes.append(_after_kill(what, rows, found))
    return outcomes, figures


def duplicates(bench: Bench) -> tuple[list[Outcome], Figures]:
    """30% duplicate texts in one process, and in two at once that share a cache folder."""
    rows = bench.size(2000, 600)
    job = _job(rows) | {"duplicates": 0.3}
    outcomes, figures = [], {}
    with bench.server() as server:
        for what, jobs in (
            ("one process", [job]),
            ("two processes, same order", [job, job]),
            ("two processes, another order", [job, job | {"seed": 1}]),
        ):
            bench.say(what)
            with bench.fresh_cache() as cache:
                found = _at_once(server, [each | {"cache_dir": cache} for each in jobs])
            figures[what] = found
            counted, lost = found["server"], sum(client["unanswered"] + client["wrong"] for client in found["clients"])
            outcome = Outcome(
                f"30% duplicates, {rows:,} texts, {what}: requests per distinct prompt",
                "1",
                f"{counted['requests'] / counted['unique_prompts']:.3f} ({counted['requests']} for "
                f"{counted['unique_prompts']}), {lost} rows without their label",
                "1",
                counted["requests"] == counted["unique_prompts"] and lost == 0,
            )
            outcomes.append(outcome)
    return outcomes, figures


def _job(rows: int) -> Figures:
    return {"kind": "predict", "rows": rows, "concurrency": CONCURRENCY}


def _lost(rows: int, run: Figures) -> int:
    """Rows without an answer, by the server's count or by the client's, whichever is more."""
    counted = run["server"]
    return int(max(run["client"]["unanswered"], rows - counted["unique_keys"] + counted["keys_never_good"]))


def _after_faults(what: str, rows: int, run: Figures) -> Outcome:
    counted, lost, wrong = run["server"], _lost(rows, run), run["client"]["wrong"]
    repeats, per_row = counted["key_paid_repeats"], counted["requests"] / rows
    floor = 1 + sum(counted["faults"].values()) / rows
    return Outcome(
        what,
        f"0 lost, 0 wrong labels, 0 paid repeats; at most {REQUESTS_PER_ROW} requests per row",
        f"{lost}, {wrong}, {repeats}; {per_row:.3f} ({counted['rate_limited']} over the limit)",
        f"{floor:.3f} with these faults",
        lost == wrong == repeats == 0 and per_row <= REQUESTS_PER_ROW,
    )


def _killed_and_resumed(server: Server, job: Figures, share: float) -> Figures:
    """What the server counted until the kill, and in all."""
    first, second = (Client({"base_url": server.base_url, **job}) for _ in range(2))
    server.behave(latency_ms=200)
    first.go()
    while (before := server.stats())["good"] < share * job["rows"]:
        time.sleep(0.05)
    first.kill()
    time.sleep(0.5)  # the server notices that nobody listens any more
    at_kill, n_before = server.stats(), len(server.log())
    second.go()
    client = second.result()
    log = server.log()
    ended = {entry["key"]: entry["t"] + entry["ms"] / 1000 for entry in log[:n_before] if entry["kind"] == "ok"}
    again = {entry["key"] for entry in log[n_before:]} & set(ended)
    long_received = [key for key in again if ended[key] < before["up_s"] - JUST_SENT_SECONDS]
    return {
        "client": client,
        "server": server.stats(),
        "server_after_kill": at_kill,
        "in_flight_before_kill": before["in_flight"],
        "received_asked_again": len(long_received),
        "just_sent_asked_again": len(again) - len(long_received),
    }


def _after_kill(what: str, rows: int, found: Figures) -> Outcome:
    counted = found["server"]
    lost = _lost(rows, found)
    again, paid_again = found["received_asked_again"], counted["paid"] - rows
    return Outcome(
        f"{what}: received answers asked again; paid again in all; rows lost",
        f"0; at most {CONCURRENCY} (in flight); 0",
        f"{again}; {paid_again} ({found['just_sent_asked_again']} of them answered just then); {lost}",
        f"{found['in_flight_before_kill']} in flight at the kill",
        again == 0 and paid_again <= CONCURRENCY and counted["key_paid_repeats"] <= CONCURRENCY and lost == 0,
    )


def _at_once(server: Server, jobs: list[Figures]) -> dict[str, Any]:
    """Clients that begin together."""
    clients = [Client({"base_url": server.base_url, **job}) for job in jobs]
    server.behave(latency_ms=50)
    for client in clients:
        client.go()
    return {"clients": [client.result() for client in clients], "server": server.stats()}
