"""The report's page: how long it takes to write, how large it is, and how soon a browser shows, filters and searches.

python benchmarks/report_page.py [--rows 20000] [--labels 20] [--sources 4] [--texts FILE] [--out FILE]

Debian's chromium and chromedriver are used where they are installed; without them the browser's figures are left out.
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import pandas as pd

from rac_figures import write_figures
from report_rows import made_up_run
from textclassify.runs.page import write_page

Figures = dict[str, Any]

GOALS = {"seconds_to_write": 5.0, "megabytes": 2.0, "seconds_to_open": 1.0, "seconds_to_filter": 1.0}
GOALS["seconds_to_search"] = 1.0
TIMES = 5
SWITCHES = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run")
SHOWN = "performance.getEntriesByName('rows-shown')[0]?.startTime"
ASKED = """
const [wanted, done] = arguments, form = document.getElementById("filters"), count = document.getElementById("count");
form.reset();
for (const [name, value] of Object.entries(wanted)) form.elements[name].value = value;
const start = performance.now();
new MutationObserver((_, one) => {
  one.disconnect();
  requestAnimationFrame(() => requestAnimationFrame(() => done([performance.now() - start, count.textContent])));
}).observe(count, { childList: true });
count.textContent = "";
form.elements[Object.keys(wanted)[0]].dispatchEvent(new Event("input", { bubbles: true }));
"""


def measured(rows: int, labels: int, sources: int, texts: Sequence[str] | None, *, multi_label: bool) -> Figures:
    """Return the figures of one page; times in seconds, medians and the slowest."""
    run = made_up_run(rows, labels=labels, n_sources=sources, texts=texts, multi_label=multi_label)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "report.html"
        write_page(made_up_run(50, labels=2), path=path)  # what is imported is imported once
        seconds, processor = [], []
        for _ in range(TIMES):
            start, busy = time.perf_counter(), time.process_time()
            write_page(run, path=path)
            seconds.append(time.perf_counter() - start)
            processor.append(time.process_time() - busy)
        characters = sum(map(len, run.predictions["text"])) / rows
        found: Figures = {
            "rows": rows,
            "characters_per_text": characters,
            "seconds_to_write": statistics.median(seconds),
            "slowest_to_write": max(seconds),
            "processor_seconds_to_write": statistics.median(processor),
            "megabytes": path.stat().st_size / 1e6,
        }
        with browser() as driver:
            return found if driver is None else found | in_browser(driver, path)


def in_browser(driver: Any, path: Path) -> Figures:
    """Return how long a browser takes to show the rows, and from a key to the filtered rows on the screen."""
    opened = []
    for _ in range(TIMES):
        driver.get(path.as_uri())
        while (shown := driver.execute_script(f"return {SHOWN}")) is None:
            time.sleep(0.02)
        opened.append(shown / 1000)
    word = driver.execute_script("return document.querySelector('#row-table td:nth-child(2)').textContent").split()[1]
    found: Figures = {"seconds_to_open": statistics.median(opened), "slowest_to_open": max(opened)}
    for name, wanted in (
        ("filter", {"outcome": "wrong"}),
        ("search", {"search": word}),
        ("sort", {"order": "unsure"}),
    ):
        taken = [driver.execute_async_script(ASKED, wanted)[0] / 1000 for _ in range(TIMES)]
        found |= {f"seconds_to_{name}": statistics.median(taken), f"slowest_to_{name}": max(taken)}
    return found


@contextmanager
def browser() -> Iterator[Any]:
    """Give a browser, or None where there is none."""
    program, driver_program = shutil.which("chromium"), shutil.which("chromedriver")
    if program is None or driver_program is None:
        yield None
        return
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = program
    for switch in SWITCHES:
        options.add_argument(switch)
    driver = webdriver.Chrome(options=options, service=webdriver.ChromeService(driver_program))
    driver.set_script_timeout(30)
    try:
        yield driver
    finally:
        driver.quit()


def main() -> None:
    """Measure a page of one label per text and one of several, print a table and write the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=20_000)
    parser.add_argument("--labels", type=int, default=20)
    parser.add_argument("--sources", type=int, default=4)
    parser.add_argument("--texts", type=Path, help="Parquet file with a column `text` to take texts from")
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "report.json")
    options = parser.parse_args()
    texts = None if options.texts is None else pd.read_parquet(options.texts)["text"].tolist()
    for name, multi_label in (("one label", False), ("several labels", True)):
        found = measured(options.rows, options.labels, options.sources, texts, multi_label=multi_label)
        found["goals"] = GOALS
        found["labels"], found["sources"] = options.labels, options.sources
        write_figures(options.out, name, found)
        print(f"\n{name}: {options.rows:,} rows, {options.labels} labels, {options.sources} sources")
        for key, value in found.items():
            if isinstance(value, float):
                goal = f"   goal {GOALS[key]:g}" if key in GOALS else ""
                print(f"  {key.replace('_', ' '):<28}{value:>9.3f}{goal}")


if __name__ == "__main__":
    main()
