"""Cases of `llm_client.py` about speed and memory; each returns the lines of its table and all its figures."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Sequence

from llm_client_parts import Bench, Figures, Outcome, spread

CPU_RATIO = 1.5
LATENCY_SECONDS = 0.2
MEAN_IN_FLIGHT = 61
WARM_TEXTS_PER_SECOND = 30_000
STREAM_MEGABYTES = 600


def cpu_per_text(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Processor time of `predict_scores` per distinct text at zero latency, beside the bare loop's."""
    rows = bench.size(2000, 1000)
    figures = _beside_bare(bench, rows, 64, turns=bench.size(7, 3), latency_ms=0, ways=("bare", "usual"))
    sides = ("ours", "bare", "usual")
    ours, bare, usual = ([1e6 * run["client"]["cpu_s"] / rows for run in figures[side]] for side in sides)
    ratio = statistics.median(ours) / statistics.median(bare)
    outcome = Outcome(
        f"CPU per text, {rows:,} distinct texts, zero latency, against bare aiohttp",
        f"at most {CPU_RATIO} times",
        f"{ratio:.2f} times: {spread(ours)} us",
        f"{spread(bare)} us; with json= and .json() {spread(usual)} us",
        ratio <= CPU_RATIO,
    )
    return [outcome], {"ratio": ratio, "ours_us": ours, "bare_us": bare, "usual_us": usual, **figures}


def throughput_64(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Texts per second, and mean requests in flight, at 64 at a time."""
    outcome, figures = _throughput(bench, bench.size(2000, 1280), 64, share_of_ideal=303 / 312.5)
    ours, bare = ([run["server"]["mean_in_flight"] for run in figures[side]] for side in ("ours", "bare"))
    in_flight = Outcome(
        "mean in flight, the same runs",
        f"at least {MEAN_IN_FLIGHT}",
        spread(ours, 1),
        f"bare {spread(bare, 1)}",
        statistics.median(ours) >= MEAN_IN_FLIGHT,
    )
    return [outcome, in_flight], figures


def throughput_512(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Texts per second at 512 at a time."""
    outcome, figures = _throughput(bench, bench.size(10_000, 5120), 512, share_of_ideal=0.9)
    return [outcome], figures


def warm_cache(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Texts per second through `predict_scores` in a fresh process, all answers in the store."""
    rows = bench.size(100_000, 10_000)
    with bench.server() as server, bench.fresh_cache() as cache:
        job = {"kind": "predict", "cache_dir": cache, "rows": rows, "concurrency": 64}
        bench.say(f"filling the cache with {rows:,} rows")
        fill = bench.run(server, job)
        runs = [bench.run(server, job) for _ in range(3)]
        floor = [rows / bench.run(server, job | {"kind": "read_store"})["client"]["wall_s"] for _ in range(3)]
    asked = sum(run["server"]["requests"] for run in runs)
    lost = sum(run["client"]["unanswered"] + run["client"]["wrong"] for run in (fill, *runs))
    speeds = [rows / run["client"]["wall_s"] for run in runs]
    outcome = Outcome(
        f"warm cache, {rows:,} distinct rows, fresh process: texts/s",
        f"at least {WARM_TEXTS_PER_SECOND:,}, aim 100,000; no request",
        f"{spread(speeds)}; {asked} requests, {lost} rows without their label",
        f"hash and read {spread(floor)}",
        statistics.median(speeds) >= WARM_TEXTS_PER_SECOND and asked == 0 and lost == 0,
    )
    return [outcome], {"texts_per_second": speeds, "floor": floor, "fill": fill, "runs": runs}


def stream_memory(bench: Bench) -> tuple[list[Outcome], Figures]:
    """Most memory of a fresh process that streams rows through a warm cache.

    The cache is filled by the classifier itself, streaming from the zero-latency server. It stays in the folder of
    `--work`, so that an interrupted filling goes on where it stopped, and a second run finds it full.
    """
    rows = bench.size(1_000_000, 20_000)
    cache = bench.folder / f"stream-{rows}"
    cache.mkdir(exist_ok=True)
    filled = cache / "filled.json"
    job = {"kind": "stream", "rows": rows, "cache_dir": str(cache), "concurrency": 64}
    with bench.server() as server:
        if not filled.is_file():
            bench.say(f"filling the cache with {rows:,} rows")
            filled.write_text(json.dumps(bench.run(server, job)), encoding="utf-8")
        bench.say("streaming")
        run = bench.run(server, job)
    client, requests = run["client"], run["server"]["requests"]
    fill = json.loads(filled.read_text(encoding="utf-8"))
    outcome = Outcome(
        f"{rows:,} rows streamed through a warm cache: peak memory",
        f"at most {STREAM_MEGABYTES} MB; no request",
        f"{client['rss_mb']:.0f} MB; {requests} requests, {rows - client['right']} rows without their label, "
        f"{rows / client['wall_s']:,.0f} texts/s",
        f"while filling {fill['client']['rss_mb']:.0f} MB",
        client["rss_mb"] <= STREAM_MEGABYTES and client["right"] == client["rows"] == rows and requests == 0,
    )
    return [outcome], {"run": run, "fill": fill}


def _throughput(bench: Bench, rows: int, concurrency: int, *, share_of_ideal: float) -> tuple[Outcome, Figures]:
    """Answers that the server gave, by the seconds that the whole call took."""
    figures = _beside_bare(bench, rows, concurrency, turns=3, latency_ms=1000 * LATENCY_SECONDS)
    ours, bare = (
        [run["server"]["good"] / run["client"]["wall_s"] for run in figures[side]] for side in ("ours", "bare")
    )
    ideal = rows / (math.ceil(rows / concurrency) * LATENCY_SECONDS)
    outcome = Outcome(
        f"texts/s at {1000 * LATENCY_SECONDS:.0f} ms, {concurrency} at a time, {rows:,} texts",
        f"at least {share_of_ideal * ideal:,.0f}",
        spread(ours),
        f"ideal {ideal:,.0f}, bare {spread(bare)}",
        statistics.median(ours) >= share_of_ideal * ideal,
    )
    return outcome, {"ideal": ideal, "texts_per_second": ours, "bare_texts_per_second": bare, **figures}


def _beside_bare(
    bench: Bench, rows: int, concurrency: int, *, turns: int, latency_ms: float, ways: Sequence[str] = ("bare",)
) -> Figures:
    """This package and ways of using aiohttp barely, by turns, with the same requests to the same server."""
    figures: Figures = {side: [] for side in ("ours", *ways)}
    with bench.server() as server:
        bare_job = bench.recorded(server, rows, concurrency)
        for turn in range(turns):
            bench.say(f"turn {turn + 1} of {turns}")
            job = {"kind": "predict", "rows": rows, "concurrency": concurrency}
            figures["ours"].append(bench.predict(server, job, latency_ms=latency_ms))
            for way in ways:
                figures[way].append(bench.run(server, bare_job | {"way": way}, latency_ms=latency_ms))
                _check_alike(figures["ours"][-1], figures[way][-1], rows)
    return figures


def _check_alike(ours: Figures, bare: Figures, rows: int) -> None:
    """Make sure that both sent the same, and that every row was answered rightly."""
    sent = [(run["server"]["requests"], run["server"]["prompt_tokens"]) for run in (ours, bare)]
    assert sent[0] == sent[1], f"not the same requests: {sent}"
    assert ours["client"]["unanswered"] == ours["client"]["wrong"] == 0, ours
    assert ours["server"]["unique_keys"] == rows, ours
