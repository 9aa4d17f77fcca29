"""What is installed, which models and keys are found, and what to do about what is missing."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

from textclassify import __version__
from textclassify.core import dataset
from textclassify.core.findings import describe
from textclassify.core.languages import check_language
from textclassify.core.storage import cache_folder
from textclassify.errors import DataError, LabelError, ModelError
from textclassify.llm.http.providers import PROVIDERS
from textclassify.models.hub import OFFLINE_VARIABLES
from textclassify.models.sources import EMBEDDED_ENCODER, EMBEDDED_LLM, PATHS_VARIABLE, Role, resolve

State = Literal["ok", "info", "warning", "missing"]
_CORE = ("numpy", "scipy", "scikit-learn", "pandas", "pyarrow", "pydantic", "safetensors", "aiohttp")
_TORCH = ("torch", "transformers", "gguf")
CACHE_VARIABLE = "TEXTCLASSIFY_CACHE_DIR"
_GIB = 2**30
_ROOM_GIB = 2.0
"""Disk space that the unpacked language model, fold models and a few runs take."""


@dataclass(frozen=True)
class Check:
    """One line of the doctor's findings: what was looked at, how it is, and what to do about it."""

    topic: str
    name: str
    state: State
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Diagnosis:
    """All checks."""

    checks: tuple[Check, ...]

    @property
    def can_train(self) -> bool:
        """Whether at least the sources without torch can be trained."""
        return not any(check.topic == "packages" and check.state == "missing" for check in self.checks)

    @property
    def advice(self) -> str:
        """One sentence on what works as it is."""
        missing = [check for check in self.checks if check.state in {"missing", "warning"}]
        if not missing:
            return "Everything is in place: `textclassify demo` works on this machine without a network."
        return f"{len(missing)} {'thing' if len(missing) == 1 else 'things'} to look at; what to do stands beside each."

    def to_dict(self) -> dict[str, Any]:
        """Return the checks as plain JSON values."""
        return {"advice": self.advice, "checks": [asdict(check) for check in self.checks]}


def diagnose(data: str | None = None, *, text_column: str | None = None) -> Diagnosis:
    """Return what is there and what is missing; keys are looked for, never shown.

    Args:
        data: labelled or unlabelled texts to check as well.
        text_column: its text column; None = recognised.

    Raises:
        DataError: the data cannot be read.

    """
    checks = [*_packages(), *_models(), *_keys(), *_surroundings()]
    if data is not None:
        checks += _data(data, text_column)
    return Diagnosis(tuple(checks))


def _packages() -> Iterator[Check]:
    yield Check("packages", "textclassify", "ok", f"{__version__}, Python {platform.python_version()}")
    for name in _CORE:
        yield _package(name, "missing", "pip install --force-reinstall textclassify")
    for name in _TORCH:
        yield _package(name, "warning", 'for the encoder and a local language model: pip install "textclassify[torch]"')


def _package(name: str, without: State, remedy: str) -> Check:
    try:
        return Check("packages", name, "ok", version(name))
    except PackageNotFoundError:
        return Check("packages", name, without, "not installed", remedy)


def _models() -> Iterator[Check]:
    embedded: list[tuple[str, Role, str]] = [
        (EMBEDDED_ENCODER, "encoder", "encoder, English"),
        (EMBEDDED_LLM, "causal", "language model, English"),
    ]
    for name, role, what in embedded:
        try:
            resolve(name, role)
            yield Check("models", name, "ok", f"embedded {what}")
        except ModelError as error:
            yield Check("models", name, "warning", f"{what}: not installed", str(error).rpartition("; ")[2])
    mapped = os.environ.get(PATHS_VARIABLE, "")
    yield Check("models", PATHS_VARIABLE, "info", mapped or "not set")


def _keys() -> Iterator[Check]:
    found = []
    for provider in PROVIDERS.values():
        variable = next((name for name in provider.key_variables if os.environ.get(name, "").strip()), None)
        if variable is not None:
            found.append(provider.name)
            yield Check("keys", provider.name, "ok", f"{variable} is set (not shown)")
    if not found:
        known = [provider.key_variables[0] for provider in PROVIDERS.values() if provider.needs_key]
        yield Check(
            "keys",
            "providers",
            "info",
            "no key is set",
            f"none is needed for llm_provider: local; else set one of {', '.join(known)}",
        )


def _surroundings() -> Iterator[Check]:
    offline = [name for name in OFFLINE_VARIABLES if os.environ.get(name)]
    state = f"{', '.join(offline)} set: no model hub is asked" if offline else "not set: a model hub may be asked"
    yield Check("machine", "offline", "info", state)
    yield _cache()
    yield _processor()
    if find_spec("torch") is not None:
        yield _device()


def _cache() -> Check:
    folder = cache_folder()
    nearest = next(parent for parent in (folder, *folder.parents) if parent.exists())
    free = shutil.disk_usage(nearest).free / _GIB
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        return Check(
            "machine",
            "cache",
            "warning",
            f"{folder} cannot be written: {error.strerror}",
            f"set {CACHE_VARIABLE} to a folder that can",
        )
    if free < _ROOM_GIB:
        return Check(
            "machine",
            "cache",
            "warning",
            f"{folder}, {free:.1f} GiB free",
            f"free {_ROOM_GIB:.0f} GiB, or set {CACHE_VARIABLE} to another disk",
        )
    return Check("machine", "cache", "ok", f"{folder}, writable, {free:.0f} GiB free")


def _processor() -> Check:
    flags = _cpu_flags()
    fast = sorted(flags & {"avx2", "avx512f", "avx512_bf16", "amx_bf16", "asimd", "bf16"})
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    bf16 = bool(flags & {"avx512_bf16", "amx_bf16", "bf16"})
    speed = "bf16 in hardware" if bf16 else "no bf16 in hardware, so fp32 is used"
    return Check(
        "machine",
        "processor",
        "ok" if bf16 else "info",
        f"{cores} cores, {speed} ({', '.join(fast) or platform.machine()})",
    )


def _cpu_flags() -> set[str]:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not Linux
        return set()
    listed = (line.partition(":")[2].split() for line in lines if line.lower().startswith(("flags", "features")))
    return set(next(listed, []))


def _device() -> Check:
    import torch

    if torch.cuda.is_available():
        return Check("machine", "GPU", "ok", torch.cuda.get_device_name())
    return Check("machine", "GPU", "info", "none: models run on the processor")


def _data(path: str, text_column: str | None) -> Iterator[Check]:
    name = Path(path).name
    try:
        data = dataset.labelled_data(path, text_column=text_column)
    except LabelError:
        raise
    except DataError as error:
        texts = dataset.texts_of(Path(path), text_column=text_column)
        yield Check("data", name, "warning", f"{len(texts):,} texts, no labels to learn from", str(error))
    else:
        texts = data.texts
        kind = "several labels per text" if data.multi_label else "one label per text"
        yield Check("data", name, "ok", f"{len(data):,} labelled texts, {len(data.schema)} labels, {kind}")
        for finding in describe(data):
            yield Check("data", name, "warning", finding)
    yield from _language(name, texts)


def _language(name: str, texts: Iterable[str]) -> Iterator[Check]:
    check = check_language(list(texts))
    if not check.looked_at:
        yield Check("data", name, "info", "the texts are too short to tell their language")
    elif check.warning is None:
        share = check.counts.get("English", 0) / check.looked_at
        yield Check("data", name, "ok", f"{share:.0%} of {check.looked_at:,} texts looked at are clearly English")
    else:
        found, _, remedy = check.warning.partition("; ")
        yield Check("data", name, "warning", found, remedy)
