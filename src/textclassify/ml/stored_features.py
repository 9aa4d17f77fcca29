"""`StoredFeatures`: features that were extracted or imported before, by text; and how a tensor becomes such a store."""

from __future__ import annotations

import logging
import os
import secrets
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.core.texts import as_texts
from textclassify.errors import ConfigError, DataError, StorageError
from textclassify.ml.tensor_files import TensorFile
from textclassify.models.feature_store import FeatureRows, FeatureSpec, FeatureStore, read_spec
from textclassify.models.features.folder import SPEC_FILE

logger = logging.getLogger(__name__)

IMPORTED = "imported"
"""The pooling of features of which nothing is known but their numbers."""
_MOST_COMPARED = 256
_FEWEST_TO_REFUSE = 5
_ALIKE = 0.1
"""Length of the difference of two vectors of one text, as a share of their length: rounding and batches stay below."""
_OPTION_OF = {"float32": "fp32", "bfloat16": "bf16", "float16": "fp16"}


@dataclass(frozen=True)
class StoredFeatures:
    """Features in a store's folder, used like a `FrozenEncoder`; it knows the texts that were put there, and no others.

    Args:
        folder: a store: `textclassify features extract` or `import`, `FrozenEncoder(store=...)` or `import_features`
            made it.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with FeatureStore(folder, FeatureSpec("1f", None, "mean", 256, "float32", shape=(2,))) as store:
    ...     store.add(["good", "bad"], [[1, 0], [0, 1]])
    >>> StoredFeatures(folder).encode(["bad", "good"])
    array([[0., 1.],
           [1., 0.]], dtype=float32)

    """

    folder: str | os.PathLike[str]

    def __post_init__(self) -> None:
        if not isinstance(self.folder, str | os.PathLike):
            raise ConfigError(f"folder={self.folder!r} is no folder; name the one that features were put into")

    @property
    def spec(self) -> FeatureSpec:
        """What the features were computed with.

        Raises:
            StorageError: there is no store, or a damaged one.

        """
        return read_spec(self._path)

    @property
    def name(self) -> str:
        """What to call the features: by the model, or as they were called when they were imported."""
        return self.spec.name or self.spec.model

    @property
    def identity(self) -> str:
        """What the features depend on, as text; that of the `FrozenEncoder` that filled the store."""
        return self.spec.identity

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one text's features: (d,), or (layers, d)."""
        return self.spec.shape

    @property
    def is_causal(self) -> bool:
        """Whether there are several layers of each text, as of a causal language model."""
        return len(self.shape) == 2

    @property
    def _path(self) -> Path:
        return Path(self.folder).expanduser()

    def check_model(self) -> None:
        """Make sure that there is a store.

        Raises:
            StorageError: there is none, or a damaged one.

        """
        read_spec(self._path)

    def encode(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the features of n texts in their order: (n, d), or (n, layers, d).

        Raises:
            DataError: a text is not there; the message names it and the command to put it there.
            StorageError: there is no store, or a damaged one.

        """
        return np.asarray(self.rows(texts), dtype=np.float32)

    def rows(self, texts: Sequence[str]) -> FeatureRows:
        """Return the features of n texts as rows to be read when they are needed."""
        texts = as_texts(texts)
        with FeatureStore(self._path, self.spec) as store:
            missing = store.missing(texts)
            if missing:
                raise DataError(
                    f"{len(missing):,} of {len(set(texts)):,} texts have no features in {str(self.folder)!r}, the "
                    f"first of them {missing[0][:60]!r}; put them there with: {self._command()}"
                )
            return store.rows(texts)

    def to_dict(self) -> dict[str, Any]:
        """Return what `from_dict` reads, as JSON."""
        return {"folder": str(self._path.absolute())}

    @classmethod
    def from_dict(cls, settings: Mapping[str, Any]) -> Self:
        """Return the features that `to_dict` described."""
        return cls(**settings)

    def _command(self) -> str:
        """Return the command that adds features of further texts."""
        spec, name = self.spec, self.name
        store = f"--store {shlex.quote(str(self.folder))}"
        if spec.pooling == IMPORTED:
            return f"textclassify features import FILE.pt DATA {store}"
        layers = "" if spec.layers is None else f" --layers={shlex.quote(_layers_in_words(spec.layers))}"
        precision = _OPTION_OF.get(spec.precision, "auto")
        return (  # all of a store may be a stranger's, and this is there to be pasted
            f"textclassify features extract DATA --model {shlex.quote(name)}{layers} "
            f"--pooling {shlex.quote(spec.pooling)} --max-length {shlex.quote(str(spec.max_length))} "
            f"--precision {precision} {store}"
        )


@dataclass(frozen=True)
class Imported:
    """What an import did: what the store's features are, and how many texts are new there."""

    spec: FeatureSpec
    added: int


def import_features(
    tensor: TensorFile, texts: Sequence[str], folder: str | os.PathLike[str], *, name: str | None = None
) -> Imported:
    """Put the rows of a tensor into a store, under the texts that they belong to, after all of them were checked.

    A text that is there already, or twice among the texts, keeps its first features; where others differ from them by
    more than rounding, that is said, and where most do, the tensor is taken for another data set's.

    Args:
        tensor: (n, d) or (n, layers, d).
        texts: n texts, in the order of the rows.
        folder: a new or empty folder, or the store of an earlier import of the same name and shape.
        name: what made the features; None = the store's, or that of the folder.

    Raises:
        DataError: tensor and texts do not belong together, or a number is not finite; the message names the row.
        StorageError: the folder holds other features, is damaged, or cannot be written.

    """
    if len(tensor) != len(texts) or not texts:
        raise DataError(
            f"{str(tensor.path)!r} has {len(tensor):,} rows for {len(texts):,} texts; each text needs its own row, in "
            "the same order: name the file of texts that the tensor was made from"
        )
    spec = _spec_for(tensor, Path(folder).expanduser(), name)
    tensor.check_finite()
    with FeatureStore(Path(folder).expanduser(), spec) as store:
        before = len(store)
        _check_repeated(tensor, texts, store)
        for piece in tensor.pieces():
            store.add([texts[row] for row in piece], tensor[piece])
            report("keeping features", int(piece[-1]) + 1, len(tensor))
        return Imported(spec, len(store) - before)


def _spec_for(tensor: TensorFile, folder: Path, name: str | None) -> FeatureSpec:
    """Return what the folder's features are, after the tensor's were found to be the same, or what they will be."""
    shape = tensor.shape[1:]
    if not (folder / SPEC_FILE).exists():
        # Two stores of one name are not the same features: nothing else tells them apart.
        return FeatureSpec(
            model=secrets.token_hex(8),
            layers=None,
            pooling=IMPORTED,
            max_length=0,
            precision=IMPORTED,
            shape=shape,
            dtype="float16" if tensor.dtype == "float16" else "float32",
            name=name or folder.absolute().name,
        )
    there = read_spec(folder)
    if there.pooling != IMPORTED:
        raise StorageError(
            f"{str(folder)!r} keeps features that {there.name} computed; name another folder for imported ones"
        )
    if (name or there.name, shape) != (there.name, there.shape):
        raise StorageError(
            f"{str(folder)!r} keeps features {there.name!r} of shape {there.shape}, and these are "
            f"{name or there.name!r} of shape {shape}; name another folder for them"
        )
    return there


def _layers_in_words(layers: tuple[int, ...]) -> str:
    are_last = layers == tuple(range(-1, -len(layers) - 1, -1))
    return str(len(layers)) if are_last else ",".join(map(str, layers))


def _check_repeated(tensor: TensorFile, texts: Sequence[str], store: FeatureStore) -> None:
    """Compare rows whose text has features already with these: rows in another order show there."""
    first: dict[str, int] = {}
    pairs = [(row, first.setdefault(text, row)) for row, text in enumerate(texts)]
    repeated = np.array([pair for pair in pairs if pair[0] != pair[1]], dtype=np.intp).reshape(-1, 2)
    new = set(store.missing(texts))
    kept = np.array([row for text, row in first.items() if text not in new], dtype=np.intp)
    compared = [_some(repeated[:, 0]), _some(kept)]
    differ = np.concatenate(
        [
            _differ(tensor, compared[0], tensor, _some(repeated[:, 1])),
            _differ(tensor, compared[1], store.rows([texts[row] for row in compared[1]]), np.arange(len(compared[1]))),
        ]
    )
    if not differ.any():
        return
    row = np.concatenate(compared)[differ][0]
    found = (
        f"{differ.sum()} of {len(differ)} rows whose text has features already hold others, such as row {row} of "
        f"{str(tensor.path)!r} ({texts[row][:40]!r})"
    )
    if len(differ) >= _FEWEST_TO_REFUSE and differ.mean() > 0.5:
        raise DataError(f"{found}; the tensor belongs to other texts, or to these in another order, or to another name")
    logger.warning("%s; the first ones are kept", found)


def _some(rows: NDArray[np.intp]) -> NDArray[np.intp]:
    """Return at most so many rows, evenly spread, as are compared."""
    return rows[np.linspace(0, len(rows) - 1, min(len(rows), _MOST_COMPARED)).astype(np.intp)]


def _differ(tensor: TensorFile, rows: NDArray[np.intp], others: Any, of_others: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Return which rows differ from others by more than rounding."""
    if not len(rows):
        return np.zeros(0, dtype=bool)
    these, those = tensor[rows].reshape(len(rows), -1), others[of_others].reshape(len(rows), -1)
    distances, lengths = np.linalg.norm(these - those, axis=1), np.linalg.norm([these, those], axis=2)
    found: NDArray[np.bool_] = distances > _ALIKE * lengths.max(axis=0)
    return found
