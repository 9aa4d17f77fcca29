"""What `import textclassify` costs: seconds and memory in fresh processes, beside a Python that imports nothing.

python benchmarks/import_cost.py
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys

RUNS = 7
PROBE = """
import json, resource, sys, time
started = time.perf_counter()
{statement}
seconds = time.perf_counter() - started
print(json.dumps([seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, "torch" in sys.modules]))
"""
STATEMENTS = {
    "nothing": "pass",
    "import textclassify": "import textclassify",
    "textclassify.Scores": "from textclassify import Scores",
    "textclassify.AutoFusionClassifier": "from textclassify import AutoFusionClassifier",
}


def main() -> None:
    """Print the table and, on the last line, the same as JSON."""
    found = {}
    for name, statement in STATEMENTS.items():
        runs = [_probed(statement) for _ in range(RUNS)]
        seconds = statistics.median(run[0] for run in runs)
        found[name] = {
            "seconds": seconds,
            "megabytes": max(run[1] for run in runs),
            "torch": any(run[2] for run in runs),
        }
        print(f"{name:<36} {seconds:6.3f} s {found[name]['megabytes']:7.1f} MB  torch: {found[name]['torch']}")
    print(json.dumps(found))


def _probed(statement: str) -> tuple[float, float, bool]:
    command = [sys.executable, "-c", PROBE.format(statement=statement)]
    seconds, megabytes, torch = json.loads(subprocess.run(command, capture_output=True, check=True, text=True).stdout)  # noqa: S603 - our own interpreter
    return seconds, megabytes, torch


if __name__ == "__main__":
    main()
