"""Tensors from elsewhere: what is features is read by pieces, what is not is refused, and nothing in a file is run."""

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from textclassify.errors import ConfigError, DataError, StorageError

torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from textclassify.ml.tensor_files import read_tensor, write_tensor  # noqa: E402


def saved(value, path, **options):
    torch.save(value, path, **options)
    return path


def features(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("ending", [".pt", ".npy", ".safetensors"])
@pytest.mark.parametrize("shape", [(7, 5, 4), (3, 6), (0, 6)])
def test_what_is_written_is_read(tmp_path, ending, shape):
    """Whoever exports features finds them in torch, numpy and here."""
    rows = features(*shape)
    path = tmp_path / f"new/x{ending}"
    write_tensor(path, rows)

    found = read_tensor(path)

    assert found.shape == shape
    np.testing.assert_array_equal(found[np.arange(len(rows))], rows)
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_written_tensors_are_plain(tmp_path):
    """They open without this library."""
    rows = features(3, 2)
    for ending in (".pt", ".npy"):
        write_tensor(tmp_path / f"x{ending}", rows)

    torch.testing.assert_close(torch.load(tmp_path / "x.pt", weights_only=True), torch.from_numpy(rows))
    np.testing.assert_array_equal(np.load(tmp_path / "x.npy"), rows)


def test_rows_in_any_order(tmp_path):
    rows = features(9, 2)
    found = read_tensor(saved(torch.from_numpy(rows), tmp_path / "x.pt"))

    np.testing.assert_array_equal(found[np.array([8, 0, 8])], rows[[8, 0, 8]])
    assert [number for piece in found.pieces() for number in piece] == list(range(9))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float64"])
def test_every_kind_of_floating_point_number_is_read(tmp_path, dtype):
    exact = torch.tensor([[1.5, -2.0]])
    found = read_tensor(saved(exact.to(getattr(torch, dtype)), tmp_path / "x.pt"))

    assert found.dtype == dtype
    assert found[[0]].dtype == np.float32
    assert found[[0]].tolist() == exact.tolist()


def test_one_tensor_per_text_is_stacked(tmp_path):
    """As a loop over texts appends them."""
    rows = torch.from_numpy(features(4, 5, 3))
    found = read_tensor(saved(list(rows), tmp_path / "x.pt"))

    assert found.shape == (4, 5, 3)
    np.testing.assert_array_equal(found[np.array([2, 1])], rows.numpy()[[2, 1]])


def test_files_of_older_torch_and_parameters_are_read(tmp_path):
    """Neither has to be saved again."""
    tensor = torch.nn.Parameter(torch.ones(2, 3))
    path = saved(tensor, tmp_path / "x.pt", _use_new_zipfile_serialization=False)

    assert read_tensor(path)[[1]].tolist() == [[1.0] * 3]


def test_the_one_tensor_of_a_dictionary_needs_no_key(tmp_path):
    assert read_tensor(saved({"x": torch.ones(2, 3)}, tmp_path / "x.pt")).shape == (2, 3)


@pytest.mark.parametrize("ending", [".pt", ".safetensors"])
def test_one_of_several_tensors_is_chosen_by_its_key(tmp_path, ending):
    path = tmp_path / f"x{ending}"
    tensors = {"train": torch.ones(2, 3), "test": torch.zeros(4, 3)}
    (save_file if ending == ".safetensors" else saved)(tensors, path)

    assert read_tensor(path, key="test").shape == (4, 3)
    with pytest.raises(DataError, match=r"2 tensors: '.*', '.*'; choose one: key='t"):
        read_tensor(path)
    with pytest.raises(DataError, match="no tensor 'valid'; it holds '"):
        read_tensor(path, key="valid")


class Hostile:
    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return Path.touch, (self.target,)


@pytest.mark.parametrize("as_zip", [True, False])
def test_a_file_that_would_run_something_is_refused_unrun(tmp_path, as_zip):
    """Whoever downloads features downloads no program."""
    target = tmp_path / "was_run"
    path = saved(
        {"x": torch.ones(2, 3), "y": Hostile(target)}, tmp_path / "x.pt", _use_new_zipfile_serialization=as_zip
    )
    (tmp_path / "y.pt").write_bytes(pickle.dumps(Hostile(target)))
    np.save(tmp_path / "z.npy", np.array([Hostile(target)], dtype=object))

    for hostile in (path, tmp_path / "y.pt"):
        with pytest.raises(DataError, match=r"something else than tensors.*nothing in it was run") as told:
            read_tensor(hostile)
        assert "weights_only" not in str(told.value)  # torch's advice is to have the file run
    with pytest.raises(DataError, match="no array of numbers"):
        read_tensor(tmp_path / "z.npy")
    assert not target.exists()


@pytest.mark.parametrize("ending", [".pt", ".npy", ".safetensors"])
def test_a_file_cut_short_is_named(tmp_path, ending):
    """A copy that broke off is no reason for a traceback."""
    path = tmp_path / f"x{ending}"
    write_tensor(path, features(100, 50))
    for size in (0, 10, 9000):
        os.truncate(path, size)
        with pytest.raises(DataError, match="damaged"):
            read_tensor(path)
        write_tensor(path, features(100, 50))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (torch.ones(3), r"the shape \(3,\); features have \(texts, width\)"),
        (torch.ones(2, 2, 2, 2), r"the shape \(2, 2, 2, 2\)"),
        (torch.ones(2, 0), r"the shape \(2, 0\)"),
        (torch.ones(2, 3, dtype=torch.int64), "holds torch.int64; features are floating-point"),
        ([torch.ones(2), torch.ones(3)], r"differ in shape: \(2,\), \(3,\)"),
        ([torch.ones(2), torch.ones(2).half()], "holds torch.float16, torch.float32"),
        ([torch.ones(2), "x"], "holds a str, not a dense tensor"),
        (torch.ones(2, 2).to_sparse(), "holds a Tensor, not a dense tensor"),
        (torch.ones(2, 2, device="meta"), "holds a Tensor, not a dense tensor"),
        ([], "holds an empty list"),
        ({}, "holds no tensor"),
        ("text", "holds a str"),
    ],
)
def test_what_is_no_table_of_features_is_refused(tmp_path, value, message):
    with pytest.raises(DataError, match=message):
        read_tensor(saved(value, tmp_path / "x.pt"))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_number_that_is_none_is_named_by_its_row(tmp_path, value):
    rows = features(6, 2, 3)
    rows[4, 1, 2] = value

    with pytest.raises(DataError, match=r"row 4 of '.*x.pt' holds NaN or infinity"):
        read_tensor(saved(torch.from_numpy(rows), tmp_path / "x.pt")).check_finite()


def test_a_missing_file_and_a_strange_name_are_named(tmp_path):
    with pytest.raises(DataError, match="no file at"):
        read_tensor(tmp_path / "x.pt")
    with pytest.raises(ConfigError, match=r"let it end in \.pt, \.npy, \.safetensors"):
        read_tensor(tmp_path / "x.pickle")


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(StorageError, match=r"cannot write to .*name a file that you may write to"):
        write_tensor(tmp_path / "file" / "x.pt", features(2, 2))


@pytest.mark.skipif(sys.platform == "win32", reason="has no limit to the size of files")
@pytest.mark.parametrize("ending", [".pt", ".npy"])
def test_a_full_disk_is_an_error_and_leaves_nothing(tmp_path, ending):
    """The file that was there before stays as it was."""
    import resource

    write_tensor(tmp_path / f"x{ending}", features(2, 2))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, before[1]))
    try:
        with pytest.raises(StorageError, match=r"File too large; name a file .* with room for 1 MiB"):
            write_tensor(tmp_path / f"x{ending}", features(1000, 128))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)

    assert [one.name for one in tmp_path.iterdir()] == [f"x{ending}"]
    assert read_tensor(tmp_path / f"x{ending}").shape == (2, 2)
