"""Features of the texts in a file, computed by a model or brought in a tensor, into a store."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any, Literal

from textclassify.apps.failures import InterruptedRunError
from textclassify.apps.predicting import check_output
from textclassify.core import dataset
from textclassify.core.files import FORMATS, HUB, read_hub, read_table
from textclassify.core.texts import listed
from textclassify.errors import ConfigError, DataError
from textclassify.ml.encoder import SPREAD, FrozenEncoder
from textclassify.ml.stored_features import import_features
from textclassify.ml.tensor_files import check_ending, read_tensor, write_tensor
from textclassify.models.feature_store import read_spec
from textclassify.models.features.folder import SPEC_FILE

SPLITS = {"train": ("train", "training"), "valid": ("valid", "validation", "val", "dev"), "test": ("test",)}
"""Parts of a data set, and the names that their files have."""


@dataclass(frozen=True)
class Extracted:
    """What a command about features did: where they lie, how many there are, and how long it took.

    Attributes:
        source: the file of the texts.
        rows: its rows.
        texts: how many of them are different.
        kept_before: of the different ones, those whose features were there already.
        shape: of one text's features.
        dtype: of the store.
        store: its folder.
        seconds: for what was computed, without the loading of the model.
        out: the tensor that was written, if one was.

    """

    source: str
    rows: int
    texts: int
    kept_before: int
    shape: tuple[int, ...]
    dtype: str
    store: Path
    seconds: float
    out: Path | None = None

    @property
    def texts_per_second(self) -> float | None:
        """Speed of what was computed; None where everything was there."""
        new = self.texts - self.kept_before
        return new / self.seconds if new and self.seconds > 0 else None

    def to_dict(self) -> dict[str, Any]:
        """Return it as plain JSON values."""
        plain = {**vars(self), "shape": list(self.shape), "store": str(self.store)}
        plain["out"] = None if self.out is None else str(self.out)
        return {**plain, "texts_per_second": self.texts_per_second}

    def lines(self) -> list[str]:
        """Return it in sentences, with what to type next."""
        shape = " x ".join(map(str, self.shape))
        new, speed = self.texts - self.kept_before, self.texts_per_second
        at_speed = "" if speed is None else f", {speed:,.1f} texts/s"
        said = [
            f"{self.rows:,} rows, {self.texts:,} different texts, features of {shape} ({self.dtype}) each",
            f"{self.kept_before:,} were there already, {new:,} are new: {self.seconds:,.1f} s{at_speed}",
            f"store: {self.store}",
        ]
        if self.out is not None:
            written = ", ".join(f"{size:,}" for size in (self.rows, *self.shape))
            said.append(f"tensor ({written}): {self.out}")
        return [*said, f"next: textclassify train DATA --ml-model {shlex.quote(f'embedding:features:{self.store}')}"]


def layers_in(given: str) -> int | tuple[int, ...] | Literal["spread"]:
    """Return how many layers are meant by "5", or which by "-1,-7"; "spread" stays as it is.

    Raises:
        ConfigError: it is neither.

    """
    if given == SPREAD:
        return SPREAD
    try:
        numbers = [int(number) for number in given.split(",")]
    except ValueError:
        raise ConfigError(
            f"--layers is {given!r}; give a number, such as 5, layers, such as -1,-7, or {SPREAD}"
        ) from None
    return numbers[0] if len(numbers) == 1 and numbers[0] > 0 else tuple(numbers)


def texts_in(source: str, *, split: str | None = None, text_column: str | None = None) -> tuple[list[str], str]:
    """Return the texts of a file, of a split of a hub's data set, or of one part of a folder; and the file's name.

    Raises:
        ConfigError: no such part, or a part of something that has none.
        DataError: the file cannot be read, or holds no texts.

    """
    source = str(_part(source, split))
    try:
        frame = read_hub(source) if source.startswith(HUB) else read_table(source, text_column=text_column)
        texts = dataset.texts_of(frame, text_column=text_column)
    except DataError as error:
        raise type(error)(str(error) if source in str(error) else f"{source}: {error}") from error
    if not texts:
        raise DataError(f"{source} holds no texts; it needs at least one row")
    return texts, source


def extract(
    source: str,
    encoder: FrozenEncoder,
    *,
    split: str | None = None,
    text_column: str | None = None,
    out: Path | None = None,
    overwrite: bool = False,
    say: Callable[[str], None],
) -> Extracted:
    """Compute the features that the encoder's store lacks, and write them all as a tensor where one is wanted.

    Args:
        source: a file of texts, `hf:name/split`, or a folder of which `split` names a part.
        encoder: reads the texts, and keeps what it finds.
        split: "train", "valid" or "test".
        text_column: None = recognised.
        out: a `.pt`, `.npy` or `.safetensors` file for the features in the order of the rows.
        overwrite: whether that file may be replaced.
        say: called with a sentence as soon as it is known.

    Raises:
        DataError: the texts cannot be read.
        ModelError: the model cannot be had.
        StorageError: the store is another model's, or something cannot be written.
        InterruptedRunError: Ctrl-C; the message says what was kept.

    """
    encoder = _kept_as_there(encoder)
    encoder.check_model()
    texts, source = texts_in(source, split=split, text_column=text_column)
    if out is not None:
        check_ending(out)
        check_output(out, source, overwrite=overwrite)
    with encoder.opened_store() as store:
        folder, spec = store.folder, store.spec
        n_missing = len(store.missing(texts))
    n_texts = len(set(texts))
    say(f"{source}: {len(texts):,} rows, {n_texts:,} different texts; {n_texts - n_missing:,} are in {folder} already")
    started = perf_counter()
    try:
        rows = encoder.rows(texts)
        seconds = perf_counter() - started
        if out is not None:
            write_tensor(out, rows)
    except KeyboardInterrupt:
        raise InterruptedRunError(f"what was computed is kept in {str(folder)!r}; type the same to go on") from None
    return Extracted(source, len(texts), n_texts, n_texts - n_missing, spec.shape, spec.dtype, folder, seconds, out)


def bring_in(
    file: Path,
    source: str,
    store: Path,
    *,
    name: str | None = None,
    key: str | None = None,
    split: str | None = None,
    text_column: str | None = None,
) -> Extracted:
    """Put the rows of a tensor into a store, under the texts that they belong to.

    Args:
        file: a `.pt`, `.npy` or `.safetensors` file with one row per text, in their order.
        source: a file of texts, `hf:name/split`, or a folder of which `split` names a part.
        store: a folder; features of the same name and shape in it are added to.
        name: what made the features; None = the store's, or that of its folder.
        key: the tensor's name, where the file holds several.
        split: "train", "valid" or "test".
        text_column: None = recognised.

    Raises:
        DataError: the texts or the tensor cannot be used, or do not belong together.
        StorageError: the store holds other features, is damaged, or cannot be written.

    """
    tensor = read_tensor(file, key=key)
    texts, source = texts_in(source, split=split, text_column=text_column)
    started = perf_counter()
    found = import_features(tensor, texts, store, name=name)
    seconds = perf_counter() - started
    n_texts, spec = len(set(texts)), found.spec
    return Extracted(source, len(texts), n_texts, n_texts - found.added, spec.shape, spec.dtype, store, seconds)


def _kept_as_there(encoder: FrozenEncoder) -> FrozenEncoder:
    """Return the encoder with the number format of the store that it adds to."""
    folder = None if isinstance(encoder.store, bool | None) else Path(encoder.store).expanduser()
    if folder is None or not (folder / SPEC_FILE).exists():
        return encoder
    return replace(encoder, store_dtype=read_spec(folder).dtype)


def _part(source: str, split: str | None) -> str | Path:
    """Return the file of a part of a folder; anything else as it is."""
    folder = Path(source).expanduser()
    if source.startswith(HUB) or not folder.is_dir():
        if split is not None:
            whole = "a data set of the hub (write hf:name/split)" if source.startswith(HUB) else "no folder"
            raise ConfigError(f"--split picks a file in a folder, and {source!r} is {whole}; leave --split out")
        return source
    parts = {name: _files_of(folder, name) for name in SPLITS}
    there = [name for name, files in parts.items() if files]
    if split is None:
        remedy = f"name a part of it: --split {' or '.join(there)}" if there else "name a file in it"
        raise ConfigError(f"{source!r} is a folder; {remedy}")
    if split not in SPLITS:
        raise ConfigError(f"unknown split {split!r}; known: {', '.join(SPLITS)}")
    if not parts[split]:
        raise DataError(
            f"{source!r} has no part {split!r}, which is a file named {' or '.join(SPLITS[split])} and, for example, "
            f".parquet; {'it has ' + ', '.join(there) if there else 'name a file in it'}"
        )
    if len(parts[split]) > 1:
        names = listed(sorted(path.name for path in parts[split]))
        raise DataError(f"{source!r} has several files for {split!r}: {names}; name the one that is meant")
    return parts[split][0]


def _files_of(folder: Path, split: str) -> list[Path]:
    """Return the files of a folder that are named as a split."""
    named = []
    for path in folder.iterdir():
        plain = Path(path.name.lower().removesuffix(".gz"))
        if plain.stem in SPLITS[split] and plain.suffix in FORMATS and path.is_file():
            named.append(path)
    return named
