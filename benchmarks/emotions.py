"""Fine-grained emotions by frozen models, a fine-tuned encoder and the fusion of all; every figure by this command.

    python benchmarks/emotions.py extract --cache FOLDER --data FOLDER
    python benchmarks/emotions.py heads --cache FOLDER --data FOLDER
    python benchmarks/emotions.py fusion --cache FOLDER --data FOLDER
    python benchmarks/emotions.py report --cache FOLDER --data FOLDER [--markdown]

Features and answers are kept in the folder of `--cache`: a part that is run again goes on where it stopped. Figures are
written to `results/emotions.json`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from emotions_data import DATA_SETS


def main() -> None:
    """Run one part for every data set."""
    options = _options()
    target, cache = Path(options.out), Path(options.cache)
    for dataset in options.datasets:
        if options.part == "extract":
            from emotions_data import extract

            extract(dataset, target, root=options.data, cache=cache)
        elif options.part == "heads":
            from emotions_answers import answer_all

            answer_all(dataset, target, root=options.data, cache=cache, seeds=options.seeds, only=options.only)
        elif options.part == "fusion":
            from emotions_fusion import fuse

            fuse(dataset, target, root=options.data, cache=cache, seeds=options.seeds[:3])
    from emotions_report import printed

    printed(target, options.datasets, root=options.data, cache=cache, markdown=options.markdown)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", choices=["extract", "heads", "fusion", "report"])
    parser.add_argument("--data", help="folder of the data sets; else the variable TEXTCLASSIFY_DATA")
    parser.add_argument("--cache", required=True, help="folder for features and answers")
    parser.add_argument("--datasets", nargs="+", choices=DATA_SETS, default=list(DATA_SETS))
    parser.add_argument(
        "--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4], help="the fusion takes the first three"
    )
    parser.add_argument("--only", nargs="+", help="heads: only systems of these names")
    parser.add_argument("--out", default=str(Path(__file__).parent / "results" / "emotions.json"))
    parser.add_argument("--markdown", action="store_true")
    return parser.parse_args()


if __name__ == "__main__":
    main()
