"""The benchmark of retrieval-augmented classification: retrieval, checks by a language model, the algorithm, speed.

    python benchmarks/rac.py retrieval --data FOLDER
    python benchmarks/rac.py out_of_scope --data FOLDER
    python benchmarks/rac.py llm banking77 --llm FILE.gguf --cache FOLDER --data FOLDER
    python benchmarks/rac.py algorithm
    python benchmarks/rac.py speed
    python benchmarks/rac.py transfer empathetic_dialogues --data FOLDER [--llm FILE.gguf --cache FOLDER]
    python benchmarks/rac.py report --markdown

Every figure is added to `results/rac.json` as it is there. A part that is run again leaves out what the file holds
already (`--again` measures it anew), and a language model's answers are kept piece by piece in the folder of `--cache`.
"""

from __future__ import annotations

import argparse
import os
from pathlib import Path

for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

from rac_figures import forget
from rac_llm import Asked, measured_llm
from rac_report import printed

DATA_SETS = ("banking77", "trec6", "ag_news", "goemotions")
EXAMPLES_PER_LABEL = (3, 10)
SEEDS = (0, 1, 2, 3, 4)


def main() -> None:
    """Run one part."""
    options = _options()
    target = Path(options.out)
    if options.again:
        forget(target, options.part)
    if options.part in {"retrieval", "transfer"}:
        _retrieval(options, target)
    elif options.part == "out_of_scope":
        from rac_scope import measured_scope

        for per_label in options.per_label:
            measured_scope(
                options.dataset,
                target,
                root=options.data,
                seeds=options.seeds,
                rows=options.rows,
                per_label=per_label,
            )
    elif options.part == "algorithm":
        from rac_algorithm import measured_algorithm

        measured_algorithm(target, rows=options.rows)
    elif options.part == "speed":
        from rac_speed import measured_speed

        measured_speed(target)
    if options.part in {"llm", "transfer"} and options.llm:
        _llm(options, target)
    parts = options.parts if options.part == "report" else [options.part]
    printed(target, parts, markdown=options.part == "report" and options.markdown)


def _retrieval(options: argparse.Namespace, target: Path) -> None:
    """Measure retrieval alone on every data set, and with examples where there is one to draw them from."""
    from rac_retrieval import measured_retrieval

    measured_retrieval(
        options.datasets,
        target,
        root=options.data,
        per_label=options.per_label,
        seeds=options.seeds,
        setfit_seeds=options.setfit_seeds,
        rows=options.rows,
        part=options.part,
    )


def _llm(options: argparse.Namespace, target: Path) -> None:
    asked = Asked(str(options.llm), options.cache, options.top_k, options.demonstrations)
    for name in options.datasets:
        measured_llm(
            name,
            asked,
            target,
            root=options.data,
            rows=options.llm_rows,
            seed=options.seed,
            systems=options.systems,
        )


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parts = parser.add_subparsers(dest="part", required=True)
    retrieval = parts.add_parser("retrieval", help="zero-shot and with examples, peers beside it")
    transfer = parts.add_parser("transfer", help="other label sets with the same defaults")
    llm = parts.add_parser("llm", help="checks by a language model, beside retrieval alone and naive prompting")
    scope = parts.add_parser("out_of_scope", help="texts that no label fits")
    algorithm = parts.add_parser("algorithm", help="checks with known rates, beside the analytic model")
    parts.add_parser("speed", help="beside bare numpy, the bare encoder, and the ideal time of calls")
    report = parts.add_parser("report", help="the tables of what is there")
    report.add_argument("parts", nargs="*", default=[name for name in parts.choices if name != "report"])
    report.add_argument("--markdown", action="store_true")
    retrieval.add_argument("datasets", nargs="*", default=list(DATA_SETS))
    transfer.add_argument("datasets", nargs="+", help="folders of the data folder")
    llm.add_argument("datasets", nargs="+")
    scope.add_argument("dataset", nargs="?", default="banking77")
    for part in (retrieval, transfer):
        per_label = EXAMPLES_PER_LABEL if part is retrieval else ()
        part.add_argument("--per-label", type=int, nargs="*", default=per_label, help="examples per label")
        part.add_argument("--setfit-seeds", type=int, nargs="*", default=(0,), help="seeds that SetFit is run with")
    for part in (retrieval, transfer, scope):
        part.add_argument("--seeds", type=int, nargs="+", default=list(SEEDS))
        part.add_argument("--rows", type=int, help="test rows, drawn with a seed; all if not given")
    scope.add_argument("--per-label", type=int, nargs="+", default=(0, 10), help="examples per label")
    algorithm.add_argument("--rows", type=int, default=1000, help="texts")
    for part in (llm, transfer):
        part.add_argument("--llm", type=Path, required=part is llm, help="a .gguf file or a folder")
        part.add_argument("--cache", type=Path, required=part is llm, help="folder for answers, outside the repository")
        part.add_argument("--llm-rows", type=int, default=500, help="test rows that the model is asked about")
        part.add_argument("--seed", type=int, default=0, help="of their draw")
        part.add_argument("--top-k", type=int, default=5)
        part.add_argument("--demonstrations", type=int, help="of every question; the library's default if not given")
        part.add_argument("--systems", nargs="+", help="beginnings of the names of those to ask; all if not given")
    for part in parts.choices.values():
        part.add_argument("--data", help="folder of the public data sets (or TEXTCLASSIFY_DATA)")
        part.add_argument("--out", default="benchmarks/results/rac.json")
        part.add_argument("--again", action="store_true", help="forget the part's figures first")
    options = parser.parse_args()
    if options.part == "transfer" and options.llm and options.cache is None:
        parser.error("--llm needs --cache")
    return options


if __name__ == "__main__":
    main()
