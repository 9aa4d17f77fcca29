"""A saved model's knowledge in a smaller model that asks no language model, written to a folder."""

from __future__ import annotations

from pathlib import Path

from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.configured import configured_limits
from textclassify.apps.estimating import texts_in
from textclassify.apps.models import is_model, load_model
from textclassify.apps.reviewing import labelled_by
from textclassify.core.contract import TextClassifier
from textclassify.core.kinds import class_of
from textclassify.ensemble.distillation import distil
from textclassify.ensemble.distilling.distillation_report import DistillationReport
from textclassify.errors import ConfigError, StorageError

STUDENTS = ("linear", "encoder")


def distil_file(
    model: Path,
    file: str,
    out: Path,
    *,
    gold: str | None = None,
    student: str | None = None,
    text_column: str | None = None,
    lines: bool = False,
    seed: int = 0,
    overwrite: bool = False,
) -> DistillationReport:
    """Teach a student by a model's answers to the texts of a file, and save it.

    Args:
        model: folder of the teacher.
        file: unlabelled texts.
        out: folder of the student.
        gold: labelled texts; None = there are none.
        student: "linear" or "encoder"; None = the teacher's encoder where it has one, else linear.
        text_column: None = as in training, else recognised.
        lines: every line is a text by itself.
        seed: of everything random.
        overwrite: whether an earlier student in the folder is replaced.

    Raises:
        ConfigError: the student is not known.
        DataError: the texts or gold rows cannot be used.
        StorageError: the model cannot be read, or the folder not be written.
        BudgetError: the money is spent that the model's configuration, or a limit around the call, allows.

    """
    check_student_folder(out, model, overwrite=overwrite)
    teacher = load_model(model)
    pupil = student_named(student, teacher)
    trained = getattr(getattr(teacher, "config_", None), "text_column", None)
    texts = texts_in(file, text_column=text_column or trained, lines=lines)
    rows = None if gold is None else labelled_by(teacher, gold, text_column=text_column, label_columns=None)
    asks = asks_remotely(teacher)
    with resumable(asks, "run the same command again to go on"), configured_limits(teacher):
        taught = distil(teacher, texts, student=pupil, gold=rows, random_state=seed)
    taught.classifier.save(out)
    return taught.report


def student_named(name: str | None, teacher: TextClassifier) -> TextClassifier | None:
    """Return the student of a name; None = the default one.

    Raises:
        ConfigError: the name is unknown.

    """
    if name is None:
        return None
    if name not in STUDENTS:
        raise ConfigError(f"unknown student {name!r}; known: {', '.join(STUDENTS)}")
    if name == "linear":
        return class_of("linear")()
    from textclassify.ensemble.distillation import default_student

    found = default_student(teacher)
    return class_of("transformer")() if found.kind == "linear" else found


def check_student_folder(out: Path, model: Path | None, *, overwrite: bool, flag: str = "--out") -> None:
    """Refuse, before anything is computed, a folder that the student could not be written into.

    Args:
        out: the folder.
        model: that of the teacher; None = it has none.
        overwrite: whether an earlier student is replaced.
        flag: where the folder was named.

    Raises:
        StorageError: it is a file, a model or inside one, or holds something else.

    """
    if out.exists() and not out.is_dir():
        raise StorageError(f"{str(out)!r} is a file; name a folder with {flag}")
    if model is not None and out.exists() and out.resolve() == model.resolve():
        raise StorageError(f"{str(out)!r} is the teacher itself; name another folder with {flag}")
    if any(is_model(folder) for folder in out.resolve().parents):
        raise StorageError(f"{str(out)!r} is inside a model, which stays as it was saved; name another {flag}")
    if out.is_dir() and any(out.iterdir()) and not is_model(out):
        raise StorageError(f"folder {str(out)!r} holds other files; name a new or empty folder with {flag}")
    if is_model(out) and not overwrite:
        raise StorageError(f"folder {str(out)!r} holds a model; pass --overwrite, or name another {flag}")
