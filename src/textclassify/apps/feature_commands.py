"""The commands about features of frozen models: computed once and kept, or brought from elsewhere."""

# ruff: noqa: FBT002, PLR0917 - flags are arguments with defaults, passed by name

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from textclassify.apps.options import Json, TextColumn

if TYPE_CHECKING:
    from textclassify.apps.extracting import Extracted

features_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    help="Have a frozen model read texts once, and keep what it says of them; or bring such features in.",
)

Texts = Annotated[
    str,
    typer.Argument(
        help="Texts: CSV, JSON Lines, Parquet, hf:name/split, or a folder with train, valid and test files."
    ),
]
Split = Annotated[str | None, typer.Option("--split", help="Which part of a folder: train, valid or test.")]


@features_app.command("extract")
def extract(
    ctx: typer.Context,
    data: Texts,
    model: Annotated[
        str,
        typer.Option(
            "--model",
            "-m",
            help="Encoder or causal language model: minilm, smollm2 (both need no network), a folder or a name.",
        ),
    ],
    layers: Annotated[
        str | None,
        typer.Option(
            "--layers",
            help="How many of the last layers to read, such as 5, or which, such as -1,-7, or spread: 5 over the whole "
            "depth; else the last one of an encoder, and spread for a causal model.",
        ),
    ] = None,
    pooling: Annotated[
        str, typer.Option("--pooling", help="One vector from many tokens: mean, cls, pooler or last.")
    ] = "mean",
    max_length: Annotated[
        int | None, typer.Option("--max-length", min=1, help="Tokens that are read of a text; else 256.")
    ] = None,
    split: Split = None,
    text_column: TextColumn = None,
    store: Annotated[
        Path | None, typer.Option("--store", help="Folder that keeps the features; else one in the cache folder.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Also write a tensor in the order of the rows, texts x layers x width or texts x width: .pt, .npy or "
            ".safetensors.",
        ),
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace an existing file.")] = False,
    precision: Annotated[
        str, typer.Option("--precision", help="auto (bf16 where it is fast), bf16, fp16 or fp32.")
    ] = "auto",
    device: Annotated[str, typer.Option("--device", help="auto (a GPU where there is one), cpu or cuda.")] = "auto",
    store_dtype: Annotated[
        str,
        typer.Option(
            "--store-dtype", help="Numbers of a new store: float16, or float32 where a model's go beyond 65,504."
        ),
    ] = "float16",
    as_json: Json = False,
) -> None:
    """Have a model read every text once, and keep the features.

    Only texts are computed whose features are not there: a run that was stopped goes on when it is typed again, and the
    next part of the data adds to the same store. Labels play no part; rows that hold the same text are read once.
    `textclassify train DATA --ml-model embedding:features:FOLDER` learns from a store.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj) as say:
        from textclassify.apps import extracting
        from textclassify.ml.encoder import FrozenEncoder
        from textclassify.models.hidden_states import Pooling

        encoder = FrozenEncoder(
            model,
            layers=None if layers is None else extracting.layers_in(layers),
            pooling=cast("Pooling", pooling),
            max_length=max_length,
            precision=precision,
            device=device,
            store=True if store is None else store,
            store_dtype=cast("Any", store_dtype),
        )
        done = extracting.extract(
            data, encoder, split=split, text_column=text_column, out=out, overwrite=overwrite, say=say
        )
    _show(done, as_json=as_json)


@features_app.command("import")
def import_tensor(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(help="Tensor with one row per text: .pt, .npy or .safetensors.")],
    data: Texts,
    store: Annotated[Path, typer.Option("--store", help="Folder that is to keep the features; it may have some.")],
    name: Annotated[
        str | None, typer.Option("--name", help="What made the features; else the store's, or that of its folder.")
    ] = None,
    key: Annotated[str | None, typer.Option("--key", help="Name of the tensor, where the file holds several.")] = None,
    split: Split = None,
    text_column: TextColumn = None,
    as_json: Json = False,
) -> None:
    """Put features that were made elsewhere into a store, under the texts of DATA.

    The tensor has the shape texts x layers x width or texts x width, and its rows are in the order of the texts. A .pt
    file is read for its tensors only: nothing in it is run. Import train, valid and test one after the other into one
    store. `textclassify train DATA --ml-model embedding:features:FOLDER` learns from it.
    """
    from textclassify.apps.terminal import session

    with session(debug=ctx.obj):
        from textclassify.apps import extracting

        done = extracting.bring_in(file, data, store, name=name, key=key, split=split, text_column=text_column)
    _show(done, as_json=as_json)


def _show(done: Extracted, *, as_json: bool) -> None:
    if as_json:
        _print_json(done.to_dict())
        return
    for line in done.lines():
        typer.echo(line)


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=1, ensure_ascii=False))
