"""Frames and rows of every common kind as one pandas DataFrame with unique column names and a default index."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pandas as pd
import pyarrow as pa

from textclassify.core.texts import listed, plain_list
from textclassify.errors import DataError


def is_table(value: Any) -> bool:
    """Return whether a value has named columns: a frame, a mapping of columns, or a list of mappings."""
    if isinstance(value, Mapping):
        return True
    if isinstance(value, list):
        return bool(value) and isinstance(value[0], Mapping)
    return any(hasattr(type(value), name) for name in ("columns", "column_names"))


def to_frame(table: Any) -> pd.DataFrame:
    """Return a DataFrame of the same rows in the same order; the table itself is left as it is.

    Takes pandas, polars and Arrow tables, Hugging Face data sets, mappings of columns, and rows as mappings. The class
    names of a Hugging Face data set are in `attrs["class_names"]`, by column.

    Raises:
        DataError: it is none of these, or two columns share a name.

    """
    if isinstance(table, pd.DataFrame):
        frame = table.reset_index(drop=True)
    elif hasattr(table, "with_format") and getattr(table, "features", None) is not None and hasattr(table, "__len__"):
        frame = from_arrow(table.with_format("arrow")[:])
        frame.attrs["class_names"] = _class_names(table.features)
    elif isinstance(table, Mapping):
        frame = from_columns(table)
    else:
        frame = _from_frame_or_rows(table)
    return checked(frame)


def _from_frame_or_rows(table: Any) -> pd.DataFrame:
    if hasattr(table, "collect") and hasattr(table, "lazy"):  # a lazy polars frame
        table = table.collect()
    if hasattr(table, "to_arrow"):  # polars
        table = table.to_arrow()
    if isinstance(table, pa.Table | pa.RecordBatch):
        return from_arrow(table)
    if isinstance(table, Iterable):
        return from_rows(list(table), "the rows")
    raise DataError(f"cannot read a table from {type(table).__name__}; pass a DataFrame or a mapping of columns")


def from_arrow(table: Any) -> pd.DataFrame:
    """Return the columns of an Arrow table; a pandas index stored with it is a column like others."""
    refuse_repeated(table.column_names, "the Arrow table")
    frame: pd.DataFrame = table.to_pandas(ignore_metadata=True, integer_object_nulls=True)
    return frame


def from_rows(rows: list[Any], name: str) -> pd.DataFrame:
    """Return a frame of rows that are mappings; `name` is what messages call them."""
    for number, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise DataError(f'{name}: row {number} is {row!r:.40}, not an object; write {{"text": ..., "label": ...}}')
    return pd.DataFrame([dict(row) for row in rows])


def from_columns(columns: Mapping[Any, Any]) -> pd.DataFrame:
    """Return a frame of columns of equal length."""
    if any(hasattr(cells, "column_names") for cells in columns.values()):
        raise DataError(f"several data sets ({listed(columns)}); pass one of them, e.g. data[{next(iter(columns))!r}]")
    for name, cells in columns.items():
        if isinstance(cells, str) or not isinstance(cells, Iterable):
            raise DataError(
                f"column {name!r} is {cells!r:.40} ({type(cells).__name__}); pass a list with one value per row"
            )
    lists = {str(name): plain_list(cells) for name, cells in columns.items()}
    lengths = {name: len(cells) for name, cells in lists.items()}
    if len(set(lengths.values())) > 1:
        raise DataError(f"columns differ in length: {listed(f'{name!r} has {n}' for name, n in lengths.items())}")
    return pd.DataFrame({name: pd.Series(cells, dtype=object) for name, cells in lists.items()})


def _class_names(features: Mapping[str, Any]) -> dict[str, list[str]]:
    return {name: list(feature.names) for name, feature in features.items() if hasattr(feature, "int2str")}


def checked(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the frame with string column names, after none was found twice."""
    frame.columns = pd.Index([str(name) for name in frame.columns], dtype=object)
    refuse_repeated(list(frame.columns), "the table")
    return frame


def refuse_repeated(names: Sequence[str], where: str) -> None:
    """Raise a DataError where two columns share a name."""
    twice = [name for name in dict.fromkeys(names) if names.count(name) > 1]
    if twice:
        raise DataError(f"{where} has {names.count(twice[0])} columns named {twice[0]!r}; rename all but one")
