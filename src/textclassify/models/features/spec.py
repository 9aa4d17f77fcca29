"""What features were computed with: all that one store's features have in common."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from textclassify.errors import ConfigError

StoreDtype = Literal["float16", "float32"]

Values = NDArray[np.float16] | NDArray[np.float32]


@dataclasses.dataclass(frozen=True, slots=True)
class FeatureSpec:
    """Everything but the text that features depend on, and the form in which they are kept.

    Args:
        model: identity of the weights, the same wherever they lie.
        layers: which layers, as indices into the model's hidden states; None = what the pooling alone says.
        pooling: how a text's tokens become one vector.
        max_length: tokens at which texts are cut.
        precision: number format of the computation.
        shape: of one text's features, such as (384,) or (5, 576).
        dtype: number format on disk; float16 keeps 11 bits of each number up to 65,504.
        name: what to call the model; specs that differ in nothing else are equal.

    Raises:
        ConfigError: a shape without numbers, or an unknown `dtype`.

    Example:
        >>> FeatureSpec("minilm", None, "mean", 256, "bf16", shape=(384,)).bytes_per_text
        768

    """

    model: str
    layers: tuple[int, ...] | None
    pooling: str
    max_length: int
    precision: str
    shape: tuple[int, ...]
    dtype: StoreDtype = "float16"
    name: str = dataclasses.field(default="", compare=False)

    def __post_init__(self) -> None:
        if not self.shape or min(self.shape) < 1:
            raise ConfigError(f"shape={self.shape} holds no features; give the shape of one text's, such as (384,)")
        if self.dtype not in get_args(StoreDtype):
            raise ConfigError(f"unknown dtype={self.dtype!r} of a feature store; known: float16, float32")

    @property
    def digest(self) -> str:
        """32 hexadecimal digits that differ where anything else does: a name for the store's folder."""
        told_apart = {name: value for name, value in self.to_dict().items() if name in _compared()}
        canonical = json.dumps(told_apart, sort_keys=True, separators=(",", ":"))
        return hashlib.blake2b(canonical.encode("ascii"), digest_size=16).hexdigest()

    @property
    def identity(self) -> str:
        """What the features depend on besides the text, in words; the form in which they are kept is no part of it."""
        return f"{self.model} layers={self.layers} {self.pooling} max_length={self.max_length} {self.precision}"

    @property
    def bytes_per_text(self) -> int:
        """What one text's features take on disk."""
        return math.prod(self.shape) * self.stored_as.itemsize

    @property
    def stored_as(self) -> np.dtype[Any]:
        """The number format on disk, the same on every machine."""
        return np.dtype(self.dtype).newbyteorder("<")

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as JSON has them."""
        return json.loads(json.dumps(dataclasses.asdict(self)))  # type: ignore[no-any-return]

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> FeatureSpec:
        """Return what `to_dict` was called on.

        Raises:
            TypeError: a field is missing, unknown or of another type.

        """
        layers = fields.get("layers")
        return cls(**{**fields, "layers": None if layers is None else tuple(layers), "shape": tuple(fields["shape"])})

    def differences(self, other: FeatureSpec) -> list[str]:
        """Return in words where another one differs, nothing if it is equal."""
        pairs = [(name, getattr(self, name), getattr(other, name)) for name in _compared()]
        return [f"{name} {mine!r} there, {theirs!r} here" for name, mine, theirs in pairs if mine != theirs]


def _compared() -> list[str]:
    return [field.name for field in dataclasses.fields(FeatureSpec) if field.compare]
