"""What has to be known to get a run's figures again: data, packages, code, machine; and what must not be written."""

from __future__ import annotations

import hashlib
import json
import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Iterable, Mapping, Sequence
from enum import Enum
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from textclassify.core import dataset
from textclassify.core.types import TrainingData
from textclassify.errors import ConfigError
from textclassify.llm.http.keys import Secret, concealing
from textclassify.runs.systems import json_safe

PACKAGES = (
    "numpy",
    "scipy",
    "scikit-learn",
    "torch",
    "transformers",
    "sentence-transformers",
    "tokenizers",
    "safetensors",
    "pandas",
    "pyarrow",
    "aiohttp",
    "bm25s",
)
"""Packages whose versions may change what comes out."""
CONCEALED = "***"
_SECRET = re.compile(
    r"(^|[-_ ])(api[-_]?key|key|(access|auth)?[-_]?token|secret|password|authorization|api[-_]?base|base[-_]?url)$",
    re.IGNORECASE,
)
"""Settings and headers that may hold a key; an address may have one in it."""
_IN_ADDRESS = re.compile(r"(?<=://)[^/?#\s@]+@")
"""A name and a password before the host of an address."""
_KEY_VARIABLE = re.compile(r"(_KEY|_TOKEN|_SECRET|_PASSWORD)$")
_GIT_SECONDS = 5.0


def package_versions(names: Iterable[str] = PACKAGES) -> dict[str, str]:
    """Return the versions of those packages that are installed, textclassify's first."""
    from textclassify import __version__

    found = {"textclassify": __version__}
    for name in names:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def git_state(folder: str | Path = ".") -> dict[str, Any] | None:
    """Return the commit of the repository that a folder is in, and whether tracked files differ from it.

    None where there is no git, no repository or no commit.
    """
    commit = _git(folder, "rev-parse", "HEAD")
    if commit is None:
        return None
    changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit.strip(), "dirty": None if changed is None else bool(changed.strip())}


def _git(folder: str | Path, *arguments: str) -> str | None:
    program = shutil.which("git")
    if program is None:
        return None
    # A repository's own settings may name a program for fsmonitor; none of it is to run here.
    command = [program, "--no-optional-locks", "-c", "core.fsmonitor=false", "-C", str(folder), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_GIT_SECONDS, check=False)  # noqa: S603 - fixed words
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    return done.stdout if done.returncode == 0 else None


def environment() -> dict[str, Any]:
    """Return Python, platform, processors, threads and device; the device is None as long as torch is not loaded."""
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    torch = sys.modules.get("torch")
    threads: Any = os.environ.get("OMP_NUM_THREADS", "")
    return {
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "cpus": cpus,
        "threads": torch.get_num_threads() if torch else int(threads) if threads.isdigit() else cpus,
        "device": None if torch is None else _device(torch),
    }


def _device(torch: Any) -> str:
    return str(torch.cuda.get_device_name(0)) if torch.cuda.is_available() else "cpu"


def data_facts(data: Any, file: str | None = None) -> dict[str, Any] | None:
    """Return the file, the number of rows and the content hashes of labelled texts; None for None.

    Args:
        data: `TrainingData`, a file or table as `dataset.labelled_data` takes it, or facts as this function gives them.
        file: where the data came from, where they do not say it.

    Raises:
        DataError: they cannot be read, or hold no labels.

    """
    if data is None or (isinstance(data, Mapping) and "sha256" in data):
        return None if data is None else dict(data)
    if not isinstance(data, TrainingData):
        file = file or (str(data) if isinstance(data, str | Path) else None)
        data = dataset.labelled_data(data)
    return {
        "file": file,
        "rows": len(data),
        "sha256": dataset.content_hash(data),
        "texts_sha256": texts_hash(data.texts),
    }


def texts_hash(texts: Sequence[str]) -> str:
    """Return the SHA-256 of texts in their order, in hexadecimal; equal on every machine."""
    digest = hashlib.sha256()
    for text in texts:
        digest.update(json.dumps(text).encode("ascii") + b"\n")
    return digest.hexdigest()


def thresholds_of(classifier: Any) -> dict[str, float] | None:
    """Return the probability from which on a multi-label fusion gives each label; None for everything else."""
    fusion = getattr(getattr(classifier, "ensemble_", classifier), "fusion_", None)
    if fusion is None or not classifier.schema_.multi_label:
        return None
    thresholds = fusion.patterns_.deployed.decision.thresholds.tolist()
    return {str(name): float(one) for name, one in zip(fusion.labels_, thresholds, strict=True)}


def plain_settings(settings: Any) -> dict[str, Any]:
    """Return settings as plain JSON values, without keys and without the addresses of providers.

    Args:
        settings: a mapping, a configuration, or None.

    Raises:
        ConfigError: they are none of these.

    """
    if settings is None:
        return {}
    if hasattr(settings, "model_dump"):
        settings = settings.model_dump(mode="json")
    elif not isinstance(settings, Mapping):
        if not hasattr(settings, "__dict__"):
            raise ConfigError(f"config is {settings!r:.60}; pass a mapping of settings, or Config.of(file)")
        settings = vars(settings)
    plain = _plain(settings)
    return {str(key): value for key, value in plain.items()}


def without_keys(text: str) -> str:
    """Return a text with *** in the place of every key that an environment variable holds, or that an address does."""
    text = _IN_ADDRESS.sub(f"{CONCEALED}@", text)
    for name, value in os.environ.items():
        if _KEY_VARIABLE.search(name.upper()):
            text = concealing(value.strip())(text)
    return text


def _plain(value: Any) -> Any:
    """Return a value of plain JSON types; of an object that is none of these, the name of its type."""
    value = value.value if isinstance(value, Enum) else value
    if hasattr(value, "__dataclass_fields__"):
        value = vars(value)
    if isinstance(value, Mapping):
        return {str(key): _setting(str(key), one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset | np.ndarray):
        return [_plain(one) for one in value]
    if isinstance(value, str | Path):
        return without_keys(str(value))
    if value is None or isinstance(value, bool | int | float | np.generic):
        return json_safe(value)
    return CONCEALED if isinstance(value, Secret) else type(value).__name__


def _setting(key: str, value: Any) -> Any:
    return CONCEALED if value is not None and _SECRET.search(key) else _plain(value)
