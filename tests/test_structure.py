"""The structure that the design promises, read from the source itself."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import pytest

import textclassify

SOURCE = Path(textclassify.__file__).parent
MODULES = sorted(SOURCE.rglob("*.py"))

RANKS = {
    name: rank
    for rank, layer in enumerate(
        [
            {"errors"},
            {"core"},
            {"statistics", "models"},
            {"llm", "ml"},
            {"rac"},
            {"ensemble"},
            {"runs"},
            {"auto"},
            {"apps", "utils", "testing"},
        ]
    )
    for name in layer
}

LATE = {("core", "statistics")}
"""Imports against the direction that happen inside a function: measuring a classifier's answers in `score`."""

PUBLIC = {
    "LabelSchema",
    "ClassificationResult",
    "ClassificationType",
    "RoBERTaClassifier",
    "TransformerClassifier",
    "LinearClassifier",
    "AutoFusionClassifier",
    "FusionEnsemble",
    "load",
    "TrainingData",
    "Scores",
    "LLMClassifier",
    "ScoreFusion",
    "FusionMLP",
}

TORCH_FREE = [
    "AutoFusionClassifier",
    "ClassificationResult",
    "ClassificationType",
    "FusionEnsemble",
    "LLMClassifier",
    "LabelSchema",
    "LinearClassifier",
    "ScoreFusion",
    "Scores",
    "TrainingData",
    "distil",
    "estimate_prevalence",
    "label_errors",
    "load",
    "rows_to_label",
]
"""Names whose classes work without torch, at least for a part of what they do."""


def layer_of(path):
    return path.relative_to(SOURCE).parts[0].removesuffix(".py")


def imports_of(path):
    """(layer, whether at the top of the module) of every import from the package."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} imports relatively"
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        for name in names:
            parts = name.split(".")
            if len(parts) > 1 and parts[0] == "textclassify" and parts[1] != "__version__":
                yield parts[1], node in tree.body


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_imports_point_to_the_left_only(path):
    """A layer knows those before it and itself: otherwise nothing can be understood, or tested, alone."""
    layer = layer_of(path)
    for imported, at_top in imports_of(path):
        if imported == layer or (not at_top and (layer, imported) in LATE):
            continue
        assert RANKS[imported] < RANKS[layer], f"{layer} imports {imported}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_only_the_command_line_prints(path):
    """A library logs; its user's standard output is not its own."""
    if path.name == "cli.py" or path.name.endswith("_commands.py"):
        return
    calls = [node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)]
    assert not [call.lineno for call in calls if isinstance(call.func, ast.Name) and call.func.id == "print"]


def test_the_list_of_public_names_is_complete_and_sorted():
    """Scripts outside rely on these names."""
    names = [name for name in textclassify.__all__ if not name.startswith("__")]

    assert names == sorted(names)
    assert set(names) >= PUBLIC
    assert set(textclassify.__all__) == set(dir(textclassify))


@pytest.mark.parametrize("name", textclassify.__all__)
def test_every_public_name_can_be_imported(name):
    """A table of names is easily out of date."""
    assert getattr(textclassify, name) is not None


def test_an_unknown_name_is_an_attribute_error():
    """As with any module, so that `hasattr` works."""
    assert not hasattr(textclassify, "Scorse")


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(SOURCE)))
def test_module_lists_of_names_are_right(path):
    """Where a module lists its names, each exists, once."""
    if not any(
        isinstance(node, ast.Assign) and getattr(node.targets[0], "id", "") == "__all__"
        for node in ast.parse(path.read_text(encoding="utf-8")).body
    ):
        return
    dotted = ".".join(("textclassify", *path.relative_to(SOURCE).with_suffix("").parts)).removesuffix(".__init__")
    module = importlib.import_module(dotted)
    assert len(set(module.__all__)) == len(module.__all__)
    assert all(hasattr(module, name) for name in module.__all__)


MEASURE = """
import time
seconds = time.process_time()
import pathlib, sys
status = pathlib.Path("/proc/self/status")  # the peak that getrusage tells includes the parent's
peak = status.read_text().partition("VmHWM:")[2].split() if status.exists() else []
print(seconds, int(peak[0]) / 1024 if peak else 0, *sys.modules)
"""


def loaded_by(code):
    """What running the code loads, the processor seconds that it takes, and its memory in MB (0 where unknown)."""
    environment = os.environ | {"PYTHONPATH": str(SOURCE.parent)}
    output = subprocess.run(
        [sys.executable, "-c", code + MEASURE], env=environment, capture_output=True, text=True, check=True
    )
    seconds, megabytes, *modules = output.stdout.split()
    return {name.partition(".")[0] for name in modules}, float(seconds), float(megabytes)


def test_importing_the_package_costs_next_to_nothing():
    """Names are loaded when they are used: at most 0.5 s and 80 MB, and no torch."""
    modules, seconds, megabytes = loaded_by("import textclassify")

    assert not modules & {"torch", "transformers", "aiohttp", "pandas", "sklearn", "scipy", "numpy", "matplotlib"}
    assert seconds < 0.5
    assert megabytes < 80


def test_fusing_scores_and_asking_models_over_the_network_load_no_torch():
    """Whoever has no local network of neurons installs none; nor are plots and optional tables loaded."""
    modules, _, _ = loaded_by("\n".join(f"from textclassify import {name}" for name in TORCH_FREE))

    assert not modules & {"torch", "transformers", "matplotlib", "datasets", "polars"}
