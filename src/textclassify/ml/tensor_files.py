"""Features in files of tensors (.pt, .npy, .safetensors): read and written by pieces, and nothing in them is run."""

from __future__ import annotations

import os
import tempfile
import warnings
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import Any, Protocol

import numpy as np
from numpy.lib.format import write_array_header_1_0
from numpy.typing import NDArray

from textclassify.core.progress import report
from textclassify.core.texts import listed
from textclassify.errors import ConfigError, DataError, StorageError
from textclassify.models.dependencies import needs_extra

with needs_extra("torch"):
    import torch
    from safetensors import SafetensorError, safe_open
    from safetensors.torch import save_file

ENDINGS = (".pt", ".npy", ".safetensors")
"""How the names of files end that are read and written here."""
_FLOATS = {torch.float16: "float16", torch.bfloat16: "bfloat16", torch.float32: "float32", torch.float64: "float64"}
_NUMBERS_PER_PIECE = 1 << 22
"""Numbers that are held in memory at a time: 16 MiB of float32."""
_NAME = "features"
"""The tensor's name in a `.safetensors` file that is written here."""


class Rows(Protocol):
    """Features of n texts, (n, d) or (n, layers, d), of which any rows can be had."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The number of rows and the shape of each."""
        ...

    def __len__(self) -> int:
        """Return the number of rows."""
        ...

    def __getitem__(self, indices: Any) -> NDArray[np.float32]:
        """Return the rows with these numbers."""
        ...


@dataclass(frozen=True, eq=False)
class TensorFile:
    """The tensor in a file, of which rows are read when they are asked for.

    Attributes:
        path: the file.
        shape: (n, d) or (n, layers, d).
        dtype: as the file has it: "float16", "bfloat16", "float32" or "float64".

    """

    path: Path
    shape: tuple[int, ...]
    dtype: str
    _tensors: Any

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, indices: Any) -> NDArray[np.float32]:
        wanted = np.atleast_1d(np.asarray(indices))
        if isinstance(self._tensors, torch.Tensor):
            rows = self._tensors[torch.from_numpy(wanted)]
        else:
            rows = torch.stack([self._tensors[number] for number in wanted])
        values: NDArray[np.float32] = rows.to(torch.float32).numpy()
        return values

    def pieces(self) -> list[NDArray[np.intp]]:
        """Return the numbers of all rows in pieces that fit into memory."""
        return pieces_of(self)

    def check_finite(self) -> None:
        """Make sure that every number is finite.

        Raises:
            DataError: one is not; the message names the row.

        """
        for piece in self.pieces():
            values = self[piece]
            broken = ~np.isfinite(values).all(axis=tuple(range(1, values.ndim)))
            if broken.any():
                raise DataError(
                    f"row {piece[broken][0]} of {str(self.path)!r} holds NaN or infinity (as float32); extract the "
                    "features of that text again, in fp32 or bf16 where they were made in fp16"
                )
            report("checking the tensor", int(piece[-1]) + 1, len(self))


def read_tensor(path: str | Path, *, key: str | None = None) -> TensorFile:
    """Return the tensor in a file; its numbers stay on disk until they are asked for.

    A `.pt` file is read for its tensors alone: whatever else it holds is refused, and never run. A list of tensors of
    equal shape, one per text, counts as one tensor.

    Args:
        path: a `.pt`, `.npy` or `.safetensors` file.
        key: the name of the tensor, where the file holds several.

    Raises:
        ConfigError: the name has another ending.
        DataError: no such file, a damaged one, or one that holds anything but one tensor (n, d) or (n, layers, d) of
            floating-point numbers.

    """
    path = Path(path).expanduser()
    check_ending(path)
    if not path.is_file():
        raise DataError(f"no file at {str(path)!r}; check the path")
    readers = {".pt": _read_pt, ".npy": _read_npy, ".safetensors": _read_safetensors}
    found = _chosen(readers[path.suffix.lower()](path, key), path, key)
    return _checked(found, path)


