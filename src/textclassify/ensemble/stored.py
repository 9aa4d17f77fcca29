"""A fusion in a folder: the scores it learned from and each fitted combiner, as safetensors and JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from textclassify.core.contract import TextClassifier
from textclassify.core.saved_classifiers import read_part
from textclassify.core.scales import Scale
from textclassify.core.scores import Scores
from textclassify.core.storage import read_arrays, write_arrays
from textclassify.ensemble.combining.combiners import Combiner
from textclassify.ensemble.combining.decisions import Decision
from textclassify.ensemble.combining.ladder import Ladder
from textclassify.ensemble.combining.ladder_report import Gate, LadderReport, RungReport
from textclassify.ensemble.combining.rows import EMBEDDINGS, FusionRows
from textclassify.ensemble.deferral import Deferral
from textclassify.ensemble.learned_fusion import OPTIONS, LearnedFusion
from textclassify.errors import StorageError
from textclassify.statistics.calibration import CALIBRATORS

_COMBINERS = {
    "BestSingle": "pooling",
    "CrossLabelPool": "combining.cross_label",
    "EmbeddingsMLP": "mlp",
    "LogLinearPool": "pooling",
    "PriorPool": "pooling",
    "PublishedMLP": "mlp",
    "ResidualMLP": "mlp",
    "VectorScalingPool": "pooling",
}
_ROWS, _GUARD, _DEFERRAL = "fusion_rows.safetensors", "guard_rows.safetensors", "deferral.safetensors"
Fusion = TypeVar("Fusion", bound=LearnedFusion)
_COLUMNS = ("values", "status", "method", "cost", "row_ids", "fold")


class StoredSources(Mapping[str, TextClassifier]):
    """The sources in a model folder, each loaded when it is first used, the needed ones at once.

    A fusion that answers with a linear model alone does not wait for the encoders that it was compared with.

    Args:
        parts: the folder of each source.
        needed: names of those to load now.

    """

    def __init__(self, parts: Mapping[str, Path], needed: Sequence[str] = ()) -> None:
        self._parts = dict(parts)
        self._loaded = {name: read_part(self._parts[name]) for name in needed}

    def __getitem__(self, name: str) -> TextClassifier:
        """Return a source.

        Raises:
            StorageError: its folder has gone.

        """
        if name not in self._loaded:
            self._loaded[name] = read_part(self._parts[name])
        return self._loaded[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._parts)

    def __len__(self) -> int:
        return len(self._parts)


def write_fusion(folder: Path, fusion: LearnedFusion) -> dict[str, Any]:
    """Write a fusion's scores, gold and fitted combiners into an existing folder; return what belongs into JSON."""
    if fusion.fusion_mlp is not None:
        raise StorageError(
            f"fusion_mlp={fusion.fusion_mlp.__name__} is a class of your own, and a folder holds no code; pickle it"
        )
    options = {name: getattr(fusion, name) for name in OPTIONS} | {"calibrator": calibrator_name(fusion.calibrator)}
    options["llm_sources"] = None if fusion.llm_sources is None else list(fusion.llm_sources)
    if fusion.deferral_ is not None:
        write_arrays(folder / _DEFERRAL, fusion.deferral_.state())
    guard = None if fusion.guard_ is None else write_rows(folder / _GUARD, fusion.guard_)
    return {
        "options": options,
        "rows": write_rows(folder / _ROWS, fusion.rows_),
        "guard": guard,
        "defers": fusion.deferral_ is not None,
        "rungs": write_rungs(fusion.rungs),
        "llm_sources": sorted(fusion.llm_sources_),
        "known": list(fusion.known_names_),
        "learns": fusion.learns_,
        "combiners": [
            write_ladder(folder / f"combiner_{number}.safetensors", names, ladder)
            for number, (names, ladder) in enumerate(sorted(fusion.patterns_.fitted.items()))
        ],
    }


def calibrator_name(calibrator: Any) -> str | None:
    """Return what a folder calls a calibrator.

    Raises:
        StorageError: it is not part of the library.

    """
    if calibrator is None or isinstance(calibrator, str):
        return calibrator
    name = getattr(calibrator, "name", None)
    if isinstance(name, str) and CALIBRATORS.get(name) is calibrator:
        return name
    raise StorageError(f"calibrator={calibrator!r} is not part of textclassify and cannot be saved; pickle the fusion")


def read_fusion(folder: Path, state: Mapping[str, Any], kind: type[Fusion]) -> Fusion:
    """Return the fusion that `write_fusion` wrote."""
    fusion = kind(**state["options"], rungs=read_rungs(state["rungs"]))
    rows = read_rows(folder / _ROWS, state["rows"])
    fusion.llm_sources_, fusion.known_names_ = frozenset(state["llm_sources"]), tuple(state["known"])
    fusion.learns_ = state["learns"]
    fitted = {}
    for number, written in enumerate(state["combiners"]):
        ladder = Ladder((), fusion.llm_sources_, "restored")  # holds what was fitted; new patterns make their own
        read_ladder(folder / f"combiner_{number}.safetensors", written, ladder, rows)
        fitted[tuple(written["names"])] = ladder
    fusion.set_rows(rows, fitted)
    fusion.deferral_ = None
    if state["defers"]:
        arrays = {name: np.array(array) for name, array in read_arrays(folder / _DEFERRAL).items()}
        fusion.deferral_ = Deferral().load_state(arrays)
    fusion.guard_ = None if state["guard"] is None else read_rows(folder / _GUARD, state["guard"])
    return fusion


