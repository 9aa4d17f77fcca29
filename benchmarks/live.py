"""The live benchmark: real scores of the embedded models and local language models, the paper's table, ablations.

    python benchmarks/live.py scores ag_news:800:0 ag_news:800:1:1000 --data FOLDER --cache FOLDER
    python benchmarks/live.py llm ag_news --model smollm2 --data FOLDER --cache FOLDER
    python benchmarks/live.py joint ag_news:400:0 --model smollm2 --data FOLDER --cache FOLDER
    python benchmarks/live.py table --data FOLDER --cache FOLDER
    python benchmarks/live.py record --data FOLDER --cache FOLDER

Scores are computed once, cell by cell, in any order and over as many runs as it takes; a cell is DATASET:ROWS:SEED, or
with :TEST_ROWS where not all test rows are to be scored. The table takes what there is; scores of language models that
are not in the cache are taken from `benchmarks/recorded`.
"""

from __future__ import annotations

import argparse
import itertools
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from live_cells import MODELS, record
from live_data import ASKED_TEST_ROWS, FREE_SOURCES, IN_SAMPLE, TEST_ROWS, load_data
from live_llm import asked_about
from live_report import tables
from live_scores import scored_cells


def main() -> None:
    """Run one stage."""
    options = _options()
    cache_folder = Path(options.cache)
    if options.stage == "scores":
        scored_cells(options.cells, options.sources, cache_folder, data_root=options.data)
    elif options.stage == "joint":
        from live_joint import joint_cells

        joint_cells(options.cells, options.model, cache_folder, data_root=options.data)
    elif options.stage == "llm":
        asked_about(
            options.dataset,
            options.model,
            options.name or options.model,
            cache_folder,
            data_root=options.data,
            test_rows=options.test_rows,
            max_characters=options.max_characters,
        )
    elif options.stage == "record":
        for name, model in itertools.product(options.datasets, MODELS):
            if (cache_folder / name / model).is_dir():
                record(cache_folder, load_data(name, options.data), model)
    else:
        target = Path(options.out)
        tables(cache_folder, options.datasets, target, data_root=options.data, ablations=not options.no_ablations)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    stages = parser.add_subparsers(dest="stage", required=True)
    scores = stages.add_parser("scores", help="scores of trained sources")
    scores.add_argument("cells", nargs="+", help="DATASET:ROWS:SEED[:TEST_ROWS]")
    scores.add_argument("--sources", nargs="+", default=list(FREE_SOURCES), choices=(*FREE_SOURCES, IN_SAMPLE))
    joint = stages.add_parser("joint", help="joint training on kept scores of a language model")
    joint.add_argument("cells", nargs="+", help="DATASET:ROWS:SEED")
    joint.add_argument("--model", default="qwen", choices=MODELS)
    llm = stages.add_parser("llm", help="scores of a language model in this process")
    llm.add_argument("dataset")
    llm.add_argument("--model", default="smollm2", help="a .gguf file or a folder; smollm2 = the embedded one")
    llm.add_argument("--name", help="what to call the model; None = as --model")
    llm.add_argument("--test-rows", type=int, default=ASKED_TEST_ROWS)
    llm.add_argument("--max-characters", type=int, help="ask about the beginning of each text only")
    table = stages.add_parser("table", help="fusions of the scores that are there, their figures and ablations")
    table.add_argument("--no-ablations", action="store_true")
    table.add_argument("--out", default="benchmarks/results/live.json")
    kept = stages.add_parser("record", help="write the scores of language models into benchmarks/recorded")
    for stage in (table, kept):
        stage.add_argument("--datasets", nargs="+", default=list(TEST_ROWS), choices=list(TEST_ROWS))
    for stage in stages.choices.values():
        stage.add_argument("--data", help="folder of the public data sets (or TEXTCLASSIFY_DATA)")
        stage.add_argument("--cache", required=True, help="folder for scores, outside the repository")
    return parser.parse_args()


if __name__ == "__main__":
    main()