def write_tensor(path: str | Path, rows: Rows) -> None:
    """Write features as a float32 tensor in their order; the file has its name only when it is complete.

    Args:
        path: a `.pt`, `.npy` or `.safetensors` file (there the tensor is called "features").
        rows: features of n texts; they are never held in memory together.

    Raises:
        ConfigError: the name has another ending.
        StorageError: the file cannot be written.

    """
    path = Path(path).expanduser()
    check_ending(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{path.name}-", dir=path.parent) as folder:
            _write_within(Path(folder), path.suffix.lower(), rows).replace(path)
    except (OSError, SafetensorError, RuntimeError) as error:  # torch says RuntimeError where the disk is full
        reason = getattr(error, "strerror", None) or _first_line(error)
        raise StorageError(
            f"cannot write to {str(path)!r}: {reason}; name a file that you may write to, on a disk with room for "
            f"{2 * 4 * int(np.prod(rows.shape)) / 2**20:,.0f} MiB"
        ) from error


def check_ending(path: Path) -> None:
    """Raise a ConfigError where the name of a file does not end as those of tensors do."""
    if path.suffix.lower() not in ENDINGS:
        raise ConfigError(f"cannot tell the format of {str(path)!r}; let it end in {', '.join(ENDINGS)}")


def pieces_of(rows: Rows) -> list[NDArray[np.intp]]:
    """Return the numbers of all rows in pieces that fit into memory."""
    width = max(1, int(np.prod(rows.shape[1:])))
    n_pieces = -(-len(rows) * width // _NUMBERS_PER_PIECE)
    return [piece for piece in np.array_split(np.arange(len(rows)), max(1, n_pieces)) if len(piece)]


def _write_within(folder: Path, ending: str, rows: Rows) -> Path:
    """Return a file in a temporary folder that holds the tensor."""
    array = folder / "features.npy"
    with array.open("xb") as stream:  # not a memory map: where the disk is full, writing into one ends the process
        write_array_header_1_0(stream, {"descr": "<f4", "fortran_order": False, "shape": rows.shape})
        for piece in pieces_of(rows):
            stream.write(np.ascontiguousarray(rows[piece], dtype="<f4").data)
            report("writing the tensor", int(piece[-1]) + 1, len(rows))
    if ending == ".npy":
        return array
    target, tensor = folder / f"features{ending}", torch.from_numpy(np.load(array, mmap_mode="c"))
    if ending == ".pt":
        torch.save(tensor, target)
    else:
        save_file({_NAME: tensor}, target)
    return target


def _read_pt(path: Path, key: str | None) -> Any:
    del key
    try:
        with warnings.catch_warnings(action="ignore"):  # of the form of a file that is refused anyway
            return torch.load(path, map_location="cpu", weights_only=True, mmap=zipfile.is_zipfile(path))
    except Exception as error:  # a damaged or hostile file breaks whatever it touches
        # What torch says there is how to have the file's code run.
        why = "pickled objects" if isinstance(error, UnpicklingError) else _first_line(error)
        raise DataError(
            f"{str(path)!r} holds something else than tensors, or is damaged ({why}); nothing in it was "
            "run: save the tensor alone, by torch.save(tensor, file), or as .npy or .safetensors"
        ) from error


def _read_npy(path: Path, key: str | None) -> Any:
    del key
    try:
        array = np.load(path, mmap_mode="c", allow_pickle=False)
        return torch.from_numpy(array)
    except (OSError, ValueError, TypeError, EOFError) as error:
        raise DataError(
            f"{str(path)!r} holds no array of numbers, or is damaged ({_first_line(error)}); save it again, by "
            "numpy.save(file, array.astype('float32'))"
        ) from error


def _read_safetensors(path: Path, key: str | None) -> Any:
    try:
        with safe_open(os.fspath(path), framework="pt") as opened:
            names = list(opened.keys())
            wanted = names if key is None else [name for name in names if name == key]
            return {name: opened.get_tensor(name) if name in wanted else None for name in names}
    except (OSError, SafetensorError) as error:
        raise DataError(f"{str(path)!r} is damaged ({_first_line(error)}); copy it again") from error


def _chosen(found: Any, path: Path, key: str | None) -> Any:
    """Return the one tensor, or list of tensors, that is meant."""
    if not isinstance(found, Mapping):
        if key is not None:
            raise DataError(f"{str(path)!r} holds one tensor without a name; leave key={key!r} out")
        return found
    if key is None and len(found) == 1:
        return next(iter(found.values()))
    by_name = {str(name): value for name, value in found.items()}
    if key in by_name:
        return by_name[key]
    known = listed((repr(name) for name in by_name), 12)
    if key is not None:
        raise DataError(f"{str(path)!r} holds no tensor {key!r}; it holds {known or 'nothing'}")
    if not by_name:
        raise DataError(f"{str(path)!r} holds no tensor; save one there, by torch.save(tensor, file)")
    raise DataError(f"{str(path)!r} holds {len(by_name)} tensors: {known}; choose one: key={next(iter(by_name))!r}")


def _checked(found: Any, path: Path) -> TensorFile:
    """Return a tensor, or a list of one per text, after its shape and its kind of numbers were looked at."""
    each = found if isinstance(found, Sequence) and not isinstance(found, str) else [found]
    strange = [
        one for one in each if not isinstance(one, torch.Tensor) or one.layout is not torch.strided or one.is_meta
    ]
    if strange or not len(each):
        what = f"a {type(strange[0]).__name__}" if strange else "an empty list"
        raise DataError(f"{str(path)!r} holds {what}, not a dense tensor; save one there, by torch.save(tensor, file)")
    shapes = {tuple(one.shape) for one in each}
    if len(shapes) > 1:
        raise DataError(
            f"the tensors in {str(path)!r} differ in shape: {listed(sorted(shapes))}; each text needs features of the "
            "same shape, such as the mean over its tokens"
        )
    dtypes = {one.dtype for one in each}
    wrong = dtypes - _FLOATS.keys()
    if wrong or len(dtypes) > 1:
        raise DataError(
            f"{str(path)!r} holds {listed(sorted(str(one) for one in dtypes))}; features are floating-point numbers of "
            f"one kind ({', '.join(_FLOATS.values())})"
        )
    tensors = [one.detach() for one in each] if each is found else found.detach()
    shape = (len(each), *shapes.pop()) if each is found else shapes.pop()
    if len(shape) not in (2, 3) or 0 in shape[1:]:
        raise DataError(
            f"the tensor in {str(path)!r} has the shape {shape}; features have (texts, width) or (texts, layers, width)"
        )
    return TensorFile(path, shape, _FLOATS[dtypes.pop()], tensors)


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".:;")