def write_rows(path: Path, rows: FusionRows) -> dict[str, Any]:
    """Write rows with their scores; return what belongs into JSON."""
    arrays: dict[str, NDArray[Any]] = {"gold": rows.gold, "clusters": rows.clusters, "weight": rows.weight}
    if rows.embeddings is not None:
        arrays[EMBEDDINGS] = rows.embeddings
    described = []
    for number, (name, scores) in enumerate(rows.sources.items()):
        columns = {column: getattr(scores, column) for column in _COLUMNS}
        arrays |= {f"{number}.{column}": array for column, array in columns.items() if array is not None}
        described.append(
            {"name": name, "source": scores.source, "scale": scores.scale.value, "calibration": scores.calibration}
        )
    write_arrays(path, arrays)
    return {"labels": list(rows.labels), "multi_label": rows.multi_label, "sources": described}


def read_rows(path: Path, state: Mapping[str, Any]) -> FusionRows:
    """Return the rows that `write_rows` wrote."""
    arrays = read_arrays(path)
    sources = {}
    for number, described in enumerate(state["sources"]):
        sources[described["name"]] = Scores(
            labels=tuple(state["labels"]),
            scale=Scale(described["scale"]),
            multi_label=state["multi_label"],
            source=described["source"],
            calibration=described["calibration"],
            **{column: arrays.get(f"{number}.{column}") for column in _COLUMNS},  # type: ignore[arg-type]
        )
    return FusionRows(sources, arrays["gold"], arrays["clusters"], arrays["weight"], arrays.get(EMBEDDINGS))


def write_rungs(rungs: Sequence[Any] | None) -> list[str] | None:
    """Return the names of the rungs to compare; None = the defaults.

    Raises:
        StorageError: one is not part of the library, so that loading it would have to run foreign code.

    """
    if rungs is None:
        return None
    names = [getattr(rung, "__name__", repr(rung)) for rung in rungs]
    for name, rung in zip(names, rungs, strict=True):
        if name not in _COMBINERS or rung is not _combiner(name):
            raise StorageError(f"rung {name} is not part of textclassify and cannot be saved; pickle the fusion")
    return names


def read_rungs(names: Sequence[str] | None) -> list[Any] | None:
    """Return the rungs of these names."""
    return None if names is None else [_combiner(name) for name in names]


def write_ladder(path: Path, names: tuple[str, ...], ladder: Ladder) -> dict[str, Any]:
    """Write a fitted combiner; return what belongs into JSON.

    Raises:
        StorageError: it is not one of the library's own, so that loading it would have to run foreign code.

    """
    kind = type(ladder.combiner).__name__
    if kind not in _COMBINERS:
        raise StorageError(
            f"the deployed rung {kind} is not part of textclassify and cannot be saved; pickle the fusion"
        )
    arrays = ladder.combiner.state() | {f"decision.{name}": a for name, a in ladder.decision.state().items()}
    if ladder.held_out is not None:
        arrays["held_out"] = ladder.held_out
    write_arrays(path, arrays)
    sources = list(ladder.combiner.names)  # fewer than `names` where the fusion without a language model answers
    return {"names": list(names), "sources": sources, "kind": kind, "report": asdict(ladder.report)} | {
        "decision": ladder.decision.described()
    }


def read_ladder(path: Path, written: Mapping[str, Any], ladder: Ladder, rows: FusionRows) -> None:
    """Give a ladder the combiner and the report that `write_ladder` wrote.

    Raises:
        StorageError: the kind of combiner is unknown.

    """
    kind = written["kind"]
    make = _combiner(kind)
    arrays = {name: np.array(array) for name, array in read_arrays(path).items()}
    ladder.held_out = arrays.pop("held_out", None)
    ladder.decision = Decision(arrays.pop("decision.thresholds"), **written["decision"])
    ladder.combiner = make().load_state({name: rows.sources[name] for name in written["sources"]}, arrays)
    ladder.report = _report(dict(written["report"]))


def _combiner(kind: str) -> type[Combiner]:
    if kind not in _COMBINERS:
        raise StorageError(f"unknown combiner {kind!r}; the folder was written by another version")
    found: type[Combiner] = getattr(import_module(f"textclassify.ensemble.{_COMBINERS[kind]}"), kind)
    return found


def _report(stored: dict[str, Any]) -> LadderReport:
    stored["rungs"] = tuple(RungReport(**rung) for rung in stored["rungs"])
    stored["gate"] = None if stored["gate"] is None else Gate(**stored["gate"])
    stored["notes"] = tuple(stored["notes"])
    return LadderReport(**stored)
