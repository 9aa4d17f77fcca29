"""`LabellingRun`: what `textclassify label` does, in its order: check, choose, label, measure, teach."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from textclassify.apps.asked_models import asks_remotely, resumable
from textclassify.apps.distilling import check_student_folder, student_named
from textclassify.apps.estimating import RunEstimate, estimate_prediction, texts_in
from textclassify.apps.failures import as_typed
from textclassify.apps.labelling import Labelling, label_stream, rac_classifier
from textclassify.apps.labelling_gold import Gold, at_operating_point, gold_rows, measured
from textclassify.apps.predicting import check_output, format_for, output_stream
from textclassify.apps.terminal import Say
from textclassify.errors import ConfigError
from textclassify.rac.verification import USES_YES_NO

if TYPE_CHECKING:
    from textclassify.rac.rac_classifier import RACClassifier

_AGAIN = "run the same command again to go on"


@dataclass(frozen=True, kw_only=True, eq=False)
class LabellingRun:
    """One run over a file.

    Args:
        file: the texts; "-" is standard input.
        labels: the label file.
        asking: `provider`, `model`, `base_url`, `top_k` and `decision`; None = not given.
        leaving: `min_probability`, `margin`, `other` and `back_off`; None = not given.
        examples: labelled texts that are added to the label cards.
        multi_label: None = as the label file says.
        gold: a column of the file, or a file, to measure by.
        targets: `min_precision` and `max_calls`; None = not given.
        out: file to write; None = standard output.
        file_format: None = by the name of `out`.
        escape_formulas: as for `writer_for`.
        overwrite: whether `out` and an earlier student are replaced.
        student_folder: where a student goes that is taught by the labels; None = none is.
        student: "linear" or "encoder"; None = linear.
        text_column: None = recognised.
        lines: every line is a text by itself.
        seed: of everything random.
        say: says a sentence on standard error.

    """

    file: str
    labels: Path
    asking: Mapping[str, Any]
    leaving: Mapping[str, Any]
    examples: Path | None = None
    multi_label: bool | None = None
    gold: str | None = None
    targets: Mapping[str, float | None]
    out: Path | None = None
    file_format: str | None = None
    escape_formulas: bool = False
    overwrite: bool = False
    student_folder: Path | None = None
    student: str | None = None
    text_column: str | None = None
    lines: bool = False
    seed: int = 0
    say: Say

    @cached_property
    def classifier(self) -> RACClassifier:
        """What labels.

        Raises:
            ConfigError: its options do not fit together.
            LabelError: the label file cannot be used.

        """
        return rac_classifier(
            self.labels,
            examples=self.examples,
            multi_label=self.multi_label,
            random_state=self.seed,
            **self.asking,
            **self.leaving,
        )

    def estimate(self) -> RunEstimate:
        """Return what labelling the file would ask at most, and its cost; nothing is asked."""
        texts = texts_in(self.file, text_column=self.text_column, lines=self.lines)
        found = estimate_prediction(self.classifier, texts)
        if not found.asked:
            return found
        note = (
            f"rows are questions here, about {len(texts):,} texts and, a few, about what the model says to wrong labels"
        )
        return replace(found, notes=(note, *found.notes))

    def label(self) -> dict[str, Any]:
        """Label the file, say what came of it, and return the figures as plain JSON values.

        Raises:
            ConfigError: options do not fit together.
            DataError: rows cannot be read or used.
            StorageError: a file or folder cannot be written.
            BudgetError: the money is spent that a limit around the call allows.
            AuthenticationError: the provider's key is missing.

        """
        file_format = self._check()
        self.classifier.check_model()
        asks = asks_remotely(self.classifier)
        with resumable(asks, _AGAIN):
            gold = self._gold()
            point = None if gold is None or gold.choosing is None else self._chosen(gold)
        labelling = Labelling(self.classifier, keeps=self.student_folder is not None)
        with output_stream(self.out) as stream:
            label_stream(
                labelling,
                self.file,
                stream,
                file_format=file_format,
                text_column=self.text_column,
                lines=self.lines,
                escape_formulas=self.escape_formulas,
            )
        for sentence in labelling.summary():
            self.say(sentence)
        if self.out is not None:
            self.say(f"{labelling.n_rows:,} rows written to {self.out}")
        with resumable(asks, _AGAIN):
            found = self._measured(gold)
            taught = self._taught(labelling, gold)
        return {**labelling.to_dict(), "operating_point": point, "gold": found, "student": taught}

    def _check(self) -> str:
        """Return the format of the output, once nothing stands against the run that can be known before it."""
        chosen = format_for(self.out, self.file_format)
        if chosen == "parquet" and self.out is None and sys.stdout.isatty():
            raise ConfigError("Parquet is binary; name a file with --out")
        if self.out is not None:
            check_output(self.out, self.file, overwrite=self.overwrite)
        if self.student_folder is not None:
            check_student_folder(self.student_folder, None, overwrite=self.overwrite, flag="--then-train")
            student_named(self.student, self.classifier)
        elif self.student is not None:
            raise ConfigError(f"--student {self.student} needs --then-train, the folder that it goes into")
        if len(self.classifier.labels) == 1 and not self.classifier.labels.multi_label:
            self.say("note: the label file has one label, which every text gets; add others, or pass --multi-label")
        wanted = [name for name, value in self.targets.items() if value is not None]
        if wanted and self.gold is None:
            flag = f"--{wanted[0].replace('_', '-')}"
            raise ConfigError(f"{flag} is chosen by labelled rows; name a column or a file with --gold")
        if wanted == ["max_calls"] and not self.classifier.asks_llm:
            raise ConfigError("--max-calls is about questions, and nobody is asked; name a --provider, or leave it out")
        calls = self.targets.get("max_calls")
        if calls is not None and calls < 1 and self.classifier.asks_llm and self.classifier.decision in USES_YES_NO:
            raise ConfigError(
                f"--max-calls {calls:g} is less than one question per text; pass 1 or more, or no --provider"
            )
        return chosen

    def _gold(self) -> Gold | None:
        if self.gold is None:
            return None
        chooses = any(value is not None for value in self.targets.values())
        found = gold_rows(
            self.classifier,
            self.gold,
            self.file,
            text_column=self.text_column,
            chooses=chooses,
            random_state=self.seed,
        )
        if found.note:
            self.say(f"note: {found.note}")
        return found

    def _chosen(self, gold: Gold) -> str:
        point = str(at_operating_point(self.classifier, gold.choosing, **self.targets))  # type: ignore[arg-type]
        self.say(as_typed(point, "label"))
        return point

    def _measured(self, gold: Gold | None) -> dict[str, Any] | None:
        if gold is None or gold.measuring is None:
            return None
        found = measured(self.classifier, gold.measuring)
        for sentence in found.sentences():
            self.say(sentence)
        return found.to_dict()

    def _taught(self, labelling: Labelling, gold: Gold | None) -> dict[str, Any] | None:
        """Teach a student by the labels, save it, and say what it is worth beside its teacher."""
        if self.student_folder is None:
            return None
        from textclassify.ensemble.distillation import distil

        rows = None if gold is None else gold.measuring
        taught = distil(
            self.classifier,
            labelling.texts,
            student=student_named(self.student, self.classifier),
            gold=rows,
            answers=labelling.answers,
            weak_labels=True,
            random_state=self.seed,
        )
        taught.classifier.save(self.student_folder)
        self.say(
            f"{taught.report}\nthe student labels every text; its teacher {labelling.n_labelled / labelling.n_rows:.1%}"
        )
        return {"folder": str(self.student_folder), **taught.report.to_dict()}
