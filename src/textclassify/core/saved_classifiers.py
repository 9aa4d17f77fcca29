"""`load` and `read_part`: classifiers out of the folders that `save` wrote."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclassify.core.kinds import OTHER_KINDS, class_of
from textclassify.core.labels import LabelSchema
from textclassify.core.storage import FromFolder, as_folder, read_manifest, written_by
from textclassify.errors import StorageError

if TYPE_CHECKING:
    from textclassify.core.contract import TextClassifier

_READ_FROM_FILES = ("labels", "template", "prompt_template")
"""Parameters that are never saved as a path."""


def load(folder: str | Path) -> TextClassifier:
    """Return any classifier that was saved, of the class that it was; `textclassify.load` opens score fusions, too.

    Raises:
        StorageError: no saved classifier, damaged, or of another version.

    """
    return read_part(as_folder(folder), verify=True)


def read_part(folder: Path, *, verify: bool = False) -> TextClassifier:
    """Return the classifier in a folder; parts of a folder that was verified need no second look."""
    kind, state = read_manifest(folder, verify=verify)
    if kind in OTHER_KINDS:
        raise StorageError(
            f"{str(folder)!r} holds a {kind}, which takes scores, not texts; open it by textclassify.load"
        )
    try:
        classifier = class_of(kind)(**_marked(state["parameters"]))
        classifier.schema_ = LabelSchema.from_dict(state["schema"])
        classifier.training_facts_ = state.get("training")  # folders of before have none
        classifier._read(folder, state["learned"])  # noqa: SLF001 - the other half of write_into
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StorageError(
            f"{str(folder)!r} does not describe a {kind} ({error}); it was {written_by(folder)}: use the one that "
            "wrote it, or save the model again"
        ) from error
    return classifier


def _marked(parameters: dict[str, Any]) -> dict[str, Any]:
    """Return stored parameters with every address marked: a key must not follow it as if the user had typed it.

    Labels and prompts that are a path are refused: a stranger's folder may not name files of this machine.
    """
    return {name: _marked_value(name, value) for name, value in parameters.items()}


def _marked_value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _marked(value)
    if name in _READ_FROM_FILES and isinstance(value, str):
        raise TypeError(f"its {name} are {value!r:.60}, and no file is read for them")
    return FromFolder(value) if isinstance(value, str) and name.endswith("base_url") else value
