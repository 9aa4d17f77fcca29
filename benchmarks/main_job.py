"""The main job on public data: a fusion of the embedded models, each source and simple floors beside it, several seeds.

    python benchmarks/main_job.py --data FOLDER --dataset ag_news --train-rows 800 --test-rows 2000 --seeds 0 1 2

Each seed is written to a JSON file as it is done, and a second run goes on where the first one stopped.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "2")

import numpy as np
from rich.console import Console
from rich.table import Table
from sklearn.linear_model import LogisticRegression

from public_data import Part, data_folder, schema_of, seeded_part
from textclassify import AutoFusionClassifier
from textclassify.core.labels import LabelSchema
from textclassify.models.sources import resolve
from textclassify.models.vectors import shared_encoder

FLOOR = "floor: logistic regression on frozen vectors"


def main() -> None:
    """Run what is missing, then print the table."""
    options = _options()
    folder = data_folder(options.data, options.dataset)
    name = f"{options.dataset}_{options.train_rows}{'_balanced' if options.balanced else ''}"
    target = Path(options.out) / f"{name}.json"
    target.parent.mkdir(parents=True, exist_ok=True)
    done: dict[str, Any] = json.loads(target.read_text(encoding="utf-8")) if target.is_file() else {}
    console = Console(stderr=True)
    for seed in options.seeds:
        if str(seed) in done:
            continue
        console.print(f"{name}, seed {seed} ...")
        train = seeded_part(folder, "train", options.train_rows, seed, balanced=options.balanced)
        test = seeded_part(folder, "test", options.test_rows, 0)
        done[str(seed)] = measured(schema_of(folder), train, test, seed)
        target.write_text(json.dumps(done, indent=1) + "\n", encoding="utf-8")
        console.print(f"  {done[str(seed)]['selected']}: {done[str(seed)]['accuracy']}")
    chosen = [done[str(seed)] for seed in options.seeds]
    Console().print(summary(name, chosen))


def measured(schema: LabelSchema, train: Part, test: Part, seed: int) -> dict[str, Any]:
    """Return the figures of one seed."""
    classifier = AutoFusionClassifier(
        {"labels": schema, "ml_model": "minilm", "llm_provider": "local", "random_state": seed}
    )
    started = time.perf_counter()
    classifier.fit(train.texts, train.labels)
    fit_seconds = time.perf_counter() - started
    started = time.perf_counter()
    classifier.predict(test.texts)
    predict_seconds = time.perf_counter() - started
    evaluation = classifier.evaluate(test.texts, test.labels).to_dict()
    report = classifier.ensemble_.ladder_report_
    return {
        "selected": report.selected,
        "weights": dict(report.weights),
        "accuracy": {row["name"]: row["metrics"]["accuracy"] for row in evaluation["systems"]}
        | {FLOOR: _frozen_floor(train, test)},
        "evaluation": evaluation,
        "fit_seconds": fit_seconds,
        "predict_texts_per_second": len(test.texts) / predict_seconds,
    }


def summary(name: str, seeds: list[dict[str, Any]]) -> Table:
    """Return mean and spread over seeds as a table."""
    table = Table(title=f"{name}: accuracy over {len(seeds)} seeds")
    for column in ("system", "mean", "lowest", "highest"):
        table.add_column(column, justify="left" if column == "system" else "right")
    for system in seeds[0]["accuracy"]:
        values = np.array([seed["accuracy"].get(system, np.nan) for seed in seeds])
        table.add_row(system, *(f"{number:.4f}" for number in (values.mean(), values.min(), values.max())))
    fit, speed = ([seed[key] for seed in seeds] for key in ("fit_seconds", "predict_texts_per_second"))
    table.caption = (
        f"fit {np.mean(fit):.0f} s, predict {np.mean(speed):.0f} texts/s; selected {[s['selected'] for s in seeds]}"
    )
    return table


def _frozen_floor(train: Part, test: Part) -> float:
    encoder = shared_encoder(resolve("minilm", "encoder"))
    model = LogisticRegression(C=10.0, max_iter=2000).fit(encoder.encode(train.texts), train.labels)
    return float(model.score(encoder.encode(test.texts), test.labels))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", help="folder of the public data sets (or TEXTCLASSIFY_DATA)")
    parser.add_argument("--dataset", default="ag_news")
    parser.add_argument("--train-rows", type=int, default=800)
    parser.add_argument("--test-rows", type=int, default=2000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--balanced", action="store_true", help="equally many training rows of each label")
    parser.add_argument("--out", default="benchmarks/results", help="folder of the JSON files")
    return parser.parse_args()


if __name__ == "__main__":
    main()
